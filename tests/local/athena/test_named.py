from __future__ import annotations

from typing import Any

import pytest

from local.athena.errors import CallRefused
from local.athena.named import NamedQueries


def request(name: str, **changes: str) -> dict[str, Any]:
    return {"Name": name, "Database": "d", "QueryString": "SELECT 1", "WorkGroup": "w", **changes}


def test_named_queries_are_made_listed_read_changed_and_removed() -> None:
    queries = NamedQueries()
    ids = [queries.create(request(f"q{n}"))["NamedQueryId"] for n in range(3)]
    queries.create(request("elsewhere", WorkGroup="other"))
    page = queries.list_({"WorkGroup": "w", "MaxResults": 2})
    rest = queries.list_({"WorkGroup": "w", "MaxResults": 2, "NextToken": page["NextToken"]})
    assert ids == page["NamedQueryIds"] + rest["NamedQueryIds"]
    assert "NextToken" not in rest

    queries.update({"NamedQueryId": ids[0], "Name": "new", "QueryString": "SELECT 2"})
    queries.delete({"NamedQueryId": ids[1]})
    read = queries.batch_get({"NamedQueryIds": ids[:2]})
    assert [("new", "SELECT 2", "w")] == [(q["Name"], q["QueryString"], q["WorkGroup"]) for q in read["NamedQueries"]]
    assert [ids[1]] == [each["NamedQueryId"] for each in read["UnprocessedNamedQueryIds"]]
    with pytest.raises(CallRefused, match="was not found"):
        queries.delete({"NamedQueryId": ids[1]})


def test_the_same_token_makes_the_same_query() -> None:
    queries = NamedQueries()
    first, again = (queries.create(request("q", ClientRequestToken="t")) for _ in range(2))
    assert first == again
    assert 1 == len(queries.list_({"WorkGroup": "w"})["NamedQueryIds"])
