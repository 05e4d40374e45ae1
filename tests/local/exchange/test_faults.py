import math
from dataclasses import fields
from pathlib import Path

import pytest

from local.exchange.errors import ExchangeSettingsWrong
from local.exchange.faults import FAULTS, Alter, Disconnect, Drop, Fault, FrameFault, RestDown, Silence, parse_fault


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("rest-down", RestDown()),
        ("rest-down:path=/v2/prices/BTC-USD/spot,to_s=3", RestDown(path="/v2/prices/BTC-USD/spot", to_s=3)),
        ("drop:at=100,count=5", Drop(at=100, count=5)),
        ("drop: share=0.01, product=BTC-USD, rest_holds=0.5", Drop(share=0.01, product="BTC-USD", rest_holds=0.5)),
        ("drop:at=1,rest_holds=none", Drop(at=1, rest_holds="none")),
        ("disconnect:from_s=2.5,code=1001", Disconnect(from_s=2.5, code=1001)),
        ("disconnect:code=none", Disconnect()),
        ("silence:from_s=10,to_s=40,beat=true", Silence(from_s=10, to_s=40, beat=True)),
        ("alter:at=3,how=huge", Alter(at=3, how="huge")),
    ],
)
def test_a_fault_is_read_from_its_text(text: str, fault: Fault) -> None:
    assert fault == parse_fault(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("explode", "there is no fault 'explode'"),
        ("drop:colour=red", "drop has no 'colour'"),
        ("drop:at=soon", "at='soon' cannot be read"),
        ("drop:at=", "cannot be read"),
        ("alter:how=badly", "how='badly' cannot be read"),
        ("silence:beat=yes", "beat='yes' cannot be read"),
        ("disconnect:count=none", "count='none' cannot be read"),
    ],
)
def test_what_cannot_be_read_is_said_with_what_there_is(text: str, said: str) -> None:
    with pytest.raises(ExchangeSettingsWrong, match=said):
        parse_fault(text)


def test_every_fault_has_a_name_and_stands_by_default_for_ever() -> None:
    assert 19 == len(FAULTS)
    for name in FAULTS:
        fault = parse_fault(name)
        assert (0, math.inf) == (fault.from_s, fault.to_s)


def test_every_fault_is_documented_with_its_settings() -> None:
    page = (Path(__file__).parents[3] / "docs" / "exchange.md").read_text(encoding="utf-8")
    common = {field.name for field in fields(FrameFault)}
    for name, kind in FAULTS.items():
        [row] = [line for line in page.splitlines() if line.startswith(f"| `{name}`")]
        for field in fields(kind):
            assert field.name in common or f"`{field.name}" in row, f"{name}: {field.name} is not in docs/exchange.md"


def test_a_window_begins_and_ends() -> None:
    fault = RestDown(from_s=2, to_s=3)
    assert [False, True, True, False] == [fault.covers(at) for at in (1.999, 2.0, 2.999, 3.0)]
