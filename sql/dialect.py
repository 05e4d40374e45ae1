"""
Athena's SQL as DuckDB's: one query file, two engines.

Laws: SQL is parsed and written anew by sqlglot, never pasted; an exact quotient is written CAST(a / b AS DECIMAL(38, 18)) and is
exact in both engines; an instant is written TIMESTAMP '1970-01-01 00:00:00.000' + x_us / 1000 * INTERVAL '0.001' SECOND, and nothing
casts from a timestamp with a time zone; what DuckDB has under another name stands here as a macro under Athena's.
Refuses to know: which tables and views there are.

Exactness. Athena divides decimals as decimals and rounds half up at the larger scale of the two, so the dividend has 18 decimals. DuckDB
divides them as doubles, so that form becomes the macro `decimal_quotient`, long division over 128-bit integers. Any other division must
say which sort it wants by a cast to DOUBLE (a test looks for others): between integers Athena truncates and DuckDB does not.

Instants. Athena documents (engine version 3, timestamp changes) that a timestamp with a time zone cannot be cast to one without, and
is not known to take finer timestamps than milliseconds in a view; so the files add milliseconds to the epoch. (Not by date_add: Trino's
takes no more than 2^31 - 1 units, and says integer overflow.) DuckDB makes the timestamp of the same microseconds. An instant that
is text is written CAST(substr(text, 1, 23) AS TIMESTAMP): of longer text Athena would round the milliseconds up. DuckDB reads all six digits.

Left alone, and to be avoided because both engines take it and mean different things (Trino 476 and DuckDB, compared): avg of decimals
(DuckDB's is a double), date_diff (Trino counts whole units, DuckDB boundaries), CAST of a double as text ('1.5E0', '1.5') or as an
integer at a half, TRY_CAST of '1.5' as BIGINT (null, 2), json_extract_scalar of an object or array (null, its text), substr from 0,
a regular expression's $ (in Trino also before a last line feed).
"""

# ruff: noqa: N818  # errors are named for what happened, as in the design: FeedLost, LakeMismatch
from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

ATHENA: Final = "athena"
DUCKDB: Final = "duckdb"
QUOTIENT_TYPE: Final = "DECIMAL(38, 18)"
EPOCH: Final = (
    "1970-01-01 00:00:00.000"  # with its zeros: without them Athena's literal has whole seconds, and so has the sum
)

_MILLISECOND: Final = exp.Interval(this=exp.Literal.string("0.001"), unit=exp.var("SECOND"))
_E18: Final = "CAST(1000000000000000000 AS HUGEINT)"
_E8: Final = "CAST(100000000 AS HUGEINT)"
DUCKDB_MACROS: Final = (
    # Microseconds stay integers all the way: from_unixtime would go through a double.
    "CREATE MACRO from_unixtime_nanos(ns) AS make_timestamptz(ns // 1000)",
    "CREATE MACRO from_iso8601_timestamp_nanos(instant) AS CAST(instant AS TIMESTAMPTZ)",
    # Athena's from_utf8 never fails; neither does this one (bytes that are not UTF-8 come out as \\xNN, not as U+FFFD; line feeds stay).
    r"CREATE MACRO from_utf8(bytes) AS coalesce(TRY(decode(bytes)), replace(CAST(bytes AS VARCHAR), '\x0A', chr(10)))",
    "CREATE MACRO digits_of(x) AS CAST(replace(CAST(abs(x) AS VARCHAR), '.', '') AS HUGEINT)",
    f"""
    CREATE MACRO decimal_of(digits) AS
      CAST(digits // {_E18} AS DECIMAL(38, 18))
      + CAST(digits % {_E18} AS DECIMAL(18, 0)) * CAST('0.000000000000000001' AS DECIMAL(18, 18))
    """,
    # n has 18 decimals, d has 8: n / d with 18 is n * 10^8 / d over integers. The remainder is below d, so nothing overflows
    # for divisors under 10^20, and beyond that DuckDB says so. A half is rounded away from zero, as in Athena.
    f"""
    CREATE MACRO divide_digits(n, d) AS CASE
      WHEN d = 0 THEN error('Division by zero')
      ELSE (n // d) * {_E8} + ((n % d) * {_E8} + d // 2) // d
    END
    """,
    """
    CREATE MACRO decimal_quotient(n, d) AS CASE
      WHEN NOT typeof(n) LIKE 'DECIMAL(%,18)' THEN error('The dividend of an exact quotient has 18 decimals, this one is ' || typeof(n))
      WHEN CAST(CAST(d AS DECIMAL(38, 8)) AS DECIMAL(38, 18)) <> CAST(d AS DECIMAL(38, 18))
      THEN error('The divisor of an exact quotient has at most 8 decimals')
      ELSE (CASE WHEN (n < 0) <> (d < 0) THEN -1 ELSE 1 END)
        * decimal_of(divide_digits(digits_of(CAST(n AS DECIMAL(38, 18))), digits_of(CAST(d AS DECIMAL(38, 8)))))
    END
    """,
)


class SqlRefused(Exception):
    """SQL that cannot be run as it stands."""

    def __init__(self, *, sql: str, why: str) -> None:
        self.sql, self.why = sql, why
        super().__init__(f"The SQL cannot be run: {why}. It is read in Athena's dialect, one SELECT at a time.")


def parse_select(sql: str) -> exp.Query:
    """
    One SELECT (or WITH … SELECT, UNION …) in Athena's dialect.

    Raises: SqlRefused if it is not one, or not SQL.
    """
    try:
        statements = [statement for statement in sqlglot.parse(sql, read=ATHENA) if statement is not None]
    except SqlglotError as error:
        first = error.errors[0] if getattr(error, "errors", None) else {}  # type: ignore[attr-defined]  # only ParseError has them
        where = f"line {first['line']}, column {first['col']}: {first['description']}" if first else str(error)
        raise SqlRefused(sql=sql, why=re.sub(r"\x1b\[[0-9;]*m", "", where).rstrip(".")) from error
    if len(statements) != 1 or not isinstance(statements[0], exp.Query):
        raise SqlRefused(sql=sql, why="it is not one SELECT")
    return statements[0]


def to_duckdb(query: exp.Query) -> str:
    """The same question for DuckDB; `query` is left as it was."""
    return query.transform(_as_duckdb).sql(DUCKDB)


def _as_duckdb(node: exp.Expr) -> exp.Expr:
    if is_exact_quotient(node):
        return exp.Anonymous(this="decimal_quotient", expressions=[node.this.this, node.this.expression])
    if is_instant(node):
        return exp.Anonymous(this="make_timestamp", expressions=[_microseconds(node.expression.this)])
    if isinstance(node, exp.Decode) and node.text("charset").lower() == "utf-8":
        return exp.Anonymous(this="from_utf8", expressions=[node.this])
    if isinstance(node, exp.Length) and isinstance(node.this, exp.Encode):
        return exp.Anonymous(this="strlen", expressions=[node.this.this])  # bytes of UTF-8
    # DuckDB's own max_by passes over rows whose value is null; Athena's gives the null.
    if isinstance(node, exp.ArgMax | exp.ArgMin) and node.args.get("count") is None:
        name = "arg_max_null" if isinstance(node, exp.ArgMax) else "arg_min_null"
        return exp.Anonymous(this=name, expressions=[node.this, node.expression])
    if is_instant_text(node):
        node.this.set("length", exp.Literal.number(26))
    return node


def is_exact_quotient(node: exp.Expr) -> bool:
    """Whether this is CAST(a / b AS DECIMAL(38, 18))."""
    return isinstance(node, exp.Cast) and isinstance(node.this, exp.Div) and node.to.sql(ATHENA) == QUOTIENT_TYPE


def is_instant(node: exp.Expr) -> bool:
    """Whether this is TIMESTAMP of the epoch + … * INTERVAL '0.001' SECOND."""
    of_epoch = isinstance(node, exp.Add) and isinstance(node.this, exp.Cast) and node.this.this.name == EPOCH
    return of_epoch and isinstance(node.expression, exp.Mul) and node.expression.expression == _MILLISECOND


def is_instant_text(node: exp.Expr) -> bool:
    """Whether this is CAST(substr(…, 1, 23) AS TIMESTAMP)."""
    of_text = (
        isinstance(node, exp.Cast) and node.to.this == exp.DType.TIMESTAMP and isinstance(node.this, exp.Substring)
    )
    return of_text and (node.this.args["start"].name, node.this.text("length")) == ("1", "23")


def _microseconds(milliseconds: exp.Expr) -> exp.Expr:
    if isinstance(milliseconds, exp.Div) and milliseconds.expression.name == "1000":
        microseconds: exp.Expr = milliseconds.this
        return microseconds
    return exp.Mul(this=exp.paren(milliseconds), expression=exp.Literal.number(1000))


# Of a text that it cannot read, DuckDB quotes the line (megabytes of it) and every setting, and names the file among them.
_TEXT_COMPLAINT: Final = re.compile(
    r"CSV Error on Line: (?P<line>\d+)\n.*?\n(?P<why>[^\n]+)\n\nPossible Solution:.*?^  file = (?P<file>[^\n]+)$",
    re.DOTALL | re.MULTILINE,
)


def complaint(error: Exception) -> str:
    """What DuckDB complains of, without the SQL it quotes under it (ours, and it names every file of a lake)."""
    said = str(error)
    if text := _TEXT_COMPLAINT.search(said):
        return f"{text['file']}, line {text['line']}: {text['why'].strip().rstrip('.')}"
    return said.split("\n\nLINE ", maxsplit=1)[0].strip().rstrip(".")


def literal(text: str) -> str:
    """Text as a DuckDB string literal."""
    return exp.Literal.string(text).sql(DUCKDB)


@lru_cache(maxsize=1024)
def identifier(name: str) -> str:
    """A name as a quoted DuckDB identifier."""
    return exp.to_identifier(name, quoted=True).sql(DUCKDB)


def literal_paths(files: Sequence[Path]) -> str:
    """A DuckDB list of these very files: quotes doubled, and no character of theirs a wildcard."""
    return "[" + ", ".join(literal(without_wildcards(str(file))) for file in files) + "]"


def without_wildcards(path: str) -> str:
    """A path as a DuckDB glob that matches this path alone."""
    return re.sub(r"([*?\[])", r"[\1]", path)
