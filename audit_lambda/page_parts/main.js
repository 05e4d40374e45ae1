// The checks, what they found, and what was not run; then every section in the order it is read.

const BADNESS = ["passed", "notice", "warning", "healed", "partly", "not_run", "hole", "damage"];
const badness = (name) => BADNESS.indexOf(name);
const unproven = (check) => check.state === "not_run" || check.state === "partly";
// What was found is said where it is worse than what was not looked at.
const resultOf = (check) => [check.worst || "passed", unproven(check) ? check.state : "passed"].sort((a, b) => badness(b) - badness(a))[0];
const words = (name) => name.replaceAll("_", " ");

function drawChecks(report) {
  const made = section("checks", "Checks", `${plural(report.checks.length, "check")}: what each asked of the lake, and what it found.`);
  if (!report.checks.length) {
    made.append(el("p", { class: "empty" }, "No check was asked."));
    return;
  }
  const thresholds = (check) => Object.entries(check.thresholds).map(([name, value]) => `${words(name)} ${value}`).join(", ");
  made.append(sortable({
    id: "checks", caption: "Checks", rows: report.checks, atOnce: 60,
    columns: [
      { title: "Check", value: (check) => words(check.name), look: "text", scope: "row",
        show: (check) => [told(words(check.name)), el("small", null, told(check.question)), thresholds(check) ? el("small", null, told(thresholds(check))) : null] },
      { title: "Result", value: (check) => badness(resultOf(check)), show: (check) => tag(resultOf(check)), look: "label", start: -1 },
      { title: "Findings", value: (check) => check.found_count, show: (check) => check.state === "not_run" ? "" : count(check.found_count), look: "number" },
      { title: "Amount", value: (check) => check.found_amount, show: (check) => check.state === "not_run" ? "" : count(check.found_amount), look: "number" },
      { title: "Group", value: (check) => check.group, look: "label" },
    ],
  }).element);
}

function drawFindings(report) {
  const found = report.findings_in_all;
  const part = report.findings.length < found ? `The worst and largest ${count(report.findings.length)} of ${count(found)}; every one is counted above. ` : "";
  const made = section("findings", "Findings", found ? `${part}Ids are trade ids of the product, or line numbers of the session; times are UTC.` : null);
  if (!report.findings.length) {
    made.append(el("p", { class: "empty" }, "Nothing was found."));
    return;
  }
  const present = SEVERITIES.filter((name) => report.findings.some((finding) => finding.severity === name));
  const boxes = present.map((name) => el("input", { type: "checkbox", value: name, checked: true }));
  const names = [...new Set(report.findings.map((finding) => finding.check))];
  const choice = el("select", { "aria-label": "Check" }, el("option", { value: "" }, "every check"), names.map((name) => el("option", { value: name }, words(name))));
  const status = el("p", { class: "note", role: "status" });
  const range = (from, to, write) => from === null ? "" : from === to || to === null ? write(from) : `${write(from)} \u2013 ${write(to)}`;
  const where = (finding) => [range(finding.first_id, finding.last_id, String), finding.session ? `session ${finding.session}` : ""].filter(Boolean);
  const table = sortable({
    id: "findings", caption: "Findings", rows: report.findings,
    columns: [
      { title: "Severity", value: (finding) => badness(finding.severity), show: (finding) => tag(finding.severity), look: "label", start: -1 },
      { title: "Product", value: (finding) => finding.product, show: (finding) => told(finding.product ?? ""), look: "label" },
      { title: "What", value: (finding) => finding.what, show: (finding) => [told(finding.what), el("small", null, told(words(finding.check)))], look: "text" },
      { title: "Amount", value: (finding) => finding.amount, show: (finding) => count(finding.amount), look: "number" },
      { title: "When", value: (finding) => finding.first_us, show: (finding) => [instant(finding.first_us), finding.last_us !== null && finding.last_us !== finding.first_us ? el("small", null, `to ${instant(finding.last_us)}`) : null], look: "label" },
      { title: "Ids", value: (finding) => finding.first_id, show: (finding) => where(finding).map((line) => el("small", null, told(line))), look: "label" },
    ],
  });
  const choose = () => {
    const wanted = new Set(boxes.filter((box) => box.checked).map((box) => box.value));
    const rows = report.findings.filter((finding) => wanted.has(finding.severity) && (!choice.value || finding.check === choice.value));
    table.set(rows);
    status.textContent = rows.length === report.findings.length ? `All ${plural(rows.length, "finding")}.` : `${count(rows.length)} of ${plural(report.findings.length, "finding")}.`;
  };
  [...boxes, choice].forEach((input) => input.addEventListener("change", choose));
  choose();
  made.append(
    el("fieldset", { class: "filters" }, el("legend", null, "Show"), boxes.map((box, i) => el("label", { class: "chip" }, box, tag(present[i]), count(report.findings.filter((finding) => finding.severity === present[i]).length))), names.length > 1 ? choice : null),
    status, table.element);
}

function drawNotRun(report) {
  const missing = [
    ...report.checks.filter(unproven).map((check) => [check.state === "partly" ? `${check.name} (in part)` : check.name, check.why]),
    ...Object.entries(report.unanswered).map(([name, why]) => [`figure: ${name}`, why]),
  ];
  const made = section("not-run", "Not run", missing.length ? "A verdict can be no better than what was asked." : null);
  made.append(missing.length
    ? el("ul", { class: "reasons" }, missing.map(([name, why]) => el("li", null, el("strong", null, told(words(name))), el("p", null, told(why || "No reason is given.")))))
    : el("p", { class: "empty" }, "Every check was run, and every figure answered."));
}

const report = JSON.parse(document.getElementById("report").textContent);
drawMap(report);
drawPrices(report);
drawProducts(report);
drawLatency(report);
drawRefusals(report);
drawChecks(report);
drawFindings(report);
drawNotRun(report);
