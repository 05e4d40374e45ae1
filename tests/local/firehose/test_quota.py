"""Token buckets."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from local.firehose.quota import Quota, QuotaLimits, regional_limits

_MIB = 1_048_576


def test_regions_have_awss_quota() -> None:
    assert QuotaLimits(500_000, 2_000, 5 * _MIB) == regional_limits("us-east-1")
    assert QuotaLimits(100_000, 1_000, _MIB) == regional_limits("eu-central-1")


def test_bytes_are_counted_too_and_a_small_record_may_pass_where_a_large_one_did_not() -> None:
    quota = Quota(QuotaLimits(records_per_s=100, requests_per_s=100, bytes_per_s=10), 0)
    assert [True, False, True] == quota.admit([6, 6, 4], 0)
    assert [True] == quota.admit([5], 500)


def test_a_record_larger_than_a_seconds_bytes_passes_a_full_bucket() -> None:
    quota = Quota(QuotaLimits(records_per_s=100, requests_per_s=100, bytes_per_s=10), 0)
    assert [True, False] == quota.admit([15, 1], 0)
    assert [False] == quota.admit([1], 500)  # five bytes came back, five are still owed
    assert [True] == quota.admit([1], 600)


def test_a_clock_that_steps_back_earns_nothing() -> None:
    quota = Quota(QuotaLimits(records_per_s=1, requests_per_s=9, bytes_per_s=9), 10_000)
    assert [True, False] == quota.admit([1, 1], 10_000)
    assert [False] == quota.admit([1], 0)
    assert [False] == quota.admit([1], 10_000)
    assert [True] == quota.admit([1], 11_000)


@given(st.lists(st.tuples(st.integers(0, 2000), st.lists(st.integers(0, 20), min_size=1, max_size=10)), max_size=40))
def test_no_stretch_of_time_lets_more_through_than_its_seconds_and_one_more(
    calls: list[tuple[int, list[int]]],
) -> None:
    quota, now_ms, passed = Quota(QuotaLimits(5, 1000, 1000), 0), 0, 0
    for pause_ms, lengths in calls:
        now_ms += pause_ms
        passed += sum(quota.admit(lengths, now_ms) or [])
    assert passed <= 5 * (now_ms / 1000 + 1)
