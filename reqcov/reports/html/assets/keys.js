// Keys: whoever has one says so by `reqcov.key`, and `?` lists them.
"use strict";

(() => {
  const SHOWN = { ArrowUp: "↑", ArrowDown: "↓", PageUp: "Page up", PageDown: "Page down", Escape: "Esc" };
  const listed = [];
  const runs = new Map();

  // `run` is called when one of `keys`, as KeyboardEvent.key has them, is pressed; it answers false where it does not
  // apply just now, and the browser does what it always does.
  reqcov.key = (keys, told, run) => {
    listed.push([keys, told]);
    for (const key of keys) runs.set(key, run);
  };

  const isText = (element) =>
    element.matches("textarea, select, [contenteditable], input:not([type=checkbox], [type=radio])");

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing || event.defaultPrevented) return;
    if (isText(event.target) || document.querySelector("dialog[open]") || !runs.has(event.key)) return;
    if (runs.get(event.key)(event) !== false) event.preventDefault();
  });

  function list() {
    const close = reqcov.element("button", { type: "button" }, "Close");
    const rows = listed.map(([keys, told]) => {
      const shown = keys.flatMap((key) => [reqcov.element("kbd", {}, SHOWN[key] || key), " "]);
      return reqcov.element("tr", {}, reqcov.element("th", { scope: "row" }, ...shown), reqcov.element("td", {}, told));
    });
    const dialog = reqcov.element(
      "dialog",
      { id: "keys", "aria-labelledby": "keys-title" },
      reqcov.element("h2", { id: "keys-title" }, "Keys"),
      reqcov.element("table", {}, reqcov.element("tbody", {}, ...rows)),
      close,
    );
    close.addEventListener("click", () => dialog.close());
    dialog.addEventListener("close", () => dialog.remove());
    document.body.append(dialog);
    dialog.showModal();
  }

  reqcov.key(["/"], "Search", () => document.getElementById("search").focus());
  reqcov.key(["?"], "List the keys", list);

  // The footer may be another one by then.
  document.addEventListener("click", (event) => {
    if (event.target.closest("#show-keys")) list();
  });
})();
