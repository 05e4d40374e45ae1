// What every part of the page is made with: elements, words for numbers and instants, icons.
// Law: text becomes a text node, never markup (the page's policy demands it of the browser as well).

const SVG = "http://www.w3.org/2000/svg";

function make(space, name, attributes, children) {
  const made = space ? document.createElementNS(space, name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else made.setAttribute(key, value === true ? "" : value);
  }
  for (const child of children.flat(Infinity)) {
    if (child !== null && child !== undefined) made.append(child);
  }
  return made;
}
const el = (name, attributes, ...children) => make(null, name, attributes, children);
const svg = (name, attributes, ...children) => make(SVG, name, attributes, children);
// Text of the lake stands in an isolate, so that its direction is its own affair.
const told = (text) => el("bdi", null, String(text));

const count = (number) => number === null || number === undefined ? "" : Number(number).toLocaleString("en");
const plural = (number, one, many) => `${count(number)} ${Number(number) === 1 ? one : many || one + "s"}`;

function share(part, whole) {
  if (!whole) return "";
  const percent = 100 * part / whole;
  // Rounded down, so that 100 % is all of it.
  return (percent === 100 ? "100" : (Math.floor(percent * 10) / 10).toFixed(1)) + "\u00a0%";
}

function instant(us, digits) {
  if (us === null || us === undefined) return "";
  const date = new Date(Math.floor(us / 1000));
  if (Number.isNaN(date.getTime())) return "";
  return date.toISOString().slice(0, digits || 19).replace("T", " ");
}

const UNITS = [[86400000, "d"], [3600000, "h"], [60000, "min"], [1000, "s"], [1, "ms"]];
function duration(ms) {
  if (ms === null || ms === undefined) return "";
  const length = Math.abs(ms);
  const [unit, name] = UNITS.find(([least]) => length >= least) || UNITS[UNITS.length - 1];
  const value = length / unit;
  const text = value >= 100 ? String(Math.round(value)) : String(Number(value.toPrecision(3)));
  return `${ms < 0 ? "\u2212" : ""}${text}\u00a0${name}`;
}

function size(bytes) {
  const step = [[1e12, "TB"], [1e9, "GB"], [1e6, "MB"], [1e3, "kB"]].find(([least]) => bytes >= least);
  return step ? `${Number((bytes / step[0]).toPrecision(3))}\u00a0${step[1]}` : `${bytes}\u00a0bytes`;
}

function price(number) {
  if (!Number.isFinite(number)) return "";
  return number.toLocaleString("en", Math.abs(number) >= 1 ? { minimumFractionDigits: 2, maximumFractionDigits: 4 } : { maximumSignificantDigits: 6 });
}

const MARKS = {
  passed: ["M10 25l10 10L39 14"],
  notice: ["M24 22v13", "M24 12v1"],
  warning: ["M24 10v18", "M24 37v1"],
  healed: ["M24 10v28", "M10 24h28"],
  hole: ["M14 8.5a19 19 0 0 0 0 31", "M34 8.5a19 19 0 0 1 0 31"],
  damage: ["M12 12l24 24", "M36 12L12 36"],
  not_run: ["M12 24h24"],
  partly: ["M12 24h10", "M29 24h7"],
};
const WORDS = { passed: "passed", notice: "notice", warning: "warning", healed: "healed", hole: "hole", damage: "damage", not_run: "not run", partly: "run in part" };
// From worst to harmless, as a person reads.
const SEVERITIES = ["damage", "hole", "healed", "warning", "notice"];

function tag(name) {
  const paths = (MARKS[name] || MARKS.not_run).map((d) => svg("path", { d }));
  return el("span", { class: `tag ${name}` }, svg("svg", { viewBox: "0 0 48 48", "aria-hidden": "true" }, paths), WORDS[name] || name);
}

function section(id, title, note) {
  const made = el("section", { id, "aria-labelledby": `${id}-title` }, el("h2", { id: `${id}-title`, tabindex: "-1" }, title));
  if (note) made.append(el("p", { class: "note" }, note));
  document.getElementById("main").append(made);
  document.getElementById("contents").append(el("a", { href: `#${id}` }, title));
  return made;
}

const colours = (names) => {
  const style = getComputedStyle(document.documentElement);
  return Object.fromEntries(names.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
};

// Whatever depends on width or on light and dark is drawn here, and drawn anew when either changes.
const drawings = new Map();
const due = new Set();
function soon(element) {
  if (!due.size) requestAnimationFrame(() => { const now = [...due]; due.clear(); now.forEach((one) => drawings.get(one)?.()); });
  due.add(element);
}
const watcher = new ResizeObserver((entries) => entries.forEach((entry) => soon(entry.target)));
function drawn(element, draw) {
  drawings.set(element, draw);
  watcher.observe(element);
}
const redraw = () => drawings.forEach((draw) => draw());
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
matchMedia("print").addEventListener("change", redraw);
