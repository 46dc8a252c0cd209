// The lines of a file: which one is chosen, and moving between them by the keyboard.
"use strict";

(() => {
  let page = null;
  let marked = null; // the element of the chosen line
  let stop = null; // the link that the tabulator goes to

  const FUNCTION = ["ran", "seen", "never"];

  // The line that the address tells; 0 where there is none.
  function chosen() {
    const number = /^#L(\d+)$/.test(location.hash) ? Number(location.hash.slice(2)) : 0;
    return page && number < page.lines.length ? number : 0;
  }

  const numberOf = (line) => Number(line.id.slice(1));

  // A step in the history, unlike the choices: going back leads to the line before.
  function choose(number) {
    if (number === chosen()) return;
    history.pushState(null, "", location.pathname + location.search + (number ? `#L${number}` : ""));
    document.dispatchEvent(new Event("reqcov:state"));
    if (number) bringIntoView(page.lines[number]);
  }

  // Between the header, which stays at the top, and the panel, which lies at the bottom of narrow screens.
  function bringIntoView(line) {
    const panel = document.getElementById("who");
    const covered = getComputedStyle(panel).position === "fixed" && panel.classList.contains("open");
    const top = document.querySelector("header").getBoundingClientRect().bottom;
    const bottom = covered ? panel.getBoundingClientRect().top : innerHeight;
    const place = line.getBoundingClientRect();
    if (place.top < top + place.height) scrollBy(0, place.top - top - place.height);
    else if (place.bottom > bottom - place.height) scrollBy(0, place.bottom - bottom + place.height);
  }

  function stopAt(link) {
    if (stop) stop.tabIndex = -1;
    stop = link;
    stop.tabIndex = 0;
  }

  function go(number) {
    if (!page) return false;
    const line = page.lines[Math.min(Math.max(number, 1), page.lines.length - 1)];
    line.firstChild.focus({ preventScroll: true });
    bringIntoView(line);
    return true;
  }

  // Where the keys go on from: the line that has the focus, the chosen one, or that at the top of the screen.
  function here() {
    const focused = document.activeElement.closest(".l");
    if (focused) return numberOf(focused);
    if (chosen()) return chosen();
    const top = document.querySelector("header").getBoundingClientRect().bottom;
    return page.lines.findIndex((line) => line && line.getBoundingClientRect().top >= top) - 1;
  }

  const inSource = () => document.activeElement.closest(".source") !== null;
  const screenful = () => Math.max(1, Math.floor(innerHeight / page.lines[1].offsetHeight) - 8);

  // The next line of those that matter: never run, or not the same on both sides. Neighbours are one place.
  function jump(step) {
    if (!page) return false;
    const wanted = page.sides ? ["left", "right"] : ["never"];
    const matters = (number) => FUNCTION.includes(page.kinds[number]) && wanted.includes(page.now[number]);
    const before = (number) => {
      do number--;
      while (page.goesOn[number]);
      return number;
    };
    const begins = (number) => matters(number) && !(matters(before(number)) && page.now[before(number)] === page.now[number]);
    let number = here() + step;
    while (number > 0 && number < page.lines.length && !begins(number)) number += step;
    return number > 0 && number < page.lines.length ? go(number) : true;
  }

  reqcov.lines = {
    // Mark the line that the address tells, and say who runs it.
    show(shown) {
      const anew = page !== shown;
      page = shown;
      const number = chosen();
      if (marked) {
        marked.classList.remove("chosen");
        marked.firstChild.removeAttribute("aria-current");
      }
      marked = number ? page.lines[number] : null;
      if (marked) {
        marked.classList.add("chosen");
        marked.firstChild.setAttribute("aria-current", "true");
      }
      if (anew) stop = document.querySelector('.source a:not([tabindex="-1"])');
      if (marked) stopAt(marked.firstChild);
      reqcov.who(page, number);
      if (anew && marked && !document.documentElement.hasAttribute("data-refreshed")) bringIntoView(marked);
    },
  };

  document.addEventListener("click", (event) => {
    if (event.target.closest("#who-close")) choose(0);
    const line = event.target.closest(".source > .l");
    if (!line || !page || event.ctrlKey || event.metaKey || event.shiftKey) return;
    if (!getSelection().isCollapsed && !event.target.closest("a")) return; // somebody copies text
    event.preventDefault(); // the page stays where it is
    line.firstChild.focus({ preventScroll: true });
    choose(numberOf(line));
  });

  // What is read out at a line: more than its number.
  document.addEventListener("focusin", (event) => {
    const line = event.target.matches(".l > a") && event.target.parentElement;
    if (!line) return;
    const said = [...line.children].map((each) => each.textContent.trim());
    stopAt(line.firstChild);
    line.firstChild.setAttribute("aria-label", said.filter(Boolean).join(", "));
  });

  const within = (step) => () => inSource() && go(here() + step());
  reqcov.key(["ArrowDown"], "Next line, from one that has the focus", within(() => 1));
  reqcov.key(["ArrowUp"], "Line before, from one that has the focus", within(() => -1));
  reqcov.key(["j"], "Next line", () => page && go(here() + 1));
  reqcov.key(["k"], "Line before", () => page && go(here() - 1));
  reqcov.key(["PageDown"], "A screen down", within(screenful));
  reqcov.key(["PageUp"], "A screen up", within(() => -screenful()));
  reqcov.key(["Home"], "First line", within(() => -here()));
  reqcov.key(["End"], "Last line", within(() => page.lines.length));
  reqcov.key(["n"], "Next line that no request ran, or that differs", () => jump(1));
  reqcov.key(["p", "N"], "The one before", () => jump(-1));
  reqcov.key(["Enter"], "Who runs the line", () => {
    if (!inSource() || !page) return false;
    choose(here());
    return true;
  });
  reqcov.key(["f"], "Choose requests", () => {
    const first = document.querySelector("#choices summary");
    if (first) first.focus();
  });
  reqcov.key(["Escape"], "Close what is open", () => {
    if (!page || !chosen()) return false;
    const line = page.lines[chosen()];
    choose(0);
    line.firstChild.focus({ preventScroll: true });
    return true;
  });
})();
