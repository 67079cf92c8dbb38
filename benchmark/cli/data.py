"""The commands on manifests: ``forgerybench data``."""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from benchmark.cli.auditing import (
    data_audit,
    data_extract,
    data_pack,
    data_select,
    data_split,
    data_unpack,
)
from benchmark.cli.console import (
    EXIT_ERROR,
    error_console,
    fail,
    out_console,
    print_table,
    reports_errors,
    say,
)
from benchmark.cli.crop import data_crop
from benchmark.cli.indexing import data_adapters, data_index, data_verify

# Nothing here may import torch at the top: --help stays light.
data_app = typer.Typer(no_args_is_help=True, help="Make, check and show manifests.")
data_app.command("index")(data_index)
data_app.command("adapters")(data_adapters)
data_app.command("verify")(data_verify)
data_app.command("audit")(data_audit)
data_app.command("split")(data_split)
data_app.command("select")(data_select)
data_app.command("extract")(data_extract)
data_app.command("crop")(data_crop)
data_app.command("pack")(data_pack)
data_app.command("unpack")(data_unpack)


@data_app.command("check")
@reports_errors
def data_check(manifest: Annotated[Path, typer.Argument(help="A manifest file.")]) -> None:
    """Read, hash and decode every image; name each that is missing or broken."""
    from benchmark.cli.display import Display
    from benchmark.data.checking import check
    from benchmark.data.duplicates import twins
    from benchmark.data.manifest import read_manifest
    from benchmark.data.remote import local_manifest

    found = read_manifest(local_manifest(manifest))
    with Display(error_console) as display:
        display.phase("check", 1)
        display.job(f"reading {found.name}", len(found.samples))
        facts = check(found, on_progress=lambda _: display.advance())
        display.finish()
    problems = facts.loc[facts["problem"] != "", "problem"]
    for sample, problem in problems.items():
        fail(f"{sample}: {problem}")
    good = len(facts) - len(problems)
    out_console.print(f"{good} of {len(facts)} images are whole", highlight=False)
    hashes = found.samples["sample_id"].map(facts["sha256"])
    same = twins(found.samples.assign(sha256=hashes))
    for each in same:
        fail(each.sentence())
    if len(problems) or same:
        raise typer.Exit(EXIT_ERROR)


@data_app.command("show")
@reports_errors
def data_show(manifest: Annotated[Path, typer.Argument(help="A manifest file.")]) -> None:
    """Count a manifest's samples by source, generator and split, and warn of overlaps."""
    from benchmark.data.checking import overview
    from benchmark.data.manifest import read_manifest
    from benchmark.data.remote import local_manifest

    found = read_manifest(local_manifest(manifest))
    summary = overview(found.samples)
    columns = [str(name) for name in summary.counts.columns]
    rows = [[str(value) for value in row] for row in summary.counts.itertuples(index=False)]
    print_table(f"{found.name}: {len(found.samples)} samples", columns, rows)
    for warning in summary.warnings:
        out_console.print(f"[yellow]warning:[/] {escape(warning)}", highlight=False)


@data_app.command("fold")
@reports_errors
def data_fold(
    manifest: Annotated[Path, typer.Argument(help="A manifest file; its splits are unused.")],
    fold: Annotated[int, typer.Option("--fold", help="Which of them, from 0: it tests.")],
    out: Annotated[Path, typer.Option("--out", help="A new .csv file in the manifest's folder.")],
    folds: Annotated[
        int, typer.Option("--folds", help="Every image is tested in one of them.")
    ] = 5,
) -> None:
    """Write the manifest of one fold: nobody, no video and no pair stands on two sides."""
    from benchmark.data.checking import overview
    from benchmark.data.manifest import read_manifest
    from benchmark.study.folds import Fold, fold_manifest

    written = fold_manifest(read_manifest(manifest), Fold(number=fold, of=folds), out)
    counts = written.samples["split"].value_counts()
    told_counts = ", ".join(f"{split} {counts.get(split, 0)}" for split in ("train", "val", "test"))
    out_console.print(f"Manifest: {out} ({told_counts})", highlight=False, soft_wrap=True)
    for warning in overview(written.samples).warnings:
        out_console.print(f"[yellow]warning:[/] {escape(warning)}", highlight=False)


@data_app.command("reencode")
@reports_errors
def data_reencode(
    manifest: Annotated[Path, typer.Argument(help="A manifest file.")],
    out: Annotated[Path, typer.Argument(help="The folder to make.")],
    side: Annotated[int, typer.Option("--side", help="Longest side; none is enlarged.")] = 256,
    quality: Annotated[int, typer.Option("--quality", help="JPEG quality, 1 to 95.")] = 90,
) -> None:
    """Copy a dataset as small JPEG files, all through one encoder; the copy says so."""
    from benchmark.cli.display import Display
    from benchmark.data.manifest import read_manifest
    from benchmark.data.reencoding import reencode

    found = read_manifest(manifest)
    with Display(error_console) as display:
        display.phase("check", 1)
        display.job(f"re-encoding {found.name}", len(found.samples))
        copy = reencode(found, out, side=side, quality=quality, on_progress=display.advance)
        display.finish()
    out_console.print(f"Manifest: {copy}", highlight=False, soft_wrap=True)


@data_app.command("embedded")
@reports_errors
def data_embedded(
    out: Annotated[Path, typer.Argument(help="The folder to make.")],
    seed: Annotated[int, typer.Option("--seed", help="Seed of people and pictures.", min=0)] = 0,
) -> None:
    """Draw the embedded synthetic set: real and forged faces by a program, for any protocol."""
    say(f"Manifest: {draw_embedded(out, seed=seed)}")


def draw_embedded(out: Path, *, seed: int = 0) -> Path:
    """Draw the embedded synthetic set behind a bar; one that is there is taken as it is."""
    from benchmark.cli.display import Display
    from benchmark.synthetic.generate import generate

    with Display(error_console) as display:
        display.phase("draw", 1)
        begun = False

        def drawn(done: int, people: int) -> None:
            nonlocal begun
            if not begun:
                display.job("drawing people", people, done - 1)
                begun = True
            display.advance()

        manifest = generate(out, seed=seed, on_progress=drawn)
        if begun:
            display.finish()
    return manifest
