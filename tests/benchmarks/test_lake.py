"""Both sides of the lake's benchmark answer alike; no figure is asserted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from benchmarks.lake import ask_history, ask_json, build_lake, history_bytes, json_files
from local.lake.folder import open_lake

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lake")
    build_lake(folder, ticks=20_000)
    return folder


@pytest.mark.slow
def test_history_and_json_lines_give_the_same_bars(root: Path) -> None:
    (_, history), (_, lines) = ask_history(root), ask_json(root)
    assert history.num_rows > 10
    assert history.to_pylist() == lines.to_pylist()


@pytest.mark.slow
def test_all_of_it_is_history(root: Path) -> None:
    with open_lake(root) as lake:
        assert [(20_000,)] == lake.connection.execute("SELECT count(*) FROM history").fetchall()
        assert [(0,)] == lake.connection.execute("SELECT count(*) FROM uncompacted").fetchall()


@pytest.mark.slow
def test_fewer_bytes_are_counted_than_there_are(root: Path) -> None:
    assert 20 == len(json_files(root))
    assert 0 < history_bytes(root) < sum(path.stat().st_size for path in (root / "history").rglob("*.parquet"))
