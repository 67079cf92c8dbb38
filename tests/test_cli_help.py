"""The help of every command."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from benchmark.cli.app import app


def commands(command: Any, *names: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Give every command under its names."""
    yield names, command
    for name, below in getattr(command, "commands", {}).items():
        yield from commands(below, *names, name)


ALL = dict(commands(typer.main.get_command(app)))


def shown(*names: str) -> str:
    done = CliRunner().invoke(app, [*names, "--help"], env={"COLUMNS": "400", "TERM": "dumb"})
    assert done.exit_code == 0, done.exception
    return done.output


@pytest.mark.parametrize("names", ALL, ids=" ".join)
def test_help_shows_all_that_stands_in_brackets(names: tuple[str, ...]) -> None:
    said = shown(*names)
    for parameter in ALL[names].params:
        text = f"{getattr(parameter, 'help', '')} {parameter.metavar or ''}".replace("\\[", "[")
        for bracketed in re.findall(r"\S*\[[^\]]*\]\S*", text):
            assert bracketed in said


def test_help_names_what_stands_in_for_an_option_that_is_left_out() -> None:
    told = {
        line.split()[1]: line for line in shown("run").splitlines() if re.match(r"\W*--\w", line)
    }
    for option, default in (
        ("--size", "the study's"),
        ("--recipe", "that of the track"),
        ("--seeds", "the study's; 0 for a protocol"),
        ("--store", "the cache folder"),
    ):
        assert f"[default: ({default}" in told[option]
