"""The order in which the engine's files are to be read is the order in which they import each other."""

from __future__ import annotations

import re
from pathlib import Path

import local.firehose

_ROOM = Path(local.firehose.__file__).parent
_PURE_UNTIL = "engine"
_WORLD = re.compile(
    r"^(?:import|from) (?:time|threading|os|socket|subprocess|aiohttp|boto3|asyncio)",
    re.MULTILINE,
)


def _road() -> list[str]:
    files = {path.stem for path in _ROOM.glob("*.py")} - {"__init__"}
    drawn = re.findall(r"[a-z_]+", (local.firehose.__doc__ or "").partition("test_road.py):")[2].partition("Laws:")[0])
    return [word for word in drawn if word in files]


def _imports(name: str) -> set[str]:
    return set(re.findall(r"from local\.firehose\.(\w+) import", (_ROOM / f"{name}.py").read_text(encoding="utf-8")))


def test_every_file_stands_on_the_road_once() -> None:
    road = _road()
    assert sorted({path.stem for path in _ROOM.glob("*.py")} - {"__init__"}) == sorted(road)


def test_no_file_imports_one_that_comes_after_it() -> None:
    road = _road()
    for at, name in enumerate(road):
        assert set() == _imports(name) - set(road[:at]), name


def test_the_core_touches_no_clock_thread_socket_or_process() -> None:
    road = _road()
    for name in road[: road.index(_PURE_UNTIL) + 1]:
        if name != "clock":
            assert _WORLD.search((_ROOM / f"{name}.py").read_text(encoding="utf-8")) is None, name
