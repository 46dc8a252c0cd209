// Which requests are looked at: routes, labels, builds and classes of status, as the address of the page has them.
"use strict";

(() => {
  // By their name in the address: what data/requests.js calls them, and people. In the order of a group's numbers.
  const KINDS = {
    route: { many: "routes", title: "Routes" },
    label: { many: "labels", title: "Labels" },
    build: { many: "builds", title: "Builds" },
    status: { many: "statuses", title: "Statuses" },
  };
  const REQUESTS = 4;
  const FEW = 8; // can be looked through without a filter
  const kinds = Object.keys(KINDS);
  const opened = {}; // by kind what is typed into the filter: a live page comes up again as it was left

  const keyOf = (label) => label.split("=", 1)[0];

  // The requests of the page that is shown; null where the store has moved on since, and a newer page is on its way.
  async function current() {
    const { stamp } = document.documentElement.dataset;
    let requests = await reqcov.load("requests", "data/requests.js");
    if (requests.stamp !== stamp) {
      delete reqcov.taken.requests;
      requests = await reqcov.load("requests", "data/requests.js");
    }
    return requests.stamp === stamp ? requests : null;
  }

  // The numbers of the routes, sets of labels, builds or statuses that fit one of `names`; of labels, one for each key.
  function fitting(requests, kind, names) {
    const wanted = new Set(names);
    const fits = kind === "label" ? (labels) => hasAll(labels, wanted) : (name) => wanted.has(name);
    return new Set(requests[KINDS[kind].many].flatMap((each, number) => (fits(each) ? [number] : [])));
  }

  function hasAll(labels, wanted) {
    const found = new Set(labels.filter((label) => wanted.has(label)).map(keyOf));
    return [...wanted].every((label) => found.has(keyOf(label)));
  }

  // For each group 1 where the address chooses it, 0 where not; `sides` are more choices that are to fit as well.
  function chosen(requests, parameters, ...sides) {
    const asked = kinds.map((kind) => [kind, parameters.getAll(kind)]).filter(([, names]) => names.length);
    const tests = [...asked, ...sides].map(([kind, names]) => [kinds.indexOf(kind), fitting(requests, kind, names)]);
    return Uint8Array.from(requests.groups, (group) => tests.every(([place, fits]) => fits.has(group[place])));
  }

  // Whether anything is chosen.
  const any = (parameters) => kinds.some((kind) => parameters.has(kind));

  // By the names of a kind, how many requests there are, the most frequent first.
  function counted(requests, kind) {
    const place = kinds.indexOf(kind);
    const counts = new Map(requests[KINDS[kind].many].flat().map((name) => [name, 0]));
    for (const group of requests.groups) {
      for (const name of new Set([requests[KINDS[kind].many][group[place]]].flat())) {
        counts.set(name, counts.get(name) + group[REQUESTS]);
      }
    }
    return new Map([...counts].sort(([, one], [, other]) => other - one));
  }

  // Choose a name, or no longer.
  function toggle(kind, name) {
    const parameters = reqcov.state();
    const names = parameters.getAll(kind);
    parameters.delete(kind);
    for (const each of names.includes(name) ? names.filter((other) => other !== name) : [...names, name]) {
      parameters.append(kind, each);
    }
    reqcov.show(parameters);
  }

  function clear() {
    const parameters = reqcov.state();
    kinds.forEach((kind) => parameters.delete(kind));
    reqcov.show(parameters);
  }

  // A list to choose from that is made when it is opened first: there may be thousands of names.
  function picker(requests, kind) {
    const { title } = KINDS[kind];
    const list = reqcov.element("div", { class: "list" });
    const summary = reqcov.element("summary", {}, title);
    const details = reqcov.element("details", { class: "pick", name: "pick", "data-kind": kind }, summary, list);
    details.addEventListener("toggle", () => {
      if (details.open && !list.hasChildNodes()) fill(list, requests, kind);
      if (details.open) opened[kind] = opened[kind] || "";
      else delete opened[kind];
    });
    details.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !details.open) return;
      details.open = false;
      summary.focus();
      event.preventDefault();
    });
    details.open = kind in opened;
    return details;
  }

  function fill(list, requests, kind) {
    const counts = counted(requests, kind);
    const names = reqcov.state().getAll(kind);
    const options = [...counts].map(([name, count]) => {
      const box = reqcov.element("input", { type: "checkbox", value: name });
      box.checked = names.includes(name);
      const shown = reqcov.element("bdi", {}, name);
      return reqcov.element("label", {}, box, shown, reqcov.element("span", {}, reqcov.count(count)));
    });
    list.addEventListener("change", (event) => {
      if (event.target.type === "checkbox") toggle(kind, event.target.value);
    });
    const box = reqcov.element("div", { class: "options", role: "group", "aria-label": KINDS[kind].title }, ...options);
    list.append(box);
    if (options.length > FEW) list.prepend(filter(kind, options));
    if (!options.length) list.append(reqcov.element("p", { class: "note" }, "There are none."));
  }

  function filter(kind, options) {
    const title = `Filter ${KINDS[kind].many}`;
    const input = reqcov.element("input", { type: "search", id: `filter-${kind}`, placeholder: title, "aria-label": title });
    const hide = () => {
      opened[kind] = input.value;
      const wanted = input.value.toLowerCase();
      for (const option of options) option.hidden = !option.firstChild.value.toLowerCase().includes(wanted);
    };
    input.value = opened[kind] || "";
    input.addEventListener("input", hide);
    if (input.value) hide();
    return input;
  }

  function chip(kind, name, there) {
    const words = there ? [] : [" ", reqcov.element("em", {}, "is not there")];
    const attributes = { type: "button", class: there ? "chip" : "chip unknown", "aria-label": `Remove ${kind} ${name}` };
    if (!there) attributes["aria-label"] += ", which is not there";
    const cross = reqcov.element("i", { "aria-hidden": "true" }, "×");
    const made = reqcov.element("button", attributes, `${kind} `, reqcov.element("bdi", {}, name), ...words, " ", cross);
    made.addEventListener("click", () => toggle(kind, name));
    return made;
  }

  // Pickers and what is chosen, in `place`; call what comes back whenever the address has changed.
  function show(place, requests) {
    const pickers = kinds.map((kind) => picker(requests, kind));
    const chips = reqcov.element("div", { class: "chips" });
    place.replaceChildren(reqcov.element("div", { class: "pickers" }, ...pickers), chips);
    return () => {
      const had = [...chips.children].indexOf(document.activeElement);
      const parameters = reqcov.state();
      const made = [];
      for (const [number, kind] of kinds.entries()) {
        const names = new Set(parameters.getAll(kind));
        const there = names.size ? new Set(requests[KINDS[kind].many].flat()) : names;
        for (const name of names) made.push(chip(kind, name, there.has(name)));
        for (const box of pickers[number].querySelectorAll("[type=checkbox]")) box.checked = names.has(box.value);
        pickers[number].firstChild.textContent = KINDS[kind].title + (names.size ? ` · ${names.size}` : "");
      }
      if (made.length > 1) {
        const all = reqcov.element("button", { type: "button", class: "plain" }, "Clear");
        all.addEventListener("click", clear);
        made.push(all);
      }
      chips.replaceChildren(...made);
      // Whoever removes one by the keyboard goes on from there.
      if (had >= 0) (made[Math.min(had, made.length - 1)] || pickers[0].firstChild).focus();
    };
  }

  reqcov.choices = { kinds: KINDS, current, chosen, any, toggle, show };

  addEventListener("popstate", () => document.dispatchEvent(new Event("reqcov:state")));
  document.addEventListener("click", (event) => {
    for (const details of document.querySelectorAll(".pick[open]")) {
      if (!details.contains(event.target)) details.open = false;
    }
  });
})();
