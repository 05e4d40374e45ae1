"""What today's transform says of refused lines."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract import ROOT, load_reasons
from local.lake.verdict import judge_envelope, judge_line

if TYPE_CHECKING:
    from pathlib import Path

EXAMPLES = sorted((ROOT / "examples" / "line").iterdir())


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_the_contracts_examples_are_judged_as_their_names_say(path: Path) -> None:
    _, what, *_ = path.name.split(".")
    expected = "" if ".pass." in path.name else what.partition("-")[0]
    if path.suffix == ".json":
        line = path.read_bytes().strip()
        assert expected == judge_line(
            b"".join(part.strip() for part in line.splitlines()) if line.startswith(b"{\n") else line
        )
    else:
        assert judge_line(path.read_bytes().rstrip(b"\n")) in load_reasons("refusal")


def test_a_pack_has_a_verdict_per_line() -> None:
    good = (ROOT / "examples" / "line" / "line.ticker.pass.json").read_bytes().strip().replace(b"\n", b"")
    raw = good + b"\n" + b"{\n" + b"\n"
    assert "\nline_not_json\nline_not_json" == judge_envelope(json.dumps({"rawData": base64.b64encode(raw).decode()}))


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", "{}", '{"rawData":null}', '{"rawData":"§"}', '{"rawData":"abc"}', '"x"', "1"]
)
def test_an_envelope_that_cannot_be_read_has_no_verdict(text: str) -> None:
    assert judge_envelope(text) is None


@given(raw=st.binary())
def test_every_line_of_any_bytes_has_a_verdict(raw: bytes) -> None:
    verdict = judge_envelope(json.dumps({"rawData": base64.b64encode(raw).decode()}))
    assert verdict is not None
    assert set(verdict.split("\n")) <= set(load_reasons("refusal"))
    assert raw.removesuffix(b"\n").count(b"\n") == verdict.count("\n")
