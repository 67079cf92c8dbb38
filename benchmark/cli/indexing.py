"""The commands that make manifests of datasets on disk: ``data index`` and ``data adapters``."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from benchmark.cli.console import (
    EXIT_ERROR,
    doing,
    error_console,
    fail,
    out_console,
    print_sections,
    print_table,
    reports_errors,
    say,
)
from benchmark.cli.options import read_by_generator, read_pairs, read_shares
from benchmark.errors import BenchmarkError

if TYPE_CHECKING:
    from benchmark.data.indexing import Found, Indexed
    from benchmark.data.published import Count
    from benchmark.data.verifying import Verified

_SHOWN = 10

_Name = Annotated[
    str, typer.Argument(help="How it lies there: see data adapters.", metavar="[NAME]")
]
Folder = Annotated[Path | None, typer.Argument(help="The folder.", metavar="FOLDER")]
FramesOption = Annotated[
    int | None,
    typer.Option(
        "--frames",
        min=1,
        help="Frames of each video, evenly spaced.",
        show_default="32 of a video file, all that lie there as images",
    ),
]
LinksOption = Annotated[
    bool, typer.Option("--follow-links", help="Follow links, out of the folder too.")
]
TableOption = Annotated[
    Path | None, typer.Option("--table", help="A CSV, Parquet or JSON Lines file with labels.")
]
ColumnOption = Annotated[
    list[str] | None,
    typer.Option("--column", help="How the table calls a column.", metavar="COLUMN=ITS-NAME"),
]
OnlyOption = Annotated[
    list[str] | None,
    typer.Option("--only", help="Take only what has this value.", metavar="COLUMN=VALUE"),
]
SplitsOption = Annotated[
    str | None,
    typer.Option(
        "--splits", help="Shares of train,val,test for what stands in no split: 0.7,0.1,0.2"
    ),
]
LabelOption = Annotated[
    list[str] | None,
    typer.Option("--label", help="What a class folder holds.", metavar="CLASS=real|fake"),
]

IndexOutOption = Annotated[
    Path | None,
    typer.Option(
        "-o", "--out", help="A .csv or .parquet file.", show_default="FOLDER/manifest.csv"
    ),
]
ForgeryOption = Annotated[
    list[str] | None,
    typer.Option("--forgery", help="EFS, AM, FS or FR.", metavar="[GENERATOR=]FORGERY"),
]
FamilyOption = Annotated[
    list[str] | None,
    typer.Option("--family", help="GAN, diffusion, ...", metavar="[GENERATOR=]FAMILY"),
]
SourceOption = Annotated[
    list[str] | None,
    typer.Option("--source", help="Dataset that images come from.", metavar="[GENERATOR=]SOURCE"),
]
VideosOption = Annotated[
    bool | None,
    typer.Option("--videos/--no-videos", help="Each innermost folder holds a video's frames."),
]


@reports_errors
def data_index(
    name: _Name,
    folder: Folder = None,
    out: IndexOutOption = None,
    label: LabelOption = None,
    forgery: ForgeryOption = None,
    family: FamilyOption = None,
    source: SourceOption = None,
    splits: SplitsOption = None,
    videos: VideosOption = None,
    frames: FramesOption = None,
    table: TableOption = None,
    column: ColumnOption = None,
    follow_links: LinksOption = False,
    only: OnlyOption = None,
) -> None:
    """Write the manifest of a dataset as it lies on disk, or of any folder of images."""
    from benchmark.cli.display import Display
    from benchmark.data.indexing import index_folder

    adapter, where = name_and_folder(name, folder)
    with Display(error_console) as display:
        display.phase("check", 1)
        display.job(f"reading {where}", 0)

        def found(each: "Found") -> None:
            tell_found(each)
            display.job(f"reading {where}", int(each.counts["images"].sum()))

        indexed = index_folder(
            where,
            adapter=adapter,
            out=out,
            labels=read_pairs(label, "--label CLASS=real|fake"),
            forgery=read_by_generator(forgery, "--forgery"),
            family=read_by_generator(family, "--family"),
            source=read_by_generator(source, "--source"),
            splits=read_shares(splits),
            videos=videos,
            frames=frames,
            links=follow_links or None,
            table=table,
            columns=read_pairs(column, "--column COLUMN=ITS-NAME"),
            only=read_pairs(only, "--only COLUMN=VALUE"),
            on_found=found,
            on_progress=lambda _: display.advance(),
        )
        display.finish()
    _tell_indexed(indexed)


def name_and_folder(name: str, folder: Path | None) -> tuple[str, Path]:
    """Read ``[NAME] FOLDER``.

    Raises:
        BenchmarkError: The folder is left out.
    """
    from benchmark.data.adapters import adapter_names

    if folder is not None:
        return name, folder
    if name in adapter_names() and not Path(name).is_dir():
        raise BenchmarkError(f"'{name}' is an adapter: name the folder after it")
    return "folders", Path(name)


def tell_found(found: "Found") -> None:
    """Say what is there, before an image is read."""
    counts = found.counts
    rows = [[str(value) for value in row] for row in counts.itertuples(index=False)]
    total = int(counts["images"].sum())
    print_table(
        f"{found.adapter.title}: {total} images",
        [str(name) for name in counts.columns],
        rows,
        f"forged: {found.adapter.forged}",
    )
    if found.published:
        _print_published("as published", found.published, "")
    tell_described(found)


def _print_published(title: str, counts: "Sequence[Count]", note: str) -> None:
    """Print what was published beside what is there."""
    rows = [
        [
            each.published.split or "all",
            each.published.generator or "forged",
            f"{each.published.number} {each.published.unit}",
            str(each.found),
            str(max(each.published.number - each.found, 0)),
            str(max(each.found - each.published.number, 0)),
        ]
        for each in counts
    ]
    columns = ["split", "generator", "published", "found", "missing", "extra"]
    print_table(title, columns, rows, note)


def tell_described(found: "Found | Verified") -> None:
    """Say what was passed over, what must be known, and what is missing or cannot be read."""
    for kind, number in found.ignored.items():
        out_console.print(f"[yellow]ignored:[/] {number} {escape(kind)}", highlight=False)
    for note in found.notes:
        out_console.print(f"[yellow]note:[/] {escape(note)}", highlight=False, soft_wrap=True)
    tell_missing(found.missing)
    for where, reason in found.unreadable.items():
        fail(f"folder {where} cannot be read: {reason}")


def tell_missing(missing: tuple[str, ...]) -> None:
    """Name the first of what the dataset's own lists name and is not there."""
    if missing:
        more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
        out_console.print(
            f"[yellow]missing:[/] {len(missing)} that its lists name: "
            f"{escape(', '.join(missing[:_SHOWN]))}{more}",
            highlight=False,
            soft_wrap=True,
        )


def _tell_indexed(indexed: "Indexed") -> None:
    """Say what was indexed; exit with an error if some of it cannot be used."""
    for sample, problem in indexed.problems.items():
        fail(f"{sample}: {problem}")
    for twins in indexed.twins:
        fail(twins.sentence())
    samples = indexed.manifest.samples
    out_console.print(
        f"Manifest: {indexed.manifest.path} ({len(samples)} images)",
        highlight=False,
        soft_wrap=True,
    )
    if indexed.problems:
        number = len(indexed.problems)
        say(
            f"Of these, {number} cannot be used: they stand in the manifest without a sha256, so "
            "mend or remove them, or run with --allow-missing"
        )
    if indexed.problems or indexed.twins or indexed.unreadable:
        raise typer.Exit(EXIT_ERROR)


@reports_errors
def data_adapters(
    name: Annotated[str | None, typer.Argument(help="One of them, in full.")] = None,
) -> None:
    """List the datasets that data index reads as they lie on disk, and how to obtain them."""
    from benchmark.data.adapters import adapter_names, load_adapter

    known = [load_adapter(each) for each in ([name] if name else adapter_names())]
    if name is None:
        print_table(
            "Dataset adapters",
            ["adapter", "dataset", "how it lies there", "licence"],
            [[each.name, each.title, each.layout, each.licence] for each in known],
            "forgerybench data adapters NAME says more; data index NAME FOLDER reads one",
        )
        return
    (adapter,) = known
    counts = [
        [each.split or "all", each.generator or "forged", f"{each.number} {each.unit}"]
        for each in adapter.published
    ]
    facts = {
        "layout": adapter.layout,
        "source": adapter.source or "as its folders say",
        "forged": adapter.forged,
        "licence": adapter.licence,
        "to obtain": adapter.obtain,
        "options": ", ".join(sorted(adapter.options)) or "none of its own",
    }
    sections = {"": [[key, text, ""] for key, text in facts.items()], "as published": counts}
    print_sections(f"{adapter.name}: {adapter.title}", ["", "", ""], sections)


@reports_errors
def data_verify(
    name: Annotated[str, typer.Argument(help="A dataset: see data adapters.", metavar="[NAME]")],
    folder: Annotated[
        Path | None, typer.Argument(help="Your copy, or a folder of data pack.", metavar="FOLDER")
    ] = None,
    min_coverage: Annotated[
        float,
        typer.Option("--min-coverage", min=0, max=1, help="Least share of each count, or exit 1."),
    ] = 1.0,
    only: OnlyOption = None,
    follow_links: LinksOption = False,
) -> None:
    """Hold a copy against its dataset's published counts and lists, or a pack against its seal."""
    from benchmark.data.packs import is_pack
    from benchmark.data.verifying import verify_copy

    if folder is None:
        if not is_pack(Path(name)):
            raise BenchmarkError(
                f"{name}: is no folder that data pack wrote; of a dataset say which it is: data "
                "verify NAME FOLDER"
            )
        _verify_pack(Path(name))
        return
    with doing(f"reading {folder}"):
        found = verify_copy(
            folder,
            name,
            only=read_pairs(only, "--only COLUMN=VALUE"),
            links=follow_links or None,
        )
    _print_published(found.adapter.title, found.counts, f"forged: {found.adapter.forged}")
    tell_described(found)
    say(f"Coverage: {found.coverage:.1%} of the count that lacks most")
    listed = not found.missing or min_coverage < 1
    if found.coverage < min_coverage or found.unreadable or not listed:
        raise typer.Exit(EXIT_ERROR)


def _verify_pack(folder: Path) -> None:
    """Name what in a pack is not as it was; exit with an error if there is anything."""
    from benchmark.data.verifying import verify_pack

    with doing(f"reading {folder}"):
        found = verify_pack(folder)
    for name, what in found.damaged.items():
        fail(f"damaged: {name}: {what}")
    for name, images in found.missing.items():
        fail(f"missing: {name}" + (f", with {images} images" if images else ""))
    for name in found.extra:
        fail(f"extra: {name}: nothing names it")
    if found.damaged or found.missing or found.extra:
        raise typer.Exit(EXIT_ERROR)
    say(f"The pack is what was sealed: {found.images} images")
