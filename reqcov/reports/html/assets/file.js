// The page of a file: the heat of its lines follows what is chosen, or two sides are compared.
"use strict";

(() => {
  const FUNCTION = ["ran", "seen", "never"]; // the kinds of lines that requests can run
  const LETTERS = { left: "L", right: "R", both: "B", never: "never" };
  const REQUESTS = 4;
  let page = null;
  let painted = null;

  // What the server rendered is where everything begins; lines[12] is line 12.
  function read(requests) {
    const lines = [null, ...document.querySelectorAll(".source > .l")];
    const served = lines.map((line) => line && { state: line.className.slice(2), told: line.children[1].textContent });
    return {
      requests,
      own: reqcov.own(),
      lines,
      served,
      kinds: served.map((line) => line && line.state.split(" ")[0]),
      goesOn: lines.map((line) => line !== null && line.matches(".more")),
      functions: [...document.querySelectorAll(".outline li")].map((item) => ({
        item,
        name: item.firstChild.textContent,
        first: Number(item.dataset.first),
        body: Number(item.dataset.body),
        last: Number(item.dataset.last),
        served: item.lastChild.textContent,
      })),
      sides: null,
    };
  }

  // How many requests of the groups ran each line.
  function byLine(chosen) {
    const { sets, rows } = page.own;
    const together = new Float64Array(sets.length);
    for (const [set, group, requests] of rows) if (chosen[group]) together[set] += requests;
    const lines = new Float64Array(page.lines.length);
    sets.forEach((runs, set) => {
      if (!together[set]) return;
      for (let run = 0; run < runs.length; run += 2) {
        for (let line = runs[run]; line <= runs[run + 1]; line++) lines[line] += together[set];
      }
    });
    return lines;
  }

  const total = (chosen) => page.requests.groups.reduce((sum, group, n) => sum + (chosen[n] ? group[REQUESTS] : 0), 0);

  // A side as the address has it, `build:v2`, together with the other choices.
  function side(parameters, text) {
    const [kind] = text.split(":", 1);
    const name = text.slice(kind.length + 1);
    const known = ["route", "build", "label"].includes(kind);
    const there = known && page.requests[reqcov.choices.kinds[kind].many].flat().includes(name);
    const chosen = known
      ? reqcov.choices.chosen(page.requests, parameters, [kind, [name]])
      : new Uint8Array(page.requests.groups.length);
    return { told: known ? `${kind} ${name}` : text, there, chosen, requests: total(chosen) };
  }

  // By line its class, and what stands beside it: [state, told].
  function heat(chosen) {
    const lines = byLine(chosen);
    const all = total(chosen);
    return (line) => {
      if (!lines[line]) return ["never", "never"];
      const share = lines[line] / all;
      return [`ran h${reqcov.heat(share)}`, reqcov.percent(share)];
    };
  }

  function comparison(sides) {
    const [left, right] = sides.map((each) => byLine(each.chosen));
    return (line) => {
      const state = left[line] ? (right[line] ? "both" : "left") : right[line] ? "right" : "never";
      return [state, LETTERS[state]];
    };
  }

  function served(line) {
    return [page.served[line].state, page.served[line].told];
  }

  // Lines are written to only where they change: there may be 10,000.
  function paint(look) {
    const counts = { ran: 0, seen: 0, never: 0, left: 0, right: 0, both: 0 };
    page.now = page.kinds.map((kind, line) => {
      if (!FUNCTION.includes(kind)) return kind;
      const [state, told] = look(line);
      const element = page.lines[line];
      if (element.className !== `l ${state}`) element.className = `l ${state}`;
      if (element.children[1].textContent !== told) element.children[1].textContent = told;
      const now = state.split(" ")[0];
      counts[now]++;
      return now;
    });
    return counts;
  }

  // A statement is the innermost function's whose body it is in; outer functions stand before inner ones.
  function outline(everything) {
    const owner = new Int32Array(page.lines.length).fill(-1);
    page.functions.forEach(({ body, last }, number) => owner.fill(number, body, last + 1));
    const counts = page.functions.map(() => ({ all: 0, never: 0, left: 0, right: 0 }));
    page.now.forEach((state, line) => {
      if (owner[line] < 0 || !FUNCTION.includes(page.kinds[line])) return;
      counts[owner[line]].all++;
      if (state in counts[owner[line]]) counts[owner[line]][state]++;
    });
    page.functions.forEach(({ item, served }, number) => {
      const { all, never, left, right } = counts[number];
      const ran = never === all ? "never" : `${all - never}/${all}`;
      const differs = [left && `${left} L`, right && `${right} R`].filter(Boolean).join(" ");
      item.classList.toggle("never", all > 0 && never === all);
      item.classList.toggle("differs", differs !== "");
      item.lastChild.textContent = everything ? served : all ? differs || ran : "";
    });
  }

  function tell(chosen, counts) {
    const statements = page.kinds.filter((kind) => FUNCTION.includes(kind)).length;
    const of = `of ${reqcov.plural(statements, "function statement")}`;
    if (page.sides) {
      return `Of ${reqcov.plural(statements, "function statement")}, ${counts.left} ran only left, ${counts.right} only right, ` +
        `${counts.both} on both sides, ${counts.never} never.`;
    }
    const all = reqcov.round(total(page.everybody));
    const some = reqcov.round(total(chosen));
    const who = reqcov.choices.any(reqcov.state()) ? `${reqcov.count(some)} of ${reqcov.plural(all, "request")} chosen` : `All ${reqcov.plural(all, "request")}`;
    return `${who}; they ran ${reqcov.count(counts.ran + counts.seen)} ${of} of this file.`;
  }

  // What is compared, in place of the colours' legend, and the way back.
  function showSides() {
    const place = document.getElementById("sides");
    document.querySelector(".reading > .legend").hidden = page.sides !== null;
    place.hidden = page.sides === null;
    document.querySelector(".file").classList.toggle("two-sided", page.sides !== null);
    if (place.hidden) return;
    const back = reqcov.element("button", { type: "button" }, "Back to heat");
    back.addEventListener("click", () => {
      const parameters = reqcov.state();
      ["left", "right"].forEach((name) => parameters.delete(name));
      reqcov.show(parameters);
    });
    const items = page.sides.map(({ told, there, requests }, number) => {
      const [letter, name] = [["L", "left"], ["R", "right"]][number];
      const words = there ? `, ${reqcov.plural(reqcov.round(requests), "request")}` : " is not there, no requests";
      return reqcov.element("li", {}, reqcov.element("i", { class: name }, letter), " only ", reqcov.element("bdi", {}, told), words);
    });
    const more = [["both", "B", " both"], ["never", "", " never"]].map(([name, letter, words]) =>
      reqcov.element("li", {}, reqcov.element("i", { class: name }, letter), words),
    );
    place.replaceChildren(reqcov.element("ul", { class: "legend" }, ...items, ...more), back);
  }

  // Bring the page to the state that the address tells.
  function update() {
    if (!page) return;
    const parameters = reqcov.state();
    if (painted !== location.search) {
      painted = location.search;
      const compared = parameters.has("left") && parameters.has("right");
      page.chosen = reqcov.choices.chosen(page.requests, parameters);
      page.sides = compared ? ["left", "right"].map((name) => side(parameters, parameters.get(name))) : null;
      const everything = !compared && !reqcov.choices.any(parameters);
      const counts = paint(compared ? comparison(page.sides) : everything ? served : heat(page.chosen));
      outline(everything);
      showSides();
      page.showChoices();
      document.getElementById("told").textContent = tell(page.chosen, counts);
    }
    reqcov.lines.show(page);
  }

  document.addEventListener("reqcov:state", update);
  reqcov.begin(async () => {
    page = painted = null;
    const requests = await reqcov.choices.current();
    if (!requests) return;
    page = read(requests);
    page.everybody = new Uint8Array(requests.groups.length).fill(1);
    page.showChoices = reqcov.choices.show(document.getElementById("choices"), requests);
    update();
    document.querySelector(".file").dataset.ready = "";
  });
})();
