// What the scripts of all pages share.
"use strict";

const reqcov = {
  taken: {},
  waiting: {},
  starts: [],
  up: document.documentElement.dataset.up,

  // Call `start` now, and again whenever a live page has been brought up to date: `main` is another one then. Where it
  // needs time it returns a promise.
  begin(start) {
    reqcov.starts.push(start);
    start();
  },

  // Scripts of data/ call this: pages on disk can load nothing else than scripts.
  take(name, value) {
    reqcov.taken[name] = value;
    (reqcov.waiting[name] || []).forEach((resolve) => resolve(value));
    delete reqcov.waiting[name];
  },

  // A promise of what the script `page` gives as `name`.
  load(name, page) {
    if (name in reqcov.taken) return Promise.resolve(reqcov.taken[name]);
    return new Promise((resolve, reject) => {
      if (name in reqcov.waiting) {
        reqcov.waiting[name].push(resolve);
        return;
      }
      reqcov.waiting[name] = [resolve];
      const script = document.createElement("script");
      script.src = reqcov.up + page;
      script.onerror = () => {
        delete reqcov.waiting[name];
        reject(new Error(page + " is not there"));
      };
      document.head.append(script);
    });
  },

  // What belongs to this page alone.
  own() {
    return JSON.parse(document.getElementById("page-data").textContent);
  },

  // An element; `properties` are its attributes, `children` elements and texts.
  element(tag, properties = {}, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(properties)) if (value !== null) made.setAttribute(name, value);
    made.append(...children);
    return made;
  },

  // Half to even, as the commands round.
  round(number) {
    const floor = Math.floor(number);
    if (number - floor !== 0.5) return Math.round(number);
    return floor % 2 ? floor + 1 : floor;
  },

  count(number) {
    return reqcov.round(number).toLocaleString("en-US");
  },

  // `1 line`, `1,234 lines`.
  plural(number, one) {
    return `${reqcov.count(number)} ${one}${reqcov.round(number) === 1 ? "" : "s"}`;
  },

  // Only all is 100.0%, and only nothing 0.0%.
  percent(share) {
    let tenths = reqcov.round(1000 * share);
    if (tenths === 1000 && share < 1 - 1e-9) tenths = 999; // sums differ by the order in which they are added
    if (tenths === 0 && share > 0) tenths = 1;
    return (tenths / 10).toFixed(1) + "%";
  },

  heat(share) {
    return 1 + [0.001, 0.01, 0.1, 0.5].filter((bound) => share >= bound).length;
  },

  // Seconds since the epoch, to the minute in UTC.
  when(seconds) {
    return new Date(seconds * 1000).toISOString().slice(0, 16).replace("T", " ");
  },

  // The state of this page, as its address tells it.
  state() {
    return new URLSearchParams(location.search);
  },

  // Change the address to another state of this page.
  show(parameters, hash = location.hash) {
    const query = parameters.toString();
    history.replaceState(null, "", location.pathname + (query ? "?" + query : "") + hash);
    document.dispatchEvent(new Event("reqcov:state"));
  },
};
