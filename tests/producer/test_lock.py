from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from producer.errors import JournalLocked
from producer.lock import holder_of, lock, locked

if TYPE_CHECKING:
    from pathlib import Path


def test_a_lock_is_held_for_as_long_as_it_is_needed(tmp_path: Path) -> None:
    assert holder_of(tmp_path) is None
    with locked(tmp_path, "repair"):
        assert "repair" in (holder_of(tmp_path) or "")
        with pytest.raises(JournalLocked, match="repair"), locked(tmp_path, "drain"):
            pass
    assert holder_of(tmp_path) is None


def test_a_text_longer_than_a_name_is_cut(tmp_path: Path) -> None:
    lock(tmp_path, "x" * 1_000)

    assert 200 == len(holder_of(tmp_path) or "")
