"""
The optional Coinbase API key, out of the environment: TICKLAKE_API_KEY has its JSON, TICKLAKE_API_KEY_FILE names a file that does.

Laws: no option of the command line (every user of a machine sees those); what is set is used or refused, never passed over; nothing of a
key's text is shown.
Refuses to know: what a key is for.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from producer.credentials import FILE_VARIABLE, HIDDEN, TEXT_VARIABLE, ApiKey, check_way, decode_api_key
from producer.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping


def read_api_key(environ: Mapping[str, str], *, ws_url: str) -> ApiKey | None:
    """
    The key to subscribe with at `ws_url`; None if neither variable is there.

    Raises: click.UsageError with the setting's own sentence.
    """
    try:
        key = _read(environ)
        if key is not None:
            check_way(ws_url)
    except SettingsError as wrong:
        raise click.UsageError(str(wrong)) from wrong
    return key


def _read(environ: Mapping[str, str]) -> ApiKey | None:
    text, file = environ.get(TEXT_VARIABLE), environ.get(FILE_VARIABLE)
    if text is not None and file is not None:
        raise SettingsError(
            name=TEXT_VARIABLE, value=HIDDEN, why=f"{FILE_VARIABLE} is set as well: give one of the two"
        )
    if text is not None:
        return decode_api_key(text)
    if file is None:
        return None
    content = _content(file)
    if isinstance(content, str):
        # Not even the file's name is shown, nor kept as a cause: somebody may have put the key itself there.
        raise SettingsError(name=FILE_VARIABLE, value=HIDDEN, why=f"the file that it names cannot be read ({content})")
    return decode_api_key(content, name=FILE_VARIABLE)


def _content(file: str) -> bytes | str:
    """The file's content, or as text why it cannot be had."""
    try:
        return Path(file).read_bytes()
    except OSError as failed:
        return failed.strerror or type(failed).__name__
    except ValueError:
        return "no file can have that name"
