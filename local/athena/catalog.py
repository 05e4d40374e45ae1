"""
What the database holds, as Glue tells it: the template's tables, and the views that were made here.

Laws: a view is its SELECT as it was written, in the envelope that Athena puts into Glue; touched under one lock.
Refuses to know: statements, DuckDB.
Source: AWS Glue API reference, GetTable, GetTables; the envelope (`/* Presto View: base64 of JSON */`) as Athena's users find it there.
"""

from __future__ import annotations

import base64
import json
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from local.athena.errors import CallRefused, StatementFailed
from local.athena.tables import list_tables
from sql.glue import read_table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlglot import exp


@dataclass(frozen=True, slots=True)
class StoredView:
    """A view: its SELECT as written and as parsed, and its columns as ColumnInfo."""

    name: str
    select_sql: str
    query: exp.Query
    columns: Sequence[dict[str, Any]]
    created: datetime


class Catalog:
    """One database's tables and views."""

    def __init__(self, *, database: str, bucket: str) -> None:
        self.database = database
        self._bucket = bucket
        self._lock = threading.Lock()
        self._views: dict[str, StoredView] = {}

    def queries(self) -> dict[str, exp.Query]:
        """The SELECT of every view."""
        with self._lock:
            return {name: view.query for name, view in self._views.items()}

    def view_texts(self) -> dict[str, str]:
        """The SELECT of every view as it was written."""
        with self._lock:
            return {name: view.select_sql for name, view in self._views.items()}

    def put_view(self, view: StoredView, *, replaces: bool) -> None:
        """
        Make a view, or make it anew.

        Raises: StatementFailed.
        """
        with self._lock:
            if view.name in list_tables() or (view.name in self._views and not replaces):
                raise StatementFailed(f"TABLE_ALREADY_EXISTS: '{view.name}' already exists")
            self._views[view.name] = view

    def drop_view(self, name: str, *, if_exists: bool) -> None:
        """
        Take a view away.

        Raises: StatementFailed.
        """
        with self._lock:
            if self._views.pop(name, None) is None and not if_exists:
                raise StatementFailed(f"TABLE_NOT_FOUND: View 'awsdatacatalog.{self.database}.{name}' does not exist")

    def check_schema(self, database: str) -> None:
        """Raises: StatementFailed if this is not the database."""
        if database != self.database:
            raise StatementFailed(f"SCHEMA_NOT_FOUND: Schema '{database}' does not exist")

    # ------------------------------------------------------------------ Glue's calls

    def get_table(self, request: dict[str, Any]) -> dict[str, Any]:
        """GetTable."""
        self._check(request["DatabaseName"])
        name = request["Name"].lower()
        described = {each["Name"]: each for each in self._describe()}
        if name not in described:
            raise CallRefused("EntityNotFoundException", f"Entity Not Found: Table {name} not found.")
        return {"Table": described[name]}

    def get_tables(self, request: dict[str, Any]) -> dict[str, Any]:
        """GetTables; an Expression is not understood."""
        self._check(request["DatabaseName"])
        if "Expression" in request:
            raise CallRefused("InvalidInputException", "The small Glue at home does not understand an Expression.")
        return {"TableList": self._describe()}

    def _check(self, database: str) -> None:
        if database != self.database:
            raise CallRefused("EntityNotFoundException", f"Database {database} not found.")

    def _describe(self) -> list[dict[str, Any]]:
        with self._lock:
            views = [self._describe_view(view) for view in self._views.values()]
        return [self._describe_table(name) for name in list_tables()] + views

    def _describe_table(self, name: str) -> dict[str, Any]:
        table = read_table(name)
        columns, partitions = (
            [{"Name": c.name, "Type": c.type, "Comment": c.comment} for c in some]
            for some in (table.columns, table.partitions)
        )
        return {
            "Name": name,
            "DatabaseName": self.database,
            "TableType": "EXTERNAL_TABLE",
            "Parameters": dict(table.parameters),
            "StorageDescriptor": {"Columns": columns, "Location": f"s3://{self._bucket}/{table.prefix}"},
            "PartitionKeys": partitions,
        }

    def _describe_view(self, view: StoredView) -> dict[str, Any]:
        columns = [{"name": column["Name"], "type": _full_type(column)} for column in view.columns]
        envelope = {
            "originalSql": view.select_sql,
            "catalog": "awsdatacatalog",
            "schema": self.database,
            "columns": columns,
        }
        text = base64.b64encode(json.dumps(envelope).encode()).decode()
        return {
            "Name": view.name,
            "DatabaseName": self.database,
            "CreateTime": view.created.timestamp(),
            "TableType": "VIRTUAL_VIEW",
            "Parameters": {"presto_view": "true", "comment": "Presto View"},
            "ViewOriginalText": f"/* Presto View: {text} */",
            "ViewExpandedText": "/* Presto View */",
            "StorageDescriptor": {"Columns": [{"Name": c["name"], "Type": c["type"]} for c in columns]},
            "PartitionKeys": [],
        }


def _full_type(column: dict[str, Any]) -> str:
    return f"decimal({column['Precision']},{column['Scale']})" if column["Type"] == "decimal" else str(column["Type"])
