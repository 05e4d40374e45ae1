"""
A lake's folder as tables of a real Trino: an Engine over Trino's HTTP protocol, and the Glue tables of the template as its DDL.

Laws: columns, partitions and places come from infra/pipeline.yaml; answers are decoded exactly (decimals from their text).
Refuses to know: which questions are asked.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import urllib3

from sql.engine import Answer, EngineFailed
from sql.glue import read_table

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sqlglot import exp

    from sql.glue import Column, GlueTable

CATALOG: Final = "ticklake"
# What the template's SerDes are called there.
_TABLE_FORMATS: Final = {
    "delivered": "PARQUET",
    "history": "PARQUET",
    "errors": "TEXTFILE",
    "raw": "TEXTFILE",
    "compacted": "JSON",
    "objects": "JSON",
    "replays": "JSON",
}
# Athena's timestamps have milliseconds; so has Trino's Hive connector by default (hive.timestamp-precision).
_TYPES: Final = {"string": "varchar", "timestamp": "timestamp(3)"}
_DECODED: Final[dict[str, Callable[[Any], Any]]] = {
    "decimal": Decimal,
    "timestamp": datetime.fromisoformat,
    "double": float,  # NaN and Infinity come as text
}


@dataclass(frozen=True, slots=True)
class Trino:
    """
    A running Trino whose catalog `ticklake` is a Hive connector over local files, and the schema that is asked.

    Caller must: let it and the lake be on one machine.
    """

    url: str
    schema: str
    name: str = "Trino"

    def ask(self, question: exp.Query) -> Answer:
        """
        The answer, to the SQL that Athena would be sent.

        Raises: EngineFailed.
        """
        return self.run(question.sql("athena"))

    def run(self, sql: str) -> Answer:
        """
        What one statement answers.

        Raises: EngineFailed.
        """
        page = self._call("POST", f"{self.url}/v1/statement", sql)
        columns, rows = page.get("columns"), list(page.get("data", ()))
        while "nextUri" in page:
            page = self._call("GET", page["nextUri"], None)
            columns = page.get("columns", columns)
            rows += page.get("data", ())
        if "error" in page:
            raise EngineFailed(engine=self.name, why=f"{page['error']['errorName']}: {page['error']['message']}")
        types = [column["type"] for column in columns or ()]
        decode = [_DECODED.get(each.split("(")[0], lambda value: value) for each in types]
        return Answer(
            columns=tuple(column["name"] for column in columns or ()),
            types=tuple(map(_athena_type, types)),
            rows=[tuple(v if v is None else f(v) for f, v in zip(decode, row, strict=True)) for row in rows],
            scanned_bytes=page["stats"].get("physicalInputBytes"),
        )

    def _call(self, method: str, url: str, body: str | None) -> dict[str, Any]:
        # A folder that no row lies in is no error on S3, where there are no folders.
        headers = {
            "X-Trino-User": "ticklake",
            "X-Trino-Catalog": CATALOG,
            "X-Trino-Schema": self.schema,
            "X-Trino-Time-Zone": "UTC",
            "X-Trino-Session": f"{CATALOG}.ignore_absent_partitions=true",
        }
        answer = urllib3.request(method, url, body=body, headers=headers, timeout=120)
        page: dict[str, Any] = json.loads(answer.data)
        return page


def _athena_type(trino_type: str) -> str:
    name = trino_type.split("(", maxsplit=1)[0]
    return name if name in {"varchar", "timestamp"} else trino_type.replace(", ", ",")


def plan_tables(schema: str, root: Path, hours: tuple[str, str]) -> list[str]:
    """The statements that make the template's tables over this folder, their keys' hours projected from and to `hours`."""
    return [_plan_table(read_table(name), schema, root, hours) for name in _TABLE_FORMATS]


def _plan_table(table: GlueTable, schema: str, root: Path, hours: tuple[str, str]) -> str:
    columns = [f"{c.name} {_TYPES.get(c.type, c.type)}" for c in table.columns]
    columns += [_plan_partition(c, table, hours) for c in table.partitions]
    settings = [f"format = '{_TABLE_FORMATS[table.name]}'", f"external_location = 'local://{root}/{table.prefix}'"]
    if table.partitions:
        template = table.parameters["storage.location.template"].split("/", maxsplit=3)[3]
        settings += [
            f"partitioned_by = ARRAY[{', '.join(repr(c.name) for c in table.partitions)}]",
            "partition_projection_enabled = true",
            f"partition_projection_location_template = 'local://{root}/{template}'",
        ]
    return f"CREATE TABLE {schema}.{table.name} ({', '.join(columns)}) WITH ({', '.join(settings)})"


def _plan_partition(column: Column, table: GlueTable, hours: tuple[str, str]) -> str:
    said = {
        key.split(".", 2)[2]: v for key, v in table.parameters.items() if key.startswith(f"projection.{column.name}.")
    }
    if said["type"] == "enum":
        values = ", ".join(f"'{value}'" for value in said["values"].split(","))
        return f"{column.name} varchar WITH (partition_projection_type = 'enum', partition_projection_values = ARRAY[{values}])"
    return (
        f"{column.name} varchar WITH (partition_projection_type = 'date', partition_projection_format = '{said['format']}',"
        f" partition_projection_range = ARRAY['{hours[0]}', '{hours[1]}'], partition_projection_interval = {said['interval']},"
        f" partition_projection_interval_unit = '{said['interval.unit']}')"
    )
