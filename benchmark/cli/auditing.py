"""Commands on a whole dataset: ``data audit``, ``split``, ``extract``, ``pack``, ``unpack``."""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from benchmark.cli.console import (
    EXIT_ERROR,
    error_console,
    fail,
    out_console,
    print_table,
    reports_errors,
    say,
)
from benchmark.cli.options import read_shares
from benchmark.errors import BenchmarkError

ManifestArgument = Annotated[Path, typer.Argument(help="A manifest file.")]


@reports_errors
def data_audit(
    manifest: ManifestArgument,
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder of index.html and audit.json.")],
    seed: Annotated[
        int, typer.Option("--seed", help="Of folds and draws.", min=0, max=2**32 - 1)
    ] = 0,
) -> None:
    """Look for overlaps, shortcuts, wrong labels and broken files; exit code 1 if there are any."""
    from benchmark.cli.display import Display
    from benchmark.data.audit.audit import audit
    from benchmark.data.audit.page import check_place, write_audit
    from benchmark.data.manifest import read_manifest
    from benchmark.data.remote import local_manifest

    check_place(out)
    found = read_manifest(local_manifest(manifest))
    with Display(error_console) as display:
        display.phase("check", 1)
        display.job(f"reading {found.name}", len(found.samples))
        told = audit(found, seed=seed, on_progress=display.advance)
        display.finish()
    for finding in told.findings:
        out_console.print(
            f"[yellow]{escape(finding.kind)}:[/] {escape(finding.sentence)}; "
            f"{escape(finding.remedy)}",
            highlight=False,
            soft_wrap=True,
        )
    if told.unstated:
        say(f"Not looked for, since no sample states it: {', '.join(told.unstated)}")
    rows = [
        [
            each.subject,
            each.clue,
            each.reals,
            f"{each.auc:.3f}",
            f"{each.low:.3f} to {each.high:.3f}",
        ]
        for each in told.shortcuts
        if each.auc is not None and each.tells
    ]
    if rows:
        columns = ["of", "clue", "real images of", "AUC", "95 % interval"]
        print_table("Clues that tell the class without the face", columns, rows)
    say(f"Page: {write_audit(told, out)}")
    if told.findings:
        raise typer.Exit(EXIT_ERROR)
    say(f"Nothing found in {len(found.samples)} images")


@reports_errors
def data_split(
    manifest: ManifestArgument,
    out: Annotated[Path, typer.Option("-o", "--out", help="A new .csv or .parquet file.")],
    shares: Annotated[str, typer.Option("--shares", help="Of train,val,test.")] = "0.7,0.1,0.2",
    seed: Annotated[int, typer.Option("--seed", help="Of sets of one size.", min=0)] = 0,
    look_alikes: Annotated[
        bool, typer.Option("--look-alikes", help="Keep what looks the same together: reads all.")
    ] = False,
) -> None:
    """Split a dataset anew: nobody, no video, pair or look-alike stands on two sides."""
    from benchmark.cli.display import Display
    from benchmark.data.audit.measuring import measure
    from benchmark.data.checking import overview
    from benchmark.data.manifest import check_target, read_manifest
    from benchmark.data.splitting import split_manifest

    found, parts = read_manifest(manifest), read_shares(shares)
    if parts is None:
        raise BenchmarkError("--shares are three numbers like 0.7,0.1,0.2")
    check_target(out)
    measures = None
    if look_alikes:
        with Display(error_console) as display:
            display.phase("check", 1)
            display.job(f"reading {found.name}", len(found.samples))
            measures = measure(found, on_progress=display.advance)
            display.finish()
    written = split_manifest(found, out, parts, seed=seed, measures=measures)
    counts = written.samples["split"].value_counts()
    told = ", ".join(f"{split} {counts.get(split, 0)}" for split in ("train", "val", "test"))
    say(f"Manifest: {out} ({told})")
    for warning in overview(written.samples).warnings:
        out_console.print(f"[yellow]warning:[/] {escape(warning)}", highlight=False)


@reports_errors
def data_select(
    manifest: ManifestArgument,
    out: Annotated[Path, typer.Option("-o", "--out", help="A new .csv or .parquet file.")],
    where: Annotated[
        list[str] | None,
        typer.Option("--where", help="COLUMN=VALUE that stays; may be repeated.", metavar="C=V"),
    ] = None,
    at_most: Annotated[
        int | None, typer.Option("--at-most", help="So many of each kind, drawn by --seed.", min=1)
    ] = None,
    per: Annotated[str, typer.Option("--per", help="Columns that make a kind.")] = "split,label",
    among: Annotated[
        list[str] | None,
        typer.Option("--among", help="COLUMN=VALUE: only these are thinned.", metavar="C=V"),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Of the draw.", min=0)] = 0,
) -> None:
    """Write the manifest of part of a dataset: some sources, or so many images of each kind."""
    from benchmark.data.manifest import read_manifest
    from benchmark.data.selecting import select_manifest

    if among and at_most is None:
        raise BenchmarkError("--among says which images --at-most is of: give both")
    found = read_manifest(manifest)
    written = select_manifest(
        found,
        out,
        _values(where, "--where"),
        at_most=at_most,
        per=[name.strip() for name in per.split(",")],
        among=_values(among, "--among"),
        seed=seed,
    )
    say(f"Manifest: {out} ({len(written.samples)} of {len(found.samples)} samples)")


def _values(options: list[str] | None, name: str) -> dict[str, list[str]]:
    """Read COLUMN=VALUE options; a value may hold another '='."""
    values: dict[str, list[str]] = {}
    for option in options or []:
        column, equals, value = option.partition("=")
        if not equals or not column:
            raise BenchmarkError(f"{name} '{option}': write COLUMN=VALUE, such as source=FFHQ")
        values.setdefault(column, []).append(value)
    return values


@reports_errors
def data_extract(
    manifest: ManifestArgument,
    out: Annotated[Path, typer.Argument(help="The folder; continued if it is there.")],
) -> None:
    """Write each frame of a manifest of videos as a PNG file: the same pixels, read faster."""
    from benchmark.cli.display import Display
    from benchmark.data.extracting import extract
    from benchmark.data.manifest import read_manifest

    found = read_manifest(manifest)
    with Display(error_console) as display:
        display.phase("check", 1)
        display.job(f"extracting {found.name}", len(found.samples))
        written = extract(found, out, on_progress=display.advance)
        display.finish()
    say(f"Manifest: {written}")


@reports_errors
def data_pack(
    manifest: ManifestArgument,
    out: Annotated[Path, typer.Argument(help="The folder; continued if it is there.")],
    shard_size: Annotated[
        int, typer.Option("--shard-size", help="MiB of images in a shard, about.", min=1)
    ] = 512,
) -> None:
    """Write the images, byte for byte, into Parquet shards with a manifest of their own."""
    from benchmark.cli.display import Display
    from benchmark.data.manifest import read_manifest
    from benchmark.data.packing import pack

    found = read_manifest(manifest)
    with Display(error_console) as display:
        display.phase("check", 1)
        display.job(f"packing {found.name}", len(found.samples))
        packed = pack(found, out, shard_bytes=shard_size << 20, on_progress=display.advance)
        display.finish()
    for name in packed.left_out:
        say(f"Left out: column '{name}', whose files are not packed")
    say(
        f"Manifest: {packed.manifest} ({packed.images} images in {packed.shards} shards, "
        f"{packed.bytes / 2**20:.1f} MiB)"
    )


@reports_errors
def data_unpack(
    source: Annotated[
        str,
        typer.Argument(help="Parquet, a folder of it or of LMDB, or hub:OWNER/NAME@REVISION."),
    ],
    out: Annotated[Path, typer.Argument(help="The folder; continued if it is there.")],
    image: Annotated[str, typer.Option("--image", help="The images' column.")] = "image",
    split: Annotated[str, typer.Option("--split", help="Of a dataset of the Hub.")] = "train",
) -> None:
    """Write images that lie in Parquet files, on the Hub or in LMDB as files."""
    from benchmark.cli.display import Display
    from benchmark.data.lmdb import DATABASE
    from benchmark.data.unpacking import unpack

    if (Path(source) / DATABASE).exists():
        _unpack_database(Path(source), out)
        return
    with Display(error_console) as display:
        display.phase("check", 1)
        display.job(f"unpacking {source}", 0)
        found = unpack(source, out, image=image, split=split, on_progress=display.advance)
        display.finish()
    for where, reason in found.problems.items():
        fail(f"{where}: {reason}")
    if found.dropped:
        say(f"Left out, since no table holds them: {', '.join(found.dropped)}")
    say(f"Table: {found.table} ({found.images} images)")
    if found.problems:
        raise typer.Exit(EXIT_ERROR)


def _unpack_database(source: Path, out: Path) -> None:
    """Write the images of an LMDB folder as files under their keys."""
    from benchmark.cli.display import Display
    from benchmark.data.lmdb import unpack_database

    with Display(error_console) as display:
        display.phase("check", 1)
        display.job(f"unpacking {source}", 0)
        found = unpack_database(source, out, on_progress=display.advance)
        display.finish()
    for where, reason in found.problems.items():
        fail(f"{where}: {reason}")
    for suffix, number in found.others.items():
        say(f"Left out: {number} entries that are no images ({suffix})")
    say(f"Folder: {out} ({found.images} images)")
    if found.problems:
        raise typer.Exit(EXIT_ERROR)
