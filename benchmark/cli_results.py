"""The commands on what runs have found: comparing and exporting."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from benchmark.arguments import read_data, read_list
from benchmark.console import out_console, print_table, told
from benchmark.errors import BenchmarkError

if TYPE_CHECKING:
    from results.comparing import Compared

# Nothing here may import torch at the top: --help stays light. Added to the main command as they
# are, without a name of their own.
results_app = typer.Typer()

RunArgument = Annotated[Path, typer.Argument(help="Folder of a run.")]


@results_app.command()
@told
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
) -> None:
    """Compare the AUC of two detectors on the same samples, cell by cell."""
    from results.comparing import compare_detectors, comparison_frame
    from results.files import atomic_write

    found = compare_detectors(
        run,
        left,
        right,
        protocols=read_list(protocols),
        trainings=read_list(train_on),
        resamples=resamples,
        seed=seed,
    )
    columns = ["protocol", "trained on", "test", "condition", "level", "real+forged"]
    columns += [found.left, found.right, "difference (95 %)", "p", "p, Holm"]
    seeds = sorted({each.seeds for each in found.cells})
    said = "; ".join(
        f"training seeds {_numbers(a)} of {found.left}, {_numbers(b)} of {found.right}"
        for a, b in seeds
    )
    note = f"{said}; {resamples} resamples of clusters, seed {seed}. p, Holm: over all rows."
    if found.without:
        note += f" Neither has a model of {', '.join(found.without)}."
    title = f"AUC of {found.left} minus {found.right}"
    print_table(title, columns, [_compared_row(each) for each in found.cells], note)
    if out is not None:
        text = comparison_frame(found).to_csv(index=False, lineterminator="\n")
        atomic_write(out, text)
        out_console.print(f"Table: {out}", highlight=False, soft_wrap=True)


def _compared_row(each: "Compared") -> list[str]:
    """Give the row of one cell of both detectors."""
    names = [each.protocol, each.cell.training, each.cell.test.name]
    names += [each.cell.condition.label, each.cell.level, f"{each.n_real}+{each.n_fake}"]
    values = ["" if value is None else f"{value:.3f}" for value in (each.left, each.right)]
    if each.difference is None:
        return [*names, *values, each.reason or "", "", ""]
    value, low, high, p = each.difference
    told = [f"{value:+.3f} ({low:+.3f} to {high:+.3f})", f"{p:.2g}", f"{each.adjusted:.2g}"]
    return [*names, *values, *told]


def _numbers(seeds: tuple[int, ...]) -> str:
    """Show training seeds."""
    return ", ".join(map(str, seeds))


@results_app.command()
@told
def export(
    run: RunArgument,
    form: Annotated[
        Literal["csv", "json", "model-index", "eval-results"],
        typer.Option("--format", help="The last two are the Hugging Face Hub's, of one model."),
    ],
    out: Annotated[Path, typer.Option("--out", help="The file to write.")],
    model: Annotated[
        str | None, typer.Option("--model", help="Id of the model, where the run has several.")
    ] = None,
    dataset: Annotated[
        str | None, typer.Option("--dataset", help="eval-results: the benchmark, OWNER/NAME.")
    ] = None,
) -> None:
    """Write a run's numbers for other tools."""
    from results.exports import to_csv, to_eval_results, to_json, to_model_index
    from results.files import atomic_write

    if form in ("csv", "json") and model is not None:
        raise BenchmarkError(f"--model: {form} has all models; filter its column 'model'")
    if form != "eval-results" and dataset is not None:
        raise BenchmarkError(f"--dataset is of eval-results alone, not of {form}")
    if form == "csv":
        made = to_csv(run)
    elif form == "json":
        made = to_json(run)
    elif form == "model-index":
        made = to_model_index(run, model)
    else:
        made = to_eval_results(run, model, dataset)
    atomic_write(out, made.text)
    left_out = f", {made.left_out} without a value left out" if made.left_out else ""
    out_console.print(
        f"Export: {out} ({made.written} numbers{left_out})", highlight=False, soft_wrap=True
    )


@results_app.command()
@told
def inspect(
    run: RunArgument,
    cell: Annotated[
        str, typer.Argument(help="protocol/training/test[/condition], as the tables call them.")
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
) -> None:
    """Show the images that a detector is surest about, and wrong."""
    from benchmark.inspection import inspect as carry_out
    from leaderboard.hardest import TITLES

    found = carry_out(
        run,
        cell,
        detector=detector,
        seed=seed,
        most=n,
        data=read_data(data) if data else None,
        out=out,
    )
    errors = found.errors
    rows = [
        [str(row["sample_id"]), row["kind"], str(row["generator"]), f"{row['logit']:+.2f}",
         f"{row['p_fake']:.3f}"]
        for row in errors.table.to_dict("records")
    ]  # fmt: skip
    note = "; ".join(
        f"{title}: {errors.wrong[kind]} of {errors.images[kind]}" for kind, title in TITLES.items()
    )
    if found.unseen is not None:
        note += f". Images not shown: {found.unseen}"
    title = f"Worst errors of {errors.entry.detector} in {cell}"
    print_table(title, ["image", "error", "generator", "logit", "P(fake)"], rows, note)
    for path in found.files:
        out_console.print(f"Written: {path}", highlight=False, soft_wrap=True)


@told
def list_published() -> None:
    """List the numbers that others have published: sources, tables, how weights were chosen."""
    from results.literature import Literature, read_literature

    literature = read_literature()

    def row(source: str, table: str, part: Literature) -> list[str]:
        values = {
            name: sorted({str(getattr(number, name)) for number in part.numbers})
            for name in ("level", "selection", "metric", "model", "train", "test")
        }
        protocols = sorted({name.protocol for name in part.names if name.protocol})
        return [
            *(source, table),
            *(", ".join(values[name]) for name in ("level", "selection", "metric")),
            *(str(len(values[name])) for name in ("model", "train", "test")),
            str(len(part.numbers)),
            str(sum(number.repeated for number in part.numbers)),
            ", ".join(name for name in protocols if part.under(name)) or "none",
        ]

    rows = [row(source, table, part) for (source, table), part in literature.by_table().items()]
    columns = [
        "source",
        "table",
        "level",
        "weights chosen by",
        "metrics",
        "models",
        "training sets",
    ]
    columns += ["test sets", "numbers", "repeated", "shown beside runs of"]
    print_table("Published numbers: reported by others, not measured here", columns, rows)
