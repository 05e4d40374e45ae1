"""Progress on standard error: one line on a terminal, some lines in a log, and the last word always."""

from __future__ import annotations

import io
from contextlib import redirect_stderr

import pytest

from cli.progress import ProgressLine


class Terminal(io.StringIO):
    """What a terminal was sent."""

    def isatty(self) -> bool:
        return True


def logged(times: list[float], *lines: str, is_news: bool | None = None) -> None:
    """Show these lines with a clock that says these times."""
    with ProgressLine(clock=iter(times).__next__) as progress:
        for line in lines:
            progress.show(line, is_news=is_news)


def test_a_log_has_a_line_after_two_seconds_and_the_last_one(capsys: pytest.CaptureFixture[str]) -> None:
    logged([0.0, 1.0, 2.0, 2.0, 3.0], "at 1", "at 2", "at 3")
    assert ("", ["at 2", "at 3"]) == ((said := capsys.readouterr()).out, said.err.splitlines())


def test_what_was_said_is_not_said_again_at_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    logged([0.0, 2.0, 2.0], "all")
    assert "all\n" == capsys.readouterr().err


@pytest.mark.parametrize(("is_news", "said"), [(True, ["a", "b"]), (False, [])])
def test_a_log_has_what_is_news_and_not_what_is_none(
    capsys: pytest.CaptureFixture[str], *, is_news: bool, said: list[str]
) -> None:
    logged([0.0, 9.0, 9.0], "a", "b", is_news=is_news)
    assert said == capsys.readouterr().err.splitlines()


def test_a_terminal_has_one_line_that_ends() -> None:
    with redirect_stderr(terminal := Terminal()):
        logged([0.0], "a", "b", is_news=False)
    assert "\r\x1b[2Ka\r\x1b[2Kb\n" == terminal.getvalue()


def test_a_line_that_is_cleared_leaves_the_terminal_as_it_was() -> None:
    with redirect_stderr(terminal := Terminal()), ProgressLine() as progress:
        progress.show("a")
        progress.clear()
    assert "\r\x1b[2Ka\r\x1b[2K" == terminal.getvalue()


def test_nothing_shown_is_nothing_said() -> None:
    with redirect_stderr(terminal := Terminal()), ProgressLine():
        pass
    assert "" == terminal.getvalue()
