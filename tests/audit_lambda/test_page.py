"""The page: one file that asks nobody for anything, obeys its own policy, and shows hostile texts as texts; in a browser where there is one."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from audit_lambda import page
from audit_lambda.findings import VERDICTS
from audit_lambda.page import encode_inline, render_page
from audit_lambda.report import Slo
from infra import AUDIT_QUERIES
from tests.audit_lambda.browser import Browser, find_chromium
from tests.audit_lambda.page_samples import HOSTILE, hostile, rich
from tests.audit_lambda.samples import finding, report

if TYPE_CHECKING:
    from collections.abc import Iterator

    from audit_lambda.findings import Verdict
    from audit_lambda.report import Report

ARTEFACTS: Final = Path(__file__).parents[2] / "artefacts" / "audit-page"
DOCUMENTS: Final = sorted((Path(__file__).parents[2] / "docs").glob("audit*.md"))
PARTS: Final = Path(page.__file__).parent / "page_parts"


def between(text: str, start: str, end: str) -> str:
    return text.split(start, 1)[1].split(end, 1)[0]


def data_of(made: str) -> str:
    return between(made, '<script type="application/json" id="report">', "</script>")


@pytest.mark.parametrize("verdict", VERDICTS)
def test_the_verdict_is_in_the_markup_as_word_mark_and_colour(verdict: Verdict) -> None:
    made = render_page(report(verdict=verdict))
    assert f'<body class="{verdict}">' in made
    assert f"</svg>{verdict.capitalize()}</h1>" in made
    assert f"body.{verdict} {{" in made


def test_the_policy_lets_this_script_and_style_run_and_nothing_else() -> None:
    made = render_page(rich())
    said = html.unescape(between(made, 'Content-Security-Policy" content="', '">'))
    for directive, text in (
        ("script-src", between(made, "<script>", "</script>")),
        ("style-src", between(made, "<style>", "</style>")),
    ):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{directive} 'sha256-{digest}'" in said
    assert said.startswith("default-src 'none'; ")
    assert "require-trusted-types-for 'script'; trusted-types 'none'" in said


def test_it_refers_to_nothing_outside_itself() -> None:
    made = render_page(rich())
    assert {"#coverage", "data:,"} == set(re.findall(r'\b(?:src|href|action|poster)="([^"]*)"', made))
    assert {"http://www.w3.org/2000/svg"} == set(re.findall(r"https?://[^\s\"']+", made))
    assert not re.findall(r"@import|url\(|@font-face", made)


def test_it_has_neither_handlers_nor_styles_in_attributes() -> None:
    assert not re.findall(r"<[a-z][^>]*\s(?:on\w+|style)=", render_page(hostile()))


@pytest.mark.parametrize("part", [*page.SCRIPTS, "page.css", "page.html"])
def test_no_part_of_it_makes_markup_of_text_or_ends_its_own_element(part: str) -> None:
    text = (PARTS / part).read_text(encoding="utf-8")
    assert not re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function|\r", text)
    if part.endswith(".js"):
        assert not re.findall(r"</script|<!--|fetch\(|XMLHttpRequest|import\(|sendBeacon|localStorage", text)


def test_every_part_is_used() -> None:
    assert {*page.SCRIPTS, "page.css", "page.html"} == {path.name for path in PARTS.iterdir()}


def test_hostile_texts_are_texts() -> None:
    made = render_page(hostile())
    assert 2 == made.count("<script")
    assert 2 == made.count("</script")
    assert "<img" not in made
    assert "<!--" not in made
    assert "<" not in data_of(made)
    assert made.encode()
    assert not re.search("[\u202a-\u202e\u2066-\u2069\ud800-\udfff]", made + json.loads(json.dumps(data_of(made))))


def test_what_looks_like_a_placeholder_stays_as_it_is() -> None:
    made = render_page(report(lake="$script ${report}"))
    assert "Audit of <bdi>$script ${report}</bdi>" in made


def test_data_says_the_same_after_it_was_encoded() -> None:
    value = {"a": [HOSTILE[0], HOSTILE[2], "\u2028", 1, None, True, 2.5]}
    assert value == json.loads(encode_inline(value))
    assert "<" not in encode_inline(value)


def test_the_same_report_makes_the_same_bytes() -> None:
    assert render_page(rich()) == render_page(rich())


@pytest.mark.parametrize(
    ("used", "missing", "bar"), [("0", 0, (0, 100)), ("0.25", 3, (25, 100)), ("4", 40, (100, 25)), (None, 1, (100, 0))]
)
def test_the_budget_is_a_bar_with_a_notch_where_it_ends(used: str | None, missing: int, bar: tuple[int, int]) -> None:
    made = render_page(report(slo=Slo("0.9999", 100_000, missing, "0.9", used)))
    found = re.search(r'class="used" width="([\d.]+)".*class="notch" x="([\d.]+)"', made)
    assert found is not None
    assert bar == (float(found[1]), float(found[2]))


def test_the_letters_of_the_map_are_those_of_its_question_and_of_the_documentation() -> None:
    asked = set(re.findall(r"(?:THEN|ELSE) '([a-z1-9])'", (AUDIT_QUERIES / "figures" / "minutes.sql").read_text()))
    text = "".join(document.read_text(encoding="utf-8") for document in DOCUMENTS)
    drawn = between((PARTS / "map.js").read_text(encoding="utf-8"), 'const ORDER = "', '";')
    named = set(re.findall(r"^\| [a-z ]+ \| `([a-z])` \|", text, re.MULTILINE))
    # `f` is what the page itself makes of a minute after the audit was made.
    assert asked == set(drawn) - {"f"}
    assert asked - set("123456789") == named


def test_a_day_of_two_hundred_products_is_of_reasonable_size() -> None:
    made = render_page(rich(200))
    assert len(made.encode()) < 1_500_000


# In a browser.


def write(folder: Path, made: Report) -> Path:
    path = folder / "report.html"
    path.write_text(render_page(made), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    find_chromium()
    with Browser() as opened:
        yield opened


def test_a_browser_draws_a_hostile_report_without_complaint_request_or_foreign_markup(tmp_path: Path) -> None:
    path = write(tmp_path, hostile())
    find_chromium()
    with Browser() as opened:
        opened.open(path, width=320, height=640)
        assert [] == opened.complaints
        assert [path.as_uri()] == opened.requests
        assert opened.ask("document.title").startswith("Damaged: ")
        assert 0 == opened.ask("document.querySelectorAll('img, b, script:not(#report):not(:last-child)').length")
        assert 320 == opened.ask("document.documentElement.scrollWidth")
        told = opened.ask("[...document.querySelectorAll('#findings-table bdi')].map((bdi) => bdi.textContent)")
        assert HOSTILE[0] in told
        assert any("\u27e8U+202E\u27e9" in text for text in told)


@pytest.mark.slow
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1280, 768, 320])
def test_it_fits_every_width_in_light_and_dark(browser: Browser, tmp_path: Path, width: int, *, dark: bool) -> None:
    browser.open(write(tmp_path, rich()), width=width, dark=dark)
    browser.photograph(ARTEFACTS / f"{width}-{'dark' if dark else 'light'}.png")
    assert width == browser.ask("document.documentElement.scrollWidth")
    assert [] == browser.complaints


# Every element with a text of its own, with the contrast of its colour to the nearest background that is not transparent (WCAG 2.2, 1.4.3).
CONTRASTS: Final = """(() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgb = (colour) => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); return [...canvas.getImageData(0, 0, 1, 1).data]; };
  const light = ([r, g, b]) => [r, g, b].map((c) => c / 255).map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4).reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = (element) => { for (let at = element; at; at = at.parentElement) { const found = rgb(getComputedStyle(at).backgroundColor); if (found[3] === 255) return found; } return [255, 255, 255]; };
  const bad = [];
  for (const element of document.querySelectorAll("body *")) {
    if (!element.checkVisibility() || ![...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim())) continue;
    if (["SCRIPT", "STYLE", "TITLE"].includes(element.tagName.toUpperCase())) continue;
    const style = getComputedStyle(element);
    const [a, b] = [light(rgb(element.namespaceURI.endsWith("svg") ? style.fill : style.color)), light(ground(element))].sort((x, y) => y - x);
    const contrast = (a + 0.05) / (b + 0.05);
    if (contrast < 4.5) bad.push(`${element.tagName} ${element.className} ${element.textContent.slice(0, 30)}: ${contrast.toFixed(2)}`);
  }
  return bad;
})()"""


@pytest.mark.slow
@pytest.mark.parametrize("verdict", VERDICTS)
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_texts_stand_out_from_their_background(
    browser: Browser, tmp_path: Path, verdict: Verdict, *, dark: bool
) -> None:
    browser.open(write(tmp_path, rich(verdict=verdict)), dark=dark)
    assert [] == browser.ask(CONTRASTS)


FIRST_PRODUCTS: Final = (
    "[...document.querySelectorAll('#products-table tbody th')].slice(0, 2).map((th) => th.textContent)"
)
SORTED: Final = (
    "[...document.querySelectorAll('#products-table [aria-sort]')].map((th) => [th.textContent, th.ariaSort])"
)


@pytest.mark.slow
def test_a_table_sorts_by_click_and_by_key_and_says_so(browser: Browser, tmp_path: Path) -> None:
    browser.open(write(tmp_path, rich()))
    assert [] == browser.ask(SORTED)
    browser.click("#products-table th:nth-child(1) button")
    assert [["Product", "ascending"]] == browser.ask(SORTED)
    assert ["1INCH-USD", "BTC-USD"] == browser.ask(FIRST_PRODUCTS)
    browser.click("#products-table th:nth-child(1) button")
    assert [["Product", "descending"]] == browser.ask(SORTED)
    assert ["XRP-EUR", "SOL-USD"] == browser.ask(FIRST_PRODUCTS)
    browser.focus("#products-table th:nth-child(1) button")
    browser.press("Tab")
    browser.press("Enter")
    assert [["Trades", "descending"]] == browser.ask(SORTED)
    browser.press(" ")
    assert [["Trades", "ascending"]] == browser.ask(SORTED)
    assert ["1INCH-USD", "XRP-EUR"] == browser.ask(FIRST_PRODUCTS)


@pytest.mark.slow
def test_what_was_run_in_part_says_so_unless_it_found_worse(browser: Browser, tmp_path: Path) -> None:
    made = report(finding("notice", 1, check="candles"), finding("damage", 1, check="lines"), verdict="damaged")
    checks = tuple(replace(check, state="partly", why=f"no time for {check.name}") for check in made.checks)
    browser.open(write(tmp_path, replace(made, checks=checks)))
    assert [["candles", "run in part"], ["lines", "damage"]] == sorted(
        browser.ask(
            "[...document.querySelectorAll('#checks-table tbody tr')]"
            ".map((tr) => [tr.cells[0].firstChild.textContent, tr.cells[1].textContent])"
        )
    )
    said = browser.ask("document.querySelector('#not-run').textContent")
    assert "candles (in part)no time for candles" in said
    assert [] == browser.ask(CONTRASTS)


SEVERITIES: Final = "[...document.querySelectorAll('#findings-table tbody tr')].map((tr) => tr.cells[0].textContent)"


@pytest.mark.slow
def test_findings_are_filtered_by_severity(browser: Browser, tmp_path: Path) -> None:
    browser.open(write(tmp_path, rich()))
    assert ["hole", "hole", "healed", "warning", "notice"] == browser.ask(SEVERITIES)
    browser.click("#findings input[value=hole]")
    assert ["healed", "warning", "notice"] == browser.ask(SEVERITIES)
    browser.focus("#findings input[value=healed]")
    browser.press(" ")
    assert ["warning", "notice"] == browser.ask(SEVERITIES)
    assert "2 of 5 findings." == browser.ask("document.querySelector('#findings [role=status]').textContent")


VALUE: Final = "document.activeElement.getAttribute('aria-valuetext')"


@pytest.mark.slow
def test_the_map_is_read_with_the_keys(browser: Browser, tmp_path: Path) -> None:
    browser.open(write(tmp_path, rich()))
    browser.focus(".strips canvas")
    assert "BTC-USD, 2026-11-23 00:00 UTC, partly watched: watched for a part of the time." == browser.ask(VALUE)
    browser.press("ArrowRight")
    assert browser.ask(VALUE).startswith("BTC-USD, 2026-11-23 00:01 UTC, watched, 3\u20139 trades")
    browser.press("End")
    browser.press("ArrowLeft")
    assert browser.ask(VALUE).startswith("BTC-USD, 2026-11-23 23:58 UTC")
    browser.press("ArrowDown")
    assert browser.ask(VALUE).startswith("ETH-USD, 2026-11-23 00:00 UTC")


@pytest.mark.slow
def test_it_has_landmarks_headings_in_order_and_names_for_everything(browser: Browser, tmp_path: Path) -> None:
    browser.open(write(tmp_path, rich()))
    assert [1, 1, 1, 1] == browser.ask(
        "['body > header', 'body > nav[aria-label]', 'body > main', 'body > footer'].map((s) => document.querySelectorAll(s).length)"
    )
    levels = browser.ask("[...document.querySelectorAll('h1, h2, h3, h4')].map((h) => Number(h.tagName[1]))")
    assert 1 == levels[0]
    assert 1 == levels.count(1)
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert 0 == browser.ask(
        "document.querySelectorAll('table:not(:has(caption)), th:not([scope]):not([role=presentation])').length"
    )
    tree = browser.call("Accessibility.getFullAXTree")["nodes"]
    wanted = {"button", "link", "slider", "checkbox", "combobox", "region", "image", "navigation"}
    nameless = [
        node["role"]["value"]
        for node in tree
        if not node["ignored"] and node["role"]["value"] in wanted and not node.get("name", {}).get("value")
    ]
    assert [] == nameless
    assert [] == browser.ask(
        "[...document.querySelectorAll('[id]')].map((e) => e.id).filter((id, i, all) => all.indexOf(id) !== i)"
    )


@pytest.mark.slow
def test_where_the_focus_is_is_seen(browser: Browser, tmp_path: Path) -> None:
    browser.open(write(tmp_path, rich(products=40)))
    seen = set()
    for _ in range(60):
        browser.press("Tab")
        name, style = browser.ask(
            "(() => { const e = document.activeElement; const shown = e.closest('.chip') || e;"
            " return [e.tagName, getComputedStyle(shown).outlineStyle]; })()"
        )
        seen.add(name)
        assert name == "BODY" or style == "solid", name
    assert {"A", "CANVAS", "BUTTON", "INPUT", "SELECT"} <= seen


@pytest.mark.slow
def test_a_day_of_two_hundred_products_is_drawn(browser: Browser, tmp_path: Path) -> None:
    browser.open(write(tmp_path, rich(200)))
    assert 30 == browser.ask("document.querySelectorAll('.strips canvas').length")
    browser.click("#coverage .more")
    assert 200 == browser.ask("document.querySelectorAll('.strips canvas').length")
    inked = "(() => { const c = [...document.querySelectorAll('.strips canvas')].pop(); return [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data].some(Boolean); })()"
    assert browser.ask(inked)
    browser.click("#prices .more")
    assert 24 == browser.ask(
        "document.querySelectorAll('.chart svg').length - document.querySelectorAll('.chart figcaption svg').length"
    )
    assert [] == browser.complaints


@pytest.mark.slow
def test_it_prints_in_light_colours_without_its_controls(browser: Browser, tmp_path: Path) -> None:
    browser.open(write(tmp_path, rich()), dark=True)
    browser.call("Emulation.setEmulatedMedia", media="print")
    browser.settle()
    assert "rgb(255, 255, 255)" == browser.ask("getComputedStyle(document.body).backgroundColor")
    assert 0 == browser.ask(
        "[...document.querySelectorAll('nav, .filters, .readout')].filter((e) => e.checkVisibility()).length"
    )
    browser.call("Emulation.setEmulatedMedia", media="")


@pytest.mark.slow
def test_without_script_the_verdict_is_still_there(browser: Browser, tmp_path: Path) -> None:
    browser.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.open(write(tmp_path, rich()), scripted=False)
        shown = browser.ask("document.body.innerText")
    finally:
        browser.call("Emulation.setScriptExecutionDisabled", value=False)
    assert "317,801 of 1,200,000 trade ids are missing" in shown
    assert "Its figures and tables are drawn by a small script" in shown
