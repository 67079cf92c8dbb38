"""The command line: arguments to calls. The only place that prints."""

import os
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, ParamSpec, TypeVar

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from benchmark import __version__
from benchmark.arguments import (
    read_by_generator,
    read_data,
    read_pair,
    read_shares,
    read_study,
)
from benchmark.errors import BenchmarkError
from detectors.errors import DetectorError
from leaderboard.errors import LeaderboardError
from protocols.errors import ProtocolError
from results.errors import ResultError

# Nothing here may import torch at the top: --help and the lists stay light.
_ERRORS = (BenchmarkError, DetectorError, LeaderboardError, ProtocolError, ResultError)
_EXIT_ERROR, _EXIT_INTERRUPTED = 1, 130

P = ParamSpec("P")
R = TypeVar("R")

out_console, error_console = Console(), Console(stderr=True)
app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help="Benchmark of face-forgery detectors: train, score, report, re-check.",
)
data_app = typer.Typer(no_args_is_help=True, help="Make, check and show manifests.")
list_app = typer.Typer(no_args_is_help=True, help="List what there is.")
app.add_typer(data_app, name="data")
app.add_typer(list_app, name="list")

Target = Annotated[str, typer.Argument(help="A protocol or study: its name, or a .yaml file.")]
DataOption = Annotated[
    list[str],
    typer.Option("--data", help="MANIFEST, or ROLE=MANIFEST for each role.", metavar="[ROLE=]FILE"),
]
OutOption = Annotated[Path, typer.Option("--out", help="Folder of the run; continued if there.")]
DetectorsOption = Annotated[
    str | None, typer.Option("--detectors", help="Names, separated by commas.")
]
SizeOption = Annotated[str | None, typer.Option("--size", help="tiny (CPU) or base (published).")]
RecipeOption = Annotated[
    str | None, typer.Option("--recipe", help="Recipe of every detector: a name or a .yaml file.")
]
SeedsOption = Annotated[str | None, typer.Option("--seeds", help="Training seeds: 0,1,2")]
TrainOnOption = Annotated[
    str | None, typer.Option("--train-on", help="Only these training sets, separated by commas.")
]
StoreOption = Annotated[
    Path | None,
    typer.Option("--store", help="Trained models, shared by runs [default: the cache folder]."),
]
DeviceOption = Annotated[str, typer.Option("--device", help="auto, cpu or cuda.")]
ThreadsOption = Annotated[int | None, typer.Option("--threads", min=1, help="CPU threads.")]
MissingOption = Annotated[
    bool, typer.Option("--allow-missing", help="Leave unreadable images out, counted.")
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


def _told(command: Callable[P, R]) -> Callable[P, R]:
    """Turn the errors that users can mend into one line and an exit code."""

    @wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except _ERRORS as error:
            _fail(str(error))
            raise typer.Exit(_EXIT_ERROR) from error
        except OSError as error:
            _fail(f"{error.filename or 'a file'}: {error.strerror or error}")
            raise typer.Exit(_EXIT_ERROR) from error
        except KeyboardInterrupt as error:
            _fail("stopped; the same command goes on where it stopped")
            raise typer.Exit(_EXIT_INTERRUPTED) from error

    return wrapped


def _fail(message: str) -> None:
    error_console.print(f"[bold red]error:[/] {escape(message)}", soft_wrap=True, highlight=False)


@app.command()
@_told
def quickstart(
    out: Annotated[Path, typer.Option("--out", help="Folder of the run.")] = Path(
        "runs/quickstart"
    ),
    store: StoreOption = None,
    threads: ThreadsOption = None,
) -> None:
    """Run the whole benchmark on an embedded synthetic set: no download, a few minutes on a CPU."""
    from benchmark.data.embedded import EMBEDDED_VERSION, generate
    from benchmark.models import home

    with out_console.status("Drawing the embedded synthetic set"):
        manifest = generate(home() / f"embedded-{EMBEDDED_VERSION}")
    out_console.print(f"Synthetic set: {manifest}", highlight=False, soft_wrap=True)
    _run("quickstart", data=manifest, out=out, store=store, threads=threads)


@app.command()
@_told
def run(
    target: Target,
    data: DataOption,
    out: OutOption,
    detectors: DetectorsOption = None,
    size: SizeOption = None,
    recipe: RecipeOption = None,
    seeds: SeedsOption = None,
    train_on: TrainOnOption = None,
    store: StoreOption = None,
    device: DeviceOption = "auto",
    threads: ThreadsOption = None,
    allow_missing: MissingOption = False,
    checkpoint_seconds: CheckpointOption = 60.0,
) -> None:
    """Train, score and report a protocol or study on your images."""
    _run(
        read_study(target, detectors, size, recipe, seeds, train_on),
        data=read_data(data),
        out=out,
        store=store,
        device=device,
        threads=threads,
        allow_missing=allow_missing,
        checkpoint_seconds=checkpoint_seconds,
    )


@app.command()
@_told
def plan(
    target: Target,
    data: DataOption,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder of the run, to see what is left to do.")
    ] = None,
    detectors: DetectorsOption = None,
    size: SizeOption = None,
    recipe: RecipeOption = None,
    seeds: SeedsOption = None,
    train_on: TrainOnOption = None,
    store: StoreOption = None,
) -> None:
    """Print what a run would train, score and decode; do none of it."""
    from benchmark.preview import preview

    study = read_study(target, detectors, size, recipe, seeds, train_on)
    for table in preview(study, data=read_data(data), out=out, store=store):
        _print_table(table.title, table.columns, table.rows, table.note)


@app.command()
@_told
def report(run: Annotated[Path, typer.Argument(help="Folder of a run.")]) -> None:
    """Rebuild records, tables, figures and page from a run's scores: no torch, no images."""
    from leaderboard.report import report as build

    out_console.print(f"Report: {build(run)}", highlight=False, soft_wrap=True)


@app.command()
@_told
def score(
    paths: Annotated[list[Path], typer.Argument(help="Images, or folders of images.")],
    model: Annotated[
        str, typer.Option("--model", help="A trained detector: a folder or Hub name.")
    ],
    out: Annotated[Path | None, typer.Option("--out", help="Also write a CSV file.")] = None,
    device: DeviceOption = "auto",
) -> None:
    """Score images with a trained detector."""
    from benchmark.single import score_paths

    scored = score_paths(paths, model=model, out=out, device=device)
    rows = [[row.path, f"{row.logit:+.3f}", f"{row.p_fake:.4f}"] for row in scored.scores]
    if rows:
        _print_table(f"P(fake) by {scored.detector}", ["image", "logit", "P(fake)"], rows)
    for problem in scored.problems:
        _fail(problem)
    if scored.problems:
        raise typer.Exit(_EXIT_ERROR)


@data_app.command("index")
@_told
def data_index(
    folder: Annotated[Path, typer.Argument(help="A folder of images.")],
    label: Annotated[
        list[str] | None,
        typer.Option("--label", help="What a class folder holds.", metavar="CLASS=real|fake"),
    ] = None,
    forgery: Annotated[
        list[str] | None,
        typer.Option("--forgery", help="EFS, AM, FS or FR.", metavar="[GENERATOR=]FORGERY"),
    ] = None,
    family: Annotated[
        list[str] | None,
        typer.Option("--family", help="GAN, diffusion, ...", metavar="[GENERATOR=]FAMILY"),
    ] = None,
    source: Annotated[
        list[str] | None,
        typer.Option(
            "--source", help="Dataset that images come from.", metavar="[GENERATOR=]SOURCE"
        ),
    ] = None,
    splits: Annotated[
        str | None, typer.Option("--splits", help="Shares of train,val,test: 0.7,0.1,0.2")
    ] = None,
    videos: Annotated[
        bool, typer.Option("--videos", help="Each innermost folder holds one video's frames.")
    ] = False,
) -> None:
    """Write manifest.csv for an image folder (real/..., fake/GENERATOR/..., or imagefolder)."""
    from benchmark.data.indexing import index_folder
    from benchmark.display import Display

    labels = dict(read_pair(text, "--label CLASS=real|fake") for text in label or [])
    with Display(error_console) as display:
        display.phase("check", 1)
        display.job(f"reading {folder}", 0)
        indexed = index_folder(
            folder,
            labels=labels or None,
            forgery=read_by_generator(forgery, "--forgery") or "unknown",
            family=read_by_generator(family, "--family") or "unknown",
            source=read_by_generator(source, "--source"),
            splits=read_shares(splits),
            videos=videos,
            on_progress=lambda _: display.advance(),
        )
        display.finish()
    for kind, number in indexed.ignored.items():
        out_console.print(f"[yellow]ignored:[/] {number} {escape(kind)}", highlight=False)
    for sample, problem in indexed.problems.items():
        _fail(f"{sample}: {problem}")
    samples = indexed.manifest.samples
    out_console.print(
        f"Manifest: {indexed.manifest.path} ({len(samples)} images)",
        highlight=False,
        soft_wrap=True,
    )
    if indexed.problems:
        raise typer.Exit(_EXIT_ERROR)


@data_app.command("check")
@_told
def data_check(manifest: Annotated[Path, typer.Argument(help="A manifest file.")]) -> None:
    """Read, hash and decode every image; name each that is missing or broken."""
    from benchmark.data.checking import check
    from benchmark.data.manifest import read_manifest
    from benchmark.display import Display

    found = read_manifest(manifest)
    with Display(error_console) as display:
        display.phase("check", 1)
        display.job(f"reading {found.name}", len(found.samples))
        facts = check(found, workers=4, on_progress=lambda _: display.advance())
        display.finish()
    problems = facts.loc[facts["problem"] != "", "problem"]
    for sample, problem in problems.items():
        _fail(f"{sample}: {problem}")
    good = len(facts) - len(problems)
    out_console.print(f"{good} of {len(facts)} images are whole", highlight=False)
    if len(problems):
        raise typer.Exit(_EXIT_ERROR)


@data_app.command("show")
@_told
def data_show(manifest: Annotated[Path, typer.Argument(help="A manifest file.")]) -> None:
    """Count a manifest's samples by source, generator and split, and warn of overlaps."""
    from benchmark.data.checking import overview
    from benchmark.data.manifest import read_manifest

    found = read_manifest(manifest)
    told = overview(found.samples)
    columns = [str(name) for name in told.counts.columns]
    rows = [[str(value) for value in row] for row in told.counts.itertuples(index=False)]
    _print_table(f"{found.name}: {len(found.samples)} samples", columns, rows)
    for warning in told.warnings:
        out_console.print(f"[yellow]warning:[/] {escape(warning)}", highlight=False)


@list_app.command("detectors")
@_told
def list_detectors() -> None:
    """List the detectors of the catalog."""
    from detectors.cards import CARDS

    rows = [[c.name, c.title, str(c.year), c.kind, c.fit, c.paper] for c in CARDS.values()]
    _print_table("Detectors", ["name", "title", "year", "kind", "fit", "paper"], rows)


@list_app.command("protocols")
@_told
def list_protocols() -> None:
    """List the protocols, and the studies made of them."""
    from benchmark.definition import load_study, study_names
    from protocols.schema import load_protocol, protocol_names

    shown = [load_protocol(name) for name in protocol_names()]
    rows = [[p.name, str(p.version), ", ".join(p.roles), p.summary] for p in shown]
    _print_table("Protocols", ["name", "version", "roles", "what it shows"], rows)
    studies = [load_study(name) for name in study_names()]
    rows = [[s.name, s.title, ", ".join(p.protocol for p in s.protocols)] for s in studies]
    _print_table("Studies", ["name", "title", "protocols"], rows)


@list_app.command("perturbations")
@_told
def list_perturbations() -> None:
    """List the perturbations with their levels."""
    from protocols.conditions import perturbations

    rows = [
        [name, p.parameter, " ".join(f"{level:g}" for level in p.levels), str(p.version), p.note]
        for name, p in perturbations().items()
    ]
    columns = ["name", "parameter", "severity 1, 2, ...", "version", "note"]
    _print_table("Perturbations", columns, rows)


def _run(study: Any, **options: Any) -> None:
    """Carry a study out behind the progress display and say where the report is."""
    from benchmark.display import Display
    from benchmark.processes import rank
    from benchmark.study import run as carry_out

    with Display(error_console) as display:
        page = carry_out(study, progress=display, **options)
    if rank() == 0:  # of several processes one speaks
        out_console.print(f"Report: {page}", highlight=False, soft_wrap=True)


def _print_table(title: str, columns: list[str], rows: list[list[str]], note: str = "") -> None:
    """Print a table; names in it are text, never markup."""
    table = Table(title=title, title_justify="left", title_style="bold", caption=note or None)
    table.caption_justify = "left"
    for number, column in enumerate(columns):
        table.add_column(column, overflow="fold", no_wrap=number == 0)  # a name is copied whole
    for row in rows:
        table.add_row(*(escape(cell) for cell in row))
    out_console.print(table)


if __name__ == "__main__":
    main()
