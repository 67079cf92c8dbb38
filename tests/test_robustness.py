"""Curves over severity: a mean and how sure it is, of the same resamples as the tables."""

from pathlib import Path

import numpy as np
import pytest

from leaderboard.figures.robustness import severity_table
from leaderboard.view import Context
from protocols import load_protocol
from tests.fake_run import contexts, make_run


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
