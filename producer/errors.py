"""
Every error the producer raises on purpose, by whose fault it is and whether trying again helps.

    TicklakeError
    ├── SettingsError        ours: a setting is wrong; stop at start
    ├── FeedLost             peer: the connection ended or fell silent; reconnect
    ├── FeedRefused          peer: the exchange said no; say what to change, try again later
    │   └── KeyRefused          the same, about who we are: a key it does not accept, or one that it wants
    ├── BodyUnreadable       peer: a REST answer says nothing we understand; count it, ask again later
    ├── RestSilent           peer: REST gave no usable answer for minutes; run it again later
    ├── RestRefused          peer: REST will never answer this; say what to change
    ├── DeliveryFailed       cloud: one PutRecordBatch call gave no answer by index
    │   ├── DeliveryThrottled   again, later and slower
    │   ├── DeliveryUnreachable again; nothing was sent, so nothing can be stored twice
    │   ├── DeliveryAmbiguous   again; it may have been stored, so a duplicate is possible
    │   └── DeliveryRefused     a person has to change something; the journal keeps filling meanwhile
    │       └── DeliveryUnprepared   the same, before any call: no credentials, region, profile or endpoint
    ├── AnswerMismatch       cloud: the answer does not fit what was sent
    ├── JournalLocked        ours: another process owns the journal
    ├── JournalFull          disk: no room for new lines
    └── JournalDamaged       disk: bytes on disk are not what was written

Laws: an error carries fields and builds its sentence from them: what happened, what it means, what to do. No secret in any.
Refuses to know: how an error is handled; that is the catcher's decision.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

MESSAGE_CHARS: Final = 400  # of a peer's text that an error shows


class TicklakeError(Exception):
    """The root; never raised itself."""


class SettingsError(TicklakeError):
    """A setting has a value that cannot work."""

    def __init__(self, *, name: str, value: object, why: str) -> None:
        self.name = name
        self.value = value
        self.why = why
        super().__init__(name, value, why)

    def __str__(self) -> str:
        return f"{self.name}={self.value!r} cannot work: {self.why}."


class FeedLost(TicklakeError):  # noqa: N818 - the house names errors by what happened
    """The connection ended, or fell silent for too long."""

    def __init__(self, *, url: str, why: str, code: int | None = None) -> None:
        self.url = url
        self.why = why
        self.code = code
        super().__init__(url, why, code)

    def __str__(self) -> str:
        code = "" if self.code is None else f" (close code {self.code})"
        return f"The feed {self.url} was lost: {self.why}{code}. It will be reconnected."


class FeedRefused(TicklakeError):  # noqa: N818
    """The exchange answered a subscribe with an error."""

    def __init__(self, *, url: str, message: str, reason: str) -> None:
        self.url = url
        self.message = message
        self.reason = reason
        super().__init__(url, message, reason)

    def __str__(self) -> str:
        because = f": {self.reason}" if self.reason else ""
        return f"{self.url} refused: {self.message}{because}. Check the product ids; it will be tried again."


class KeyRefused(FeedRefused):
    """The exchange answered a subscribe with an error about authentication; `signed` says whether ours carried an API key."""

    def __init__(self, *, url: str, message: str, reason: str, signed: bool) -> None:
        self.signed = signed
        super().__init__(url=url, message=message, reason=reason)

    def __str__(self) -> str:
        because = f": {self.reason}" if self.reason else ""
        advice = (
            "The API key was not accepted, and nothing is subscribed without it. Check key, secret, passphrase and addresses allowed at "
            "Coinbase, and this machine's clock; public data needs no key: without one, start again."
            if self.signed
            else "It wants an API key for this: give one (TICKLAKE_API_KEY_FILE) and start again."
        )
        return f"{self.url} refused: {self.message}{because}. {advice} It will be tried again as it is."


class BodyUnreadable(TicklakeError):  # noqa: N818
    """A REST body that cannot be understood."""

    def __init__(self, *, what: str, why: str, head: str) -> None:
        self.what = what
        self.why = why
        self.head = head[:80]
        super().__init__(what, why, head[:80])

    def __str__(self) -> str:
        return f"The exchange's answer about {self.what} cannot be read: {self.why}. It begins {self.head!r}."


class RestSilent(TicklakeError):  # noqa: N818
    """REST gave no usable answer, however often it was asked."""

    def __init__(self, *, path: str, why: str, waited_s: float) -> None:
        self.path = path
        self.why = why
        self.waited_s = waited_s
        super().__init__(path, why, waited_s)

    def __str__(self) -> str:
        return f"REST gave no usable answer to {self.path} for {self.waited_s:g} s ({self.why}). Run it again later."


class RestRefused(TicklakeError):  # noqa: N818
    """REST answers this question with a refusal."""

    def __init__(self, *, path: str, why: str) -> None:
        self.path = path
        self.why = why
        super().__init__(path, why)

    def __str__(self) -> str:
        return f"REST refuses {self.path} ({self.why[:MESSAGE_CHARS]}). Look whether the product's name is right, and still listed."


class DeliveryFailed(TicklakeError):  # noqa: N818
    """One PutRecordBatch call failed as a whole."""

    opening = "Firehose answered"
    meaning = "Nothing was accepted; the lines stay in the journal."

    def __init__(self, *, code: str, message: str, advice: str = "") -> None:
        self.code = code
        self.message = message
        self.advice = advice
        super().__init__(code, message, advice)

    def __str__(self) -> str:
        advice = f" {self.advice}" if self.advice else ""
        # What stands between us and Firehose may answer with a page of HTML.
        message = " ".join(self.message.split())[:MESSAGE_CHARS].rstrip(".")
        return f"{self.opening} {self.code}{': ' if message else ''}{message}. {self.meaning}{advice}"


class DeliveryThrottled(DeliveryFailed):
    """Firehose is over its quota or briefly unavailable: the same call, later and slower."""


class DeliveryUnreachable(DeliveryFailed):
    """No connection to Firehose could be made, so the call was never sent."""

    opening = "Firehose could not be reached:"
    meaning = "Nothing was sent; the lines stay in the journal and delivery is tried again."


class DeliveryAmbiguous(DeliveryFailed):
    """The call got no answer, or a 5xx: it may have been stored all the same."""

    opening = "Firehose gave no usable answer:"
    meaning = "It may have been stored all the same; it is sent again, and a duplicate is removable by (session, n)."


class DeliveryRefused(DeliveryFailed):
    """Firehose refuses until a person changes something (credentials, region, stream, key, permission)."""

    meaning = "Nothing was accepted; the journal keeps filling and delivery is tried again."


class DeliveryUnprepared(DeliveryRefused):
    """A call cannot even be made: credentials, region, profile or endpoint are missing or wrong."""

    opening = "Firehose cannot be called:"
    meaning = "Nothing was sent; the lines stay in the journal."


class AnswerMismatch(TicklakeError):  # noqa: N818
    """The answer's list is not as long as the request's, so no index can be trusted."""

    def __init__(self, *, sent: int, answered: int) -> None:
        self.sent = sent
        self.answered = answered
        super().__init__(sent, answered)

    def __str__(self) -> str:
        return (
            f"Firehose answered {self.answered} entries to {self.sent} records; none is taken as settled, all go again."
        )


class JournalLocked(TicklakeError):  # noqa: N818
    """Another process owns the journal."""

    def __init__(self, *, path: Path, holder: str) -> None:
        self.path = path
        self.holder = holder
        super().__init__(path, holder)

    def __str__(self) -> str:
        return f"The journal {self.path} is in use by {self.holder}. Stop that process, or name another --journal."


class JournalFull(TicklakeError):  # noqa: N818
    """There is no room for a line: the journal's own bound, or the disk."""

    def __init__(self, *, path: Path, why: str) -> None:
        self.path = path
        self.why = why
        super().__init__(path, why)

    def __str__(self) -> str:
        return f"The journal {self.path} takes no more lines: {self.why}. Free space, or let delivery drain it."


class JournalDamaged(TicklakeError):  # noqa: N818
    """A file of the journal cannot be understood at all."""

    def __init__(self, *, path: Path, why: str) -> None:
        self.path = path
        self.why = why
        super().__init__(path, why)

    def __str__(self) -> str:
        return f"{self.path} is damaged: {self.why}. `ticklake journal repair` salvages what is intact."
