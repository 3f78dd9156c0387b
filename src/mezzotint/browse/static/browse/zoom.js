// Deep zoom on a page with a picture: without this the picture stands there as it is.
// What it needs is said in data attributes of .zoom: the address of info.json, and of the library.

const stage = document.querySelector(".zoom");

function library(address) {
  return new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = address;
    script.onload = () => resolve(window.OpenSeadragon);
    script.onerror = reject;
    document.head.append(script);
  });
}

// #xywh=left,top,width,height in pixels of the picture, as in IIIF's and the W3C's media fragments.
function asked() {
  const found = /xywh=(?:pixel:)?([\d.]+),([\d.]+),([\d.]+),([\d.]+)/.exec(location.hash);
  return found ? found.slice(1).map(Number) : null;
}

function remembering(viewer) {
  viewer.addHandler("animation-finish", () => {
    const image = viewer.world.getItemAt(0);
    if (!image) return;
    const home = viewer.viewport.getZoom(true) <= viewer.viewport.getHomeZoom() * 1.01;
    const seen = image.viewportToImageRectangle(viewer.viewport.getBounds(true));
    const size = image.getContentSize();
    const left = Math.max(0, Math.round(seen.x)), top = Math.max(0, Math.round(seen.y));
    const width = Math.min(size.x - left, Math.round(seen.width)), height = Math.min(size.y - top, Math.round(seen.height));
    const hash = home || width < 1 || height < 1 ? "" : `#xywh=${left},${top},${width},${height}`;
    history.replaceState(null, "", location.pathname + location.search + hash);
  });
}

function showing(viewer, OpenSeadragon) {
  const region = asked(), image = viewer.world.getItemAt(0);
  if (region && image) {
    viewer.viewport.fitBounds(image.imageToViewportRectangle(new OpenSeadragon.Rect(...region)), true);
  }
}

// The library looks for its own style element and makes one where there is none, which a policy without inline styles
// refuses; what would be in it stands in page.css.
function withoutStyle() {
  const there = document.createElementNS("none", "style");
  there.setAttribute("data-openseadragon-mobile-css", "");
  document.head.append(there);
}

async function start() {
  withoutStyle();
  const OpenSeadragon = await library(stage.dataset.library);
  const answer = await fetch(stage.dataset.info);
  if (!answer.ok) return;
  // Tiles come from where the page did, whatever name the server has for others.
  const source = await answer.json();
  source.id = new URL(stage.dataset.info.replace(/\/info\.json$/, ""), location.href).href;
  stage.classList.add("alive");
  const canvas = document.createElement("div");
  canvas.className = "canvas";
  stage.append(canvas);
  const viewer = new OpenSeadragon.Viewer({
    element: canvas,
    tileSources: source,
    showNavigationControl: false,
    drawer: ["canvas"],
    animationTime: matchMedia("(prefers-reduced-motion: reduce)").matches ? 0 : 0.6,
    gestureSettingsMouse: { clickToZoom: false, dblClickToZoom: true },
    visibilityRatio: 0.5,
    maxZoomPixelRatio: 2,
    imageLoaderLimit: 6,
    crossOriginPolicy: false,
  });
  window.mezzotintViewer = viewer;
  viewer.addHandler("open", () => {
    showing(viewer, OpenSeadragon);
    const image = viewer.world.getItemAt(0);
    const sharp = () => { if (image.getFullyLoaded()) stage.classList.add("sharp"); };
    image.addHandler("fully-loaded-change", sharp);
    sharp();
  });
  viewer.addHandler("tile-loaded", () => stage.classList.add("drawn"));
  viewer.addHandler("zoom", () => stage.classList.add("moved"));
  viewer.addHandler("pan", () => stage.classList.add("moved"));
  viewer.addHandler("open-failed", () => { canvas.remove(); stage.classList.remove("alive"); });
  remembering(viewer);
  addEventListener("hashchange", () => showing(viewer, OpenSeadragon));

  const inside = viewer.canvas;
  inside.setAttribute("role", "application");
  inside.setAttribute("aria-label", stage.dataset.label);
  inside.setAttribute("aria-roledescription", stage.dataset.role);
  const does = {
    in: () => viewer.viewport.zoomBy(1.6).applyConstraints(),
    out: () => viewer.viewport.zoomBy(1 / 1.6).applyConstraints(),
    all: () => viewer.viewport.goHome(),
    full: () => (document.fullscreenElement ? document.exitFullscreen() : stage.requestFullscreen()),
  };
  for (const button of stage.querySelectorAll("button[data-do]")) {
    button.addEventListener("click", does[button.dataset.do]);
    button.hidden = button.dataset.do === "full" && !document.fullscreenEnabled;
  }
  // By what a key means, on whatever keyboard; arrows are the library's, for as long as they are held.
  const keys = { "+": does.in, "=": does.in, "-": does.out, 0: does.all, f: does.full };
  canvas.addEventListener("keydown", (event) => {
    const meant = keys[event.key];
    if (!meant || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    meant();
  }, true);
}

function turning() {
  addEventListener("keydown", (event) => {
    const way = { PageDown: "next", PageUp: "prev" }[event.key];
    const link = way && document.querySelector(`a[rel~="${way}"]`);
    if (link && !/^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName)) {
      event.preventDefault();
      location.assign(link.href);
    }
  });
}

function copying() {
  for (const button of document.querySelectorAll("button[data-copy]")) {
    if (!navigator.clipboard) continue;
    button.hidden = false;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(button.dataset.copy);
      button.textContent = button.dataset.done;
    });
  }
}

copying();
turning();
if (stage && stage.dataset.library) start().catch(() => stage.classList.remove("alive"));
