"""The commands of the board: building its site, packing, checking and adding submissions."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from benchmark.cli.console import EXIT_ERROR, out_console, reports_errors, say
from benchmark.errors import BenchmarkError

if TYPE_CHECKING:
    from leaderboard.submissions.verdicts import CheckedSubmission

# Nothing here may import torch at the top: --help and the lists stay light.
board_app = typer.Typer(no_args_is_help=True, help="A leaderboard over runs and submissions.")


@board_app.command()
@reports_errors
def build(
    sources: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Folders or addresses (s3://...) of runs, folders of entries, files of entries."
        ),
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the site.")] = Path("site"),
    name: Annotated[str, typer.Option("--name", help="The board's heading.")] = (
        "Face forgery detection"
    ),
    reported: Annotated[
        bool, typer.Option("--reported", help="Also what papers report in the same cells.")
    ] = False,
) -> None:
    """Make a static site of a board: it opens from a folder and asks no other host for anything."""
    from benchmark.data.remote import local_run
    from leaderboard.board.build import build_board, gather, with_reported
    from results.literature import read_literature

    here = [local_run(source) for source in sources or ()]
    entries = with_reported(gather(here), read_literature() if reported else None)
    page = build_board(entries, out, name=name)
    out_console.print(f"Board: {page} ({len(entries)} entries)", highlight=False, soft_wrap=True)


@board_app.command()
@reports_errors
def enter(
    run: Annotated[Path, typer.Argument(help="Folder of a run that is one's own.")],
    entries: Annotated[Path, typer.Option("--entries", help="Folder of entries.")],
    reason: Annotated[
        str, typer.Option("--reason", help="Why entries that are there are corrected.")
    ] = "",
) -> None:
    """Compute a run's entries and append them: for the keeper's own runs."""
    from leaderboard.board.entries import run_entries
    from leaderboard.board.records import append_entries

    added, same = append_entries(entries, run_entries(run), reason=reason)
    for path in added:
        _say_file("Entry", path)
    if same:
        say(f"{len(same)} entries are there already and say just the same")


ArchiveArgument = Annotated[Path, typer.Argument(help="A packed submission.")]
KeeperOption = Annotated[Path, typer.Option("--keeper", help="Folder of the keeper.")]
JsonOption = Annotated[
    Path | None, typer.Option("--json", help="Also write the verdicts to this file.")
]


@board_app.command()
@reports_errors
def keep(
    run: Annotated[Path, typer.Argument(help="A run on the samples that the board is about.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The keeper's new folder.")],
    hidden_labels: Annotated[
        bool, typer.Option("--hidden-labels", help="Submitters never see the test labels.")
    ] = False,
    looks: Annotated[
        int | None,
        typer.Option("--looks-a-day", min=1, help="How often a submitter is told numbers a day."),
    ] = None,
) -> None:
    """Make a keeper's folder: protocols, samples and labels that submissions are held to."""
    from leaderboard.submissions.keeper import make_keeper

    made = make_keeper(run, out, hidden_labels=hidden_labels, looks=looks)
    _say_file("Keeper", made)


@board_app.command()
@reports_errors
def pack(
    run: Annotated[Path, typer.Argument(help="Folder of a run.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The zip file to write.")],
    submitter: Annotated[str, typer.Option("--submitter", help="Who submits.")],
    training_data: Annotated[
        str, typer.Option("--training-data", help="What it was trained and pretrained on.")
    ],
    detector: Annotated[
        str | None, typer.Option("--detector", help="Which, where the run has several.")
    ] = None,
    paper: Annotated[str, typer.Option("--paper", help="In place of the card's.")] = "",
    code: Annotated[str, typer.Option("--code", help="Address of the code.")] = "",
    licence: Annotated[str, typer.Option("--licence", help="Of code and weights.")] = "",
    fidelity: Annotated[str, typer.Option("--fidelity", help="What is the paper's.")] = "",
    force: Annotated[bool, typer.Option("--force", help="Replace the file.")] = False,
) -> None:
    """Pack scores, records, card and environment of one detector: no images, no weights."""
    from leaderboard.submissions.packing import pack as carry_out

    if out.exists() and not force:
        raise BenchmarkError(f"{out} exists already: choose another file, or --force")
    said = {"paper": paper, "code": code, "licence": licence, "fidelity": fidelity}
    carry_out(
        run, out, submitter=submitter, training_data=training_data, detector=detector, said=said
    )
    _say_file("Submission", out)


@board_app.command()
@reports_errors
def check(archive: ArchiveArgument, keeper: KeeperOption, json: JsonOption = None) -> None:
    """Check a submission rule by rule; the exit code tells."""
    from leaderboard.submissions.checking import check_archive

    _refuse_written(json)
    checked = check_archive(archive, keeper, datetime.now(UTC).date())
    _tell(checked, json)


@board_app.command()
@reports_errors
def add(
    archive: ArchiveArgument,
    keeper: KeeperOption,
    entries: Annotated[Path, typer.Option("--entries", help="Folder of entries.")],
    reason: Annotated[
        str, typer.Option("--reason", help="Why an entry that is there is corrected.")
    ] = "",
    json: JsonOption = None,
) -> None:
    """Check a submission and append its entries; an entry that is there is never changed."""
    from leaderboard.submissions.adding import add_submission

    _refuse_written(json)
    day = datetime.now(UTC).date()
    checked, added = add_submission(archive, keeper, entries, day, reason=reason)
    for path in added:
        _say_file("Entry", path)
    _tell(checked, json)


def _refuse_written(verdicts: Path | None) -> None:
    """Refuse a file of verdicts that is there, before anything is checked or added."""
    if verdicts is not None and verdicts.exists():
        raise BenchmarkError(f"{verdicts} exists already: choose another file for --json")


def _tell(checked: "CheckedSubmission", file: Path | None) -> None:
    """Print a line a rule, write them as JSON where asked for, and exit by them."""
    from results.files import atomic_write, json_text

    for verdict in checked.verdicts:
        for fault in verdict.faults:
            say(f"broken  {verdict.rule}: {fault}")
        if not verdict.faults:
            say(f"kept    {verdict.rule}")
    for entry in checked.entries if checked.is_accepted else ():
        say(f"entry   {entry.file}: {entry.state}, {len(entry.cells)} cells")
    if file is not None:
        told = {
            "accepted": checked.is_accepted,
            "rules": [{"rule": v.rule, "faults": list(v.faults)} for v in checked.verdicts],
            "entries": [entry.file for entry in checked.entries],
        }
        atomic_write(file, json_text(told, str(file)))
    if not checked.is_accepted:
        raise typer.Exit(EXIT_ERROR)


def _say_file(what: str, path: Path) -> None:
    """Say where something was written."""
    out_console.print(f"{what}: {path}", highlight=False, soft_wrap=True)
