"""The commands on what runs have found: comparing and exporting."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from benchmark.cli.console import (
    EXIT_ERROR,
    doing,
    fail,
    out_console,
    print_table,
    reports_errors,
    say,
)
from benchmark.cli.options import read_data, read_list
from benchmark.errors import BenchmarkError

if TYPE_CHECKING:
    from results.comparing import Compared

# Nothing here may import torch at the top: --help stays light. Added to the main command as they
# are, without a name of their own.
results_app = typer.Typer()

ForceOption = Annotated[
    bool, typer.Option("--force", help="Replace what --out would write if it is there.")
]
RunArgument = Annotated[Path, typer.Argument(help="Folder or address (s3://...) of a run.")]


@results_app.command()
@reports_errors
def compare(
    run: RunArgument,
    left: Annotated[str, typer.Argument(help="A detector, as the study calls it.")],
    right: Annotated[str, typer.Argument(help="Another; differences are the first minus it.")],
    out: Annotated[Path | None, typer.Option("--out", help="Also write a CSV file.")] = None,
    protocols: Annotated[
        str | None, typer.Option("--protocols", help="Only these, separated by commas.")
    ] = None,
    train_on: Annotated[
        str | None, typer.Option("--train-on", help="Only these training sets.")
    ] = None,
    resamples: Annotated[
        int, typer.Option("--resamples", min=100, help="How many the intervals are from.")
    ] = 1000,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the resamples.")] = 0,
    within: Annotated[
        float, typer.Option("--within", help="An AUC that differs by less is as good as equal.")
    ] = 0.01,
    force: ForceOption = False,
) -> None:
    """Compare the AUC of two detectors on the same samples, cell by cell."""
    from benchmark.data.remote import local_run
    from results.comparing import compare_detectors, comparison_frame
    from results.files import csv_table, refuse_existing

    refuse_existing(*([out] if out else []), force=force)
    found = compare_detectors(
        local_run(run),
        left,
        right,
        protocols=read_list(protocols),
        trainings=read_list(train_on),
        resamples=resamples,
        seed=seed,
        margin=within,
    )
    seeds = sorted({each.seeds for each in found.cells})
    said = "; ".join(
        f"training seeds {_numbers(a)} of {found.left}, {_numbers(b)} of {found.right}"
        for a, b in seeds
    )
    note = (
        f"{said}; {resamples} resamples of clusters, seed {seed}. Holm: p adjusted for all rows. "
    )
    note += (
        f"Within: p of a difference of {within:g} or more, below 0.05 where they are shown to be "
        "closer. Seen from: the least difference that such samples show in 80 % of cases."
    )
    if found.without:
        note += f" Neither has a model of {', '.join(found.without)}."
    say(f"AUC of {found.left} minus {found.right}: A minus B")
    for title, rows in _alike(found.cells):
        columns = ["cell", "A", "B", "A minus B, 95 %", "p\nHolm\nwithin"]
        print_table(title, columns, rows, whole=False)
    say(note)
    if out is not None:
        _write_new(out, csv_table(comparison_frame(found)), force)
        out_console.print(f"Table: {out}", highlight=False, soft_wrap=True)


def _write_new(out: Path, text: str, force: bool) -> None:
    """Write a file that is not there, or is to be replaced."""
    from results.files import atomic_write, refuse_existing

    refuse_existing(out, force=force)
    atomic_write(out, text)


def _alike(cells: Sequence["Compared"]) -> Iterator[tuple[str, list[list[str]]]]:
    """Give a table for each protocol and training set: its title, and its rows.

    What all rows share stands in the title, for 80 columns hold little; intervals stand on a line
    of their own.
    """
    groups: dict[str, list[Compared]] = {}
    for each in cells:
        groups.setdefault(f"{each.protocol}, trained on {each.cell.training}", []).append(each)
    for title, some in groups.items():
        facts = [_facts(each) for each in some]
        shared = [found[0] for found in zip(*facts, strict=True) if len(set(found)) == 1]
        shared = shared if len(some) > 1 else shared[1:]  # a row has a name
        shared = [fact for fact in shared if fact]
        names = [[fact for fact in found if fact and fact not in shared] for found in facts]
        rows = [
            ["\n".join(name), *_compared_row(each)] for name, each in zip(names, some, strict=True)
        ]
        yield ", ".join((title, *shared)), rows


def _facts(each: "Compared") -> list[str]:
    """Say what a cell of both detectors is about."""
    cell = each.cell
    counts = clusters = ""  # nothing was compared, for the reason that stands in the row
    if each.n_real or each.n_fake:
        counts = f"{each.n_real} real + {each.n_fake} forged"
        clusters = f"{each.clusters_real} + {each.clusters_fake} clusters"
    return [f"test {cell.test.name}", cell.condition.label, f"level {cell.level}", counts, clusters]


def _compared_row(each: "Compared") -> list[str]:
    """Give the numbers of a cell of both detectors."""
    from results.rounding import rounded, signed

    values = ["" if value is None else rounded(value) for value in (each.left, each.right)]
    if each.difference is None:
        return [*values, each.reason or "", ""]
    value, low, high, p = each.difference[:4]
    signs = [signed(number, minus="-") for number in (value, low, high)]
    seen = f"seen from {rounded(each.detectable or 0.0)}"
    p_values = "\n".join(f"{number:.2g}" for number in (p, each.adjusted, each.equivalent))
    return [*values, "{}\n{} to {}".format(*signs) + f"\n{seen}", p_values]


def _numbers(seeds: tuple[int, ...]) -> str:
    """Show training seeds."""
    return ", ".join(map(str, seeds))


@results_app.command()
@reports_errors
def publish(
    run: Annotated[Path, typer.Argument(help="The run's folder.", metavar="RUN")],
    address: Annotated[str, typer.Argument(help="Such as s3://bucket/runs/faces.")],
) -> None:
    """Copy a finished run to an object store, where others verify and compare it."""
    from benchmark.data.publishing import publish as carry_out

    with doing("Copying the run"):
        count = carry_out(run, address)
    say(f"Published: {address} ({count} files)")


@results_app.command()
@reports_errors
def verify(
    run: RunArgument,
    store: Annotated[
        Path | None,
        typer.Option("--store", help="Trained models to compare.", show_default="the cache folder"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check that a run is what it was sealed as, and that its records follow from its scores."""
    from benchmark.data.remote import local_run
    from benchmark.training.store import default_store
    from results.verifying import verify as carry_out

    found = carry_out(local_run(run), store or default_store())
    if as_json:
        faults = [fault._asdict() for fault in found.faults]
        say(json.dumps({"run": str(run), "faults": faults, "notes": found.notes}, indent=1))
    else:
        for fault in found.faults:
            fail(str(fault))
        for note in found.notes:
            say(f"not compared: {note}")
        if not found.faults:
            say(f"{run}: is what it was sealed as")
    if found.faults:
        raise typer.Exit(EXIT_ERROR)


@results_app.command()
@reports_errors
def export(
    run: RunArgument,
    form: Annotated[
        Literal["csv", "json", "scores", "model-index", "eval-results", "eval-yaml"],
        typer.Option(
            "--format",
            help="scores: a labelled row an image, and a video. The last three are the Hub's; the "
            "first two of them of one model.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", help="The file to write.")],
    model: Annotated[
        str | None, typer.Option("--model", help="Id of the model, where the run has several.")
    ] = None,
    dataset: Annotated[
        str | None, typer.Option("--dataset", help="eval-results: the benchmark, OWNER/NAME.")
    ] = None,
    source: Annotated[
        str | None, typer.Option("--source", help="eval-results: address the numbers are from.")
    ] = None,
    force: ForceOption = False,
) -> None:
    """Write a run's numbers for other tools."""
    from benchmark.data.remote import local_run
    from results.exports import to_csv, to_eval_results, to_eval_yaml, to_json, to_model_index
    from results.files import refuse_existing

    run = local_run(run)
    if form == "scores":
        _export_scores(run, out, model, force)
        return
    refuse_existing(out, force=force)
    if form in ("csv", "json", "eval-yaml") and model is not None:
        raise BenchmarkError(f"--model: {form} has all models; filter its column 'model'")
    if not form.startswith("eval-") and dataset is not None:
        raise BenchmarkError(f"--dataset is of eval-results alone, not of {form}")
    if form != "eval-results" and source is not None:
        raise BenchmarkError(f"--source is of eval-results alone, not of {form}")
    if form == "csv":
        made = to_csv(run)
    elif form == "json":
        made = to_json(run)
    elif form == "model-index":
        made = to_model_index(run, model)
    elif form == "eval-yaml":
        made = to_eval_yaml(run, dataset)
    else:
        made = to_eval_results(run, model, dataset, source=source)
    _write_new(out, made.text, force)
    left_out = f", {made.left_out} without a value left out" if made.left_out else ""
    out_console.print(
        f"Export: {out} ({made.written} numbers{left_out})", highlight=False, soft_wrap=True
    )


def _export_scores(run: Path, out: Path, model: str | None, force: bool) -> None:
    """Write a run's scores as two labelled tables: of images, and of videos where there are any."""
    from results.files import csv_table, refuse_existing
    from results.score_tables import score_tables

    of_videos = out.with_name(f"{out.stem}-videos{out.suffix}")
    refuse_existing(out, of_videos, force=force)
    found = score_tables(run, model)
    for path, table in ((out, found.images), (of_videos, found.videos)):
        if len(table):
            _write_new(path, csv_table(table), force)
            say(f"Export: {path} ({len(table)} scores)")


@results_app.command()
@reports_errors
def inspect(
    run: RunArgument,
    cell: Annotated[
        str,
        typer.Argument(help="protocol/training/test\\[/condition], as the tables call them."),
    ],
    detector: Annotated[
        str | None, typer.Option("--detector", help="Which, where the cell has several.")
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Its training seed.")] = None,
    n: Annotated[int, typer.Option("--n", min=1, help="Errors of each kind at most.")] = 16,
    data: Annotated[
        list[str] | None,
        typer.Option(
            "--data", help="MANIFEST, or ROLE=MANIFEST: to see the images.", metavar="[ROLE=]FILE"
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for hardest.csv and hardest.png.")
    ] = None,
    force: ForceOption = False,
) -> None:
    """Show the images that a detector is surest about, and wrong."""
    from benchmark.analysis.inspection import inspect as carry_out
    from benchmark.data.remote import local_run
    from leaderboard.figures.hardest import TITLES

    found = carry_out(
        local_run(run),
        cell,
        detector=detector,
        seed=seed,
        most=n,
        data=read_data(data) if data else None,
        out=out,
        force=force,
    )
    errors = found.errors
    say(f"Worst errors of {errors.entry.detector} in {cell}")
    for kind, title in TITLES.items():
        chosen = errors.table[errors.table["kind"] == kind].to_dict("records")
        rows = [
            [f"{row['logit']:+.2f}", f"{row['p_fake']:.3f}", str(row["generator"]),
             str(row["sample_id"])]
            for row in chosen
        ]  # fmt: skip
        heading = f"{title}: {errors.wrong[kind]} of {errors.images[kind]}"
        if rows:
            print_table(heading, ["logit", "P(fake)", "generator", "image"], rows)
        else:
            say(heading)
    if found.unseen is not None:
        say(f"Images not shown: {found.unseen}")
    for path in found.files:
        out_console.print(f"Written: {path}", highlight=False, soft_wrap=True)
