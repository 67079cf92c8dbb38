"""The command line: arguments to calls. The only place that prints."""

import io
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from benchmark.cli.bench import bench_app, show_app
from benchmark.cli.board import board_app
from benchmark.cli.console import (
    doing,
    error_console,
    out_console,
    print_table,
    reports_errors,
    say,
    warn_of_overlaps,
    warn_of_run,
)
from benchmark.cli.data import data_app, draw_embedded
from benchmark.cli.imports import import_app
from benchmark.cli.limits import DATA_ONLY, read_data_only
from benchmark.cli.list import list_app
from benchmark.cli.models import models_app
from benchmark.cli.options import (
    AddressOption,
    CheckpointOption,
    CodeOption,
    DataOption,
    DetectorsOption,
    DeviceOption,
    ExecutorOption,
    FeaturesOption,
    LogOption,
    MissingOption,
    ModelsOfOption,
    OutOption,
    PixelsOption,
    PrecisionOption,
    ShardOption,
    StoreOption,
    TensorBoardOption,
    ThreadsOption,
    WorkersOption,
    read_code,
    read_data,
    read_list,
    takes_study,
)
from benchmark.cli.results import results_app
from benchmark.cli.signals import stop_when_told
from benchmark.environment import check_device, check_precision, process_rank
from benchmark.executors import LOCAL, ChosenExecutor, check_executor, read_share
from benchmark.version import __version__
from detectors.fetching import OFFLINE, go_offline

if TYPE_CHECKING:
    from benchmark.study.binding import Data
    from benchmark.study.schema import Study
    from benchmark.study.sitting import Ended

# Nothing here may import torch, pandas or numpy at the top: --help and the lists stay light.
app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help="Benchmark of face-forgery detectors: train, score, report, re-check.",
)
app.add_typer(data_app, name="data")
app.add_typer(list_app, name="list")
app.add_typer(show_app, name="show")
app.add_typer(bench_app, name="bench")
app.add_typer(board_app, name="board")
app.add_typer(results_app)
app.add_typer(import_app)
app.add_typer(models_app)


def main() -> None:
    """Run the command; an error is one line, and the exit code tells."""
    # OpenMP threads that spin long while they wait make training tens of times slower as soon as
    # the cores are shared with anything else. It must be set before torch is loaded.
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
    stop_when_told()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal without all letters shows the rest
            stream.reconfigure(errors="backslashreplace")
    app()


def _version(wanted: bool) -> None:
    if wanted:
        out_console.print(f"forgerybench {__version__}", highlight=False)
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
    offline: Annotated[
        bool,
        typer.Option("--offline", envvar=OFFLINE, help="Download nothing; what needs it says so."),
    ] = False,
    no_code: Annotated[
        bool,
        typer.Option(
            "--no-code",
            envvar=DATA_ONLY,
            help="Read data alone: load no network, no detector and nobody's code.",
        ),
    ] = False,
) -> None:
    """Set what holds for every command."""
    del version  # its callback has shown it
    if offline:
        go_offline()
    if no_code:
        read_data_only()


@app.command()
@reports_errors
def quickstart(
    out: Annotated[Path, typer.Option("--out", help="Folder of the run.")] = Path(
        "runs/quickstart"
    ),
    store: StoreOption = None,
    threads: ThreadsOption = None,
) -> None:
    """Run the whole benchmark on an embedded synthetic set: no download, a few minutes on a CPU."""
    with doing("Starting"):
        from benchmark.environment import home
        from benchmark.study.schema import load_study
        from benchmark.synthetic.generate import EMBEDDED_VERSION
    manifest = draw_embedded(home() / f"embedded-{EMBEDDED_VERSION}")
    say(f"Synthetic set: {manifest}")
    _run(load_study("quickstart"), manifest, out=out, store=store, threads=threads)


@app.command()
@reports_errors
@takes_study
def run(
    study: "Study",
    data: DataOption,
    out: OutOption,
    store: StoreOption = None,
    device: DeviceOption = "auto",
    threads: ThreadsOption = None,
    allow_missing: MissingOption = False,
    checkpoint_seconds: CheckpointOption = 60.0,
    features: FeaturesOption = None,
    pixels: PixelsOption = None,
    executor: ExecutorOption = "local",
    precision: PrecisionOption = "float32",
    workers: WorkersOption = None,
    address: AddressOption = None,
    shard: ShardOption = None,
    log: LogOption = None,
    tensorboard: TensorBoardOption = None,
) -> None:
    """Train, score and report a protocol or study on your images.

    Several of these commands may fill one folder at once; see docs/executors.md.
    """
    _run(
        study,
        _manifests(study, data),
        allow_missing=allow_missing,
        out=out,
        store=store,
        device=device,
        threads=threads,
        checkpoint_seconds=checkpoint_seconds,
        features=features,
        pixels=pixels,
        executor=ChosenExecutor(name=executor, workers=workers, address=address),
        precision=precision,
        share=None if shard is None else read_share(shard),
        log=log,
        tensorboard=tensorboard,
    )


@app.command()
@reports_errors
@takes_study
def plan(
    study: "Study",
    data: DataOption,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder of the run, to see what is left to do.")
    ] = None,
    store: StoreOption = None,
    allow_missing: MissingOption = False,
    device: DeviceOption = "auto",
    threads: ThreadsOption = None,
) -> None:
    """Print what a run would train, score and decode; do none of it."""
    from benchmark.study.binding import check_folder
    from benchmark.study.resolved import resolve

    if out is not None:
        check_folder(out)

    resolved = resolve(study, _manifests(study, data), allow_missing=allow_missing)
    with doing("Reading the study and its data"):  # torch takes a while to load
        from benchmark.cli.preview import preview

        tables = preview(resolved, out=out, store=store, device=device, threads=threads)
    for table in tables:
        print_table(table.title, table.columns, table.rows, table.note)


@app.command("cross-validate")
@reports_errors
@takes_study
def cross_validate_command(
    study: "Study",
    manifest: Annotated[Path, typer.Option("--data", help="The manifest; its splits are unused.")],
    out: Annotated[Path, typer.Option("--out", help="Folder of the outcome, by device and fold.")],
    folds: Annotated[
        int, typer.Option("--folds", help="Every image is tested in one of them.")
    ] = 5,
    budget: Annotated[
        float | None,
        typer.Option("--budget-seconds", help="Stop before a model that would not fit."),
    ] = None,
    store: StoreOption = None,
    device: DeviceOption = "auto",
    threads: ThreadsOption = None,
) -> None:
    """Cross-validate a study: train and score what its folds still lack, model by model."""
    from benchmark.data.manifest import check_path

    check_device(device)
    check_path(manifest)
    from benchmark.cli.display import Display
    from benchmark.cli.telling import show_left
    from benchmark.study.crossvalidation import cross_validate
    from benchmark.training.store import default_store

    with Display(error_console) as display:
        outcome = cross_validate(
            study,
            manifest,
            out=out,
            folds=folds,
            budget=budget,
            store=store or default_store(),
            device=device,
            threads=threads,
            progress=display,
            on_plan=show_left,
        )
    for gap in outcome.gaps:
        out_console.print(f"[yellow]not possible:[/] {escape(gap)}", highlight=False)
    for name, seconds in outcome.done.items():
        out_console.print(f"done: {escape(name)} ({seconds:.0f} s)", highlight=False)
    out_console.print(f"{len(outcome.done)} models done, {len(outcome.left)} left", highlight=False)


@app.command()
@reports_errors
def report(
    run: Annotated[Path, typer.Argument(help="Folder of a run.")],
    paper: Annotated[
        bool, typer.Option("--paper", help="Also figures for a paper's columns (.paper.pdf).")
    ] = False,
) -> None:
    """Rebuild records, tables, figures and page from a run's scores: no torch, no images."""
    from leaderboard.report import report as build

    warn_of_run(run)
    _tell_report(build(run, paper=paper))


@app.command()
@reports_errors
def embed(
    run: Annotated[Path, typer.Argument(help="Folder of a run.")],
    data: DataOption,
    detectors: DetectorsOption = None,
    train_on: ModelsOfOption = None,
    most: Annotated[int, typer.Option("--most", min=20, help="Images at most.")] = 800,
    store: StoreOption = None,
    device: DeviceOption = "auto",
    allow_code: CodeOption = None,
) -> None:
    """Store where a run's models put the test images, and draw it in the report."""
    names = read_list(detectors)
    allowed = read_code(allow_code, names)
    from benchmark.analysis.embedding import embed as carry_out
    from benchmark.cli.display import Display

    with Display(error_console) as display:
        page = carry_out(
            run,
            data=read_data(data),
            detectors=names,
            training=train_on,
            most=most,
            store=store,
            device=device,
            progress=display,
            allow_code=allowed,
        )
    _tell_report(page)


@app.command()
@reports_errors
def overlay(
    run: Annotated[Path, typer.Argument(help="Folder of a run on the embedded synthetic set.")],
    data: DataOption,
    detectors: DetectorsOption = None,
    train_on: ModelsOfOption = None,
    store: StoreOption = None,
    device: DeviceOption = "auto",
    allow_code: CodeOption = None,
) -> None:
    """Store what a run's models look at on drawn faces, and draw it in the report."""
    names = read_list(detectors)
    allowed = read_code(allow_code, names)
    from benchmark.analysis.overlays import overlay as carry_out

    page = carry_out(
        run,
        data=read_data(data),
        detectors=names,
        training=train_on,
        store=store,
        device=device,
        allow_code=allowed,
    )
    _tell_report(page)


def _manifests(study: "Study", texts: list[str]) -> "Data":
    """Read ``--data``; where a role lacks, those of the study's protocols are named."""
    from benchmark.study.binding import load_protocols, roles_of

    return read_data(texts, lambda: roles_of(load_protocols(study)))


def _run(
    study: "Study",
    data: "Data",
    *,
    allow_missing: bool = False,
    log: Path | None = None,
    tensorboard: Path | None = None,
    **settings: Any,
) -> None:
    """Carry a study out behind the progress display and say where the report is."""
    from benchmark.study.binding import check_folder
    from benchmark.study.resolved import resolve

    check_device(settings.get("device", "auto"))
    check_precision(settings.get("precision", "float32"))
    check_executor(settings.get("executor", LOCAL))
    check_folder(settings["out"])
    resolved = None if process_rank() else resolve(study, data, allow_missing=allow_missing)
    if resolved is not None:
        warn_of_overlaps(resolved.expansions, resolved.samples)
    with doing("Loading the engine"):  # torch takes a while
        from benchmark.cli.telling import telling
        from benchmark.study.run import carry_out, join
        from benchmark.study.settings import Settings
        from benchmark.study.sitting import Ended

    with telling(error_console, log=log, tensorboard=tensorboard) as progress:
        how = Settings(progress=progress, **settings)
        ended = join(how) if resolved is None else carry_out(resolved, how)
    if isinstance(ended, Ended):
        _tell_end(ended)


def _tell_end(ended: "Ended") -> None:
    """Say where the report is, or who will write it."""
    if ended.whole:
        _tell_report(ended.page)
    else:
        say(
            "This shard is done: all that is left is being done by others, and the last of them "
            f"writes {ended.page}. Should they be stopped, the same command goes on, with --shard "
            "or without."
        )


def _tell_report(page: Path) -> None:
    """Say where the report is."""
    say(f"Report: {page}")
