"""Embeddings: stored by the engine, drawn by the report without torch, measured in their space."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

import benchmark
from benchmark.analysis.embedding import _spread, embed
from benchmark.data.images import image_tensor, read
from benchmark.errors import BenchmarkError
from detectors.catalog import detector_class
from leaderboard.figures.embedding import neighbours_of_a_kind, project
from results.embeddings import EMBEDDING_SCHEMA, embedded_models, read_embeddings, write_embeddings
from results.errors import ResultError
from results.store import read_samples, write_parquet
from tests.small_data import SMALL, write_dataset, write_recipe

OWN = ["tests.small_data"]


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("data"), count=6)


@pytest.fixture(scope="module")
def run(manifest: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    page: Path = benchmark.run(
        "everything",
        data=manifest,
        detectors=[SMALL],
        size="tiny",
        recipe=write_recipe(folder, steps=6),
        out=folder / "run",
        store=folder / "store",
    )
    embed(page.parent, data=manifest, store=folder / "store", device="cpu", allow_code=OWN)
    return page.parent


def test_the_features_of_test_images_are_stored(run: Path, manifest: Path) -> None:
    (model,) = embedded_models(run)
    names, features = read_embeddings(run, model)
    samples = read_samples(run).set_index("sample_id")
    assert set(samples.loc[names["sample_id"], "split"]) == {"test"}
    assert features.shape == (24, 8)
    detector = detector_class(SMALL).from_pretrained(run.parent / "store" / model)
    picture = image_tensor(read(manifest.parent, names["sample_id"][5]))
    with torch.inference_mode():
        again = detector.eval().features(detector.prepare(picture)[None])[0]
    assert np.allclose(features[5], again.numpy(), atol=1e-6)


def test_the_report_shows_them_and_needs_no_torch(run: Path) -> None:
    assert 'id="embeddings"' in (run / "index.html").read_text(encoding="utf-8")
    with Image.open(run / "figures" / "embedding-all.png") as image:
        assert image.width > 300
    before = (run / "figures" / "embedding-all.png").read_bytes()
    code = (
        "import sys; from pathlib import Path; from leaderboard.report import report\n"
        f"report(Path({str(run)!r})); assert 'torch' not in sys.modules"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False,
        cwd=Path(__file__).parents[1],
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (run / "figures" / "embedding-all.png").read_bytes() == before


def test_what_is_not_there_is_told(run: Path, manifest: Path, tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match=r"has no such model; it has .*Small on all"):
        embed(run, data=manifest, detectors=["mfclip"])
    with pytest.raises(BenchmarkError, match=r"are not in .*: give --store, or run the study"):
        embed(run, data=manifest, store=tmp_path / "empty", device="cpu", allow_code=OWN)
    other = write_dataset(tmp_path / "other", count=5)
    with pytest.raises(BenchmarkError, match="was made on other images than these"):
        embed(run, data=other, store=run.parent / "store", device="cpu", allow_code=OWN)


def test_few_images_are_of_every_kind(run: Path) -> None:
    samples = read_samples(run)
    chosen = samples.iloc[_spread(samples, 8)]
    assert len(chosen) == 8
    assert set(chosen["generator"]) == {"camera", "checker", "tint"}


def test_kinds_that_are_apart_have_neighbours_of_their_kind() -> None:
    rng = np.random.default_rng(0)
    near = rng.normal(size=(60, 4)).astype(np.float32)
    kinds = ["real"] * 40 + ["EFS"] * 20
    apart = near + np.repeat([[0.0], [50.0]], [40, 20], axis=0).astype(np.float32)
    assert neighbours_of_a_kind(apart, kinds) == 1.0
    assert 0.3 < neighbours_of_a_kind(near, kinds) < 0.7


def test_a_map_is_the_same_twice_and_of_directions() -> None:
    features = np.random.default_rng(0).normal(size=(40, 5)).astype(np.float32)
    assert np.array_equal(project(features), project(features))
    assert np.allclose(project(features), project(features * 4), atol=1e-2)


def test_a_feature_that_is_no_number_is_refused(tmp_path: Path) -> None:
    names = pd.DataFrame({"dataset": ["data"], "sample_id": ["a.png"]})
    with pytest.raises(ResultError, match="is not a finite number"):
        write_embeddings(tmp_path, "m", names, np.array([[np.nan]], dtype=np.float32))


def test_embeddings_of_two_lengths_are_refused(tmp_path: Path) -> None:
    table = pd.DataFrame(
        {"dataset": "data", "sample_id": ["a", "b"], "features": [[1.0], [1.0, 2.0]]}
    )
    write_parquet(tmp_path / "embeddings" / "m.parquet", table, EMBEDDING_SCHEMA, ["sample_id"])
    with pytest.raises(ResultError, match=r"the lengths \[1, 2\], not one"):
        read_embeddings(tmp_path, "m")
