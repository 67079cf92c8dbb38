"""Folds: every image tested once, nobody on two sides, the same twice."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmark.data.manifest import read_manifest
from benchmark.errors import BenchmarkError
from benchmark.study.folds import Fold, assign, fold_manifest, folded
from protocols.samples import validate
from results.statistics.clusters import clusters


def people(count: int = 40) -> pd.DataFrame:
    """Persons of two sources who are called alike, each with a photograph and two forgeries."""
    rows = []
    for source in ("one", "two"):
        for person in range(count):
            for generator in ("camera", "G1", "G2"):
                real = generator == "camera"
                kind = ("real", "real", "real") if real else ("fake", "FS", "GAN")
                name = f"{source}/{generator}/{person}.png"
                rows.append((name, *kind, generator, source, "train", f"{person:03d}"))
    names = ["sample_id", "label", "forgery", "family", "generator", "source", "split", "identity"]
    return validate(pd.DataFrame(rows, columns=names), "people")


SAMPLES = people()


def test_every_image_is_tested_exactly_once() -> None:
    tested = [folded(SAMPLES, Fold(number=n, of=5)).query("split == 'test'") for n in range(5)]
    ids = pd.concat(tested)["sample_id"]
    assert sorted(ids) == sorted(SAMPLES["sample_id"])


@pytest.mark.parametrize("number", range(5))
def test_nobody_stands_on_two_sides(number: int) -> None:
    table = folded(SAMPLES, Fold(number=number, of=5))
    assert set(table["split"]) == {"train", "val", "test"}
    assert table.groupby(["source", "identity"])["split"].nunique().max() == 1


def test_ties_reach_through_a_third_image() -> None:
    rows = [("a", "p", "g1", ""), ("b", "p", "", "q"), ("c", "", "", "q"), ("d", "x", "", "")]
    table = pd.DataFrame(rows, columns=["sample_id", "identity", "group", "pair"])
    taxonomy = {
        "label": "fake",
        "forgery": "FS",
        "family": "GAN",
        "generator": "G",
        "split": "test",
    }
    samples = validate(table.assign(**taxonomy), "ties")
    assert clusters(samples).tolist() == [0, 0, 0, 1]


def test_a_name_in_two_sources_is_two_people_and_equal_bytes_are_one_image() -> None:
    table = SAMPLES.query("identity == '001'").reset_index(drop=True)
    assert len(set(clusters(table))) == 2
    assert len(set(clusters(table.assign(sha256="0" * 64)))) == 1


def test_folds_have_generators_in_equal_shares() -> None:
    each = assign(SAMPLES, 5)
    counts = pd.crosstab(SAMPLES["source"] + SAMPLES["generator"], each).to_numpy()
    assert counts.min() == counts.max() == 8


def test_the_same_table_has_the_same_folds() -> None:
    assert np.array_equal(assign(SAMPLES, 5), assign(SAMPLES.copy(), 5))


def test_the_splits_of_the_manifest_play_no_part() -> None:
    other = SAMPLES.assign(split="test")
    fold = Fold(number=0, of=5)
    assert folded(other, fold)["split"].equals(folded(SAMPLES, fold)["split"])


@pytest.mark.parametrize(
    ("number", "of", "sentence"),
    [(0, 2, "2 folds: at least 3 are needed"), (5, 5, "there is no fold 5: 5 folds are 0 to 4")],
)
def test_a_fold_that_is_none_is_told(number: int, of: int, sentence: str) -> None:
    with pytest.raises(BenchmarkError, match=sentence):
        Fold(number=number, of=of)


def test_too_few_people_are_told() -> None:
    with pytest.raises(BenchmarkError, match="5 folds of 2 unconnected sets of images"):
        assign(people(1), 5)


def manifest_file(folder: Path) -> Path:
    table = SAMPLES.rename(columns={"sample_id": "path"}).assign(age="young")
    table.to_csv(folder / "manifest.csv", index=False)
    return folder / "manifest.csv"


def test_a_written_fold_reads_back_with_all_columns(tmp_path: Path) -> None:
    manifest = read_manifest(manifest_file(tmp_path))
    fold = Fold(number=2, of=5)
    written = fold_manifest(manifest, fold, tmp_path / "fold-2.csv")
    again = read_manifest(tmp_path / "fold-2.csv").samples
    assert again.equals(written.samples)
    assert again.equals(folded(manifest.samples, fold))
    fold_manifest(manifest, fold, tmp_path / "fold-2.csv")  # the same again is no harm
    with pytest.raises(BenchmarkError, match="holds something else"):
        fold_manifest(manifest, Fold(number=3, of=5), tmp_path / "fold-2.csv")


def test_a_fold_elsewhere_is_refused(tmp_path: Path) -> None:
    manifest = read_manifest(manifest_file(tmp_path))
    fold = Fold(number=0, of=5)
    with pytest.raises(BenchmarkError, match=r"is a \.csv file in its folder"):
        fold_manifest(manifest, fold, tmp_path / "below" / "fold.csv")
    with pytest.raises(BenchmarkError, match="is the manifest itself"):
        fold_manifest(manifest, fold, manifest.path)


def test_the_faces_can_be_folded(faces: Path) -> None:
    samples = read_manifest(faces / "manifest.csv").samples
    counts = pd.crosstab(samples["source"] + samples["label"], assign(samples, 5))
    assert (counts.to_numpy() > 0).all()
    share = counts.to_numpy() / counts.to_numpy().sum(axis=1, keepdims=True)
    assert abs(share - 0.2).max() < 0.1
