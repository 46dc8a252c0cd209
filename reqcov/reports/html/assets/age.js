// How old what a page shows is, in the footer; live pages tell it by the clock of their server.
"use strict";

// `12 s`, `5 min`, `3 h`, `2 days`, as the commands tell it.
reqcov.ago = (seconds) => {
  const units = [[86400, "days"], [3600, "h"], [60, "min"]];
  const [size, unit] = units.find(([size]) => seconds >= 2 * size) || [1, "s"];
  return `${Math.max(0, Math.floor(seconds / size))} ${unit}`;
};

if (!("live" in document.documentElement.dataset)) {
  const newest = Date.parse(document.getElementById("newest").dateTime);
  const tell = () => {
    document.getElementById("age").textContent = `, ${reqcov.ago((Date.now() - newest) / 1000)} ago`;
  };
  tell();
  setInterval(tell, 30_000);
}
