"""What exists is documented, and what is documented exists."""

from __future__ import annotations

import re
from pathlib import Path

import click

from cli.main import COMMANDS, main
from contract import load_reasons
from producer.credentials import FILE_VARIABLE, TEXT_VARIABLE
from producer.settings import environment_name, help_texts

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", ROOT / "ARCHITECTURE.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_the_readme_lists_every_command_and_no_other() -> None:
    table = re.findall(r"^\| `ticklake (\w+)` \|", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)

    assert sorted(COMMANDS) == sorted(table)


def test_every_option_of_every_command_has_a_help_text() -> None:
    context = click.Context(main)
    for name in COMMANDS:
        command = main.get_command(context, name)
        assert command is not None
        for each in command.params:
            if isinstance(each, click.Option):
                assert each.help, f"ticklake {name} {each.opts[0]}"


def test_commands_and_variables_that_documents_name_exist() -> None:
    variables = {environment_name(name) for name in help_texts()} | {TEXT_VARIABLE, FILE_VARIABLE}
    context = click.Context(main)
    for name in COMMANDS:
        command = main.get_command(context, name)
        assert command is not None
        variables |= {each.envvar for each in command.params if isinstance(each.envvar, str)}
    for document in DOCUMENTS:
        text = document.read_text(encoding="utf-8")
        named = set(re.findall(r"TICKLAKE_[A-Z_]*[A-Z]\b(?!_)", text)) - {"TICKLAKE_NODE_MODULES", "TICKLAKE_TRINO"}
        assert named <= variables, document.name
        assert set(re.findall(r"`ticklake (\w+)", text)) <= set(COMMANDS), document.name


def test_every_gap_reason_is_explained_where_the_feed_is() -> None:
    text = (ROOT / "docs" / "feed.md").read_text(encoding="utf-8")

    assert set(load_reasons("gap")) == set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE))


def test_files_that_documents_point_to_exist() -> None:
    named = re.compile(r"`((?:docs|contract|infra|benchmarks|producer|local|tests)/[\w./-]+\.\w+)`")
    for document in DOCUMENTS:
        for target in named.findall(document.read_text(encoding="utf-8")):
            places = (ROOT / target, document.parent / target, ROOT / "tests" / target)
            assert any(place.exists() for place in places), f"{document.name}: {target}"
