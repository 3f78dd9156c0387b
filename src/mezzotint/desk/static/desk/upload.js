// Files into a session, one by one, in pieces that go on where they broke off (tus 1.0.0).

const zone = document.querySelector("#drop");
const list = document.querySelector("#list"), bar = document.querySelector("#all"), count = document.querySelector("#count");
const pause = document.querySelector("#pause"), again = document.querySelector("#again");
const AT_ONCE = 3, PIECE = 8 * 1024 * 1024, PREVIEWS = 40 * 1024 * 1024;
const waiting = [], going = new Set();
let paused = false, total = 0, done = 0, bytes = 0, sent = 0, refused = 0, known = 0;

function library(address) {
  return new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = address;
    script.onload = () => resolve(window.tus);
    script.onerror = reject;
    document.head.append(script);
  });
}

async function inside(entry, found) {
  if (entry.isFile) {
    found.push(await new Promise((resolve, reject) => entry.file(resolve, reject)));
  } else {
    const reader = entry.createReader();
    for (;;) {
      const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
      if (!some.length) break;
      for (const one of some) await inside(one, found);
    }
  }
}

async function dropped(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry && item.webkitGetAsEntry()).filter(Boolean);
  if (!entries.length) return [...transfer.files];
  const found = [];
  for (const entry of entries) await inside(entry, found);
  return found;
}

const hidden = (file) => file.name.startsWith(".") || /^(thumbs\.db|desktop\.ini)$/i.test(file.name);

function tell() {
  bar.max = Math.max(1, bytes);
  bar.value = sent;
  const parts = [`${done} of ${total} files`];
  if (known) parts.push(`${known} here already`);
  if (refused) parts.push(`${refused} refused`);
  count.textContent = parts.join(", ");
  const over = done === total;
  again.hidden = !over || done === refused;
  pause.hidden = over;
}

function row(file) {
  const item = document.createElement("li"), name = document.createElement("span"), progress = document.createElement("progress");
  const said = document.createElement("span");
  name.textContent = file.name;
  name.className = "name";
  progress.max = file.size || 1;
  progress.value = 0;
  progress.setAttribute("aria-label", file.name);
  said.className = "said";
  if (/^image\/(jpeg|png|gif|webp|avif|svg)/.test(file.type) && file.size < PREVIEWS) {
    const image = document.createElement("img");
    image.alt = "";
    image.loading = "lazy";
    image.src = URL.createObjectURL(file);
    image.onload = image.onerror = () => URL.revokeObjectURL(image.src);
    item.append(image);
  }
  item.append(name, progress, said);
  list.append(item);
  return { item, progress, said };
}

function reason(error) {
  const answer = error.originalResponse;
  if (!answer) return "the connection is lost; choose the file again to go on";
  try {
    return JSON.parse(answer.getBody()).detail || error.message;
  } catch {
    return `the server answered ${answer.getStatus()}`;
  }
}

function ended(one, text, kind) {
  going.delete(one);
  done += 1;
  sent += one.file.size - one.sent;
  one.row.progress.hidden = true;
  one.row.said.textContent = text;
  one.row.item.className = kind;
  tell();
  onward();
}

function start(tus, one) {
  going.add(one);
  one.upload = new tus.Upload(one.file, {
    endpoint: zone.dataset.uploads,
    chunkSize: PIECE,
    retryDelays: [0, 1000, 3000, 5000, 10000, 20000],
    metadata: { filename: one.file.name, filetype: one.file.type },
    headers: { "X-CSRFToken": zone.dataset.token },
    removeFingerprintOnSuccess: true,
    onShouldRetry: (error) => {
      const status = error.originalResponse ? error.originalResponse.getStatus() : 0;
      return status === 0 || status === 409 || status === 429 || status >= 500;
    },
    onAfterResponse: (request, answer) => { one.known = answer.getHeader("X-Known") || one.known; one.ident = answer.getHeader("X-Ident") || one.ident; },
    onProgress: (now) => {
      sent += now - one.sent;
      one.sent = now;
      one.row.progress.value = now;
      tell();
    },
    onSuccess: () => {
      if (!one.ident) {  // whole, and in no session
        refused += 1;
        ended(one, "was sent, and not taken in; choose it again", "bad");
        return;
      }
      if (one.known === "true") known += 1;
      ended(one, one.known === "true" ? "is here already" : "came in", "good");
    },
    onError: (error) => {
      refused += 1;
      ended(one, reason(error), "bad");
    },
  });
  one.upload.findPreviousUploads().then((before) => {
    const here = before.filter((other) => (other.uploadUrl || "").includes(zone.dataset.uploads));
    if (here.length) one.upload.resumeFromPreviousUpload(here[0]);
    one.upload.start();
  });
}

let tus = null;
function onward() {
  while (!paused && going.size < AT_ONCE && waiting.length) start(tus, waiting.shift());
}

function take(files) {
  document.querySelector("#drop .all").hidden = false;
  for (const file of files.filter((file) => !hidden(file))) {
    total += 1;
    bytes += file.size;
    waiting.push({ file, sent: 0, known: "", ident: "", row: row(file) });
  }
  tell();
  onward();
}

async function begin() {
  tus = await library(zone.dataset.library);
  if (!tus || !tus.isSupported) return;
  const chooser = document.querySelector("#files");
  zone.querySelector(".plain").hidden = true;
  chooser.addEventListener("change", () => { take([...chooser.files]); chooser.value = ""; });
  zone.addEventListener("dragover", (event) => { event.preventDefault(); zone.classList.add("over"); });
  zone.addEventListener("dragleave", () => zone.classList.remove("over"));
  zone.addEventListener("drop", async (event) => {
    event.preventDefault();
    zone.classList.remove("over");
    take(await dropped(event.dataTransfer));
  });
  pause.addEventListener("click", () => {
    paused = !paused;
    pause.textContent = paused ? "Go on" : "Pause";
    for (const one of going) if (paused) one.upload.abort(); else one.upload.start();
    onward();
  });
  addEventListener("beforeunload", (event) => { if (going.size) event.preventDefault(); });
  zone.dataset.ready = "yes";
}

begin().catch(() => {});
