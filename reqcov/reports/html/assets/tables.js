// Tables that can be sorted and filtered. How they are is in the address: `?sort=routes.requests.desc&filter=orders`,
// with a `sort` for each table that is sorted.
"use strict";

(() => {
  // As people sort: `v9` before `v10`, capitals beside small letters.
  const collator = new Intl.Collator("en", { numeric: true });

  // Make the tables of a part of a page sortable, and its filter boxes work.
  reqcov.dress = (part) => {
    part.querySelectorAll("table.sortable").forEach(dressTable);
    part.querySelectorAll("input.filter").forEach(dressFilter);
  };

  function dressTable(table) {
    // Rows that are equal stay in the order of the page, whatever they were sorted by before.
    const rows = [...table.tBodies[0].rows];
    const headers = [...table.tHead.rows[0].cells].filter((header) => header.dataset.sort);
    for (const header of headers) {
      const button = reqcov.element("button", { type: "button" }, ...header.childNodes);
      header.append(button);
      button.addEventListener("click", () => {
        const ascending = header.getAttribute("aria-sort") !== "ascending";
        // Who sorts by numbers looks for the greatest ones.
        const first = header.dataset.sort === "number" ? "descending" : "ascending";
        const direction = header.hasAttribute("aria-sort") ? (ascending ? "ascending" : "descending") : first;
        sort(table, rows, headers, header, direction);
        remember(table, header, direction);
      });
    }
    for (const state of reqcov.state().getAll("sort")) {
      const [id, column, order] = state.split(".");
      const header = id === table.id && headers.find((each) => nameOf(each) === column);
      if (header) sort(table, rows, headers, header, order === "desc" ? "descending" : "ascending");
    }
  }

  // What a column is called in the address: `only-here`.
  function nameOf(header) {
    return header.textContent.trim().toLowerCase().replace(/[^a-z0-9]+/g, "-");
  }

  function sort(table, rows, headers, header, direction) {
    const values = new Map(rows.map((row) => [row, valueOf(row.cells[header.cellIndex], header.dataset.sort)]));
    const compare = header.dataset.sort === "number" ? (one, other) => one - other : collator.compare;
    const sign = direction === "descending" ? -1 : 1;
    const sorted = [...rows].sort((one, other) => sign * compare(values.get(one), values.get(other)));
    table.tBodies[0].append(...sorted);
    headers.forEach((each) => each.removeAttribute("aria-sort"));
    header.setAttribute("aria-sort", direction);
  }

  function valueOf(cell, kind) {
    const text = cell.dataset.value ?? cell.textContent.trim();
    if (kind !== "number") return text;
    const number = parseFloat(text.replaceAll(",", ""));
    // Infinities can't be told apart by a difference.
    return Number.isNaN(number) ? -Number.MAX_VALUE : number;
  }

  function remember(table, header, direction) {
    const state = reqcov.state();
    const others = state.getAll("sort").filter((each) => !each.startsWith(`${table.id}.`));
    state.delete("sort");
    const own = `${table.id}.${nameOf(header)}.${direction === "descending" ? "desc" : "asc"}`;
    [...others, own].forEach((each) => state.append("sort", each));
    reqcov.show(state);
  }

  // Of one table, or of all that are in an element.
  function dressFilter(box) {
    const place = document.getElementById(box.dataset.table);
    const tables = place.matches("table") ? [place] : [...place.querySelectorAll("table.sortable")];
    const rows = tables.flatMap((table) => [...table.tBodies[0].rows]);
    const parts = [...place.querySelectorAll(".part")];
    const names = rows.map((row) => {
      const part = row.closest(".part");
      const named = [...row.querySelectorAll("th, .named"), ...(part ? part.querySelectorAll("summary > bdi") : [])];
      return named.map((each) => each.textContent.toLowerCase()).join(" ");
    });
    const shown = box.closest("p").querySelector(".shown");

    // Leaves the rows that are called by every word of the box, and the parts with any of them.
    function filter() {
      const words = box.value.toLowerCase().split(/\s+/);
      let count = 0;
      rows.forEach((row, place) => {
        row.hidden = !words.every((word) => names[place].includes(word));
        count += !row.hidden;
      });
      for (const part of parts) part.hidden = !part.querySelector("tbody > tr:not([hidden])");
      shown.textContent = box.value.trim() && `${reqcov.count(count)} of ${reqcov.count(rows.length)} shown`;
    }

    box.addEventListener("input", () => {
      filter();
      const state = reqcov.state();
      state.set("filter", box.value);
      if (!box.value) state.delete("filter");
      reqcov.show(state);
    });
    box.value = reqcov.state().get("filter") || "";
    if (box.value) filter();
  }

  reqcov.begin(() => reqcov.dress(document));
})();
