"""A folder as a bucket, and the small Athena of local/athena over it, without their HTTP: what a compaction needs of AWS."""

from __future__ import annotations

import hashlib
import shutil
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
import pytest
import sqlglot
from moto import mock_aws
from sqlglot import exp

from compact_lambda.bucket import S3Bucket, Stored, Taken
from compact_lambda.hour import Place
from local.athena.engine import Outcome, Running, Where
from local.athena.guesses import Guesses
from local.athena.statements import decode_statement
from sql.athena import Statistics
from sql.catalog import plan_base_views
from sql.dialect import ATHENA
from sql.engine import Answer, EngineFailed
from sql.result_set import column_type
from sql.views import load_views

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from compact_lambda.bucket import Bucket

BUCKET = "lake"


class FolderBucket:
    """compact_lambda.bucket.Bucket over a folder; tags are digests, times those of the files."""

    def __init__(self, root: Path, name: str = BUCKET) -> None:
        self._root = root
        self.name = name

    def find_objects(self, prefix: str) -> list[Stored]:
        files = [path for path in self._root.rglob("*") if path.is_file()]
        found = [self._stored(path) for path in files if path.relative_to(self._root).as_posix().startswith(prefix)]
        return sorted(found, key=lambda each: each.key)

    def _stored(self, path: Path) -> Stored:
        told = path.stat()
        return Stored(
            key=path.relative_to(self._root).as_posix(),
            tag=hashlib.sha256(path.read_bytes()).hexdigest(),
            changed_at=datetime.fromtimestamp(told.st_mtime, UTC),
            size_bytes=told.st_size,
        )

    def read_object(self, key: str) -> bytes:
        return (self._root / key).read_bytes()

    def put_record(self, key: str, body: bytes, *, replacing: str | None) -> str:
        path = self._root / key
        if (self._stored(path).tag if path.exists() else None) != replacing:
            raise Taken(key=key)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
        return self._stored(path).tag

    def copy_object(self, source_bucket: str, source_key: str, *, key: str) -> None:
        assert self.name == source_bucket
        (self._root / key).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(self._root / source_key, self._root / key)

    def delete_objects(self, keys: Sequence[str]) -> None:
        for key in keys:
            (self._root / key).unlink(missing_ok=True)


@contextmanager
def bucket_of(kind: str, root: Path) -> Iterator[Bucket]:
    """An empty bucket: `moto`'s S3, or the folder that other tests use instead."""
    if kind == "folder":
        yield FolderBucket(root)
        return
    with pytest.MonkeyPatch.context() as patch, mock_aws():
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "testing")
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket=BUCKET)
        yield S3Bucket(client, BUCKET)


@dataclass
class FolderAthena:
    """The small Athena, asked directly. `before` sees each statement and may raise instead of letting it run."""

    root: Path
    statements: list[str] = field(default_factory=list)
    views: dict[str, exp.Query] = field(default_factory=dict)
    before: Callable[[str], None] = lambda _statement: None

    def __post_init__(self) -> None:
        self.views |= {name: view.select for name, view in load_views().items()}
        self.views |= base_views()

    def ask(self, question: exp.Query) -> Answer:
        found = self._run(question.sql(ATHENA, comments=False))
        columns, types = tuple(c["Name"] for c in found.columns), tuple(map(column_type, found.columns))
        return Answer(columns=columns, types=types, rows=found.rows, scanned_bytes=found.scanned_bytes)

    def run(self, statement: str) -> Statistics:
        return Statistics("query", "DML", self._run(statement).scanned_bytes, 1)

    def select(self, sql: str) -> list[tuple[Any, ...]]:
        return self.ask(parse_question(sql)).rows

    def _run(self, text: str) -> Outcome:
        self.before(text)
        self.statements.append(text)
        statement = decode_statement(text)
        if statement.verb == "CREATE_VIEW":
            assert statement.query is not None
            self.views[statement.name] = statement.query
            return Outcome()
        where = Where(root=self.root, bucket=BUCKET, database="ticklake", guesses=Guesses())
        return Running(where, statement, self.views, query_name=f"q{len(self.statements)}").run()

    @property
    def first_hour(self) -> str:
        """Where the view `uncompacted` begins."""
        return self.views["uncompacted"].sql(ATHENA).rpartition("lake_hour >= ")[2].strip("'")


@cache
def base_views() -> dict[str, exp.Query]:
    """The views that only Athena has, as a deployment makes them."""
    made = [decode_statement(text) for text in plan_base_views()]
    return {statement.name: statement.query for statement in made if statement.query is not None}


def parse_question(sql: str) -> exp.Query:
    """A SELECT whose views are left to the engine."""
    parsed = sqlglot.parse_one(sql, read=ATHENA)
    assert isinstance(parsed, exp.Query)
    return parsed


@dataclass
class Aws:
    """A lake in a folder, and the place a compaction works at."""

    root: Path
    athena: FolderAthena
    lake: FolderBucket

    @property
    def place(self) -> Place:
        return Place(lake=self.lake, work=self.lake, athena=self.athena)


def aws(root: Path) -> Aws:
    root.mkdir(parents=True, exist_ok=True)
    return Aws(root=root, athena=FolderAthena(root), lake=FolderBucket(root))


def failing(word: str, times: int = 10**9) -> Callable[[str], None]:
    """A `before` of FolderAthena that fails the statements holding this word."""
    left = [times]

    def fail(statement: str) -> None:
        if word in statement and left[0] > 0:
            left[0] -= 1
            raise EngineFailed(engine="Athena", why="it was told to fail")

    return fail
