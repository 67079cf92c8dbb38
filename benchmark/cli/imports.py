"""The command that brings scores in which were made elsewhere."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from benchmark.cli.console import EXIT_ERROR, doing, error_console, fail, reports_errors, say
from benchmark.cli.options import read_data

if TYPE_CHECKING:
    import pandas as pd

    from benchmark.study.importing import ImportedRun

# Nothing here may import torch at the top: --help stays light.
import_app = typer.Typer()
_NAMED = 5  # rows of each kind that are named on the terminal
_KINDS = {"logit": "Logits", "probability": "Probabilities"}


ScoresArgument = Annotated[
    Path, typer.Argument(help="CSV, Parquet, JSON lines or npz; or DeepfakeBench's folder.")
]
TitleOption = Annotated[str, typer.Option("--detector", help="What tables call it.")]
AddedToOption = Annotated[Path, typer.Option("--out", help="Folder of the run; added to if there.")]
NewDataOption = Annotated[
    list[str] | None,
    typer.Option("--data", help="MANIFEST, or ROLE=MANIFEST: of a new run.", metavar="[ROLE=]FILE"),
]
ProtocolsOption = Annotated[
    list[str] | None, typer.Option("--protocol", help="Of a new run; may be repeated.")
]
IdOption = Annotated[
    str | None, typer.Option("--id", help="Column of the paths.", show_default="by its name")
]
ScoreOption = Annotated[
    str | None, typer.Option("--score", help="Column of the score.", show_default="by its name")
]
FakeOption = Annotated[
    str | None, typer.Option("--fake", help="With --real: a column a class, as a softmax has.")
]
RealOption = Annotated[str | None, typer.Option("--real", help="See --fake.")]
KindOption = Annotated[
    Literal["logit", "probability"] | None,
    typer.Option("--kind", help="What they are.", show_default="by the column's name"),
]
PositiveOption = Annotated[
    Literal["fake", "real", "prove"] | None,
    typer.Option(
        "--positive",
        help="The class that a greater score means; prove: let the labels show it.",
        show_default="by the column's name",
    ),
]
ByOption = Annotated[
    Literal["sample", "group"], typer.Option("--by", help="group: a row is a whole video.")
]
UnscoredOption = Annotated[
    Literal["gap", "wrong"],
    typer.Option("--unscored", help="What lacks a score: no number, or a wrong answer."),
]
CoverageOption = Annotated[
    float, typer.Option("--min-coverage", min=0, max=1, help="Below this share it is an error.")
]


@import_app.command("import")
@reports_errors
def import_command(
    scores: ScoresArgument,
    detector: TitleOption,
    out: AddedToOption,
    data: NewDataOption = None,
    protocol: ProtocolsOption = None,
    id_column: IdOption = None,
    score: ScoreOption = None,
    fake: FakeOption = None,
    real: RealOption = None,
    kind: KindOption = None,
    positive: PositiveOption = None,
    by: ByOption = "sample",
    unscored: UnscoredOption = "gap",
    min_coverage: CoverageOption = 1.0,
) -> None:
    """Add scores of your own code to a run, or begin one: its tables, intervals, comparisons."""
    with doing("Reading scores"):
        from benchmark.data.columns import Stated
        from benchmark.study.importing import ImportSettings, import_scores

        stated = Stated(
            id=id_column, score=score, fake=fake, real=real, kind=kind, positive=positive
        )
        found = import_scores(
            ImportSettings(
                file=scores,
                detector=detector,
                out=out,
                data=read_data(data) if data else None,
                protocols=tuple(protocol or ()),
                stated=stated,
                by=by,
                unscored=unscored,
            )
        )
    _print_imported(detector, found)
    coverage = found.facts.coverage
    if coverage < min_coverage:
        fail(
            f"coverage is {coverage:.4f}, below --min-coverage {min_coverage:g}: the scores "
            "are in the run, and cells that lack one have no numbers"
        )
        raise typer.Exit(EXIT_ERROR)


def _print_imported(detector: str, found: "ImportedRun") -> None:
    """Say what was taken from the file, and which rows and samples are not one to one."""
    from benchmark.study.importing import MISSING, UNDER

    facts = found.facts
    say(f"{detector} ({found.model}): {facts.given} of the {facts.needed} scores that are needed")
    say(f"{_KINDS[facts.kind]}, {facts.direction}")
    if "nobody stated" in facts.direction:
        error_console.print(
            "[yellow]warning:[/] the direction was taken from the labels of these very samples: "
            "state it with --positive",
            highlight=False, soft_wrap=True,
        )  # fmt: skip
    if facts.clipped:
        say(f"Probabilities of exactly 0 or 1, which are ties: {facts.clipped}")
    for what, rows in found.problems.groupby(found.problems["why"].str.split(":").str[0]):
        named = ", ".join(rows["id"].head(_NAMED))
        say(f"{what}: {len(rows)} ({named}{', ...' if len(rows) > _NAMED else ''})")
        if what == MISSING:
            say(_conditions(rows["why"].str.partition(UNDER)[2]))
    if found.rows_file is not None:
        say(f"All of these, row by row: {found.rows_file}")
    say(f"Report: {found.page}")


def _conditions(keys: "pd.Series[str]") -> str:
    """Say under which conditions scores are missing: often a file has the clean images alone."""
    counts = keys.value_counts(sort=False)
    named = ", ".join(f"{key} {number}" for key, number in counts.head(_NAMED).items())
    more = ", ..." if len(counts) > _NAMED else ""
    return (
        f"  under {len(counts)} condition{'s' if len(counts) != 1 else ''} ({named}{more}); "
        "a column 'condition' says which one a row is of, without it all are of undamaged images"
    )
