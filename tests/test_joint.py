"""The draws of a protocol: one set for all cells, as sure of each as draws of its own."""

import numpy as np
import pytest

import results.resampling
from results.errors import UndefinedError
from results.evaluation import RunContents
from results.joint import Joint
from results.resampling import Draws
from results.schema import Value
from results.statistics import auc_interval
from tests.fake_run import make_run

MODEL = "xception-cross-generator-StyleGAN-0"


@pytest.fixture(scope="module")
def contents(tmp_path_factory: pytest.TempPathFactory) -> RunContents:
    folder = tmp_path_factory.mktemp("run")
    make_run(folder, protocols=["cross-generator"], detectors=["xception"])
    return RunContents(folder)


def test_joint_draws_are_as_sure_as_those_of_the_cell_alone(contents: RunContents) -> None:
    joint = contents.joint("cross-generator")
    cells = [c for c in contents.expansions["cross-generator"].cells if c.training == "StyleGAN"]
    for cell in cells:
        found = joint.with_interval(MODEL, cell, "AUC", contents.measured(MODEL, cell).value("AUC"))
        if cell.test.name == "StableDiffusion-2.1":
            assert found.no_interval == "a class is of fewer than 5 independent clusters"
            continue
        scored = contents.scored(MODEL, cell)
        clusters = contents.clusters[contents.first_rows(cell)]
        alone = auc_interval(scored.labels, scored.scores, clusters)
        assert found.low is not None
        assert found.high is not None
        assert found.high - found.low == pytest.approx(alone.high - alone.low, rel=0.1)


def test_a_cell_does_not_depend_on_which_cells_were_asked_for_before(contents: RunContents) -> None:
    first, *others = contents.expansions["cross-generator"].cells
    fresh = Joint(contents, "cross-generator").replicates(MODEL, first, "AUC")
    used = Joint(contents, "cross-generator")
    used.replicates(MODEL, others[-1], "EER")
    np.testing.assert_array_equal(used.replicates(MODEL, first, "AUC"), fresh)


def test_a_metric_that_is_no_rank_metric_has_no_interval(contents: RunContents) -> None:
    cell = contents.expansions["cross-generator"].cells[0]
    joint = contents.joint("cross-generator")
    with pytest.raises(UndefinedError, match="ACC is not of the order of scores alone"):
        joint.replicates(MODEL, cell, "ACC")
    missing = Value(value=None, reason="why")
    assert joint.with_interval(MODEL, cell, "ACC", missing) == missing


def test_kept_weights_are_those_that_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    clusters = np.repeat(np.arange(40), 3)
    parts = [np.arange(60), np.arange(45, 120)]

    def blocks() -> np.ndarray:
        draws = Draws(clusters, parts, resamples=100)
        return np.concatenate([weights for _, weights in draws.blocks(3000)])

    kept = blocks()
    monkeypatch.setattr(results.resampling, "_KEPT_VALUES", 0)
    np.testing.assert_array_equal(blocks(), kept)
    assert (kept.sum(axis=1) == 40).all()
