// Who runs a line: what `reqcov line` says of it, of the requests that are chosen.
"use strict";

(() => {
  const REQUESTS = 4;
  const FIRST_SEEN = 5;
  const { element, count, plural, round, percent, when } = reqcov;

  const holds = (runs, line) => runs.some((first, place) => place % 2 === 0 && first <= line && line <= runs[place + 1]);

  // By route and set of labels the requests that ran the line, and all that there are; the most frequent first.
  function rowsOf(page, line, chosen) {
    const { groups, labels } = page.requests;
    const keyOf = (group) => groups[group][0] * labels.length + groups[group][1];
    const found = new Map();
    const held = page.own.sets.map((runs) => holds(runs, line));
    for (const [set, group, requests, first, last] of page.own.rows) {
      if (!held[set] || !chosen[group]) continue;
      const key = keyOf(group);
      const row = found.get(key) || { key, route: groups[group][0], labels: groups[group][1], requests: 0, all: 0, first, last };
      row.requests += requests;
      row.first = Math.min(row.first, first);
      row.last = Math.max(row.last, last);
      found.set(key, row);
    }
    groups.forEach((each, group) => {
      if (chosen[group] && found.has(keyOf(group))) found.get(keyOf(group)).all += each[REQUESTS];
    });
    // Routes and labels are numbered in their order.
    return [...found.values()].sort((one, other) => round(other.requests) - round(one.requests) || one.key - other.key);
  }

  function inWords(page, line, kind, rows, chosen) {
    const groups = page.requests.groups.filter((each, group) => chosen[group]);
    const all = groups.reduce((sum, group) => sum + group[REQUESTS], 0);
    if (rows.length) {
      const requests = rows.reduce((sum, row) => sum + row.requests, 0);
      const [first, last] = [Math.min(...rows.map((row) => row.first)), Math.max(...rows.map((row) => row.last))];
      return `${count(requests)} of ${plural(all, "request")} run it (${percent(requests / all)}). ` +
        `First seen ${when(first)}, last seen ${when(last)} UTC.`;
    }
    if (kind === "import") return "It runs when the module is imported or a class is made, not in requests.";
    if (kind === "excluded") return "coverage.py is told to leave it out.";
    if (kind === "none") return "There is no statement on this line.";
    if (!groups.length) return "No request is chosen.";
    const since = groups.reduce((first, group) => Math.min(first, group[FIRST_SEEN]), Infinity);
    const watched = `${plural(all, "request")} since ${when(since)} UTC`;
    return kind === "ran" || kind === "seen" || holds(page.own.seen, line)
      ? `None of the ${watched} ran it; other requests did, or some that were not sampled.`
      : `No request has run it: ${watched}.`;
  }

  // Moments are not torn apart at the end of a line.
  const unbroken = (words) =>
    words.split(/(\d{4}-\d\d-\d\d \d\d:\d\d)/).map((part, place) => (place % 2 ? element("time", {}, part) : part));

  // A button that chooses a route or a label, or no longer does.
  function choice(kind, name, shown) {
    const pressed = reqcov.state().getAll(kind).includes(name);
    const words = `${pressed ? "Stop choosing" : "Choose"} ${kind} ${name}`;
    const properties = { type: "button", class: "choose", "aria-pressed": pressed, "aria-label": words, title: words };
    const button = element("button", properties, pressed ? "✓ " : "+ ", element("bdi", {}, shown));
    button.addEventListener("click", () => reqcov.choices.toggle(kind, name));
    return button;
  }

  function entry(page, row) {
    const { routes, labels, pages } = page.requests;
    const route = routes[row.route];
    const choices = [choice("route", route, "route"), ...labels[row.labels].map((label) => choice("label", label, label))];
    const seen = [element("time", {}, when(row.first)), " to ", element("time", {}, when(row.last))];
    return element(
      "tr",
      {},
      element(
        "th",
        { scope: "row" },
        element("a", { href: reqcov.up + pages[row.route] }, element("bdi", {}, route)),
        element("div", { class: "labels" }, ...choices),
        element("div", { class: "seen" }, ...seen),
      ),
      element("td", { class: "n" }, count(row.requests)),
      element("td", { class: "n" }, percent(row.requests / row.all)),
    );
  }

  function table(page, rows, caption) {
    const head = [
      element("th", { scope: "col" }, "Route, labels, seen"),
      element("th", { scope: "col", class: "n" }, "Requests"),
      element("th", { scope: "col", class: "n", title: "Of the requests of this route with these labels" }, "Share"),
    ];
    return element(
      "table",
      {},
      ...(caption ? [element("caption", {}, caption)] : []),
      element("thead", {}, element("tr", {}, ...head)),
      element("tbody", {}, ...rows.map((row) => entry(page, row))),
    );
  }

  // Lines that go on with a statement stand for its first one.
  function beginning(page, line) {
    while (page.goesOn[line]) line--;
    return line;
  }

  // Say who runs `line`; 0 stands for none.
  reqcov.who = (page, line) => {
    const panel = document.getElementById("who");
    const focused = panel.contains(document.activeElement) && document.activeElement.getAttribute("aria-label");
    panel.classList.toggle("open", line > 0);
    const [title, source, told, rest] = ["who-title", "who-source", "who-told", "who-rows"].map((id) => document.getElementById(id));
    document.getElementById("who-close").hidden = !line;
    source.hidden = !line;
    rest.replaceChildren();
    if (!line) {
      title.textContent = "Who runs a line";
      told.textContent = "Choose a line to see who runs it.";
      return;
    }
    const first = beginning(page, line);
    const around = page.functions.findLast((each) => each.first <= line && line <= each.last);
    title.textContent = `Line ${first}`;
    if (around) title.append(" in ", element("bdi", {}, around.name));
    source.textContent = page.lines[first].lastChild.textContent.trim();
    const goesOn = first === line ? "" : `Line ${line} goes on with the statement that begins on line ${first}. `;
    const kind = page.kinds[first];
    const looked = page.sides || [{ chosen: page.chosen }];
    told.textContent = goesOn;
    looked.forEach((side, number) => {
      const rows = rowsOf(page, first, side.chosen);
      const words = inWords(page, first, kind, rows, side.chosen);
      const name = page.sides ? `${["L", "R"][number]} ${side.told}` : "";
      told.append(name ? element("b", { class: number ? "right" : "left" }, `${name}: `) : "", ...unbroken(words), " ");
      if (rows.length) rest.append(table(page, rows, name));
    });
    // Whoever pressed a button in it has it still, though it is another one.
    if (focused) [...panel.querySelectorAll("[aria-label]")].find((each) => sameButton(each, focused))?.focus();
  };

  const sameButton = (button, label) => button.getAttribute("aria-label").replace(/^Stop choosing/, "Choose") === label.replace(/^Stop choosing/, "Choose");
})();
