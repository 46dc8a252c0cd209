// What two sides ran, beside each other. The sides are in the address: `?left=route:GET /orders&right=build:v2`.
"use strict";

(() => {
  const KINDS = { route: "Routes", build: "Builds", label: "Labels" };
  const ENDS = ["left", "right"];
  let sides; // by `kind:name`, what can be compared
  const opened = new Set(); // paths of files, also when the page has been brought up to date
  let asked = 0; // how often it was asked to compare: only the latest answer is shown

  const by = (id) => document.getElementById(id);

  function begin() {
    sides = new Map(reqcov.own().map(([kind, name, script]) => [`${kind}:${name}`, { kind, name, script }]));
    const state = reqcov.state();
    for (const end of ENDS) {
      const picker = by(end);
      fill(picker);
      picker.value = sides.has(state.get(end)) ? state.get(end) : "";
      picker.addEventListener("change", choose);
    }
    by("swap").addEventListener("click", swap);
    // Whoever comes from the page of a route has one side.
    const empty = ENDS.filter((end) => !state.get(end));
    if (empty.length === 1 && !asked) by(empty[0]).focus();
    return compare();
  }

  function fill(picker) {
    picker.append(reqcov.element("option", { value: "" }, "Choose…"));
    for (const [kind, title] of Object.entries(KINDS)) {
      const own = [...sides].filter(([, side]) => side.kind === kind).sort(([, one], [, other]) => (one.name < other.name ? -1 : 1));
      if (!own.length) continue;
      const options = own.map(([value, { name }]) => reqcov.element("option", { value }, name));
      picker.append(reqcov.element("optgroup", { label: title }, ...options));
    }
  }

  function choose() {
    const state = reqcov.state();
    for (const end of ENDS) {
      state.delete(end);
      if (by(end).value) state.set(end, by(end).value);
    }
    reqcov.show(state);
    compare();
  }

  function swap() {
    const values = ENDS.map((end) => by(end).value);
    ENDS.forEach((end, place) => (by(end).value = values[1 - place]));
    choose();
  }

  async function compare() {
    const number = ++asked;
    const state = reqcov.state();
    const chosen = ENDS.map((end) => sides.get(state.get(end)));
    const lost = ENDS.map((end) => state.get(end)).filter((value) => value && !sides.has(value));
    const needed = chosen.filter(Boolean).map(({ script }) => reqcov.load(script, script));
    const [code, ...loaded] = await Promise.all([reqcov.load("code", "data/code.js"), ...needed]);
    if (number !== asked) return;
    const ran = chosen.map((side) => side && loaded.shift());
    ENDS.forEach((end, place) => {
      by(`${end}-requests`).textContent = ran[place] ? `${chosen[place].kind}, ${reqcov.plural(ran[place].requests, "request")}` : "";
    });
    by("compared").replaceChildren();
    by("said").textContent = "";
    if (lost.length) {
      by("said").textContent = `There is no ${lost.map((value) => value.replace(":", " ")).join(" and no ")} here, or no longer: choose another one.`;
    } else if (chosen[0] && chosen[1]) {
      document.title = `${chosen[0].name} | ${chosen[1].name} · reqcov`;
      tell(chosen, ran, pairs(ran, code), state);
    } else {
      by("said").textContent = "Choose two sides to see how what they ran differs.";
    }
  }

  // The files of both sides in the order of all files, with what ran of each.
  function pairs([left, right], code) {
    const functions = Map.groupBy(code.functions, ([number]) => number);
    const ran = [left, right].map(({ files }) => new Map(files.filter(([, stretches]) => stretches.length)));
    return code.files.flatMap(([path, page], number) => {
      if (!ran.some((each) => each.has(path))) return [];
      const lines = merge(...ran.map((each) => each.get(path) || []));
      const counts = { left: 0, both: 0, right: 0 };
      for (const { ends } of lines) counts[ends]++;
      return { path, page, lines, counts, functions: functions.get(number) || [] };
    });
  }

  // All lines in order, with the ends that ran each. Between the lines of a stretch there is no statement that its side
  // did not run; `stretch` tells them apart.
  function merge(left, right) {
    const lines = new Map();
    [left, right].forEach((stretches, place) =>
      stretches.forEach((runs, stretch) => {
        for (let at = 0; at < runs.length; at += 2)
          for (let line = runs[at]; line <= runs[at + 1]; line++)
            if (lines.has(line)) lines.get(line).ends = "both";
            else lines.set(line, { line, ends: ENDS[place], stretch });
      }),
    );
    return [...lines.values()].sort((one, other) => one.line - other.line);
  }

  function tell(chosen, ran, files, state) {
    const total = { left: 0, both: 0, right: 0 };
    for (const { counts } of files) for (const ends in total) total[ends] += counts[ends];
    const differing = files.filter(({ counts }) => counts.left || counts.right);
    const alike = files.filter((file) => !differing.includes(file));
    const figure = (ends, told) => reqcov.element("div", { class: `figure ${ends}` }, reqcov.element("b", {}, reqcov.count(total[ends])), ` ${told}`);
    const parts = [
      reqcov.element(
        "section", { class: "figures", "aria-label": "In short" },
        figure("left", "lines only left"), figure("both", "lines both"), figure("right", "lines only right"),
      ),
      bar(total, "bar whole"),
    ];
    if (!differing.length) by("said").textContent = `Both ran the same: ${reqcov.plural(total.both, "line")} in ${reqcov.plural(files.length, "file")}.`;
    else parts.push(table(differing, state));
    if (alike.length) parts.push(folded(alike, state));
    ran.forEach(({ files }, place) => parts.push(...dropped(chosen[place], files)));
    by("compared").append(...parts);
    reqcov.dress(by("compared"));
  }

  // Three lengths in the colours of the sides; the numbers are beside it.
  function bar(counts, kind) {
    const width = counts.left + counts.both + counts.right || 1;
    const made = svg("svg", { class: kind, viewBox: `0 0 ${width} 10`, preserveAspectRatio: "none", "aria-hidden": "true" });
    let x = 0;
    for (const ends of ["left", "both", "right"]) {
      if (counts[ends]) made.append(svg("rect", { class: ends, x, width: counts[ends], height: 10 }));
      x += counts[ends];
    }
    return made;
  }

  function svg(tag, properties) {
    const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(properties)) made.setAttribute(name, value);
    return made;
  }

  function table(files, state) {
    const header = (told, kind) => reqcov.element("th", { scope: "col", "data-sort": kind, class: kind === "number" ? "n" : null }, told);
    const head = [header("File", "text"), header("Only left", "number"), header("Both", "number"), header("Only right", "number")];
    const rows = files.map((file) => {
      const number = (ends) => reqcov.element("td", { class: `n ${file.counts[ends] ? ends : "quiet"}` }, reqcov.count(file.counts[ends]));
      const cells = [reqcov.element("td", { "data-value": file.path }, opening(file, state)), number("left"), number("both"), number("right")];
      cells[2].prepend(bar(file.counts, "bar"));
      return reqcov.element("tr", {}, ...cells);
    });
    const made = reqcov.element(
      "table", { class: "sortable compared", id: "compared-files" },
      reqcov.element("thead", {}, reqcov.element("tr", {}, ...head)), reqcov.element("tbody", {}, ...rows),
    );
    return scrolling("Files that differ", made);
  }

  function scrolling(label, made) {
    return reqcov.element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": label }, made);
  }

  // A file, to be opened to its functions: of these there are too many to make them before.
  function opening(file, state) {
    const made = reqcov.element("details", {}, reqcov.element("summary", {}, reqcov.element("bdi", {}, file.path)));
    const unfold = () => made.children.length === 1 && made.append(functions(file, state));
    if (opened.has(file.path)) {
      made.open = true;
      unfold();
    }
    made.addEventListener("toggle", () => {
      if (made.open) unfold();
      if (made.isConnected) opened[made.open ? "add" : "delete"](file.path);
    });
    return made;
  }

  function functions(file, state) {
    const rows = byFunction(file).map(([name, first, told]) => {
      const link = reqcov.element("a", { href: address(file, state, first) }, reqcov.element("code", {}, name));
      const cells = ["left", "both", "right"].map((ends) => reqcov.element("td", { class: ends }, ...unbroken(told[ends])));
      return reqcov.element("tr", {}, reqcov.element("th", { scope: "row" }, link), ...cells);
    });
    const head = ["Function", "Only left", "Both", "Only right"].map((told) => reqcov.element("th", { scope: "col" }, told));
    return reqcov.element(
      "table", {}, reqcov.element("thead", {}, reqcov.element("tr", {}, ...head)), reqcov.element("tbody", {}, ...rows),
    );
  }

  // Ranges with commas, that break between them only.
  function unbroken(ranges) {
    return ranges.flatMap((range, place) => [place ? ", " : "", reqcov.element("span", { class: "range" }, range)]);
  }

  // Name and first line of each function of which anything ran, and by ends its lines as people write them.
  function byFunction({ lines, functions }) {
    const found = new Map();
    let before = {};
    for (const { line, ends, stretch } of lines) {
      // Bodies are nested, and inner functions come after outer ones.
      const own = functions.findLast(([, , , last, , , body]) => body <= line && line <= last);
      if (!found.has(own)) found.set(own, { left: [], both: [], right: [] });
      const ranges = found.get(own)[ends];
      if (before.own === own && before.ends === ends && before.stretch === stretch) {
        ranges.push(ranges.pop().replace(/(-.*)?$/, `-${line}`));
      } else {
        ranges.push(`${line}`);
      }
      before = { own, ends, stretch };
    }
    return [...found].map(([[, name, first], told]) => [name, first, told]).sort((one, other) => one[1] - other[1]);
  }

  function folded(files, state) {
    const items = files.map((file) => {
      const link = reqcov.element("a", { href: address(file, state, file.lines[0].line) }, reqcov.element("bdi", {}, file.path));
      return reqcov.element("li", {}, link, reqcov.element("span", { class: "note" }, ` ${reqcov.plural(file.lines.length, "line")}`));
    });
    const summary = reqcov.element("summary", {}, `${reqcov.plural(files.length, "file")} of which both ran the same`);
    return reqcov.element("details", { class: "part" }, summary, reqcov.element("ul", {}, ...items));
  }

  // The page of the file, with the same two sides.
  function address(file, state, line) {
    const sides = new URLSearchParams(ENDS.map((end) => [end, state.get(end)]));
    return `${reqcov.up}${file.page}?${sides}#L${line}`;
  }

  function dropped({ kind, name }, files) {
    const some = files.filter(([, , lines]) => lines);
    if (!some.length) return [];
    const lines = some.reduce((sum, [, , lines]) => sum + lines, 0);
    const told = `${reqcov.plural(lines, "line")} in ${reqcov.plural(some.length, "file")} that requests of ${kind} ${name} ran ${lines === 1 ? "is" : "are"} not among these: files are shown as they ran last, and functions have changed since.`;
    return [reqcov.element("p", { class: "note dropped" }, told)];
  }

  reqcov.begin(begin);
})();
