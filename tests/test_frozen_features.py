"""Outputs of frozen networks that are computed once and kept."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from benchmark.study.schema import Study, StudyDetector, StudyProtocol
from detectors import WeightsError, create_detector
from detectors.parts.frozen import FrozenFeatures, frozen_features
from results.store import read_scores
from tests.small_data import write_dataset
from tests.small_study import run
from tests.test_towers import inputs_of, small_clip


class Counted:
    """A linear map that counts the images it was given."""

    def __init__(self) -> None:
        self.network = torch.nn.Linear(12, 5)
        self.images = 0

    def __call__(self, inputs: Tensor) -> Tensor:
        self.images += len(inputs)
        found: Tensor = self.network(inputs.flatten(1))
        return found

    def rows(self, kept: FrozenFeatures, inputs: Tensor, kind: str = "all") -> Tensor:
        return kept.rows(self.network, kind, inputs, self, width=5)


def some(images: int, seed: int = 0) -> Tensor:
    return torch.rand(images, 3, 2, 2, generator=torch.Generator().manual_seed(seed))


def test_each_input_is_computed_once_whatever_the_batch(tmp_path: Path) -> None:
    counted, images = Counted(), some(6)
    first = counted.rows(FrozenFeatures(tmp_path), images[:4])
    again = counted.rows(FrozenFeatures(tmp_path), images[[5, 1, 1, 3]])
    assert counted.images == 5
    assert torch.equal(again[1], first[1])
    assert torch.equal(again[1], again[2])
    torch.testing.assert_close(first, counted(images[:4]))
    assert not first.requires_grad


def test_other_weights_or_another_layer_are_another_file(tmp_path: Path) -> None:
    counted, images, kept = Counted(), some(2), FrozenFeatures(tmp_path)
    before = counted.rows(kept, images)
    counted.rows(kept, images, kind="another layer")
    assert counted.images == 4
    with torch.no_grad():
        counted.network.weight[0, 0] += 1  # after its name was taken
    after = counted.rows(kept, images)
    assert not torch.equal(before, after)
    torch.testing.assert_close(after, counted(images))
    assert len(list(tmp_path.glob("*.sqlite"))) == 3


@pytest.mark.parametrize(
    "harm",
    [
        "UPDATE features SET row = zeroblob(20)",
        "UPDATE features SET row = zeroblob(8), sum = 0",
        "UPDATE features SET sum = sum + 1",
    ],
)
def test_a_damaged_row_is_computed_again(tmp_path: Path, harm: str) -> None:
    counted, images = Counted(), some(3)
    whole = counted.rows(FrozenFeatures(tmp_path), images)
    (file,) = tmp_path.glob("*.sqlite")
    with sqlite3.connect(file) as connection:
        connection.execute(harm)
    assert torch.equal(counted.rows(FrozenFeatures(tmp_path), images), whole)
    assert counted.images == 6


def test_what_is_not_finite_is_not_kept(tmp_path: Path) -> None:
    counted = Counted()
    images = some(2)
    images[0, 0, 0, 0] = float("inf")
    for _ in range(2):
        counted.rows(FrozenFeatures(tmp_path), images)
    assert counted.images == 3


def test_a_file_that_is_none_is_named(tmp_path: Path) -> None:
    counted, images = Counted(), some(1)
    counted.rows(FrozenFeatures(tmp_path), images)
    for file in tmp_path.glob("*.sqlite*"):
        file.write_bytes(b"no database" * 100)
    with pytest.raises(WeightsError, match=r"\.sqlite: features cannot be kept there .*remove"):
        counted.rows(FrozenFeatures(tmp_path), images)


def clip_linear(folder: Path) -> Any:
    small_clip(folder)
    return create_detector(
        "clip-linear", size="tiny", pretrained=str(folder), input_size=64, untrained=True
    )


def probe(_: Path) -> Any:
    return create_detector("probe", size="tiny", untrained=True)


@pytest.mark.parametrize("build", [clip_linear, probe])
def test_frozen_detectors_take_what_is_kept(
    tmp_path: Path, build: Callable[[Path], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    detector = build(tmp_path / "clip").eval()
    inputs = inputs_of(detector.transform.size)
    kept = FrozenFeatures(tmp_path / "features")
    with torch.no_grad():
        plain = detector(inputs)
        with frozen_features(kept):
            first = detector(inputs)
            network = detector.image if build is clip_linear else detector
            monkeypatch.setattr(network, "_pooled", None)  # from here on nothing is computed
            assert torch.equal(detector(inputs.flip(0)), first.flip(0))
    torch.testing.assert_close(first, plain)


def test_an_attack_sees_the_network_itself(tmp_path: Path) -> None:
    detector = clip_linear(tmp_path / "clip").eval()
    inputs = inputs_of().requires_grad_()
    with frozen_features(FrozenFeatures(tmp_path / "features")):
        detector(inputs).sum().backward()
    assert inputs.grad is not None
    assert float(inputs.grad.abs().sum()) > 0


def test_a_tower_that_is_tuned_is_computed(tmp_path: Path) -> None:
    small_clip(tmp_path / "clip")
    detector = create_detector(
        "gend", size="tiny", pretrained=str(tmp_path / "clip"), input_size=64, untrained=True
    )
    with torch.no_grad(), frozen_features(FrozenFeatures(tmp_path / "features")):
        detector(inputs_of())
    assert not (tmp_path / "features").exists()


def test_a_run_keeps_them_and_a_second_head_computes_none(tmp_path: Path) -> None:
    small_clip(tmp_path / "clip")
    manifest = write_dataset(tmp_path / "data", count=4)
    options = {"pretrained": str(tmp_path / "clip"), "input_size": 64}
    study = Study(
        name="heads",
        title="Heads",
        protocols=(StudyProtocol(protocol="everything"),),
        detectors=(StudyDetector(detector="clip-linear", recipe="tiny", options=options),),
        size="tiny",
        seeds=(0,),
    )
    features = tmp_path / "features"

    def scores_of(seeds: tuple[int, ...], name: str, **settings: Any) -> pd.DataFrame:
        wanted = study.model_copy(update={"seeds": seeds})
        run(
            manifest,
            "tiny",
            tmp_path / name,
            study=wanted,
            store=tmp_path / f"{name}-store",
            **settings,
        )
        files = sorted((tmp_path / name / "scores").glob("*.parquet"))
        return pd.concat(read_scores(tmp_path / name, file.stem) for file in files)

    plain = scores_of((0,), "plain")
    kept = scores_of((0,), "kept", features=features)
    np.testing.assert_allclose(kept["logit"], plain["logit"], atol=1e-3)
    (file,) = features.glob("*.sqlite")
    with sqlite3.connect(file) as connection:
        (before,) = connection.execute("SELECT COUNT(*) FROM features").fetchone()
        # The mirrored views that other seeds draw are new; nothing else is.
        images = len(pd.read_csv(manifest))
        assert images <= before <= 2 * images
    scores_of((0,), "again", features=features)
    with sqlite3.connect(file) as connection:
        assert connection.execute("SELECT COUNT(*) FROM features").fetchone() == (before,)
