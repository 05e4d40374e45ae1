"""
The road's first half: lines wait for the transform, are sent to it, and come back with a verdict.

Laws: one invocation at a time, in order, so that a partition's rows keep the order of arrival; an invocation that fails is sent again, the
same records, until the retries are used up, and then the whole batch fails with the last error. A batch waits, it is never thrown away.
Refuses to know: what the verdicts lead to. Clock: retries wait on the `now_ms` they are told.
Source: Amazon Data Firehose, "Handle failure in data transformation"; total back-off of three retries observed as 15 to 35 s.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from local.firehose.buffers import Buffer, BufferFill, Sealed
from local.firehose.effects import Answered, Invoke
from local.firehose.naming import random_uuid
from local.firehose.verdicts import Failed, Judgement, Line, judge

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

    from local.firehose.config import StreamConfig
    from local.firehose.guesses import Guesses

FUNCTION_ERROR_MESSAGE = "The Lambda function was successfully invoked but it returned an error result."


@dataclass(frozen=True, slots=True)
class Verdict:
    """One batch's judgement and how many attempts it took."""

    judgement: Judgement
    attempts_count: int


@dataclass(slots=True)
class _Attempt:
    """The batch at the head of the queue. `next_ms` is None while it is with the transform."""

    lines: list[Line]
    number: int
    next_ms: int | None
    oldest_arrival_ms: int


class TransformStage:
    """Stage A: its buffer, its queue of sealed batches, and the one attempt under way."""

    def __init__(self, config: StreamConfig, *, guesses: Guesses, random: Random) -> None:
        assert config.transform is not None, "only a stream with a transform has this stage"
        self._config = config
        self._transform = config.transform
        self._guesses = guesses
        self._random = random
        self._buffer: Buffer[Line] = Buffer(config.transform.hints)
        self._queue: deque[Sealed[Line]] = deque()
        self._attempt: _Attempt | None = None
        self.is_flushing = False

    def reconfigure(self, config: StreamConfig, now_ms: int) -> None:  # noqa: ARG002 -- every change carries its time
        """Go on under another configuration; lines that wait are sealed, and go to the new transform if there is one."""
        if len(self._buffer):
            self._queue.append(self._buffer.seal())
        self._config = config
        if config.transform is not None:
            self._transform = config.transform
            self._buffer = Buffer(config.transform.hints)

    def add(self, lines: list[Line], now_ms: int) -> None:
        """Take lines in; batches that fill up queue for the transform."""
        add = self._buffer.add
        for line in lines:
            sealed = add(line, entry_bytes=len(line.body), arrival_ms=line.arrival_ms, now_ms=now_ms)
            if sealed is not None:
                self._queue.append(sealed)

    def poll(self, now_ms: int) -> Iterator[Invoke]:
        """The invocation to make now, if there is one."""
        due_ms = self._buffer.due_ms()
        if due_ms is not None and (self.is_flushing or due_ms <= now_ms):
            self._queue.append(self._buffer.seal())
        if self._attempt is None and self._queue:
            sealed = self._queue.popleft()
            self._attempt = _Attempt(
                lines=sealed.entries, number=1, next_ms=now_ms, oldest_arrival_ms=sealed.oldest_arrival_ms
            )
        attempt = self._attempt
        if attempt is not None and attempt.next_ms is not None and (self.is_flushing or attempt.next_ms <= now_ms):
            attempt.next_ms = None
            yield Invoke(
                invocation_id=random_uuid(self._random),
                attempt=attempt.number,
                transform=self._transform,
                stream_arn=self._config.arn,
                region=self._config.region,
                lines=attempt.lines,
            )

    def invoked(self, answered: Answered, now_ms: int) -> Verdict | None:
        """The verdict on the batch; None if it will be sent again. Caller must have been asked to invoke."""
        attempt = self._attempt
        assert attempt is not None, "an answer came without an invocation"
        if answered.payload is not None:
            judgement = judge(attempt.lines, answered.payload, self._guesses)
        elif attempt.number <= self._transform.retries_count:
            attempt.next_ms = now_ms + self._backoff_ms(attempt.number)
            attempt.number += 1
            return None
        else:
            code = answered.error_code or "Lambda.FunctionError"
            message = answered.message or FUNCTION_ERROR_MESSAGE
            judgement = Judgement(failed=[Failed(line, code, message) for line in attempt.lines])
        self._attempt = None
        return Verdict(judgement=judgement, attempts_count=attempt.number)

    def next_deadline_ms(self) -> int | None:
        """When `poll` will next have something; None if nothing is on the way."""
        deadlines = [self._buffer.due_ms()]
        if self._attempt is not None:
            deadlines.append(self._attempt.next_ms)
        elif self._queue:
            deadlines.append(0)
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    def pending_count(self) -> int:
        """The lines that wait or are with the transform."""
        under_way = len(self._attempt.lines) if self._attempt is not None else 0
        return len(self._buffer) + sum(len(sealed.entries) for sealed in self._queue) + under_way

    def oldest_arrival_ms(self) -> int | None:
        """The oldest arrival among them."""
        found = [sealed.oldest_arrival_ms for sealed in self._queue]
        if self._attempt is not None:
            found.append(self._attempt.oldest_arrival_ms)
        if (waiting := self._buffer.oldest_arrival_ms()) is not None:
            found.append(waiting)
        return min(found, default=None)

    def fills(self) -> Iterator[BufferFill]:
        """How full the buffer is."""
        yield self._buffer.fill("transform")

    def _backoff_ms(self, retry: int) -> int:
        exponential = self._guesses.lambda_backoff_first_ms * (1 << min(retry - 1, 20))
        return round(min(exponential, self._guesses.lambda_backoff_cap_ms) * self._random.uniform(0.75, 1.25))
