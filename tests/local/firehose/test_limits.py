"""The sentences of a call over its limits (the limits themselves: test_conformance.py, line 1)."""

from __future__ import annotations

import pytest

from local.firehose.errors import CallRefused
from local.firehose.guesses import Guesses
from local.firehose.limits import check_batch


def test_every_record_that_is_too_long_is_named_by_its_place() -> None:
    with pytest.raises(CallRefused, match=r"^ValidationException: 2 validation errors detected") as refused:
        check_batch([bytes(1_024_001), b"", bytes(1_024_002)], Guesses())
    assert "lim=1024001 cap=1024001]' at 'records.1.member.data'" in refused.value.message
    assert "lim=1024002 cap=1024002]' at 'records.3.member.data'" in refused.value.message
