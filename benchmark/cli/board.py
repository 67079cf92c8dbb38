"""The commands of the board: building its site, packing, checking and adding submissions."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from benchmark.cli.console import EXIT_ERROR, doing, out_console, reports_errors, say
from benchmark.cli.options import (
    CodeOption,
    DataOption,
    DeviceOption,
    StoreOption,
    read_code,
    read_data,
)
from benchmark.environment import check_device
from benchmark.errors import BenchmarkError
from benchmark.progress import Progress

if TYPE_CHECKING:
    from benchmark.analysis.rerun import EntryRerun
    from leaderboard.board.schema import BoardEntry
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
    reruns: Annotated[
        Path | None,
        typer.Option("--reruns", help="Folder of reruns: entries that agree are 're-run'."),
    ] = None,
) -> None:
    """Compute a run's entries and append them: for the keeper's own runs."""
    from leaderboard.board.entries import run_entries
    from leaderboard.board.records import append_entries
    from leaderboard.submissions.reruns import with_rerun
    from results.faults import checked_contents

    if reruns is not None and reruns.resolve().is_relative_to(run.resolve()):
        raise BenchmarkError(
            f"{reruns}: lies in the run, and no run vouches for itself; keep reruns in a folder "
            "that you alone write"
        )
    contents = checked_contents(run)
    found = run_entries(contents)
    if reruns is not None:
        found = [with_rerun(entry, contents, reruns) for entry in found]
    _say_added(*append_entries(entries, found, reason=reason))


ArchiveArgument = Annotated[Path, typer.Argument(help="A packed submission.")]
KeeperOption = Annotated[Path, typer.Option("--keeper", help="Folder of the keeper.")]
SignersOption = Annotated[
    Path | None,
    typer.Option("--signers", help="OpenSSH's file of allowed signers: a signature is required."),
]
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
    sign: Annotated[
        Path | None, typer.Option("--sign", help="A private key of OpenSSH to sign it with.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file.")] = False,
) -> None:
    """Pack scores, records, card and environment of one detector: no images, no weights."""
    from leaderboard.submissions.packing import pack as carry_out
    from leaderboard.submissions.signing import sign_archive, signature_of

    for path in (out, signature_of(out)):
        if path.exists() and not force:
            raise BenchmarkError(f"{path} exists already: choose another file, or --force")
    if sign is not None and not sign.is_file():
        raise BenchmarkError(f"{sign}: there is no such key; make one: ssh-keygen -t ed25519")
    signature_of(out).unlink(missing_ok=True)  # it is of what was there before
    said = {"paper": paper, "code": code, "licence": licence, "fidelity": fidelity}
    carry_out(
        run, out, submitter=submitter, training_data=training_data, detector=detector, said=said
    )
    _say_file("Submission", out)
    if sign is not None:
        _say_file("Signature", sign_archive(out, sign))


@board_app.command()
@reports_errors
def check(
    archive: ArchiveArgument,
    keeper: KeeperOption,
    signers: SignersOption = None,
    json: JsonOption = None,
) -> None:
    """Check a submission rule by rule; the exit code tells."""
    from leaderboard.submissions.checking import check_archive

    _refuse_written(json)
    checked = check_archive(archive, keeper, datetime.now(UTC).date(), signers=signers)
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
    signers: SignersOption = None,
    json: JsonOption = None,
) -> None:
    """Check a submission and append its entries; an entry that is there is never changed."""
    from leaderboard.submissions.adding import add_submission

    _refuse_written(json)
    day = datetime.now(UTC).date()
    done = add_submission(archive, keeper, entries, day, reason=reason, signers=signers)
    _say_added(done.added, done.same)
    _tell(done.checked, json)


@board_app.command()
@reports_errors
def rerun(
    entry: Annotated[Path, typer.Argument(help="File of the entry.")],
    data: DataOption,
    run: Annotated[
        Path | None, typer.Option("--run", help="The run that the entry was made from.")
    ] = None,
    archive: Annotated[
        Path | None, typer.Option("--archive", help="Or the submission; with --keeper.")
    ] = None,
    keeper: Annotated[Path | None, typer.Option("--keeper", help="Folder of the keeper.")] = None,
    reruns: Annotated[
        Path | None,
        typer.Option("--reruns", help="Folder of records.", show_default="the keeper's"),
    ] = None,
    images: Annotated[
        int, typer.Option("--images", min=2, help="How many images of each model.")
    ] = 200,
    seed: Annotated[int, typer.Option("--seed", min=0, help="What they are drawn by.")] = 0,
    tolerance: Annotated[
        float | None,
        typer.Option(
            "--tolerance",
            min=1e-9,
            help="By how much a logit may differ: by a share of itself, and by as much near 0.",
            show_default="0.02; 0.1 in bfloat16",
        ),
    ] = None,
    store: StoreOption = None,
    device: DeviceOption = "auto",
    allow_code: CodeOption = None,
    json: JsonOption = None,
) -> None:
    """Score a random sample of an entry's images again, from its weights; the exit code tells."""
    from leaderboard.board.records import read_entry
    from leaderboard.submissions.checking import laid_out
    from results.faults import checked_contents

    check_device(device)
    _refuse_written(json)
    if (run is None) == (archive is None) or (archive is not None and keeper is None):
        raise BenchmarkError("name what the entry was made from: --run, or --archive and --keeper")
    records = reruns or (keeper / "reruns" if keeper is not None else None)
    if records is None:
        raise BenchmarkError("name the folder that records of reruns go into: --reruns")
    known = read_entry(entry)
    with TemporaryDirectory() as folder, doing("Loading the detectors"):
        from benchmark.analysis.rerun import RerunSettings, rerun_entry

        if run is not None:
            contents = checked_contents(run)
        else:
            assert archive is not None
            contents = laid_out(archive, str(keeper), Path(folder))
        settings = RerunSettings(
            data=read_data(data), reruns=records, images=images, seed=seed, tolerance=tolerance,
            store=store, device=device, allow_code=read_code(allow_code),
        )  # fmt: skip
        found = rerun_entry(known, contents, settings, datetime.now(UTC).date(), Progress())
    _tell_rerun(known.file, found, json)


def _tell_rerun(entry: str, found: "EntryRerun", file: Path | None) -> None:
    """Say how well two sets of scores agree, and exit by it."""
    from results.files import atomic_write, json_text

    path, facts, is_enough = found
    _say_file("Record", path)
    say(f"{facts.scores} scores of {facts.models} models, {facts.images} images each")
    say(f"logits differ by {facts.largest_logit:.2g} at most, {facts.mean_logit:.2g} in the mean")
    say(f"P(fake) differs by {facts.largest_p:.2g} at most, {facts.mean_p:.2g} in the mean")
    say(f"{facts.share:.1%} of the scores agree to {facts.tolerance:g}")
    if facts.auc_published is not None:
        say(f"AUC on the sample: {facts.auc_published:.4f} published, {facts.auc_again:.4f} again")
    said = "agrees" if facts.agrees else "does not agree"
    if facts.agrees and not is_enough:
        said += ", of too few images or too wide a tolerance to be called re-run"
    say(f"{entry}: {said}")
    if file is not None:
        told = {"entry": entry, "counts": is_enough, **facts.model_dump(mode="json")}
        atomic_write(file, json_text(told, str(file)))
    if not facts.agrees:
        raise typer.Exit(EXIT_ERROR)


def _say_added(added: "Sequence[Path]", same: "Sequence[BoardEntry]") -> None:
    """Say which entries were added, and how many were there."""
    for path in added:
        _say_file("Entry", path)
    if same:
        say(f"{len(same)} entries are there already and say just the same")


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
