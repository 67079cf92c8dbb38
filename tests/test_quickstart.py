"""The main job on the embedded set: what its trained detectors must show. Minutes, so all slow."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import benchmark
from benchmark.synthetic.generate import generate
from protocols.samples import TAXONOMY
from results.schema import Record
from results.store import read_model, records
from tests.test_embedded_fairness import TRAINED

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return generate(tmp_path_factory.mktemp("home") / "embedded")


@pytest.fixture(scope="module")
def run(manifest: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return carry_out(manifest, tmp_path_factory.mktemp("run"), ["mfclip", "xception", "spectrum"])


def carry_out(manifest: Path, folder: Path, detectors: list[str]) -> Path:
    page: Path = benchmark.run(
        "cross-generator",
        data=manifest,
        detectors=detectors,
        size="tiny",
        train_on=TRAINED,
        out=folder / "run",
        store=folder / "store",
    )
    return page.parent


def seen(
    run: Path, detector: str, *, is_seen: bool = True
) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    """The AUC of a detector's cells whose forgeries it has, or has not, been trained on."""
    found: list[Record] = [record for record in records(run) if record.detector == detector]
    cells = [cell for record in found for cell in record.cells if cell.seen is is_seen]
    return np.array([cell.metrics["AUC"].value for cell in cells], dtype=np.float64)


@pytest.mark.parametrize(("detector", "bound"), [("xception", 0.8), ("mfclip", 0.9)])
def test_what_was_seen_in_training_is_told(run: Path, detector: str, bound: float) -> None:
    assert seen(run, detector).min() > bound


@pytest.mark.parametrize("detector", ["xception", "mfclip"])
def test_what_was_not_seen_is_harder_and_not_hopeless(run: Path, detector: str) -> None:
    unseen = seen(run, detector, is_seen=False)
    assert len(unseen) == 33
    assert 0.55 < unseen.mean() < 0.95
    assert unseen.mean() < seen(run, detector).mean()


@pytest.mark.parametrize("detector", ["xception", "mfclip"])
def test_training_losses_fall(run: Path, detector: str) -> None:
    for record in records(run):
        if record.detector == detector:
            history = [row["total"] for row in read_model(run, record.model).history]
            assert np.mean(history[-2:]) < 0.5 * history[0], history


def test_shuffled_training_labels_teach_nothing(manifest: Path, tmp_path: Path) -> None:
    table = pd.read_csv(manifest, dtype=str, keep_default_na=False)
    random = np.random.default_rng(11)
    for split in ("train", "val"):
        here = table.index[table["split"] == split]
        shuffled = table.loc[random.permutation(here), list(TAXONOMY)].to_numpy()
        table.loc[here, list(TAXONOMY)] = shuffled
    shuffled_manifest = manifest.parent / "shuffled.csv"
    table.to_csv(shuffled_manifest, index=False)
    run = carry_out(shuffled_manifest, tmp_path, ["xception", "spectrum"])
    for detector in ("xception", "spectrum"):
        # Cells of one model share its real images, so each model counts once.
        found = [record for record in records(run) if record.detector == detector]
        means = [np.mean([c.metrics["AUC"].value or 0.0 for c in r.cells]) for r in found]
        # The AUC of a coin at 120 real and 480 forged images; models are few, so their own spread
        # is no estimate.
        deviation = np.sqrt((120 + 480 + 1) / (12 * 120 * 480))
        spread = max(float(deviation), float(np.std(means, ddof=1)))
        assert abs(np.mean(means) - 0.5) < 3 * spread / np.sqrt(len(means))
