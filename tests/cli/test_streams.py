from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from producer.errors import DeliveryAmbiguous
from tests.cli.errands import ask, fill, gap

if TYPE_CHECKING:
    from pathlib import Path


def test_what_was_accepted_is_in_the_lake_before_the_answer_and_the_books_are_of_all_calls(tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    seen: list[tuple[int, ...]] = []
    fill(lake, range(1, 1_001), [gap(2_000, 2_009)], each_call=lambda stream: seen.append(
        (*ask(lake, "SELECT count(*) FROM processed")[0], stream.snapshot().lines_accepted, stream.snapshot().lines_delivered)
    ))  # fmt: skip

    assert [(400, 400, 400), (800, 800, 800), (1_001, 1_001, 1_001)] == seen


def test_a_folder_that_does_not_take_lines_leaves_it_uncertain(tmp_path: Path) -> None:
    (tmp_path / "lake").mkdir()
    (tmp_path / "lake" / "processed").write_text("a file where a folder should be")
    with pytest.raises(DeliveryAmbiguous, match="did not take"):
        fill(tmp_path / "lake", range(1, 3))
