"""
A statement's text as what is to be done: a SELECT, a view made or dropped, rows inserted or unloaded.

Laws: pure; what cannot be parsed is refused at once, as Athena does; what is parsed and not served here says so.
Refuses to know: DuckDB, views and tables there are.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from local.athena.errors import invalid
from sql.dialect import ATHENA, SqlRefused, parse_select

if TYPE_CHECKING:
    from collections.abc import Mapping

Verb = Literal["SELECT", "CREATE_VIEW", "DROP_VIEW", "INSERT", "UNLOAD"]

_UNLOAD: Final = re.compile(
    r"\s*UNLOAD\s*\((.+)\)\s*TO\s*'((?:[^']|'')+)'\s*WITH\s*\((.+)\)\s*;?\s*", re.DOTALL | re.IGNORECASE
)
_OPTION: Final = re.compile(r"\s*(\w+)\s*=\s*'([^']*)'\s*")


@dataclass(frozen=True, slots=True)
class Statement:
    """
    What is to be done. `name` is a view's or a table's; `columns` those an INSERT names, empty for all; `select_sql` the SELECT as it was
    written; `options` those of UNLOAD, `location` where it writes.
    """

    verb: Verb
    text: str
    query: exp.Query | None = None
    name: str = ""
    replaces: bool = False
    columns: tuple[str, ...] = ()
    select_sql: str = ""
    location: str = ""
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """Athena's StatementType."""
        return "DDL" if self.verb in {"CREATE_VIEW", "DROP_VIEW"} else "DML"


def decode_statement(text: str) -> Statement:
    """
    What a statement says.

    Raises: CallRefused.
    """
    if re.match(r"\s*UNLOAD\b", text, re.IGNORECASE):
        return _decode_unload(text)
    try:
        parsed = [statement for statement in sqlglot.parse(text, read=ATHENA) if statement is not None]
    except SqlglotError as error:
        raise _malformed(re.sub(r"\x1b\[[0-9;]*m", "", str(error))) from error
    if len(parsed) != 1:
        raise _malformed("Only one sql statement is allowed")
    statement = parsed[0]
    if isinstance(statement, exp.Query):
        return Statement("SELECT", text, query=statement)
    if isinstance(statement, exp.Create) and statement.kind == "VIEW" and isinstance(statement.expression, exp.Query):
        select_sql = re.split(r"\bAS\b", text, maxsplit=1, flags=re.IGNORECASE)[1].strip().rstrip(";")
        replaces = bool(statement.args.get("replace"))
        return Statement(
            "CREATE_VIEW",
            text,
            query=statement.expression,
            name=_name(statement.this),
            replaces=replaces,
            select_sql=select_sql,
        )
    if isinstance(statement, exp.Drop) and statement.text("kind").upper() == "VIEW":
        (target,) = statement.find_all(exp.Table)
        return Statement("DROP_VIEW", text, name=_name(target), replaces=bool(statement.args.get("exists")))
    if isinstance(statement, exp.Insert) and isinstance(statement.expression, exp.Query):
        target = statement.this
        columns = tuple(each.name.lower() for each in target.expressions) if isinstance(target, exp.Schema) else ()
        return Statement("INSERT", text, query=statement.expression, name=_name(target), columns=columns)
    if isinstance(statement, exp.Condition):
        raise _malformed("it is an expression and no statement")
    raise invalid(
        f"The small Athena at home does not serve {type(statement).__name__.upper()} statements.", "NOT_SUPPORTED"
    )


def _decode_unload(text: str) -> Statement:
    match = _UNLOAD.fullmatch(text)
    if match is None:
        raise _malformed("UNLOAD (SELECT …) TO 's3://…/' WITH (format = …) is expected")
    options = [_OPTION.fullmatch(option) for option in match[3].split(",")]
    if not all(options):
        raise _malformed("options of UNLOAD are name = 'text'")
    try:
        query = parse_select(match[1])
    except SqlRefused as error:
        raise _malformed(error.why) from error
    known = {option[1].lower(): option[2] for option in options if option}
    if known.get("format", "").upper() != "PARQUET":
        raise invalid("The small Athena at home unloads Parquet only.", "NOT_SUPPORTED")
    if known.get("compression", "gzip").lower() not in {"gzip", "snappy", "zstd", "none"}:
        raise _malformed(f"{known['compression']} is no compression of Parquet")
    return Statement("UNLOAD", text, query=query, location=match[2].replace("''", "'"), options=known)


def _name(target: exp.Expr) -> str:
    table = target if isinstance(target, exp.Table) else target.find(exp.Table)
    assert table is not None
    return table.name.lower()


def _malformed(why: str) -> Exception:
    return invalid(why, "MALFORMED_QUERY")
