"""What the commands share: two consoles, tables, and errors as one line with an exit code."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from benchmark.cli.limits import is_refused
from benchmark.errors import BenchmarkError
from benchmark.stopping import Stopped
from detectors.errors import DetectorError
from leaderboard.errors import LeaderboardError
from protocols.errors import ProtocolError
from protocols.text import printable
from results.errors import ResultError

if TYPE_CHECKING:
    import pandas as pd

    from protocols.expansion import Expansion

_ERRORS = (BenchmarkError, DetectorError, LeaderboardError, ProtocolError, ResultError)
EXIT_ERROR, EXIT_INTERRUPTED = 1, 130
# Options and arguments that are written to, by any command.
_WRITTEN = frozenset({"out", "store", "features", "pixels", "log", "tensorboard", "entries"})

P = ParamSpec("P")
R = TypeVar("R")


class SafeConsole(Console):
    """A console on which the names of strangers' files and detectors stand as text alone.

    Rich takes no notice of escape signs in a text, which would move the cursor, colour what
    follows or turn a line around.
    """

    def render_str(self, text: str, **options: Any) -> Text:
        """Make a text of what is printed, line breaks kept."""
        return super().render_str(printable(text, keep="\n"), **options)


out_console, error_console = SafeConsole(), SafeConsole(stderr=True)


def reports_errors(command: Callable[P, R]) -> Callable[P, R]:
    """Turn the errors that users can mend into one line and an exit code."""

    @wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            _refuse_addresses(kwargs)
            return command(*args, **kwargs)
        except _ERRORS as error:
            fail(str(error))
            raise typer.Exit(EXIT_ERROR) from error
        except OSError as error:
            fail(f"{_named(error)}: {error.strerror or error}")
            raise typer.Exit(EXIT_ERROR) from error
        except ImportError as error:
            if not is_refused(error):
                raise
            fail(str(error))
            raise typer.Exit(EXIT_ERROR) from error
        except KeyboardInterrupt as error:
            fail("stopped; the same command goes on where it stopped")
            code = error.code if isinstance(error, Stopped) else EXIT_INTERRUPTED
            raise typer.Exit(code) from error

    return wrapped


def _refuse_addresses(given: Mapping[str, object]) -> None:
    """Raise BenchmarkError where something is to be written to an address of a store."""
    for name in _WRITTEN & given.keys():
        path = given[name]
        if isinstance(path, Path) and ":" in str(path):
            from benchmark.data.remote import refuse_address

            refuse_address(path, f"--{name.replace('_', '-')}")


def fail(message: str) -> None:
    """Print an error's one line."""
    line = escape(" ".join(printable(part) for part in message.splitlines()))
    error_console.print(f"[bold red]error:[/] {line}", soft_wrap=True, highlight=False)


def _named(error: OSError) -> str:
    """Name the file of an error; what is drawn up beside a file is called by the file's name."""
    return str(error.filename) if error.filename else "a file could not be read or written"


def say(text: str) -> None:
    """Print a line of plain text, as long as it is: what stands in it can be copied whole."""
    out_console.print(text, markup=False, highlight=False, soft_wrap=True)


@contextmanager
def doing(text: str) -> Iterator[None]:
    """Say at once what takes a while: beside a spinner, or as a line in a log."""
    if error_console.is_terminal:
        with error_console.status(escape(text)):
            yield
    else:
        error_console.print(escape(text), highlight=False, soft_wrap=True)
        yield


def print_table(
    title: str, columns: list[str], rows: list[list[str]], note: str = "", *, whole: bool = True
) -> None:
    """Print a table; names in it are text, never markup.

    ``whole``: the first column is never folded, so that a name in it can be copied.
    """
    print_sections(title, columns, {"": rows}, note, whole=whole)


def print_sections(
    title: str,
    columns: list[str],
    sections: Mapping[str, list[list[str]]],
    note: str = "",
    *,
    whole: bool = True,
) -> None:
    """Print a table whose rows stand under headings; names in it are text, never markup."""
    table = Table(
        title=escape(title),
        title_justify="left",
        title_style="bold",
        caption=escape(note) or None,
        caption_justify="left",
    )
    for number, column in enumerate(columns):
        table.add_column(column, overflow="fold", no_wrap=whole and number == 0)
    for heading, rows in sections.items():
        if heading:
            table.add_row(f"[bold]{escape(heading)}[/]")
        for row in rows:
            table.add_row(*(escape(cell) for cell in row))
        table.add_section()
    out_console.print(table)


def warn_of_overlaps(expansions: "Iterable[Expansion]", samples: "pd.DataFrame") -> None:
    """Say what stands on two sides: each sentence once."""
    from protocols.overlaps import overlap_sentences

    said = (sentence for each in expansions for sentence in overlap_sentences(each, samples))
    for sentence in dict.fromkeys(said):
        out_console.print(
            f"[yellow]warning:[/] {escape(sentence)}", highlight=False, soft_wrap=True
        )


def warn_of_run(run: Path) -> None:
    """Say what stands on two sides of a run's protocols."""
    from results.run import RunContents

    contents = RunContents(run)
    warn_of_overlaps(contents.expansions.values(), contents.samples)
