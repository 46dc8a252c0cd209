// Keeps a live page up to date: asks the server whether there is anything new, and shows it where nobody is disturbed.
"use strict";

(() => {
  const PAUSE = 3_000;
  const PATIENCE = 10_000;
  const NAMED = "a, button, input, textarea, select, details, summary, .scroll, .source, aside, [tabindex]";
  const root = document.documentElement;
  let newest = Date.parse(document.getElementById("newest").dateTime); // by the server's clock
  let ahead = 0; // the server's clock, of ours
  let asking = false;
  let next;

  async function poll() {
    clearTimeout(next);
    if (asking || document.hidden) return;
    asking = true;
    try {
      say(await look());
    } finally {
      asking = false;
      next = setTimeout(poll, PAUSE);
    }
  }

  // What is in the way of showing what is new, in words; nothing where all is well.
  async function look() {
    const answer = await ask(`${reqcov.up}data/now.json`);
    if (answer.status === 401 || answer.status === 403) return "you are signed out: load this page again";
    if (!answer.ok) return "the server can’t be reached";
    const { stamp, last_seen, now } = JSON.parse(answer.text);
    ahead = Date.parse(now) - Date.now();
    if (last_seen) newest = Date.parse(last_seen);
    tell();
    if (stamp !== root.dataset.stamp && !busy()) await renew();
    return "";
  }

  async function ask(address) {
    try {
      const answer = await fetch(address, { cache: "no-cache", signal: AbortSignal.timeout(PATIENCE) });
      return { ok: answer.ok, status: answer.status, text: await answer.text() };
    } catch {
      return { ok: false };
    }
  }

  // Whether somebody is at something that ends when the page changes.
  function busy() {
    const selected = getSelection();
    return (
      (selected.type === "Range" && !selected.isCollapsed) ||
      document.querySelector("dialog[open], :popover-open") !== null ||
      (CSS.supports("selector(select:open)") && document.querySelector("select:open") !== null)
    );
  }

  async function renew() {
    const answer = await ask(location.pathname);
    if (answer.status >= 400) location.reload(); // the server is there and the page is not: it says why
    if (!answer.ok || busy()) return;
    const fresh = new DOMParser().parseFromString(answer.text, "text/html");
    const kept = keep();
    // Scripts fill the page a moment later; what is scrolled to must not go meanwhile.
    document.body.style.minHeight = `${root.scrollHeight}px`;
    document.title = fresh.title;
    root.dataset.stamp = fresh.documentElement.dataset.stamp;
    for (const id of ["main", "seen"]) document.getElementById(id).replaceWith(document.importNode(fresh.getElementById(id), true));
    tell();
    reqcov.taken = {};
    await Promise.all(reqcov.starts.map((start) => start()));
    restore(kept);
    document.body.style.minHeight = "";
  }

  // What people have opened, typed and come to. Elements are found again by what they are called, and the how manieth
  // of that name they are: rows come and go.
  function keep() {
    const names = naming();
    const all = (selector) => [...document.querySelectorAll(`main ${selector}`)];
    const fields = all("input:not([type=hidden]), textarea, select");
    return {
      details: all("details").map((each) => [names.get(each), each.open]),
      typed: fields.filter(changed).map((each) => [names.get(each), each.value, each.checked]),
      scrolled: all(".scroll, .source, aside").map((each) => [names.get(each), each.scrollLeft, each.scrollTop]),
      focus: names.get(document.activeElement),
      chosen: document.activeElement.selectionStart,
      at: [scrollX, scrollY],
    };
  }

  function restore({ details, typed, scrolled, focus, chosen, at }) {
    const found = new Map([...naming()].map(([element, name]) => [name, element]));
    for (const [name, open] of details) if (found.has(name)) found.get(name).open = open;
    for (const [name, value, checked] of typed) if (found.has(name)) Object.assign(found.get(name), { value, checked });
    for (const [name, left, top] of scrolled) found.get(name)?.scrollTo(left, top);
    const focused = found.get(focus);
    focused?.focus({ preventScroll: true });
    if (chosen != null && focused?.value) focused.setSelectionRange(chosen, chosen);
    scrollTo(...at);
  }

  function naming() {
    const counts = new Map();
    const names = new Map();
    for (const each of document.querySelectorAll(`main :is(${NAMED})`)) {
      const named = each.id || `${each.tagName} ${each.name || each.getAttribute("href") || called(each)}`;
      counts.set(named, (counts.get(named) || 0) + 1);
      names.set(each, `${named} ${counts.get(named)}`);
    }
    return names;
  }

  // What is written on it; counts change.
  function called(element) {
    const title = element.matches("details") ? element.firstElementChild : element.matches("summary, button") && element;
    if (!title) return element.getAttribute("aria-label") || element.className;
    return (title.querySelector("bdi") || title).textContent.replace(/[\d,.]+/g, "");
  }

  function changed(field) {
    if (field.matches("select")) return true;
    return field.value !== field.defaultValue || field.checked !== field.defaultChecked;
  }

  function tell() {
    document.getElementById("age").textContent = `, ${reqcov.ago((Date.now() + ahead - newest) / 1000)} ago`;
  }

  function say(trouble) {
    const place = document.getElementById("trouble");
    const told = trouble && ` · ${trouble}`;
    if (place.textContent !== told) place.textContent = told;
  }

  document.addEventListener("visibilitychange", poll);
  setInterval(() => document.hidden || tell(), 1_000);
  tell();
  poll();
})();
