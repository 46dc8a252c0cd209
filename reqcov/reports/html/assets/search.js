// Finds files, functions and routes by their names, while somebody types.
"use strict";

(() => {
  const MANY = 50;
  const box = document.getElementById("search");
  let groups = null; // what there is to be found, once it is loaded

  // Whatever has a name, in the order in which equally good ones are shown.
  function things({ files, functions, routes }) {
    const route = ([name, page, requests]) => ({
      name, page, told: `${reqcov.count(requests)} ${requests === 1 ? "request" : "requests"}`,
    });
    const file = ([path, page, statements, ran]) => ({ name: path, page, ...share(ran, statements) });
    const inFile = ([number, name, first, last, statements, ran]) => ({
      name, page: `${files[number][1]}#L${first}`, place: files[number][0],
      lines: first === last ? `${first}` : `${first}-${last}`, ...share(ran, statements),
    });
    return [
      ["Routes", routes.map(route)],
      ["Files", files.map(file)],
      ["Functions", functions.map(inFile)],
    ].map(([title, all]) => ({ title, all, lower: all.map((thing) => thing.name.toLowerCase()) }));
  }

  function share(ran, statements) {
    return {
      told: statements ? `${reqcov.count(ran)} of ${reqcov.count(statements)} ran` : "no statements",
      never: statements > 0 && ran === 0,
    };
  }

  // 0 for the whole name, 1 for how it begins, 2 for how a word in it begins, 3 for anything in it, 4 for none of it.
  function rank(name, text) {
    let at = name.indexOf(text);
    if (at < 0) return 4;
    if (at === 0) return name.length === text.length ? 0 : 1;
    for (; at >= 0; at = name.indexOf(text, at + 1)) if (!/[\p{L}\p{N}]/u.test(name[at - 1])) return 2;
    return 3;
  }

  // The same for a query, of which every word counts: `cart total` finds `Cart.total`.
  function rankOf(name, whole, words) {
    const asWhole = rank(name, whole);
    if (words.length < 2 || asWhole < 2) return asWhole;
    let worst = 0;
    for (const word of words) worst = Math.max(worst, rank(name, word));
    return Math.min(asWhole, worst);
  }

  // The places of what a query finds in a group, the best ones first.
  function find(group, query) {
    const whole = query.trim().toLowerCase();
    const words = whole.split(/\s+/);
    const ranked = [[], [], [], []];
    group.lower.forEach((name, place) => ranked[rankOf(name, whole, words)]?.push(place));
    return ranked.flat();
  }

  function show() {
    const query = box.value.trim();
    const found = document.getElementById("found");
    const said = document.getElementById("said");
    if (!query) {
      const has = groups.map(({ title, all }) => `${reqcov.count(all.length)} ${title.toLowerCase()}`);
      said.textContent = `Type a part of a name, in the box above. There are ${has.join(", ")}.`;
      found.replaceChildren();
      return;
    }
    const results = groups.map((group) => ({ ...group, places: find(group, query) })).filter(({ places }) => places.length);
    const count = results.reduce((sum, { places }) => sum + places.length, 0);
    said.textContent = count
      ? `${reqcov.count(count)} found.`
      : `Nothing is called “${query}”. Try a shorter part of the name of a file, a function or a route.`;
    found.replaceChildren(...results.map(section));
  }

  function section({ title, all, places }) {
    const list = reqcov.element("ol", {}, ...places.slice(0, MANY).map((place) => item(all[place])));
    const heading = reqcov.element("h2", {}, `${title} `, reqcov.element("span", { class: "quiet" }, reqcov.count(places.length)));
    const made = reqcov.element("section", {}, heading, list);
    if (places.length > MANY) {
      const more = `and ${reqcov.count(places.length - MANY)} more: type more of the name`;
      made.append(reqcov.element("p", { class: "note" }, more));
    }
    return made;
  }

  function item({ name, page, place, lines, told, never }) {
    const link = reqcov.element("a", { href: reqcov.up + page }, reqcov.element("bdi", {}, name));
    const about = reqcov.element("span", { class: "note" });
    if (place) about.append(reqcov.element("bdi", {}, place), ` ${lines} · `);
    about.append(never ? reqcov.element("span", { class: "never" }, "never ran") : told);
    return reqcov.element("li", {}, link, about);
  }

  function remember() {
    const state = reqcov.state();
    state.set("q", box.value);
    if (!box.value) state.delete("q");
    reqcov.show(state);
  }

  // Arrows lead from the box through what was found, and back.
  function move(event) {
    const links = [...document.querySelectorAll("#found a")];
    const at = links.indexOf(document.activeElement); // -1 in the box
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step || event.ctrlKey || event.altKey || event.metaKey) return;
    if (at < 0 && (document.activeElement !== box || step < 0)) return;
    event.preventDefault();
    const to = at + step < 0 ? box : links[Math.min(at + step, links.length - 1)];
    to?.focus();
  }

  box.addEventListener("input", () => {
    remember();
    if (groups) show();
  });
  box.form.addEventListener("submit", (event) => {
    event.preventDefault();
    document.querySelector("#found a")?.click();
  });
  document.addEventListener("keydown", move);

  box.value = reqcov.state().get("q") || "";
  box.focus();
  reqcov.begin(async () => {
    groups = things(await reqcov.load("code", "data/code.js"));
    show();
  });
})();
