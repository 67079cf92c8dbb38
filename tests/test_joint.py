"""The draws of a protocol: one set for all cells, as sure of each as draws of its own."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

import results.statistics.bootstrap
from protocols import Cell
from results.errors import UndefinedError
from results.evaluation import evaluate_contents
from results.metrics.registry import METRICS
from results.run import RunContents
from results.schema import Value
from results.sealing import seal_run
from results.statistics.bootstrap import Draws
from results.statistics.intervals import auc_interval
from results.statistics.joint import Bootstrap, Joint
from results.store import read_scores, write_scores
from tests.fake_run import fake_samples, make_run

MODEL = "xception-cross-generator-StyleGAN-0"


@pytest.fixture(scope="module")
def contents(tmp_path_factory: pytest.TempPathFactory) -> RunContents:
    folder = tmp_path_factory.mktemp("run")
    make_run(folder, protocols=["cross-generator"], detectors=["xception"])
    return RunContents(folder)


def intervals(contents: RunContents, cell: Cell, names: Iterable[str]) -> dict[str, Value]:
    measured = contents.measured(MODEL, cell, Value(value=0.2))
    values = measured.values(names)
    return Bootstrap(contents).of("cross-generator").with_intervals(MODEL, cell, measured, values)


def large(contents: RunContents) -> Cell:
    """Give a cell of two classes of many clusters, in which nothing is perfect."""
    cells = contents.expansions["cross-generator"].cells
    return next(c for c in cells if (c.training, c.test.name) == ("StyleGAN", "DFDC-mixed"))


def sure(value: Value) -> tuple[float, float, float]:
    """Give the lower end, the value and the upper end."""
    assert value.low is not None
    assert value.value is not None
    assert value.high is not None
    return value.low, value.value, value.high


def test_joint_draws_are_as_sure_as_those_of_the_cell_alone(contents: RunContents) -> None:
    cells = [c for c in contents.expansions["cross-generator"].cells if c.training == "StyleGAN"]
    for cell in cells:
        found = intervals(contents, cell, ["AUC"])["AUC"]
        if cell.test.name == "StableDiffusion-2.1":
            assert found.no_interval == "a class is of fewer than 5 independent clusters"
            continue
        scored = contents.scored(MODEL, cell)
        clusters = contents.clusters[contents.first_rows(cell)]
        alone = auc_interval(scored.labels, scored.scores, clusters)
        assert found.low is not None
        assert found.high is not None
        assert found.high - found.low == pytest.approx(alone.high - alone.low, rel=0.15)


def test_a_cell_does_not_depend_on_which_cells_were_asked_for_before(contents: RunContents) -> None:
    first, *others = contents.expansions["cross-generator"].cells
    fresh = Joint(contents, "cross-generator").replicates(MODEL, first, "AUC")
    used = Joint(contents, "cross-generator")
    used.replicates(MODEL, others[-1], "EER")
    np.testing.assert_array_equal(used.replicates(MODEL, first, "AUC"), fresh)


def test_every_metric_but_ece_has_an_interval_around_its_value(contents: RunContents) -> None:
    cell = large(contents)
    found = intervals(contents, cell, METRICS)
    known = {name: value for name, value in found.items() if value.value is not None}
    assert set(METRICS) - set(known) == {"TPR@FPR=0.1%", "TPR@FPR=1%", "TPR@FPR=5%"}
    assert known.pop("ECE").no_interval == "resamples of ECE are biased upwards"
    for name, value in known.items():
        assert list(sure(value)) == sorted(set(sure(value))), name
    for name in ("TPR@FPR=1%", "ECE"):
        assert (found[name].low, found[name].high) == (None, None)


def test_a_metric_is_as_sure_among_others_as_alone(contents: RunContents) -> None:
    cell = large(contents)
    names = ("EER", "BACC@val", "AUC", "Brier", "AP", "TPR")
    together = intervals(contents, cell, names)
    assert list(together) == list(names)
    for name in names:
        assert intervals(contents, cell, [name])[name] == together[name]


def test_the_interval_of_a_mean_over_one_cell_is_the_cells(contents: RunContents) -> None:
    cell = large(contents)
    low, value, high = sure(intervals(contents, cell, ["AUC"])["AUC"])
    joint = Bootstrap(contents).of("cross-generator")
    assert joint.mean_interval([(MODEL, cell)], "AUC", value)[:2] == (low, high)
    twice = joint.mean_interval([(MODEL, cell)] * 2, "AUC", value)
    assert twice[:2] == pytest.approx((low, high))
    with pytest.raises(UndefinedError, match="resamples of ECE are biased upwards"):
        joint.mean_interval([(MODEL, cell)], "ECE", 0.1)


def test_a_set_of_one_class_has_intervals_of_its_rates(tmp_path: Path) -> None:
    contents = RunContents(make_run(tmp_path, protocols=["cross-dataset"], detectors=["mfclip"]))
    (record,) = (r for r in evaluate_contents(contents) if r.cells[0].training == "140k")
    cells = {cell.test: cell for cell in record.cells}
    reals = cells["lfw"].metrics
    assert (reals["AUC"].value, reals["AUC"].no_interval) == (None, None)
    assert list(sure(reals["FPR@val"])) == sorted(set(sure(reals["FPR@val"])))
    few = cells["sdfd"].metrics["TPR@val"]
    assert few.no_interval == "a class is of fewer than 5 independent clusters"


def test_a_rate_is_as_sure_as_its_own_class_lets_it_be(contents: RunContents) -> None:
    joint = Bootstrap(contents).of("cross-generator")
    cells = contents.expansions["cross-generator"].cells
    cell = next(c for c in cells if c.test.name == "SDXL")
    fewest = {name: joint.fewest(cell, name) for name in ("AUC", "TPR@val", "FPR", "ACC")}
    assert fewest == {"AUC": 6, "TPR@val": 6, "FPR": 122, "ACC": 6}


def test_a_named_donor_makes_intervals_wider_by_what_donors_add(tmp_path: Path) -> None:
    samples = fake_samples()
    fake = (samples["label"] == "fake").to_numpy()
    # A face for every 20th forged image, whoever is shown: 7 donors in most test sets.
    donors = np.where(fake, [f"donor{i % 40}" for i in range(len(samples))], "")
    named = make_run(
        tmp_path,
        samples=samples.assign(donor=donors),
        protocols=["cross-generator"],
        detectors=["xception"],
    )
    with_donors = RunContents(named)
    cell = large(with_donors)
    joint = Bootstrap(with_donors).of("cross-generator")
    found = joint.replicates(MODEL, cell, "AUC")
    assert found.shape == (3, 1000)
    assert joint.clusters(cell).fake <= 40
    value = intervals(with_donors, cell, ["AUC", "TPR", "Brier"])
    assert all(list(sure(each)) == sorted(set(sure(each))) for each in value.values())
    records = evaluate_contents(with_donors)
    assert all(c.clusters_real is not None for record in records for c in record.cells)


def test_kept_weights_are_those_that_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    clusters = np.repeat(np.arange(40), 3)
    parts = [np.arange(60), np.arange(45, 120)]

    def blocks() -> np.ndarray:
        draws = Draws(clusters, parts, resamples=100)
        return np.concatenate([weights for _, weights in draws.blocks(3000)])

    kept = blocks()
    monkeypatch.setattr(results.statistics.bootstrap, "_KEPT_VALUES", 0)
    np.testing.assert_array_equal(blocks(), kept)
    assert kept.sum(axis=1) == pytest.approx(40)


def test_seeds_that_are_all_right_have_a_one_sided_interval(tmp_path: Path) -> None:
    """Nothing varies then: the mean is bounded from one side, as a single AUC of 1 is."""
    run = make_run(
        tmp_path / "run", protocols=["cross-generator"], detectors=["spectrum", "vit"], seeds=(0, 1)
    )
    for path in (run / "scores").glob("*.parquet"):
        table = read_scores(run, path.stem)
        real = table["sample_id"].str.contains("/camera/")
        write_scores(run, path.stem, table.assign(logit=np.where(real, -1, 1).astype(np.float32)))
    seal_run(run)
    contents = RunContents(run)
    cell = large(contents)
    models = {
        entry.seed: entry.model
        for entry in contents.entries("cross-generator")
        if entry.training == cell.training and entry.model and entry.detector == "spectrum"
    }
    others = {
        entry.seed: entry.model
        for entry in contents.entries("cross-generator")
        if entry.training == cell.training and entry.model and entry.detector == "vit"
    }
    joint = Bootstrap(contents).of("cross-generator")
    found = joint.over_seeds(models, cell, "AUC")
    assert (found.mean, found.sd, found.high, found.seeds) == (1.0, 0.0, 1.0, 2)
    assert found.low == pytest.approx(0.05 ** (1 / joint.fewest(cell, "AUC")))
    ranked = joint.ranking(
        {"spectrum": [models], "vit": [others]}, [cell], "AUC", higher_is_better=True
    )
    assert ranked.means["spectrum"] == found
