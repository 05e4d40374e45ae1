"""
A lake's folder as the audit's store of objects.

Laws: a Parquet object is read page by page, every column; nothing is tagged, since a folder may be copied: its objects are known by length
and digest.
Refuses to know: what an audit makes of it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

import pyarrow as pa
import pyarrow.parquet as pq

from audit_lambda.reading import ObjectGone, ObjectUnreadable, Stored

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_CHUNK_BYTES: Final = 1 << 20


class FolderStore:
    """The objects under a lake's folder, by the keys that S3 would know them by (audit_lambda.reading.Store)."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def list_objects(self, prefix: str) -> Iterator[Stored]:
        """Every object under the prefix, in no order; what goes while it is listed, or is a link to nothing, is none."""
        for folder, _, names in os.walk(self._root / prefix):
            for name in names:
                path = self._root / folder / name
                try:
                    size_bytes = path.stat().st_size
                except FileNotFoundError:
                    continue
                yield Stored(key=path.relative_to(self._root).as_posix(), size_bytes=size_bytes, tag="")

    def list_level(self, prefix: str) -> tuple[list[str], list[str]]:
        """The folders (with their slash) and the files right under a prefix, as whole keys in their order; a link to nothing is neither."""
        try:
            with os.scandir(self._root / prefix) as entries:
                names = [(entry.name, entry.is_dir()) for entry in entries if entry.is_dir() or entry.is_file()]
        except (FileNotFoundError, NotADirectoryError):
            return [], []
        folders = sorted(f"{prefix}{name}/" for name, is_folder in names if is_folder)
        return folders, sorted(f"{prefix}{name}" for name, is_folder in names if not is_folder)

    def read_chunks(self, key: str) -> Iterator[bytes]:
        """
        The object's bytes, in pieces.

        Raises: ObjectGone, ObjectUnreadable.
        """
        try:
            with (self._root / key).open("rb") as opened:
                while chunk := opened.read(_CHUNK_BYTES):
                    yield chunk
        except FileNotFoundError as error:
            raise ObjectGone from error
        except OSError as error:
            raise ObjectUnreadable(why=f"the disk says: {error.strerror}") from error

    def inspect(self, key: str) -> None:
        """
        Read every page of a Parquet object; of any other there is nothing more to know.

        Raises: ObjectUnreadable, ObjectGone.
        """
        if not key.endswith(".parquet"):
            return
        try:
            with pq.ParquetFile(self._root / key, page_checksum_verification=True) as opened:
                counted = sum(batch.num_rows for batch in opened.iter_batches())
                expected = opened.metadata.num_rows
        except FileNotFoundError as error:
            raise ObjectGone from error
        except (pa.ArrowException, OSError, ValueError) as error:
            raise ObjectUnreadable(why=f"its Parquet is damaged ({' '.join(str(error).split())})") from error
        if counted != expected:
            raise ObjectUnreadable(why=f"its footer says {expected} rows, and its pages hold {counted}")

    def read_record(self, key: str) -> bytes | None:
        """The bytes of something that an audit or a replay left; None where it is not there. Raises: OSError."""
        try:
            return (self._root / key).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def put_record(self, key: str, content: bytes) -> None:
        """Leave something for the next audit, whole or not at all. Raises: OSError."""
        path = self._root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_name(f".{path.name}.{os.getpid()}")
        aside.write_bytes(content)
        aside.replace(path)
