"""Curves over severity: a mean and how sure it is, of the same resamples as the tables."""

from pathlib import Path

import numpy as np
import pytest

from leaderboard.figures.robustness import robustness_pictures, severity_table
from leaderboard.tables.summary import summary_tables
from leaderboard.tables.table import SMALL
from leaderboard.view import FEW_TELLS, Context
from protocols import load_protocol
from tests.fake_run import Generator, contexts, fake_samples, make_run


@pytest.fixture(scope="module")
def one_cell(tmp_path_factory: pytest.TempPathFactory) -> Context:
    folder = tmp_path_factory.mktemp("run")
    run = make_run(folder, protocols=["robustness-basic"], detectors=["mfclip"])
    return contexts(run)[0]


def test_a_band_over_one_cell_is_the_interval_that_is_printed_for_it(one_cell: Context) -> None:
    view = one_cell.view
    rows = severity_table(one_cell).to_dict("records")
    table = {(row["perturbation"], row["severity"]): row for row in rows}
    for condition in view.damaged:
        for severity, key in ((0, view.base), (condition.severity, condition)):
            (result,) = view.of(view.contenders[0], key, view.level)
            printed = result.value(view.metric)
            here = table[condition.name, severity]
            assert here["value"] == printed.value
            assert (here["low"], here["high"]) == (printed.low, printed.high)


def test_a_band_over_several_cells_is_narrower_than_that_of_each(tmp_path: Path) -> None:
    each = load_protocol("cross-forgery")
    both = load_protocol("robustness-basic").model_copy(
        update={"train": each.train, "test": each.test}
    )
    (context,) = contexts(make_run(tmp_path, protocols=[both], detectors=["mfclip"]))
    view, table = context.view, severity_table(context)
    width = table["high"] - table["low"]
    assert (width > 0).all()
    printed = [
        value.high - value.low
        for condition in (view.base, *view.damaged)
        for result in view.of(view.contenders[0], condition, view.level)
        for value in [result.value(view.metric)]
        if result.cell.headline and value.low is not None and value.high is not None
    ]
    assert len(printed) > len(table)
    assert width.mean() < np.mean(printed)


def test_curves_and_severity_summaries_over_small_sets_are_marked(
    tmp_path: Path, one_cell: Context
) -> None:
    samples = fake_samples([Generator("G", "EFS", "GAN", "s", 60)], {"s": 60})
    run = make_run(tmp_path, samples=samples, protocols=["robustness-basic"], detectors=["mfclip"])
    for context, small in (contexts(run)[0], True), (one_cell, False):
        assert set(severity_table(context)["small"]) == {small}
        alt = robustness_pictures(context)[0].alt
        assert alt.endswith(f"; some over {FEW_TELLS}") == small
        (table,) = summary_tables(context)
        cells = dict(zip(table.columns, table.sections[0].rows[0][1], strict=True))
        for name in ("area under severity", "relative robustness", "mean drop under damage"):
            assert cells[name].raw is None or cells[name].marks == ({SMALL} if small else set())
        assert cells["area under severity"].raw is not None
