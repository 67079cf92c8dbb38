"""Curves over severity: a mean and how sure it is, of the same resamples as the tables."""

from pathlib import Path

import numpy as np
import pytest

from leaderboard.figures.robustness import severity_table
from leaderboard.view import ProtocolView, views
from protocols import load_protocol
from results.evaluation import evaluate_contents
from results.run import RunContents
from results.statistics.joint import Bootstrap
from tests.fake_run import make_run

LaidOut = tuple[RunContents, ProtocolView]


def laid_out(run: Path) -> LaidOut:
    contents = RunContents(run)
    (view,) = views(contents, evaluate_contents(contents))
    return contents, view


@pytest.fixture(scope="module")
def one_cell(tmp_path_factory: pytest.TempPathFactory) -> LaidOut:
    folder = tmp_path_factory.mktemp("run")
    return laid_out(make_run(folder, protocols=["robustness-basic"], detectors=["mfclip"]))


def test_a_band_over_one_cell_is_the_interval_that_is_printed_for_it(one_cell: LaidOut) -> None:
    contents, view = one_cell
    rows = severity_table(view, Bootstrap(contents)).to_dict("records")
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
    contents, view = laid_out(make_run(tmp_path, protocols=[both], detectors=["mfclip"]))
    table = severity_table(view, Bootstrap(contents))
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
