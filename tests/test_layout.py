"""
The house's import arrows, drawn from the code and held against the rule: imports run one way.

cli -> everything; local -> transform_lambda, audit_lambda, sql, infra, contract; audit_lambda and compact_lambda -> sql, infra,
contract; sql -> infra, contract; producer and the functions never import each other.
"""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parents[1]
# Each room, and the rooms it may import. A room always may import itself.
ARROWS: dict[str, frozenset[str]] = {
    "contract": frozenset(),
    "infra": frozenset(),
    "sql": frozenset({"infra", "contract"}),
    "producer": frozenset({"contract"}),
    "transform_lambda": frozenset({"contract"}),
    "audit_lambda": frozenset({"sql", "infra", "contract"}),
    "compact_lambda": frozenset({"sql", "infra", "contract"}),
    "local": frozenset({"transform_lambda", "audit_lambda", "sql", "infra", "contract"}),
    "cli": frozenset(
        {"local", "producer", "audit_lambda", "compact_lambda", "transform_lambda", "sql", "infra", "contract"}
    ),
}
# Inside the producer, files import only upward in this order: the road a tick takes.
PRODUCER_ROAD = (
    "errors",
    "intervals",
    "line",
    "products",
    "exchange",
    "rest",
    "continuity",
    "seeking",
    "minute",
    "coverage",
    "watch",
    "healing",
    "ratelimit",
    "quota",
    "ledger",
    "segment",
    "loss",
    "refusal",
    "fetched",
    "intake",
    "packing",
    "pacing",
    "restdesk",
    "spotdesk",
    "spots",
    "ingest",
    "credentials",
    "link",
    "aside",
    "session_log",
    "legacy",
    "lock",
    "journal",
    "survey",
    "salvage",
    "settings",
    "metrics",
    "calling",
    "witness",
    "restclient",
    "asking",
    "spotting",
    "feed",
    "sources",
    "errand",
    "inherit",
    "settlement",
    "firehose",
    "lane",
    "delivery",
    "health",
    "pipeline",
)
# The only files of the producer that touch the world, and what they touch it with.
RIM = {
    "websockets": {"feed"},
    "urllib3": {"restclient"},
    "boto3": {"firehose"},
    "botocore": {"firehose"},
    "fcntl": {"lock"},
}


def imported_modules(source: str) -> set[str]:
    """Every absolute module name that a file imports, also inside functions and under TYPE_CHECKING."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            names.add(node.module or "")
    return names


def wrong_arrows(files: dict[str, str]) -> list[str]:
    """`room/file -> room` for every import that the rule forbids. Shapes: path relative to the root -> source."""
    wrong = []
    for path, source in files.items():
        room = path.split("/", 1)[0]
        for module in imported_modules(source):
            target = module.split(".", 1)[0]
            if target in ARROWS and target != room and target not in ARROWS[room]:
                wrong.append(f"{path} -> {target}")
    return wrong


def house() -> dict[str, str]:
    return {
        str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
        for room in ARROWS
        for path in sorted((ROOT / room).rglob("*.py"))
    }


def test_imports_run_one_way() -> None:
    assert wrong_arrows(house()) == []


def test_a_wrong_arrow_is_found() -> None:
    planted = {**house(), "producer/planted.py": "def f():\n    from transform_lambda.handler import handler\n"}

    assert wrong_arrows(planted) == ["producer/planted.py -> transform_lambda"]


def test_every_room_is_where_the_rule_says() -> None:
    rooms = {path.name for path in ROOT.iterdir() if (path / "__init__.py").exists()} - {"tests", "benchmarks"}

    assert set(ARROWS) == rooms


def test_the_producer_is_read_in_road_order() -> None:
    files = {path.stem for path in (ROOT / "producer").glob("*.py")} - {"__init__"}
    place = {name: at for at, name in enumerate(PRODUCER_ROAD)}
    backward = [
        f"{name} -> {module}"
        for name in PRODUCER_ROAD
        for module in imported_modules((ROOT / "producer" / f"{name}.py").read_text(encoding="utf-8"))
        if module.startswith("producer.") and place[module.removeprefix("producer.")] >= place[name]
    ]

    assert set(PRODUCER_ROAD) == files
    assert backward == []


def test_the_producer_touches_the_world_in_the_named_places_only() -> None:
    for library, files in RIM.items():
        users = {
            path.stem
            for path in (ROOT / "producer").glob("*.py")
            if any(each.split(".", 1)[0] == library for each in imported_modules(path.read_text(encoding="utf-8")))
        }
        assert files == users, library


def test_every_module_opens_with_its_job() -> None:
    for path, source in house().items():
        docstring = ast.get_docstring(ast.parse(source))
        assert docstring, f"{path} does not say what it is for"


# Modules whose tests stand elsewhere than in the file of their name: where, and why there.
TESTED_IN = {
    "producer/feed.py": "tests/producer/test_sources.py",  # a socket is tested with what speaks through it
    "cli/local.py": "tests/test_road.py",  # it is the road
    "local/firehose/books.py": "tests/local/firehose/test_metrics.py",  # it is what they are made of
    "local/firehose/hosting.py": "tests/local/firehose/test_service.py",  # what calls share is tested by calls
    "local/firehose/effects.py": "tests/local/firehose/test_engine.py",  # nouns only
    "local/firehose/guesses.py": "tests/local/firehose/test_conformance.py",  # nouns only
    "local/firehose/lambda_process.py": "tests/local/firehose/test_zip_invoker.py",  # the other end of its pipe
}


def test_every_module_has_its_tests() -> None:
    untested = [
        path
        for path in house()
        if not path.endswith("__init__.py")
        and not (ROOT / "tests" / path).with_name(f"test_{Path(path).name}").exists()
        and path not in TESTED_IN
    ]

    assert [] == untested
    assert [] == [place for place in TESTED_IN.values() if not (ROOT / place).exists()]
