"""The commands of the board: building its site."""

from pathlib import Path
from typing import Annotated

import typer

from benchmark.cli.console import out_console, reports_errors

# Nothing here may import torch at the top: --help and the lists stay light.
board_app = typer.Typer(no_args_is_help=True, help="A leaderboard over runs and submissions.")


@board_app.command()
@reports_errors
def build(
    sources: Annotated[
        list[Path],
        typer.Argument(help="Folders of runs, folders of entries, files of entries."),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the site.")] = Path("site"),
    name: Annotated[str, typer.Option("--name", help="The board's heading.")] = (
        "Face forgery detection"
    ),
    reported: Annotated[
        bool, typer.Option("--reported", help="Also what papers report in the same cells.")
    ] = False,
) -> None:
    """Make a static site of a board: it opens from a folder and asks no other host for anything."""
    from leaderboard.board.build import build_board, gather
    from results.literature import read_literature

    entries = gather(sources)
    page = build_board(entries, out, name=name, literature=read_literature() if reported else None)
    out_console.print(f"Board: {page} ({len(entries)} entries)", highlight=False, soft_wrap=True)
