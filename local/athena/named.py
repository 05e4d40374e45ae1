"""
Named queries: made, listed, read, changed, removed.

Laws: two may have the same name, as over there; the same token makes the same one.
Source: Amazon Athena API reference, CreateNamedQuery and its siblings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from local.athena.errors import invalid

if TYPE_CHECKING:
    from collections.abc import Mapping

PAGE: Final = 50

Tree = dict[str, Any]


class NamedQueries:
    """Those of every workgroup; touched on the server's loop alone."""

    def __init__(self) -> None:
        self._queries: dict[str, Tree] = {}
        self._tokens: dict[str, str] = {}

    def create(self, request: Mapping[str, Any]) -> Tree:
        """CreateNamedQuery."""
        token = request.get("ClientRequestToken", str(uuid4()))
        if token not in self._tokens:
            id_ = self._tokens[token] = str(uuid4())
            kept = ("Name", "Description", "Database", "QueryString")
            self._queries[id_] = {
                "NamedQueryId": id_,
                "WorkGroup": request.get("WorkGroup", "primary"),
                **{name: request[name] for name in kept if name in request},
            }
        return {"NamedQueryId": self._tokens[token]}

    def list_(self, request: Mapping[str, Any]) -> Tree:
        """ListNamedQueries."""
        workgroup = request.get("WorkGroup", "primary")
        ids = [id_ for id_, query in self._queries.items() if query["WorkGroup"] == workgroup]
        first, count = int(request.get("NextToken", 0)), int(request.get("MaxResults", PAGE))
        page: Tree = {"NamedQueryIds": ids[first : first + count]}
        return page | ({"NextToken": str(first + count)} if len(ids) > first + count else {})

    def batch_get(self, request: Mapping[str, Any]) -> Tree:
        """BatchGetNamedQuery."""
        found = [self._queries[id_] for id_ in request["NamedQueryIds"] if id_ in self._queries]
        missing = [{"NamedQueryId": id_} for id_ in request["NamedQueryIds"] if id_ not in self._queries]
        return {"NamedQueries": found, "UnprocessedNamedQueryIds": missing}

    def update(self, request: Mapping[str, Any]) -> Tree:
        """UpdateNamedQuery."""
        query = self._find(request["NamedQueryId"])
        query |= {name: request[name] for name in ("Name", "Description", "QueryString") if name in request}
        return {}

    def delete(self, request: Mapping[str, Any]) -> Tree:
        """DeleteNamedQuery."""
        self._find(request["NamedQueryId"])
        del self._queries[request["NamedQueryId"]]
        return {}

    def _find(self, id_: str) -> Tree:
        if id_ not in self._queries:
            raise invalid(f"NamedQuery {id_} was not found")
        return self._queries[id_]
