"""The command line: arguments to calls. The only place that prints."""

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from benchmark.cli.bench import bench_app, show_app
from benchmark.cli.console import (
    EXIT_ERROR,
    doing,
    error_console,
    fail,
    out_console,
    print_table,
    say,
    told,
)
from benchmark.cli.data import data_app, draw_embedded
from benchmark.cli.list import list_app
from benchmark.cli.options import read_data, read_list, read_study
from benchmark.cli.results import results_app
from benchmark.environment import check_device
from benchmark.study.binding import check_asked, load_protocols, roles_of
from benchmark.version import __version__

# Nothing here may import torch at the top: --help and the lists stay light.
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
app.add_typer(results_app)

Target = Annotated[str, typer.Argument(help="A protocol or study: its name, or a .yaml file.")]
DataOption = Annotated[
    list[str],
    typer.Option("--data", help="MANIFEST, or ROLE=MANIFEST for each role.", metavar="[ROLE=]FILE"),
]
OutOption = Annotated[Path, typer.Option("--out", help="Folder of the run; continued if there.")]
DetectorsOption = Annotated[
    str | None,
    typer.Option("--detectors", help="Names, separated by commas; all: what needs no download."),
]
SizeOption = Annotated[
    str | None,
    typer.Option(
        "--size",
        help="tiny (CPU) or base (published).",
        show_default="the study's; a protocol has none",
    ),
]
RecipeOption = Annotated[
    str | None,
    typer.Option(
        "--recipe",
        help="Recipe of every detector: a name or a .yaml file.",
        show_default="that of the track",
    ),
]
TrackOption = Annotated[
    str | None, typer.Option("--track", help="common: one recipe for all; own: each its paper's.")
]
SeedsOption = Annotated[
    str | None,
    typer.Option(
        "--seeds", help="Training seeds: 0,1,2", show_default="the study's; 0 for a protocol"
    ),
]
TrainOnOption = Annotated[
    str | None, typer.Option("--train-on", help="Only these training sets, separated by commas.")
]
ModelsOfOption = Annotated[
    str | None, typer.Option("--train-on", help="Only models of this training set.")
]
StoreOption = Annotated[
    Path | None,
    typer.Option(
        "--store", help="Trained models, shared by runs.", show_default="the cache folder"
    ),
]
DeviceOption = Annotated[str, typer.Option("--device", help="auto, cpu or cuda.")]
ThreadsOption = Annotated[int | None, typer.Option("--threads", min=1, help="CPU threads.")]
MissingOption = Annotated[
    bool,
    typer.Option(
        "--allow-missing",
        help="Leave out unreadable images, counted, and roles without a manifest, as gaps.",
    ),
]
CheckpointOption = Annotated[
    float, typer.Option("--checkpoint-seconds", min=0, help="Time between saved training states.")
]


def main() -> None:
    """Run the command; an error is one line, and the exit code tells."""
    # OpenMP threads that spin long while they wait make training tens of times slower as soon as
    # the cores are shared with anything else. It must be set before torch is loaded.
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
    # One's own detector lies where one works; last, so that it can hide nothing of ours.
    sys.path.append(str(Path.cwd()))
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
) -> None:
    """Hold the options of the command itself."""


@app.command()
@told
def quickstart(
    out: Annotated[Path, typer.Option("--out", help="Folder of the run.")] = Path(
        "runs/quickstart"
    ),
    store: StoreOption = None,
    threads: ThreadsOption = None,
) -> None:
    """Run the whole benchmark on an embedded synthetic set: no download, a few minutes on a CPU."""
    with doing("Starting"):
        from benchmark.synthetic.generate import EMBEDDED_VERSION
        from benchmark.training.store import home
    manifest = draw_embedded(home() / f"embedded-{EMBEDDED_VERSION}")
    say(f"Synthetic set: {manifest}")
    _run("quickstart", data=manifest, out=out, store=store, threads=threads)


@app.command()
@told
def run(
    target: Target,
    data: DataOption,
    out: OutOption,
    detectors: DetectorsOption = None,
    size: SizeOption = None,
    recipe: RecipeOption = None,
    track: TrackOption = None,
    seeds: SeedsOption = None,
    train_on: TrainOnOption = None,
    store: StoreOption = None,
    device: DeviceOption = "auto",
    threads: ThreadsOption = None,
    allow_missing: MissingOption = False,
    checkpoint_seconds: CheckpointOption = 60.0,
) -> None:
    """Train, score and report a protocol or study on your images."""
    study = read_study(target, detectors, size, recipe, seeds, train_on, track)
    manifests = read_data(data, roles_of(load_protocols(study)))
    check_asked(study, manifests, out=out, device=device, allow_missing=allow_missing)
    _tell_left_out(study, detectors, recipe)
    _run(
        study,
        data=manifests,
        out=out,
        store=store,
        device=device,
        threads=threads,
        allow_missing=allow_missing,
        checkpoint_seconds=checkpoint_seconds,
    )


@app.command()
@told
def plan(
    target: Target,
    data: DataOption,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder of the run, to see what is left to do.")
    ] = None,
    detectors: DetectorsOption = None,
    size: SizeOption = None,
    recipe: RecipeOption = None,
    track: TrackOption = None,
    seeds: SeedsOption = None,
    train_on: TrainOnOption = None,
    store: StoreOption = None,
    allow_missing: MissingOption = False,
) -> None:
    """Print what a run would train, score and decode; do none of it."""
    study = read_study(target, detectors, size, recipe, seeds, train_on, track)
    manifests = read_data(data, roles_of(load_protocols(study)))
    check_asked(study, manifests, out=out, allow_missing=allow_missing)
    _tell_left_out(study, detectors, recipe)
    with doing("Reading the study and its data"):  # torch takes a while to load
        from benchmark.cli.preview import preview

        tables = preview(study, data=manifests, out=out, store=store, allow_missing=allow_missing)
    for table in tables:
        print_table(table.title, table.columns, table.rows, table.note)


@app.command()
@told
def pieces(
    target: Target,
    manifest: Annotated[Path, typer.Option("--data", help="The manifest; its splits are unused.")],
    out: Annotated[Path, typer.Option("--out", help="Folder of the outcome, by device and fold.")],
    folds: Annotated[
        int, typer.Option("--folds", help="Every image is tested in one of them.")
    ] = 5,
    budget: Annotated[
        float | None,
        typer.Option("--budget-seconds", help="Stop before a piece that would not fit."),
    ] = None,
    detectors: DetectorsOption = None,
    size: SizeOption = None,
    recipe: RecipeOption = None,
    track: TrackOption = None,
    seeds: SeedsOption = None,
    store: StoreOption = None,
    device: DeviceOption = "auto",
    threads: ThreadsOption = None,
) -> None:
    """Train and score what a study over folds still lacks, one model at a time."""
    study = read_study(target, detectors, size, recipe, seeds, None, track)
    check_asked(study, manifest, device=device)
    from benchmark.cli.display import Display
    from benchmark.study.pieces import carry_out
    from benchmark.training.store import default_store

    with Display(error_console) as display:
        outcome = carry_out(
            study,
            manifest,
            out=out,
            folds=folds,
            budget=budget,
            store=store or default_store(),
            device=device,
            threads=threads,
            progress=display,
            on_plan=_show_pieces,
        )
    for gap in outcome.gaps:
        out_console.print(f"[yellow]not possible:[/] {escape(gap)}", highlight=False)
    for name, seconds in outcome.done.items():
        out_console.print(f"done: {escape(name)} ({seconds:.0f} s)", highlight=False)
    out_console.print(f"{len(outcome.done)} pieces done, {len(outcome.left)} left", highlight=False)


@app.command()
@told
def report(run: Annotated[Path, typer.Argument(help="Folder of a run.")]) -> None:
    """Rebuild records, tables, figures and page from a run's scores: no torch, no images."""
    from leaderboard.report import report as build

    _tell_report(build(run))


@app.command()
@told
def embed(
    run: Annotated[Path, typer.Argument(help="Folder of a run.")],
    data: DataOption,
    detectors: DetectorsOption = None,
    train_on: ModelsOfOption = None,
    most: Annotated[int, typer.Option("--most", min=20, help="Images at most.")] = 800,
    store: StoreOption = None,
    device: DeviceOption = "auto",
) -> None:
    """Store where a run's models put the test images, and draw it in the report."""
    from benchmark.analysis.embedding import embed as carry_out
    from benchmark.cli.display import Display

    with Display(error_console) as display:
        page = carry_out(
            run,
            data=read_data(data),
            detectors=read_list(detectors),
            training=train_on,
            most=most,
            store=store,
            device=device,
            progress=display,
        )
    _tell_report(page)


@app.command()
@told
def overlay(
    run: Annotated[Path, typer.Argument(help="Folder of a run on the embedded synthetic set.")],
    data: DataOption,
    detectors: DetectorsOption = None,
    train_on: ModelsOfOption = None,
    store: StoreOption = None,
    device: DeviceOption = "auto",
) -> None:
    """Store what a run's models look at on drawn faces, and draw it in the report."""
    from benchmark.analysis.overlays import overlay as carry_out

    page = carry_out(
        run,
        data=read_data(data),
        detectors=read_list(detectors),
        training=train_on,
        store=store,
        device=device,
    )
    _tell_report(page)


@app.command()
@told
def score(
    paths: Annotated[list[Path], typer.Argument(help="Images, or folders of images.")],
    model: Annotated[
        str,
        typer.Option(
            "--model", help="A trained detector: its id in the store, a folder or Hub name."
        ),
    ],
    store: StoreOption = None,
    out: Annotated[Path | None, typer.Option("--out", help="Also write a CSV file.")] = None,
    device: DeviceOption = "auto",
) -> None:
    """Score images with a trained detector."""
    from benchmark.training.store import ModelStore, default_store

    check_device(device)
    ModelStore(store or default_store()).check_named(model)
    with doing("Loading the detector"):  # torch takes a while to load
        from benchmark.scoring.files import score_paths

        scored = score_paths(paths, model=model, store=store, out=out, device=device)
    rows = [[row.path, f"{row.logit:+.3f}", f"{row.p_fake:.4f}"] for row in scored.scores]
    if rows:
        print_table(f"P(fake) by {scored.detector}", ["image", "logit", "P(fake)"], rows)
    for problem in scored.problems:
        fail(problem)
    if scored.problems:
        raise typer.Exit(EXIT_ERROR)


def _show_pieces(left: Any, took: Any) -> None:
    """Print what is missing before anything is trained."""
    from benchmark.study.pieces import estimate

    rows = []
    for piece in left:
        seconds = estimate(piece, took)
        rows.append([piece.name, "unknown" if seconds is None else f"{seconds:.0f}"])
    print_table(f"Pieces without a record: {len(rows)}", ["piece", "seconds, estimated"], rows)


def _tell_left_out(study: Any, detectors: str | None, recipe: str | None) -> None:
    """Say which detectors ``all`` does not stand for here, if it was asked for."""
    from benchmark.study.selection import left_out_notes

    track = None if recipe else study.track
    for why, names in left_out_notes(read_list(detectors) or [], study.size, track).items():
        out_console.print(f"[yellow]{why}:[/] {names}", highlight=False, soft_wrap=True)


def _run(study: Any, **options: Any) -> None:
    """Carry a study out behind the progress display and say where the report is."""
    from benchmark.cli.display import Display

    with doing("Reading the study and its data"):  # torch takes a while to load
        from benchmark.study.run import run as carry_out
        from benchmark.training.distributed import rank

    with Display(error_console) as display:
        page = carry_out(study, progress=display, **options)
    if rank() == 0:  # of several processes one speaks
        _tell_report(page)


def _tell_report(page: Path) -> None:
    """Say where the report is."""
    say(f"Report: {page}")


if __name__ == "__main__":
    main()
