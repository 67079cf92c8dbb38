"""Every metric keeps the contract, and a new one is one file that all the others find."""

import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import results.metrics
from docs.scripts.metrics import with_table
from leaderboard.report import report
from protocols import ProtocolError, UnknownNameError, load_protocol, protocol_names
from results.measured import Measured
from results.metrics.registry import (
    METRICS,
    Metric,
    Ranks,
    beside,
    check_metrics,
    metric,
)
from results.metrics.roc import Order
from results.metrics.samples import Samples
from results.query import cells
from results.schema import Value
from tests.fake_run import make_run

ROOT = Path(__file__).parents[1]
LABELS = np.repeat([0, 1], [12_000, 8_000])
RNG = np.random.default_rng(5)
BLIND = RNG.normal(size=len(LABELS)).astype(np.float32)
SCORES = BLIND + LABELS.astype(np.float32)


def samples(
    scores: np.ndarray = SCORES, labels: np.ndarray = LABELS, threshold: float | None = 0.7
) -> Samples:
    return Samples(labels, scores, logits=True, threshold=threshold)


@pytest.fixture(params=METRICS)
def one(request: pytest.FixtureRequest) -> Metric:
    return METRICS[request.param]


def test_metrics_keep_their_order_whatever_stands_between_them() -> None:
    order = (
        *("AUC", "AP", "AP-balanced", "EER", "TPR@FPR=0.1%", "TPR@FPR=1%", "TPR@FPR=5%"),
        *("FPR@TPR=95%", "pAUC", "ACC", "BACC", "F1", "TPR", "FPR"),
        *("ACC@val", "BACC@val", "F1@val", "TPR@val", "FPR@val", "log-loss", "Brier", "ECE"),
    )
    assert tuple(name for name in METRICS if name in order) == order
    assert tuple(name for name in beside() if name in order) == (
        *("AUC", "AP", "AP-balanced", "EER", "TPR@FPR=1%", "ACC", "BACC"),
        *("ACC@val", "BACC@val", "TPR@val", "FPR@val", "ECE"),
    )


def test_a_value_lies_within_its_bounds_and_the_best_is_the_best(one: Metric) -> None:
    right = one.computed.value(samples(40.0 * (LABELS - 0.5)))
    wrong = one.computed.value(samples(40.0 * (0.5 - LABELS)))
    value = one.computed.value(samples())
    assert right == pytest.approx(one.best, abs=1e-6)
    assert (right > value > wrong) if one.higher_is_better else (right < value < wrong)
    assert all(one.bounds[0] <= each <= one.bounds[1] for each in (right, value, wrong))


def test_chance_is_what_scores_give_that_know_nothing(one: Metric) -> None:
    if one.chance is None:
        # There is no one value: another share of fakes, or another threshold, moves it.
        few = np.r_[0:12_000, 12_000:12_500]
        moved = samples(BLIND[few] + np.float32(0.3), LABELS[few])
        assert abs(one.computed.value(moved) - one.computed.value(samples(BLIND))) > 0.02
        return
    assert one.computed.value(samples(BLIND)) == pytest.approx(one.chance, abs=0.015)


def test_it_asks_for_nothing_that_it_does_not_say_it_needs(
    one: Metric, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, chosen = slice(0, 12_000), Value(value=0.7)
    lacking = {
        "real": (slice(12_000, None), chosen, "one class only, no real images"),
        "forged": (real, chosen, "one class only, no forged images"),
        "threshold": (slice(None), Value(value=None, reason="none chosen"), "none chosen"),
    }
    for need, (rows, carried, reason) in lacking.items():
        found = Measured(LABELS[rows], SCORES[rows], level="image", carried=carried)
        told = found.value(one.name)
        assert (told.reason == reason) if need in one.needs else (told.value is not None), need
    monkeypatch.setattr(Samples, "probabilities", property(lambda self: 1 / 0))
    if "probabilities" in one.needs:
        with pytest.raises(ZeroDivisionError):
            one.computed.value(samples())
    else:
        assert np.isfinite(one.computed.value(samples()))


def test_value_and_resamples_are_one_implementation(one: Metric) -> None:
    scores, labels = SCORES[:16_000], LABELS[:16_000]
    weights = np.stack([np.ones(16_000, np.int64), RNG.integers(1, 4, 16_000)])
    if isinstance(one.computed, Ranks):
        found = one.computed.of(Order(labels, scores, np.arange(16_000)).ranked(weights))
    else:
        columns = one.computed.columns(samples(scores, labels))
        found = one.computed.of(weights.astype(np.float64) @ columns)
    for numbers, value in zip(weights, found, strict=True):
        again = samples(np.repeat(scores, numbers), np.repeat(labels, numbers))
        assert value == pytest.approx(one.computed.value(again), abs=1e-12)


def test_a_metric_of_one_class_does_not_ask_the_other(one: Metric) -> None:
    other = LABELS == 0 if one.only == "forged" else LABELS == 1
    changed = one.computed.value(samples(SCORES + np.where(other, 2.0, 0.0).astype(np.float32)))
    assert (changed == one.computed.value(samples())) == (one.only is not None)


def test_sums_of_many_samples_are_those_of_all_at_once() -> None:
    many = np.resize(SCORES, 200_000), np.resize(LABELS, 200_000)
    for name in ("ACC", "ECE"):
        assert METRICS[name].computed.value(samples(*many)) == pytest.approx(
            METRICS[name].computed.value(samples()), abs=1e-12
        )


def test_an_unknown_metric_is_told_what_it_may_have_meant() -> None:
    assert metric("AUC").title.startswith("chance that a fake scores above a real one")
    with pytest.raises(UnknownNameError, match="no metric is called 'AUROC'; did you mean 'AUC'"):
        metric("AUROC")


@pytest.mark.parametrize("name", protocol_names())
def test_every_protocol_that_ships_lists_metrics_that_there_are(name: str) -> None:
    check_metrics(load_protocol(name))


def test_the_page_shows_the_metrics_as_they_are() -> None:
    text = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    assert with_table(text) == text, "run: make metric-page"


def test_the_public_names_are_there() -> None:
    names = results.metrics.__all__
    assert list(names) == sorted(names, key=lambda n: (n.islower(), n))
    for name in names:
        assert getattr(results.metrics, name) is not None
    with pytest.raises(
        AttributeError, match=r"module 'results\.metrics' has no attribute 'nothing'"
    ):
        results.metrics.nothing  # noqa: B018


@pytest.mark.parametrize(
    ("code", "light"),
    [
        ("import results.metrics", {"numpy", "scipy", "pandas"}),
        ("from results.metrics import auc", {"scipy", "pandas", "protocols.schema"}),
        (
            "from results.metrics.registry import METRICS; len(METRICS)",
            {"scipy", "torch", "matplotlib"},
        ),
        (
            "from benchmark.cli.app import main; import sys\n"
            "sys.argv = ['x', 'list', 'protocols']\ntry: main()\nexcept SystemExit: pass",
            {"scipy", "torch", "matplotlib"},
        ),
    ],
    ids=["package", "function", "registry", "list-protocols"],
)
def test_what_asks_for_little_loads_little(code: str, light: set[str]) -> None:
    check = f"{code}\nimport sys; bad = {light!r} & set(sys.modules); assert not bad, bad"
    done = subprocess.run(
        [sys.executable, "-c", check], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


YOUDEN = '''
"""How far decisions at P(fake) 0.5 are from guessing."""

from results.metrics.confusion import Confusion
from results.metrics.decided import decided
from results.metrics.registry import BOTH, Metric

METRICS = (
    Metric(
        name="J",
        title="TPR - FPR (Youden, 1950)",
        order=125,
        computed=decided(lambda counts: counts.tpr() - counts.fpr()),
        needs=BOTH,
        bounds=(-1.0, 1.0),
        chance=0.0,
        beside=True,
        note="TPR - FPR",
    ),
)
'''


@pytest.fixture
def youden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A file more in the folder of metrics."""
    assert "J" not in METRICS
    folder = tmp_path / "metrics"
    folder.mkdir()
    (folder / "youden.py").write_text(YOUDEN, encoding="utf-8")
    monkeypatch.setattr(results.metrics, "__path__", [*results.metrics.__path__, str(folder)])
    monkeypatch.delitem(METRICS.__dict__, "_by_name")
    importlib.invalidate_caches()
    yield folder
    sys.modules.pop("results.metrics.youden", None)


def test_a_new_metric_is_one_file(youden: Path, tmp_path: Path) -> None:
    names = list(METRICS)
    assert names.index("AP-balanced") < names.index("J") < names.index("EER")
    changes = {"metrics": ("J", "AUC"), "summaries": ("mean-seen", "relative-robustness")}
    stated = load_protocol("robustness-basic")
    protocol = stated.model_copy(update={**changes, "name": "robustness-own"})
    check_metrics(protocol)
    run = make_run(tmp_path / "run", protocols=[protocol, "cross-forgery"], detectors=["mfclip"])
    report(run)
    table = cells(run)
    found = table[(table["metric"] == "J") & table["value"].notna()]
    assert (found["low"].between(-1, found["value"]) & found["high"].between(-1, 1)).all()
    rates = table[table["protocol"] == "cross-forgery"].pivot_table(
        index=["training", "test"], columns="metric", values="value"
    )
    assert rates["J"].to_numpy() == pytest.approx((2 * rates["BACC"] - 1).to_numpy())
    matrix = (run / "tables" / "cross-forgery-beside.md").read_text(encoding="utf-8")
    assert "J: TPR - FPR" in matrix
    summary = (run / "tables" / "robustness-own-summary.md").read_text(encoding="utf-8")
    assert "share of the clean J above chance that is left, where that is at least 0.3" in summary
    page = with_table((ROOT / "docs" / "metrics.md").read_text(encoding="utf-8"))
    assert "| `J` | TPR - FPR (Youden, 1950) | -1 to 1, higher | 0 | both classes |" in page


def test_two_metrics_of_one_name_are_refused(youden: Path) -> None:
    (youden / "youden_again.py").write_text(YOUDEN, encoding="utf-8")
    with pytest.raises(
        ValueError, match=r"results\.metrics\.youden_again: another metric is called 'J'"
    ):
        len(METRICS)
    sys.modules.pop("results.metrics.youden_again", None)


def test_a_metric_that_does_not_exist_is_refused_by_name() -> None:
    protocol = load_protocol("cross-generator").model_copy(update={"metrics": ("AUC", "AUROC")})
    with pytest.raises(
        ProtocolError,
        match=r"^cross-generator: 'metrics\.1' is 'AUROC', not one of AUC, AP, .*, ECE$",
    ):
        check_metrics(protocol)
