"""
Options that commands over a lake share: which lake, in a folder or deployed, from when, until when.

Laws: an instant is written and read as in `ticklake query`; a wrong one is a usage error (exit code 2).
Refuses to know: what is done with them.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from sql.questions import Parameter, ValueRefused, decode_value

if TYPE_CHECKING:
    from collections.abc import Callable


def lake_option(text: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """`--lake DIR`, said what for."""
    return click.option(
        "--lake",
        type=click.Path(path_type=Path, file_okay=False),
        default=Path("lake"),
        envvar="TICKLAKE_LAKE",
        show_default=True,
        show_envvar=True,
        help=text,
    )


from_option = click.option(
    "--from", "from_", metavar="INSTANT", help="From this instant on, such as 2026-11-23T02 (UTC)."
)
to_option = click.option("--to", metavar="INSTANT", help="Before this instant.")
name_option = click.option(
    "--name", "prefix", default="ticklake", show_default=True, help="With --athena: what the stacks' names begin with."
)
region_option = click.option("--region", help="With --athena: the region; by default AWS's own settings say.")


def refuse_two_lakes(does: str) -> None:
    """
    Nothing, unless --lake was typed beside --athena. `does` says what the command does with a lake, such as `audits`.

    Raises: click.UsageError.
    """
    if click.get_current_context().get_parameter_source("lake") is ParameterSource.COMMANDLINE:
        raise click.UsageError(f"--lake is a folder's, --athena {does} a deployed lake: say one of them.")


def decode_span(from_: str | None, to: str | None) -> tuple[int, int]:
    """
    The two instants in microseconds; what is not said is the beginning, and the end.

    Raises: click.UsageError.
    """
    from_us, to_us = _decode("from", from_, "the beginning"), _decode("to", to, "the end")
    if from_us >= to_us:
        raise click.UsageError("--from has to be before --to.")
    return from_us, to_us


def _decode(name: str, text: str | None, default: str) -> int:
    parameter = Parameter(name=name, placeholder=f"{name}_us", type="instant", default=default, bounds_hours=False)
    try:
        decoded = decode_value(parameter, default if text is None else text)
    except ValueRefused as refused:
        raise click.UsageError(str(refused)) from refused
    assert isinstance(decoded, int)
    return decoded
