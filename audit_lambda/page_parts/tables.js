// Tables that sort by click and by key, grow by a button, and scroll inside themselves where the page is narrow.

function compare(a, b) {
  const absent = (value) => value === null || value === undefined || value === "";
  if (absent(a) || absent(b)) return absent(a) - absent(b);
  if (typeof a === "number" && typeof b === "number") return a - b;
  return String(a).localeCompare(String(b), "en", { numeric: true });
}

/*
 * columns: { title, value(row) what is sorted by, show(row) what is seen, look: number | text | label, scope, start: 1 or -1 }
 * Returned: the element, and set(rows) for another choice of rows.
 */
function sortable({ id, caption, columns, rows, atOnce = 50, sorted = null }) {
  let chosen = rows, shown = atOnce;
  let [column, direction] = sorted || [null, 1];
  const body = el("tbody");
  const more = el("button", { class: "more", type: "button", onclick: () => { const next = shown; shown += 4 * atOnce; fill(); body.rows[next]?.cells[0].setAttribute("tabindex", "-1"); body.rows[next]?.cells[0].focus(); } });
  const heads = columns.map((one, place) => {
    const head = el("th", { scope: "col", class: one.look || "text" }, el("button", { class: "sort", type: "button" }, one.title));
    head.firstChild.addEventListener("click", () => {
      direction = column === place ? -direction : one.start || (one.look === "number" ? -1 : 1);
      column = place;
      fill();
    });
    return head;
  });
  function ordered() {
    if (column === null) return chosen;
    const value = columns[column].value;
    // What is absent stands last, whichever the direction.
    return [...chosen].sort((a, b) => {
      const [x, y] = [value(a), value(b)];
      const absent = (one) => one === null || one === undefined || one === "";
      return absent(x) || absent(y) ? compare(x, y) : direction * compare(x, y);
    });
  }
  function fill() {
    heads.forEach((head, place) => {
      if (place === column) head.setAttribute("aria-sort", direction > 0 ? "ascending" : "descending");
      else head.removeAttribute("aria-sort");
    });
    body.replaceChildren(...ordered().slice(0, shown).map((row) => el("tr", null, columns.map((one) => el(one.scope ? "th" : "td", { class: one.look || "text", scope: one.scope }, one.show ? one.show(row) : told(one.value(row) ?? ""))))));
    more.textContent = `Show more of ${count(chosen.length)} rows`;
    more.hidden = shown >= chosen.length;
  }
  fill();
  const table = el("table", { id: `${id}-table` }, el("caption", { id: `${id}-caption` }, caption), el("thead", null, el("tr", null, heads)), body);
  const element = el("div", null, el("div", { class: "scroll", tabindex: "0", role: "region", "aria-labelledby": `${id}-caption` }, table), more);
  return { element, set: (others) => { chosen = others; shown = atOnce; fill(); } };
}

function drawProducts(report) {
  if (!report.products.length) return;
  const made = section("products", "Products", `${report.products_in_all > report.products.length ? `The ${count(report.products.length)} busiest of ${count(report.products_in_all)} products. ` : ""}Missing are trade ids between the first and the last one of this time; those beyond are among the findings.`);
  const number = (title, value, show) => ({ title, value, show: (row) => (show ? show(row) : count(value(row))), look: "number" });
  const money = (title, name) => number(title, (row) => Number(row[name]), (row) => price(Number(row[name])));
  made.append(sortable({
    id: "products", caption: "What the lake holds of each product", rows: report.products, atOnce: 25,
    columns: [
      { title: "Product", value: (row) => row.product_id, show: (row) => told(row.product_id), look: "label", scope: "row" },
      number("Trades", (row) => row.trades), number("Missing", (row) => row.missing), number("Healed", (row) => row.healed), number("Backfilled", (row) => row.backfilled),
      money("Open", "open"), money("High", "high"), money("Low", "low"), money("Close", "close"),
      { title: "First trade", value: (row) => row.first_us, show: (row) => instant(row.first_us), look: "label", start: 1 },
      { title: "Last trade", value: (row) => row.last_us, show: (row) => instant(row.last_us), look: "label", start: -1 },
    ],
  }).element);
}

function drawLatency(report) {
  if (!report.latency.length) return;
  const made = section("latency", "Latency", "From the exchange\u2019s clock to our socket; the errors of both clocks are in it. The bar goes from the median to the 99th percentile, its dots are the median, the 90th and the 99th; the scale is logarithmic.");
  const all = report.latency.flatMap((row) => [row.p50_ms, row.p99_ms]).filter((ms) => ms > 0);
  const low = Math.log10(Math.min(1, ...all)), high = Math.log10(Math.max(1000, ...all));
  const x = (ms) => 4 + 192 * (Math.log10(Math.max(ms, 10 ** low)) - low) / (high - low);
  const bar = (row) => svg("svg", { class: "bar", viewBox: "0 0 200 18", "aria-hidden": "true" }, svg("line", { class: "rail", x1: 4, x2: 196, y1: 9, y2: 9 }),
    svg("line", { class: "reach", x1: x(row.p50_ms), x2: x(row.p99_ms), y1: 9, y2: 9 }), [row.p50_ms, row.p90_ms, row.p99_ms].map((ms, i) => svg("circle", { class: "p", cx: x(ms), cy: 9, r: 4.5 - i })));
  const ms = (title, name) => ({ title, value: (row) => row[name], show: (row) => duration(row[name]), look: "number" });
  made.append(sortable({
    id: "latency", caption: "Latency by source", rows: report.latency,
    columns: [
      { title: "Source", value: (row) => row.source, show: (row) => told(row.source), look: "label", scope: "row" },
      { title: "Spread", value: (row) => row.p99_ms - row.p50_ms, show: bar, look: "label", start: -1 },
      ms("Median", "p50_ms"), ms("90th", "p90_ms"), ms("99th", "p99_ms"), ms("Longest", "max_ms"),
      { title: "Ticks", value: (row) => row.ticks, show: (row) => count(row.ticks), look: "number" },
      { title: "Ahead of the exchange", value: (row) => row.ahead_of_exchange, show: (row) => count(row.ahead_of_exchange), look: "number" },
    ],
  }).element);
}

function drawRefusals(report) {
  const made = section("refusals", "Refusals", report.refusals.length ? "Lines that are no rows, by reason; each lies under errors/ as it was sent. The example is untrusted text." : null);
  if (!report.refusals.length) {
    made.append(el("p", { class: "empty" }, report.unanswered.refusals ? "This could not be asked; see Not run." : "No line was refused in these hours."));
    return;
  }
  const most = Math.max(...report.refusals.map((row) => row.lines));
  const bar = (row) => svg("svg", { class: "bar", viewBox: "0 0 200 18", preserveAspectRatio: "none", "aria-hidden": "true" }, svg("rect", { class: "fill", y: 4, height: 10, rx: 2, width: Math.max(2, 200 * row.lines / most) }));
  made.append(sortable({
    id: "refusals", caption: `${plural(report.refusals_in_all, "refused line")}, hours of arrival`, rows: report.refusals,
    columns: [
      { title: "Reason", value: (row) => row.reason, show: (row) => el("code", null, told(row.reason)), look: "label", scope: "row" },
      { title: "Lines", value: (row) => row.lines, show: (row) => count(row.lines), look: "number" },
      { title: "Share", value: (row) => row.lines, show: bar, look: "label", start: -1 },
      { title: "Pass today", value: (row) => row.passing_today, show: (row) => count(row.passing_today), look: "number" },
      { title: "Sessions", value: (row) => row.sessions, show: (row) => count(row.sessions), look: "number" },
      { title: "Example", value: (row) => row.example, show: (row) => el("span", { class: "code" }, told(row.example ?? "")), look: "text" },
    ],
  }).element);
}
