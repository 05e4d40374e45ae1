"""
What a redrive writes down in a lake's bucket: the lines that were accepted, and that it is at work.

A run's sign of life is one object, replaced only by whoever knows its tag: two runs at once meet there, and the second one ends. It is
renewed before each call; one that is older than LIFE is nobody's, for whoever was killed cannot take it back.
Laws: a name is written down once its line was accepted, an object for each call, of its own key; a run that lost its sign sends nothing
more. Two runs that both believed they were alone can only have sent copies, which are removable.
Refuses to know: lines, Firehose, how a bucket is reached.
"""

# ruff: noqa: N818  # errors are named for what happened, as in the design
from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Self

from compact_lambda.bucket import Taken
from local.lake.redrive import decode_sent, encode_sent

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from types import TracebackType

    from compact_lambda.bucket import Bucket
    from local.lake.redrive import Name

PREFIX: Final = "redrive/coinbase/"
SIGN: Final = f"{PREFIX}run.json"
SENT: Final = f"{PREFIX}sent/"
# One call may take a minute, and the wait after it 20 seconds (producer/firehose.py, producer/pacing.py).
LIFE: Final = timedelta(minutes=5)
_RENEWED_AFTER: Final = timedelta(seconds=30)
READ_AT_ONCE: Final = 8  # of the ten connections that a boto3 client keeps (botocore, max_pool_connections)


class RedriveHeld(Exception):
    """Another redrive of the same lake is at work."""

    def __init__(self, *, key: str, run: str, seen: datetime) -> None:
        self.key, self.run, self.seen = key, run, seen
        super().__init__(
            f"Another redrive ({run}) is at work: {key} is of {seen:%H:%M:%S} UTC. Wait for it to end; if it was killed, run this again "
            f"after {seen + LIFE:%H:%M:%S} UTC. Nothing was sent."
        )


class RedriveOvertaken(Exception):
    """Another redrive took over from this one."""

    def __init__(self, *, key: str) -> None:
        self.key = key
        super().__init__(
            f"Another redrive replaced {key} meanwhile: this one was silent for too long, or the clocks of the two machines differ. It sent "
            "nothing more; what was accepted before is written down. Run it again when the other one has ended."
        )


class BucketRecord:
    """
    The record of one run, which the `with` begins and ends.

    Clock: `clock` is compared with S3's times of objects; where they differ by minutes, two runs may meet, and send copies at most.
    Shapes: `run` is a name that no other run has, of letters, digits and dashes.
    """

    def __init__(self, bucket: Bucket, *, run: str, clock: Callable[[], datetime]) -> None:
        self._bucket = bucket
        self._run = run
        self._clock = clock
        self._tag = ""
        self._signs = 0
        self._calls = 0
        self._renewed_at = clock()

    def __enter__(self) -> Self:
        found = next((each for each in self._bucket.find_objects(SIGN) if each.key == SIGN), None)
        if found is not None:
            run, state = _decode_sign(self._bucket.read_object(SIGN))
            if state != "ended" and self._clock() - found.changed_at < LIFE:
                raise RedriveHeld(key=SIGN, run=run, seen=found.changed_at)
        try:
            self._sign("running", replacing=None if found is None else found.tag)
        except Taken as taken:
            raise RedriveHeld(key=SIGN, run="begun at the same moment", seen=self._clock()) from taken
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._sign("ended", replacing=self._tag)
        except Taken:
            # Whoever has taken over signs for itself.
            return

    def _sign(self, state: str, *, replacing: str | None) -> None:
        self._signs += 1
        body = json.dumps({"run": self._run, "state": state, "sign": self._signs}).encode() + b"\n"
        try:
            self._tag = self._bucket.put_record(SIGN, body, replacing=replacing)
        except Taken:
            # A put whose answer was lost is sent again by botocore, and then meets itself.
            stored = next((each for each in self._bucket.find_objects(SIGN) if each.key == SIGN), None)
            if stored is None or self._bucket.read_object(SIGN) != body:
                raise
            self._tag = stored.tag
        self._renewed_at = self._clock()

    def renew(self) -> None:
        """
        Give a sign of life, unless the last one is fresh.

        Raises: RedriveOvertaken.
        """
        if self._clock() - self._renewed_at < _RENEWED_AFTER:
            return
        try:
            self._sign("running", replacing=self._tag)
        except Taken as taken:
            raise RedriveOvertaken(key=SIGN) from taken

    def append(self, names: Sequence[Name]) -> None:
        """Write down that these lines were accepted."""
        self._calls += 1
        key, body = f"{SENT}{self._run}-{self._calls:06}.ndjson", encode_sent(names)
        try:
            self._bucket.put_record(key, body, replacing=None)
        except Taken:
            if self._bucket.read_object(key) != body:
                raise


def _decode_sign(content: bytes) -> tuple[str, str]:
    """A run's name and state; one that cannot be read is somebody's, until it is old."""
    try:
        said = json.loads(content)
        return str(said["run"]), str(said["state"])
    except (ValueError, TypeError, KeyError):
        return "unknown", "unknown"


def read_sent(bucket: Bucket) -> set[Name]:
    """The names of lines that were sent back before, by whichever run."""
    keys = [each.key for each in bucket.find_objects(SENT)]
    with ThreadPoolExecutor(READ_AT_ONCE) as pool:
        return {name for content in pool.map(bucket.read_object, keys) for name in decode_sent(content)}
