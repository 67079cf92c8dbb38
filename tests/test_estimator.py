"""A scikit-learn estimator wrapped in one line."""

from pathlib import Path
from typing import Any

import pytest
import torch
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from torch import Tensor

import benchmark
from detectors import DetectorError, UntrainedDetectorError
from detectors.base import Batch
from detectors.estimator import from_estimator
from results.store import records
from tests.small_data import write_dataset, write_recipe


def channel_means(inputs: Tensor) -> Tensor:
    return inputs.mean(dim=(2, 3))


Forest = from_estimator("forest", RandomForestClassifier(n_estimators=20), measure=channel_means)
Vectors = from_estimator("vectors", make_pipeline(StandardScaler(), SVC()), input_size=8)
Logistic = from_estimator("logistic", LogisticRegression(), measure=channel_means)
EVERY = pytest.mark.parametrize("cls", [Forest, Vectors, Logistic])


def batch_of(detector: Any, seed: int = 0, count: int = 24) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % 2
    side = detector.transform.size
    inputs = torch.rand(count, 3, side, side, generator=generator) * 0.6
    inputs[labels == 1, 0] += 0.3
    return Batch(inputs=inputs, labels=labels.float(), taxa=labels)


@EVERY
def test_an_estimator_learns_and_gives_logits(cls: type[Any]) -> None:
    detector = cls()
    facts = detector.fit([batch_of(detector), batch_of(detector, 1)], [])
    assert facts["images"] == 48
    test = batch_of(detector, 2)
    logits = detector(test.inputs)
    assert logits.dtype == torch.float32
    assert logits.isfinite().all()
    assert roc_auc_score(test.labels, logits) > 0.95
    assert logits[1::2].mean() > 0 > logits[::2].mean()


@EVERY
def test_a_saved_estimator_gives_the_same_scores_and_holds_no_pickle(
    cls: type[Any], tmp_path: Path
) -> None:
    detector = cls()
    detector.fit([batch_of(detector)], [])
    detector.save_pretrained(tmp_path / "model")
    assert {p.name for p in (tmp_path / "model").iterdir()} == {"config.json", "model.safetensors"}
    again, test = cls.from_pretrained(tmp_path / "model"), batch_of(detector, 2)
    assert torch.equal(again(test.inputs), detector(test.inputs))


def test_the_probability_is_the_estimators() -> None:
    detector = Logistic()
    batch = batch_of(detector)
    detector.fit([batch], [])
    numbers = channel_means(batch.inputs).double().numpy()
    model = LogisticRegression().fit(numbers, batch.taxa.numpy())
    wanted = torch.from_numpy(model.predict_proba(numbers)[:, 1])
    torch.testing.assert_close(detector(batch.inputs).double().sigmoid(), wanted, atol=1e-6, rtol=0)


def test_an_estimator_refuses_one_class_and_to_score_before_it_is_fitted() -> None:
    detector = Forest()
    batch = batch_of(detector)
    reals = Batch(inputs=batch.inputs[::2], labels=batch.labels[::2], taxa=batch.taxa[::2])
    with pytest.raises(DetectorError, match=r"forest needs real .* got 12 real and 0 fake"):
        detector.fit([reals], [])
    with pytest.raises(UntrainedDetectorError, match="forest is not trained"):
        detector.logits([torch.rand(3, 40, 40)])


def test_what_gives_no_scores_is_refused() -> None:
    with pytest.raises(DetectorError, match="neither predict_proba nor decision_function"):
        from_estimator("neighbours", KNeighborsRegressor())


@pytest.mark.slow
def test_an_estimator_gets_its_column(tmp_path: Path) -> None:
    benchmark.run(
        "cross-generator",
        data=write_dataset(tmp_path / "data", count=4),
        detectors=["tests.test_estimator:Forest"],
        size="tiny",
        recipe=write_recipe(tmp_path),
        out=tmp_path / "run",
        store=tmp_path / "store",
    )
    assert {r.detector for r in records(tmp_path / "run")} == {"tests.test_estimator:Forest"}
