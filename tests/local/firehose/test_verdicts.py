"""Any answer whatever gives every record exactly one verdict (each row of the table: test_verdict_table.py)."""

from __future__ import annotations

from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from local.firehose.guesses import Guesses
from local.firehose.verdicts import Line, judge

_LINES = [Line(f"r{index}", index, b"body") for index in range(4)]
_ids = st.sampled_from(["r0", "r1", "r2", "r3", "r9", "", None, 7])
_results = st.sampled_from(["Ok", "Dropped", "ProcessingFailed", "ok", "", None, 7, ["Ok"]])
_data: st.SearchStrategy[Any] = st.sampled_from(["", "AAAA", "AAA", "?", None, 7, [], {}])
_metadata: st.SearchStrategy[Any] = st.sampled_from([None, {}, {"partitionKeys": {"k": "v"}}, {"partitionKeys": 7}, []])
_entries = st.fixed_dictionaries(
    {}, optional={"recordId": _ids, "result": _results, "data": _data, "metadata": _metadata}
)
_anything = st.recursive(st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3), st.lists, max_leaves=4)
_answers = st.fixed_dictionaries({"records": st.lists(st.one_of(_entries, _anything), max_size=8)}) | _anything


@given(_answers)
def test_every_record_has_exactly_one_verdict(answer: Any) -> None:
    judgement = judge(_LINES, orjson.dumps(answer), Guesses())
    judged = [row.line for row in judgement.ok] + judgement.dropped + [failed.line for failed in judgement.failed]
    assert sorted(_LINES) == sorted(judged)


@given(st.binary(max_size=20))
def test_bytes_that_are_no_json_fail_every_record(answer: bytes) -> None:
    judgement = judge(_LINES, b"\xff" + answer, Guesses(unreadable_answer_code="Lambda.X"))
    assert ["Lambda.X"] * 4 == [failed.code for failed in judgement.failed]


def test_partition_keys_come_with_the_row() -> None:
    entry = {"recordId": "r0", "result": "Ok", "data": "AAAA", "metadata": {"partitionKeys": {"k": "v"}}}
    [row] = judge(_LINES[:1], orjson.dumps({"records": [entry]}), Guesses()).ok
    assert (b"\0\0\0", {"k": "v"}) == (row.body, row.keys)
