"""What a message's refusal is, against what the transform makes of the line that carries it."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING

import pytest

from contract import ROOT
from contract.messages import refusal_of
from contract.objects import MAX_NESTED
from contract.reasons import LineRefused
from tests.contract.mutations import MESSAGE, line_of, mutated, tick
from transform_lambda.decode import decode_line
from transform_lambda.row import build_row

if TYPE_CHECKING:
    from pathlib import Path

EXAMPLES = sorted((ROOT / "examples/line").glob("line.*.*.*"))
# The line itself is at fault, not its message.
OF_LINES = ("line_", "frame_", "time_invalid-receive_time")
BOTH = ("line_not_json-key_twice_in_message",)


def transforms_refusal(line: bytes) -> str | None:
    try:
        build_row(decode_line(line))
    except LineRefused as refused:
        return refused.reason
    return None


def carried(path: Path) -> tuple[str, str | None, bytes] | None:
    """Kind, told product and message of an example line of the exchange's; None if it is another, or the line is at fault."""
    name, text = path.name.removeprefix("line."), path.read_bytes().rstrip(b"\n")
    if name.startswith(OF_LINES) and not name.startswith(BOTH):
        return None
    envelope = json.loads(text)
    if envelope["kind"] not in {"ticker", "trade", "spot"}:
        return None
    return envelope["kind"], envelope.get("product_id"), text[text.index(MESSAGE) + len(MESSAGE) : text.rindex(b"}")]


CARRIED = {path: found for path in EXAMPLES if (found := carried(path))}


@pytest.mark.parametrize("path", CARRIED, ids=lambda path: path.name)
def test_an_examples_message_is_judged_as_its_line_is(path: Path) -> None:
    kind, told, message = CARRIED[path]

    assert transforms_refusal(path.read_bytes().rstrip(b"\n")) == refusal_of(kind, message, told=told)  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(4))
def test_a_mutated_frame_is_refused_exactly_for_the_transforms_reason(seed: int) -> None:
    dice = random.Random(seed)
    refused = 0
    for _ in range(2_500):
        frame = mutated(tick(dice), dice)
        reason = refusal_of("ticker", frame)
        if reason not in {"line_not_json", "line_not_utf8"}:  # such bytes may close the envelope and go on
            assert transforms_refusal(line_of(frame)) == reason, frame
            refused += reason is not None
    assert 500 < refused


@pytest.mark.parametrize(("kind", "told"), [("trade", "ABC-USD"), ("ticker", "ABC-USD"), ("ticker", "OTHER-USD")])
def test_a_mutated_rest_body_is_refused_exactly_for_the_transforms_reason(kind: str, told: str) -> None:
    dice = random.Random(f"{kind} {told}")
    name = "rest_trade" if kind == "trade" else "rest_ticker"
    good = (ROOT / f"examples/frames/{name}.today.pass.json").read_bytes().strip()
    good = json.dumps(json.loads(good), separators=(",", ":")).encode()
    product = b'"product_id":"%b",' % told.encode()
    for _ in range(2_500):
        body = mutated(dice.choice((good, good, tick(dice))), dice)
        line = line_of(body).replace(b'"kind":"ticker"', b'"kind":"%b"' % kind.encode(), 1)
        reason = refusal_of(kind, body, told=told)  # type: ignore[arg-type]
        if reason not in {"line_not_json", "line_not_utf8"}:
            assert transforms_refusal(line.replace(MESSAGE, product + MESSAGE, 1)) == reason, body


def test_the_envelopes_level_is_counted() -> None:
    frame = tick(random.Random(1))[:-1]
    at_the_limit, beyond = (
        frame + b',"x":' + b"[" * depth + b"]" * depth + b"}" for depth in (MAX_NESTED - 2, MAX_NESTED - 1)
    )

    assert None is refusal_of("ticker", at_the_limit) is transforms_refusal(line_of(at_the_limit))
    assert "line_not_json" == refusal_of("ticker", beyond) == transforms_refusal(line_of(beyond))


def test_newlines_between_tokens_are_spaces() -> None:
    frame = tick(random.Random(1))

    assert refusal_of("ticker", frame.replace(b',"', b'\n,\r\n"')) is None
    assert "line_not_json" == refusal_of("ticker", frame.replace(b',"price"', b',"trade_id"\n:1,"price"'))
