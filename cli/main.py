"""
`ticklake`: the one console command; each subcommand lives in the file of its name and is imported only when asked for.

Laws: thin; a known error becomes one sentence on standard error and its exit code, never a stack trace.
Refuses to know: what commands do.
"""

from __future__ import annotations

import errno
import importlib
import os
from typing import Any, Final

import click

COMMANDS: Final = {
    "run": "The producer: Coinbase to Firehose, until it is told to stop.",
    "local": "All of it on this machine: feed, journal, Firehose, transform, lake, answer.",
    "query": "Ask a lake on this machine a question.",
    "compact": "Closed hours of a lake into the table history: one row per trade, typed, sorted.",
    "replay": "Rows made anew from raw/, for a transform that was wrong.",
    "audit": "Is the lake whole? Verdict, findings, a report; the exit code says it too.",
    "cost": "What a lake's data costs on AWS, from its own figures.",
    "deploy": "The stacks into an AWS account; each change is shown before it is made.",
    "status": "The deployed stacks, and the alarms that are up.",
    "destroy": "Remove the stacks; what holds data stays.",
    "heal": "Named holes of a lake, of any age, filled from REST trades by id.",
    "backfill": "Trades of a time before anybody watched, from REST.",
    "redrive": "Refused lines that pass today go back through Firehose.",
    "exchange": "Serve the simulated exchange for any client.",
    "firehose": "Serve the local delivery engine for any Firehose client.",
    "journal": "Look into a journal: inspect, verify, repair, export, drain.",
}


# What to do about a file or folder that the system refuses.
_REMEDIES: Final = {
    errno.EACCES: "Check who may read and write there",
    errno.EPERM: "Check who may read and write there",
    errno.EROFS: "Name a folder that may be written",
    errno.ENOSPC: "Make room there",
    errno.EDQUOT: "Make room there, or have the quota raised",
    errno.EFBIG: "Have the limit on the length of files raised (ulimit -f)",
    errno.EMFILE: "Have the limit on open files raised (ulimit -n)",
    errno.ENAMETOOLONG: "Name a folder with a shorter path",
}


class _Commands(click.Group):
    """Imports a command when it is asked for: `ticklake run` must not load the laptop's libraries."""

    def invoke(self, ctx: click.Context) -> Any:
        """The command; what the system refuses it on disk is a sentence."""
        try:
            return super().invoke(ctx)
        except OSError as refused:
            if refused.filename is None and refused.errno not in _REMEDIES:
                raise  # a pipe that closed is click's to handle; anything else would be a fault of ours
            raise click.ClickException(_say(refused)) from refused

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        if cmd_name not in COMMANDS:
            return None
        try:
            module = importlib.import_module(f"cli.{cmd_name}")
        except ModuleNotFoundError as missing:
            if missing.name is None or missing.name.startswith("cli"):
                raise
            sentence = f"`ticklake {cmd_name}` needs the library {missing.name}: install ticklake[local]."
            raise click.ClickException(sentence) from missing
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _say(refused: OSError) -> str:
    where = "" if refused.filename is None else f" ({os.fsdecode(refused.filename)})"
    remedy = _REMEDIES.get(refused.errno or 0, "See that it is there and can be used")
    return f"The system refused a file or folder: {refused.strerror}{where}. {remedy}, and start again; what is journaled stays journaled."


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(package_name="ticklake", prog_name="ticklake")
def main() -> None:
    """Every tick Coinbase sends, in an encrypted, queryable S3 lake; what did not get there is named."""
