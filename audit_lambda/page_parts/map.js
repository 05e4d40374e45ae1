// The heat map: one strip per product, a letter per cell (infra/queries/audit/figures/minutes.sql), the worst of a pixel's cells on top.

const STATES = {
  x: ["lost", "lost", "a producer saw more trades than the lake holds"],
  o: ["hole", "hole", "trade ids are missing"],
  h: ["healed", "heal", "missing trades were fetched afterwards"],
  t: ["not testified", "trade", "trades are here, nobody says they were watching"],
  n: ["not watched", "bare", "no trades, and nobody was watching"],
  p: ["partly watched", "partly", "watched for a part of the time"],
  z: ["halted", "halted", "watched; no trade for much longer than is usual here"],
  q: ["quiet", "quiet", "watched; nobody traded"],
  w: ["watched", "t5", "stronger with more trades a minute: 1, 3, 10, 30 \u2026 10,000"],
  f: ["not yet", "paper", "after the audit was made"],
};
// From worst to harmless; of watched minutes the busiest.
const ORDER = "xohtnpz987654321qf";
const RANK = Object.fromEntries([...ORDER].map((letter, place) => [letter, ORDER.length - place]));
const kind = (letter) => letter >= "1" && letter <= "9" ? "w" : letter in STATES ? letter : "n";
const LEVELS = ["", "1\u20132", "3\u20139", "10\u201329", "30\u201399", "100\u2013299", "300\u2013999", "1,000\u20132,999", "3,000\u20139,999", "10,000 or more"];
const PAINTS = ["lost", "hole", "heal", "halted", "quiet", "partly", "bare", "trade", "paper", "t1", "t2", "t3", "t4", "t5", "t6", "t7", "t8", "t9"];

// Each state has a colour and a shape of its own: [from, to] of the strip's height.
function paint(context, letter, x, width, height, palette) {
  const state = kind(letter);
  const fill = (name, from, to) => {
    context.fillStyle = palette[name];
    context.fillRect(x, Math.round(from * height), width, Math.round(to * height) - Math.round(from * height));
  };
  if (state === "w") fill(`t${letter}`, 0.2, 1);
  else if (state === "q") fill("quiet", 0.72, 1);
  else if (state === "z") fill("halted", 0.72, 1);
  else if (state === "p") fill("partly", 0.5, 1);
  else if (state === "t") fill("trade", 0.45, 0.75);
  else if (state === "n") fill("bare", 0.92, 1);
  else if (state === "h") { fill("t4", 0.2, 1); fill("heal", 0, 0.6); }
  else if (state === "o") fill("hole", 0, 1);
  else if (state === "x") { fill("lost", 0, 1); fill("paper", 0.42, 0.58); }
}

function drawStrip(canvas, strip, at) {
  const scale = window.devicePixelRatio || 1;
  const width = Math.max(1, Math.round(canvas.clientWidth * scale));
  const height = Math.max(1, Math.round(canvas.clientHeight * scale));
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d");
  const palette = colours(PAINTS);
  const cells = strip.states.length;
  const gap = width / cells >= 5 * scale ? Math.round(scale) : 0;
  let from = 0;
  while (from < width) {
    const letter = worst(strip.states, from, width);
    let to = from + 1;
    const edge = gap ? Math.round((Math.floor(from * cells / width) + 1) * width / cells) : width;
    while (to < width && to < edge && worst(strip.states, to, width) === letter) to += 1;
    paint(context, letter, from, Math.max(1, to - from - gap), height, palette);
    from = to;
  }
  if (at !== null) {
    context.fillStyle = getComputedStyle(document.body).color;
    context.fillRect(Math.min(width - 2, Math.round((at + 0.5) * width / cells)), 0, Math.max(1, Math.round(1.5 * scale)), height);
  }
}

function worst(states, x, width) {
  const first = Math.floor(x * states.length / width);
  const end = Math.max(first + 1, Math.floor((x + 1) * states.length / width));
  let letter = states[first];
  for (let i = first + 1; i < end; i += 1) if (RANK[states[i]] > RANK[letter]) letter = states[i];
  return letter;
}

// Not-yet is not not-watched: what lies after the audit's making is neither good nor bad.
function prepare(strips, madeUs) {
  for (const strip of strips) {
    const future = Math.max(0, Math.min(strip.states.length, Math.ceil((madeUs - strip.start) / strip.cell)));
    strip.states = strip.states.slice(0, future) + strip.states.slice(future).replaceAll("n", "f");
    strip.counts = {};
    for (const letter of strip.states) strip.counts[kind(letter)] = (strip.counts[kind(letter)] || 0) + 1;
    const known = strip.states.length - (strip.counts.f || 0);
    strip.watched = [(strip.counts.w || 0) + (strip.counts.q || 0) + (strip.counts.z || 0) + (strip.counts.h || 0), known];
  }
}

const describe = (strip) => Object.keys(STATES).filter((state) => strip.counts[state])
  .map((state) => `${STATES[state][0]} ${duration(strip.counts[state] * strip.cell / 1000)}`).join(", ");

function say(strip, at) {
  const letter = strip.states[at];
  const from = strip.start + at * strip.cell;
  const state = STATES[kind(letter)];
  const trades = kind(letter) === "w" ? `, ${LEVELS[Number(letter)]} trades a minute` : `: ${state[2]}`;
  const to = strip.cell > 60000000 ? ` to ${instant(from + strip.cell, 16).slice(11)}` : "";
  return `${strip.product}, ${instant(from, 16)}${to} UTC, ${state[0]}${trades}.`;
}

function stripRow(strip, place, readout, focusRow) {
  let at = null;
  const canvas = el("canvas", {
    tabindex: place === 0 ? "0" : "-1", role: "slider", "aria-label": `${strip.product}: ${describe(strip)}`, "aria-orientation": "horizontal",
    "aria-valuemin": "0", "aria-valuemax": String(strip.states.length - 1), "aria-valuenow": "0", "aria-valuetext": say(strip, 0),
  });
  const draw = () => drawStrip(canvas, strip, at);
  const go = (to) => {
    at = to === null ? null : Math.max(0, Math.min(strip.states.length - 1, to));
    if (at !== null) {
      readout.replaceChildren(told(say(strip, at)));
      canvas.setAttribute("aria-valuenow", String(at));
      canvas.setAttribute("aria-valuetext", say(strip, at));
    }
    draw();
  };
  const changes = () => [...strip.states].map((letter, i) => i).filter((i) => i === 0 || kind(strip.states[i]) !== kind(strip.states[i - 1]));
  const keys = {
    ArrowRight: () => go((at ?? -1) + 1), ArrowLeft: () => go((at ?? 1) - 1), Home: () => go(0), End: () => go(strip.states.length - 1),
    PageDown: () => go(changes().find((i) => i > (at ?? 0)) ?? strip.states.length - 1),
    PageUp: () => go(changes().reverse().find((i) => i < (at ?? 0)) ?? 0),
    ArrowDown: () => focusRow(place + 1), ArrowUp: () => focusRow(place - 1),
  };
  canvas.addEventListener("keydown", (event) => {
    if (!(event.key in keys) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    keys[event.key]();
  });
  canvas.addEventListener("focus", () => { if (canvas.matches(":focus-visible")) go(at ?? 0); });
  canvas.addEventListener("blur", () => go(null));
  canvas.addEventListener("pointermove", (event) => go(Math.floor(event.offsetX / canvas.clientWidth * strip.states.length)));
  canvas.addEventListener("pointerleave", () => go(null));
  drawn(canvas, draw);
  return el("tr", { role: "row" },
    el("th", { scope: "row", role: "rowheader" }, told(strip.product)),
    el("td", { role: "cell" }, canvas),
    el("td", { role: "cell" }, share(...strip.watched), el("span", { class: "unseen" }, ` watched: ${describe(strip)}`)));
}

// Round instants, at most six of them, so that they can be read on a phone as well.
const STEPS_MIN = [1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2880, 10080, 43200, 129600, 525600];
function axis(strip) {
  const length = strip.states.length * strip.cell;
  const step = (STEPS_MIN.find((minutes) => length / (minutes * 60000000) <= 6) || STEPS_MIN[STEPS_MIN.length - 1]) * 60000000;
  const marks = [];
  for (let at = Math.ceil(strip.start / step) * step; at <= strip.start + length; at += step) marks.push(at);
  return el("div", { class: "axis", "aria-hidden": "true" }, marks.map((at) => {
    const text = instant(at, 16);
    const mark = el("span", null, step >= 86400000000 ? text.slice(0, 10) : text.endsWith("00:00") ? text.slice(5, 10) : text.slice(11));
    const part = (at - strip.start) / length;
    mark.style.left = `${100 * part}%`;
    mark.className = part < 0.04 ? "from" : part > 0.96 ? "to" : "";
    return mark;
  }));
}

function legend(strips) {
  const totals = {};
  for (const strip of strips) for (const state in strip.counts) totals[state] = (totals[state] || 0) + strip.counts[state] * strip.cell;
  const all = Object.values(totals).reduce((sum, part) => sum + part, 0);
  return el("ul", { class: "legend", "aria-label": "What the strips show" }, Object.keys(STATES).filter((state) => totals[state]).map((state) => {
    const swatch = el("canvas", { "aria-hidden": "true" });
    drawn(swatch, () => drawStrip(swatch, { states: state === "w" ? "123456789" : state.repeat(3) }, null));
    return el("li", null, swatch, el("span", null, `${STATES[state][0]}, ${share(totals[state], all)}`, el("small", null, STATES[state][2])));
  }));
}

const FIRST_STRIPS = 30;
function drawMap(report) {
  const { strips } = report;
  const made = section("coverage", "Coverage", strips.length
    ? `One strip per product${strips[0].cell > 60000000 ? `, one mark per ${duration(strips[0].cell / 1000)}` : ", minute by minute"}, those with holes first. The number is the share that was watched, healed minutes among them.`
    : null);
  if (!strips.length) {
    made.append(el("p", { class: "empty" }, report.unanswered.minutes ? "This could not be asked; see Not run." : "Nothing is known of this time: no testimony of a producer, and no trade."));
    return;
  }
  prepare(strips, report.made);
  const readout = el("p", { class: "readout note", "aria-live": "off" }, "Point at a strip, or focus one and use the arrow keys; Page Down goes to the next change.");
  const body = el("tbody", { role: "rowgroup" });
  const focusRow = (place) => {
    const canvases = body.querySelectorAll("canvas");
    if (!canvases[place]) return;
    canvases.forEach((canvas, i) => canvas.setAttribute("tabindex", i === place ? "0" : "-1"));
    canvases[place].focus();
  };
  const add = (from, to) => strips.slice(from, to).forEach((strip, i) => body.insertBefore(stripRow(strip, from + i, readout, focusRow), body.querySelector(".axis-row")));
  body.append(el("tr", { class: "axis-row", role: "presentation" }, el("th", { role: "presentation" }), el("td", { role: "presentation" }, axis(strips[0])), el("td", { role: "presentation" })));
  add(0, FIRST_STRIPS);
  made.append(el("table", { class: "strips", role: "table" },
    el("caption", { class: "unseen" }, "What became of each product's time"),
    el("thead", { class: "unseen", role: "rowgroup" }, el("tr", { role: "row" }, ["Product", "Over time", "Share watched"].map((name) => el("th", { scope: "col", role: "columnheader" }, name)))),
    body), readout);
  if (strips.length > FIRST_STRIPS) {
    const more = el("button", { class: "more", type: "button", onclick: () => { add(FIRST_STRIPS, strips.length); more.remove(); focusRow(FIRST_STRIPS); } }, `Show all ${count(strips.length)} products`);
    made.append(more);
  }
  if (report.strips_in_all > strips.length) made.append(el("p", { class: "note" }, `${count(strips.length)} of ${count(report.strips_in_all)} products are in this report.`));
  made.append(legend(strips));
}
