"""How long the command line takes to start, against a bare typer program.

Each command is a process; its own time counts, with that of the system for it.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from performance.measuring import Row

BARE = """
import typer

app = typer.Typer()


@app.command()
def one() -> None:
    "One."


@app.command()
def two() -> None:
    "Two."


app()
"""
# Seconds of own time that a command may take at most.
BARS = {"--help": 0.3, "--version": 0.3, "list protocols": 1.0}
MOST_TIMES = 3


def start_up(rounds: int) -> list[Row]:
    """Time the commands, each right after the bare program's ``--help``."""
    with tempfile.TemporaryDirectory() as name:
        bare = Path(name, "bare.py")
        bare.write_text(BARE, encoding="utf-8")
        plain = [sys.executable, str(bare), "--help"]
        found: list[Row] = []
        for command, bar in BARS.items():
            own = [sys.executable, "-m", "forgerybench", *command.split()]
            pairs = [(_seconds(plain), _seconds(own)) for _ in range(rounds + 1)][1:]
            found.append(
                {
                    "command": f"forgerybench {command}",
                    "seconds": median(mine for _, mine in pairs),
                    "bar, seconds": bar,
                    "bare typer, seconds": median(bare for bare, _ in pairs),
                    "times bare typer": median(mine / bare for bare, mine in pairs),
                    "bar, times": None if command.startswith("list") else MOST_TIMES,
                }
            )
    return found


def _seconds(command: Sequence[str]) -> float:
    """Give the own time of a process, in seconds."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)}: ended with {process.returncode}")
    return usage.ru_utime + usage.ru_stime
