// A price chart per product: the closes as a line, lows to highs as a band, and behind them where trades are missing or were healed.

const GROUNDS = { x: "holes", o: "holes", h: "healed", n: "not watched" };

function runs(strip) {
  const found = [];
  let from = 0;
  for (let i = 1; i <= strip.states.length; i += 1) {
    if (i < strip.states.length && strip.states[i] === strip.states[from]) continue;
    if (strip.states[from] in GROUNDS) found.push({ state: strip.states[from], from: strip.start + from * strip.cell, to: strip.start + i * strip.cell });
    from = i;
  }
  return found;
}

function pieces(series, grounds) {
  const broken = grounds.filter((run) => run.state !== "h");
  const made = [[]];
  series.places.forEach((place, i) => {
    const at = series.start + (place + 0.5) * series.width;
    const last = made[made.length - 1];
    const before = last[last.length - 1];
    // The line stops where something is missing between two points; a quiet time it may cross.
    if (before && place > before.place + 1 && broken.some((run) => run.from < at - series.width / 2 && run.to > before.at + series.width / 2)) made.push([]);
    made[made.length - 1].push({ place, at, low: series.lows[i], high: series.highs[i], close: series.closes[i] });
  });
  return made.filter((piece) => piece.length);
}

const HEIGHT = 144, TOP = 14, FOOT = 20;
function drawChart(holder, series, strip, flags, span) {
  const width = Math.max(80, holder.clientWidth);
  const grounds = strip ? runs(strip) : [];
  const low = Math.min(...series.lows), high = Math.max(...series.highs);
  const pad = (high - low || Math.abs(high) * 0.001 || 1) * 0.06;
  const x = (us) => (us - span[0]) / (span[1] - span[0] || 1) * width;
  const y = (value) => TOP + (high + pad - value) / (high - low + 2 * pad) * (HEIGHT - TOP - FOOT);
  const point = (at, value) => `${x(at).toFixed(1)} ${y(value).toFixed(1)}`;
  const floor = HEIGHT - FOOT;
  const shades = grounds.flatMap((run) => {
    const left = x(run.from), wide = Math.max(1, x(run.to) - left);
    return [svg("rect", { class: run.state, x: left, y: TOP, width: wide, height: floor - TOP }), svg("rect", { class: `edge-${run.state}`, x: left, y: floor, width: wide, height: 3 })];
  });
  const marks = pieces(series, grounds).flatMap((piece) => piece.length === 1
    ? [svg("circle", { class: "dot", cx: x(piece[0].at), cy: y(piece[0].close), r: 1.6 })]
    : [
      svg("path", { class: "band", d: `M${piece.map((p) => point(p.at, p.high)).join("L")}L${[...piece].reverse().map((p) => point(p.at, p.low)).join("L")}Z` }),
      svg("path", { class: "line", d: `M${piece.map((p) => point(p.at, p.close)).join("L")}` }),
    ]);
  const stems = flags.map((flag) => {
    const left = Math.max(4, Math.min(width - 4, x(flag.at)));
    const place = series.places.indexOf(Math.floor((flag.at - series.start) / series.width));
    const dot = place < 0 ? null : svg("circle", { class: "flag", cx: left, cy: y(series.closes[place]), r: 3.5 });
    return [svg("line", { class: "stem", x1: left, x2: left, y1: TOP, y2: floor }), svg("path", { class: "flag", d: `M${left - 5} 3h10l-5 9z` }, svg("title", null, `${instant(flag.at)} UTC, ${flag.check}: ${flag.what}`)), dot];
  });
  const clock = (us) => instant(us, 16).slice(span[1] - span[0] > 86400000000 ? 5 : 11);
  const label = (value, at, anchor, left) => svg("text", { x: left, y: at, "text-anchor": anchor }, value);
  holder.replaceChildren(svg("svg", { viewBox: `0 0 ${width} ${HEIGHT}`, role: "img", "aria-label": spoken(series, grounds, flags) },
    shades, svg("line", { class: "level", x1: 0, x2: width, y1: floor + 0.5, y2: floor + 0.5 }), marks, stems,
    label(clock(span[0]), HEIGHT - 4, "start", 0), label(clock(span[1]), HEIGHT - 4, "end", width)));
}

function spoken(series, grounds, flags) {
  const closes = series.closes;
  const parts = [`${series.product}: from ${price(closes[0])} to ${price(closes[closes.length - 1])}, lowest ${price(Math.min(...series.lows))}, highest ${price(Math.max(...series.highs))}`];
  for (const name of ["holes", "healed", "not watched"]) {
    const length = grounds.filter((run) => GROUNDS[run.state] === name).reduce((sum, run) => sum + run.to - run.from, 0);
    if (length) parts.push(`${name} ${duration(length / 1000)}`);
  }
  if (flags.length) parts.push(plural(flags.length, "flagged point"));
  return parts.join("; ");
}

const FLAGS_EACH = 60;
function chart(report, series, strip, span) {
  const flags = report.flags.filter((flag) => flag.product === series.product && flag.at >= span[0] && flag.at <= span[1]);
  const first = series.closes[0], last = series.closes[series.closes.length - 1];
  const change = first ? (last / first - 1) * 100 : 0;
  const holder = el("div", null);
  drawn(holder, () => drawChart(holder, series, strip, flags.slice(0, FLAGS_EACH), span));
  return el("figure", { class: "chart" },
    el("figcaption", null, el("h3", null, told(series.product)), el("strong", null, price(last)),
      el("span", { class: "change" }, `${change < 0 ? "\u2212" : "+"}${Math.abs(change).toFixed(2)}\u00a0%, between ${price(Math.min(...series.lows))} and ${price(Math.max(...series.highs))}${flags.length ? `, ${plural(flags.length, "flagged point")}` : ""}`)),
    holder);
}

function key(name, ...drawing) {
  return el("li", null, svg("svg", { class: "swatch", viewBox: "0 0 26 16", "aria-hidden": "true" }, drawing), name);
}

const CHARTS_AT_ONCE = 12;
function drawPrices(report) {
  const made = section("prices", "Prices", report.prices.length ? "The line is each interval's last price, the band its lowest to its highest; it breaks where trades are missing. Times are UTC." : null);
  if (!report.prices.length) {
    made.append(el("p", { class: "empty" }, report.unanswered.prices ? "This could not be asked; see Not run." : "No trade of this time is in the lake."));
    return;
  }
  const strips = new Map(report.strips.map((strip) => [strip.product, strip]));
  const order = new Map(report.strips.map((strip, place) => [strip.product, place]));
  const prices = [...report.prices].sort((a, b) => (order.get(a.product) ?? Infinity) - (order.get(b.product) ?? Infinity));
  const span = report.strips.length
    ? [report.strips[0].start, report.strips[0].start + report.strips[0].states.length * report.strips[0].cell]
    : [prices[0].start, Math.max(...prices.map((series) => series.start + (series.places[series.places.length - 1] + 1) * series.width))];
  const ground = (state) => [svg("rect", { class: state, width: 26, height: 13 }), svg("rect", { class: `edge-${state}`, y: 13, width: 26, height: 3 })];
  made.append(el("ul", { class: "keys chart-keys", "aria-label": "What the charts show" },
    key("hole", ground("o")), key("healed", ground("h")), key("not watched", ground("n")), key("flagged by a check", svg("path", { class: "flag", d: "M8 3h10l-5 9z" }))));
  const grid = el("div", { class: "charts" });
  let shown = 0;
  const more = el("button", { class: "more", type: "button", onclick: () => { const next = grid.children.length; add(); grid.children[next].querySelector("h3").setAttribute("tabindex", "-1"); grid.children[next].querySelector("h3").focus(); } });
  const add = () => {
    prices.slice(shown, shown + CHARTS_AT_ONCE).forEach((series) => grid.append(chart(report, series, strips.get(series.product), span)));
    shown += CHARTS_AT_ONCE;
    more.textContent = `Show ${count(Math.min(CHARTS_AT_ONCE, prices.length - shown))} more of ${count(prices.length)}`;
    if (shown >= prices.length) more.remove();
  };
  made.append(grid, more);
  add();
}
