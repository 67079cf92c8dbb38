"""A report: records, tables, figures and page of a run, from its scores alone."""

import shutil
import tempfile
from pathlib import Path

import pandas as pd

from leaderboard.errors import LeaderboardError
from leaderboard.figures.calibration import reliability_diagram, reliability_table
from leaderboard.figures.critical import compared, critical_diagram
from leaderboard.figures.drawing import Picture
from leaderboard.figures.embedding import embedding_pictures
from leaderboard.figures.heatmap import heat_map
from leaderboard.figures.overlays import overlay_pictures
from leaderboard.figures.robustness import robustness_curves
from leaderboard.figures.roc import det_curves, mean_curves, roc_curves
from leaderboard.figures.scores import score_histograms, score_table
from leaderboard.figures.slope import slope_chart, slope_table
from leaderboard.figures.tradeoff import tradeoff_chart, tradeoff_table
from leaderboard.figures.training import training_curves, validation_curves
from leaderboard.site.page import FEW, ProtocolSection, render
from leaderboard.tables.ablation import ablation_table
from leaderboard.tables.attacks import attack_tables
from leaderboard.tables.literature import literature_tables
from leaderboard.tables.matrix import (
    cells_frame,
    matrix_table,
    pair_table,
    protocol_tables,
    transposed,
)
from leaderboard.tables.ranks import ranks_table, seeds_table
from leaderboard.tables.subgroups import beside_table, subgroup_table
from leaderboard.tables.table import WRITERS, Table
from leaderboard.tables.thresholds import across_table
from leaderboard.view import ProtocolView, views
from results.errors import UndefinedError
from results.evaluation import evaluate_contents
from results.files import atomic_write
from results.literature import Literature, is_here, read_literature
from results.run import RunContents
from results.schema import ModelFacts
from results.statistics.joint import Bootstrap
from results.store import write_record

DERIVED = ("records", "tables", "figures")
PAGE = "index.html"
_PREFIX = ".report-"


def report(run: Path) -> Path:
    """Build everything that follows from a run's scores, in place of an earlier report.

    Twice gives the same bytes. The new files are made beside the old ones and take their place
    when all of them are there: an error leaves the old report as it was.

    Args:
        run: The run's folder; ``records/``, ``tables/``, ``figures/`` and ``index.html`` in it
            are replaced, nothing else is touched.

    Returns:
        The page, ``index.html``.

    Raises:
        LeaderboardError: The run has no detector.
        ResultError: A file of the run is missing or wrong.
        ProtocolError: A protocol of the run does not fit its samples.
    """
    contents = RunContents(run)
    if not contents.facts.entries:
        raise LeaderboardError(f"{run}: the run has no detector, so there is nothing to report")
    bootstrap = Bootstrap(contents)
    made = evaluate_contents(contents, bootstrap)
    for left_over in run.glob(f"{_PREFIX}*"):
        shutil.rmtree(left_over)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=run))
    try:
        for record in made:
            write_record(folder, record)
        laid_out = views(contents, made)
        cells = cells_frame(laid_out)
        atomic_write(folder / "tables" / "cells.csv", _csv(cells))
        literature = read_literature() if is_here() else Literature((), ())
        sections = [_section(folder, view, contents, bootstrap, literature) for view in laid_out]
        training = _training_pictures(contents)
        embedded = [*embedding_pictures(contents), *overlay_pictures(contents)]
        for picture in (*training, *embedded):
            _write_picture(folder, picture)
        atomic_write(folder / PAGE, render(contents, sections, training, embedded))
        _swap(folder, run)
    finally:
        shutil.rmtree(folder)
    return run / PAGE


def _section(
    folder: Path,
    view: ProtocolView,
    contents: RunContents,
    bootstrap: Bootstrap,
    literature: Literature,
) -> ProtocolSection:
    """Build one protocol's tables and figures."""
    tables = protocol_tables(view)
    tables[1:1] = [t for t in (ranks_table(view, bootstrap), seeds_table(view, bootstrap)) if t]
    reference = contents.facts.reference
    if reference in {contender.detector for contender in view.contenders}:
        assert reference is not None
        tables.insert(1, ablation_table(view, reference, contents.samples))
    tables += [*attack_tables(view, contents), *literature_tables(view, literature)]
    tables += _further_tables(view, contents)
    for table in tables:
        _write_table(folder, table)
    if view.is_matrix:
        for level in view.protocol.levels:
            _write_table(folder, transposed(matrix_table(view, view.metric, level)))
    pictures, more, refused = _pictures(view, contents, bootstrap)
    for picture in (*pictures, *more):
        _write_picture(folder, picture)
    summary, *others = tables
    headline = [t for t in others if t.metric == view.metric and t.level == view.level]
    return ProtocolSection(
        view=view,
        summary=summary,
        tables=headline,
        more=[table for table in others if table not in headline],
        pictures=pictures,
        more_pictures=more,
        refused=refused,
    )


def _further_tables(view: ProtocolView, contents: RunContents) -> list[Table]:
    """Give the tables of other metrics than the headline that a protocol has cells for."""
    pairs = [pair_table(view, level) for level in view.protocol.levels if view.is_matrix]
    found = (
        beside_table(view),
        *pairs,
        across_table(view, contents),
        subgroup_table(view, contents),
    )
    return [table for table in found if table]


def _pictures(
    view: ProtocolView, contents: RunContents, bootstrap: Bootstrap
) -> tuple[list[Picture], list[Picture], str | None]:
    """Draw one protocol: what the page shows, what it folds away, and why there are no ranks."""
    curves, slopes = mean_curves(view, contents), slope_table(view)
    main = [
        heat_map(view) if view.is_matrix else None,
        slope_chart(view, slopes) if len(slopes) else None,
        robustness_curves(view, bootstrap) if view.damaged else None,
        roc_curves(view, curves) if curves else None,
    ]
    scores, bins = score_table(view, contents), reliability_table(view, contents)
    costs = tradeoff_table(view)
    more = [
        det_curves(view, curves) if curves else None,
        score_histograms(view, scores) if len(scores) else None,
        reliability_diagram(view, bins) if len(bins) else None,
        tradeoff_chart(view, costs) if len(costs) > 1 else None,
    ]
    refused = None
    try:
        more.append(critical_diagram(view, compared(view, contents)))
    except UndefinedError as error:
        refused = str(error)
    return [each for each in main if each], [each for each in more if each], refused


def _training_pictures(contents: RunContents) -> list[Picture]:
    """Draw the training curves of each detector that is trained in steps; many together first."""
    detectors: dict[str, dict[str, ModelFacts]] = {}
    for entry in contents.facts.entries:
        if entry.model and contents.models[entry.model].fit == "gradient":
            models = detectors.setdefault(entry.detector, {})
            models[entry.model] = contents.models[entry.model]
    drawn = [training_curves(name, list(models.values())) for name, models in detectors.items()]
    if len(drawn) > FEW:
        every = [model for models in detectors.values() for model in models.values()]
        drawn[:0] = [each for each in [validation_curves(every)] if each]
    return drawn


def _write_table(folder: Path, table: Table) -> None:
    """Write a table in each of its forms."""
    for ending, write in WRITERS.items():
        atomic_write(folder / "tables" / f"{table.name}.{ending}", write(table))


def _write_picture(folder: Path, picture: Picture) -> None:
    """Write a figure in each of its forms."""
    for ending, content in picture.files.items():
        atomic_write(folder / "figures" / f"{picture.name}.{ending}", content)


def _csv(table: pd.DataFrame) -> str:
    """Write a long table; floats at full precision, missing values empty."""
    return table.to_csv(index=False, lineterminator="\n")


def _swap(new: Path, run: Path) -> None:
    """Put the new files in the place of the old ones, which leave with the temporary folder."""
    for name in DERIVED:
        if (run / name).exists():
            (run / name).replace(new / f"old-{name}")
        if (new / name).exists():
            (new / name).replace(run / name)
    (new / PAGE).replace(run / PAGE)
