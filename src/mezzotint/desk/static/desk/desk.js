// What moves on the desk's pages. Without it everything works, with more clicks.

const writing = (target) => /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName) && target.type !== "checkbox";

// Page Up and Page Down turn; Control and Enter save.
addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    const form = event.target.closest("form");
    const button = form && form.querySelector("button.main");
    if (button) { event.preventDefault(); form.requestSubmit(button); }
    return;
  }
  const way = { PageDown: "next", PageUp: "prev" }[event.key];
  const link = way && !writing(event.target) && document.querySelector(`a[rel="${way}"]`);
  if (link) { event.preventDefault(); location.assign(link.href); }
});

// A page that was open while somebody logged in anew sends what is good now.
addEventListener("submit", (event) => {
  const field = event.target.querySelector("input[name=csrfmiddlewaretoken]");
  const now = /(?:^|; )csrftoken=([^;]+)/.exec(document.cookie);
  if (field && now) field.value = now[1];
});

// Choosing many: all of a page, and from one to another with the shift key.
const chosen = document.querySelector("#chosen");
if (chosen) {
  const boxes = [...chosen.querySelectorAll("input[name=ident]")];
  let last = null;
  for (const box of boxes) {
    box.addEventListener("click", (event) => {
      if (event.shiftKey && last) {
        const [from, to] = [boxes.indexOf(last), boxes.indexOf(box)].sort((a, b) => a - b);
        for (const between of boxes.slice(from, to + 1)) between.checked = box.checked;
      }
      last = box;
    });
  }
  const all = chosen.querySelector("[data-choose]");
  if (all) {
    all.hidden = false;
    all.addEventListener("click", () => {
      const some = boxes.some((box) => !box.checked);
      for (const box of boxes) box.checked = some;
    });
  }
}

// A fieldset shows what its kind of work needs.
const what = document.querySelector("#what");
if (what) {
  const shown = { field: ["set", "replace"], by: ["replace"], value: ["set", "add", "take", "replace", "join"] };
  const show = () => {
    for (const [name, kinds] of Object.entries(shown)) {
      for (const part of document.querySelectorAll(`#${name}, label[for=${name}]`)) part.hidden = !kinds.includes(what.value);
    }
  };
  what.addEventListener("change", show);
  show();
}

// Order by dragging, and by arrow keys on a handle.
const order = document.querySelector("#order");
if (order) {
  const number = () => [...order.children].forEach((item, place) => { item.querySelector(".place").value = place + 1; });
  let dragged = null;
  order.addEventListener("dragstart", (event) => { dragged = event.target.closest("li"); event.dataTransfer.effectAllowed = "move"; });
  order.addEventListener("dragover", (event) => {
    const over = event.target.closest("li");
    if (!dragged || !over || over === dragged) return;
    event.preventDefault();
    const after = [...order.children].indexOf(over) > [...order.children].indexOf(dragged);
    over[after ? "after" : "before"](dragged);
  });
  order.addEventListener("drop", (event) => event.preventDefault());
  order.addEventListener("dragend", () => { dragged = null; number(); });
  for (const handle of order.querySelectorAll(".handle")) {
    handle.hidden = false;
    handle.addEventListener("keydown", (event) => {
      const item = handle.closest("li");
      const beside = { ArrowUp: item.previousElementSibling, ArrowDown: item.nextElementSibling }[event.key];
      if (!beside) return;
      event.preventDefault();
      beside[event.key === "ArrowUp" ? "before" : "after"](item);
      number();
      handle.focus();
    });
  }
}
