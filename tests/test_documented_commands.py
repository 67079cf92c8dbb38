"""Commands as README, docs and the board's pages print them: they exist, and are whole."""

import re
import shlex
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest
from typer.core import TyperGroup
from typer.main import get_command

from benchmark.cli.app import app

ROOT = Path(__file__).parents[1]
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    ROOT / "leaderboard" / "site" / "templates" / "board" / "submit.html.j2",
]


def printed(path: Path) -> Iterator[str]:
    """Give each command of a block: what stands after ``forgerybench``, without its comment."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".j2":
        text = "```console\n" + "".join(re.findall(r"<pre.*?>(.*?)</pre>", text, re.DOTALL)) + "```"
        text = unescape(text)
    for block in re.findall(r"```console\n(.*?)```", text, re.DOTALL):
        for line in re.sub(r" *\\\n *>?", " ", block).splitlines():
            found = re.match(r"\s*(?:\$ )?forgerybench (.*)", line)
            if found:
                yield found[1]


def fault(line: str) -> str:
    """Say what is wrong with a command; "" for nothing."""
    command, words = get_command(app), shlex.split(line.replace("[", " ").replace("]", " "), True)
    while isinstance(command, TyperGroup) and words:
        name = words.pop(0)
        if name not in command.commands:
            return f"there is no command '{name}'"
        command = command.commands[name]
    params = command.params
    options = {name: p for p in params for name in (*p.opts, *p.secondary_opts) if name[0] == "-"}
    given = [word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)]
    if unknown := [name for name in given if name not in options]:
        return f"there is no option {unknown[0]}"
    asked = [p for p in params if p.required and p.opts[0].startswith("-")]
    missing = [p.opts[0] for p in asked if not {*p.opts} & {*given}]
    return f"{missing[0]} is required" if missing else ""


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_command_that_is_printed_exists_and_is_whole(path: Path) -> None:
    faults = {line: fault(line) for line in printed(path)}
    assert {line: told for line, told in faults.items() if told} == {}


def test_commands_are_found_and_faults_are_told() -> None:
    assert len(list(printed(ROOT / "README.md"))) >= 8
    assert len(list(printed(PAGES[-1]))) == 3
    assert fault("nothing runs/faces") == "there is no command 'nothing'"
    assert fault("report runs/faces --papers") == "there is no option --papers"
    assert fault("board pack runs/mine -o mine.zip --submitter us") == "--training-data is required"
    assert fault("data crop M.csv --recipe genface -o crops   # a comment") == ""
