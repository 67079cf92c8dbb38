"""Facts of a dataset stand in a file beside its manifest, and go where its images go."""

import json
from pathlib import Path

import pandas as pd
import pytest

from benchmark.data.facts import (
    NOTHING_STATED,
    DatasetFacts,
    facts_path,
    read_dataset_facts,
    write_facts,
)
from benchmark.data.indexing import index_folder
from benchmark.data.manifest import Manifest, read_manifest
from benchmark.data.reencoding import reencode
from benchmark.errors import BenchmarkError, ManifestError
from benchmark.study.folds import Fold, fold_manifest
from benchmark.study.planning import make_plan
from benchmark.study.resolved import resolve
from benchmark.study.schema import study_of
from benchmark.synthetic.generate import SetSizes, generate
from results.store import read_run
from tests.conftest import MakeManifest
from tests.small_data import write_dataset, write_recipe
from tests.small_study import run

SYNTHETIC = DatasetFacts(format=1, synthetic=True)
SMALL = SetSizes(train=2, val=2, test=2)


def test_a_manifest_alone_states_nothing(make_manifest: MakeManifest) -> None:
    assert read_manifest(make_manifest()).facts == NOTHING_STATED
    assert not NOTHING_STATED.synthetic


@pytest.mark.parametrize("name", ["manifest.csv", "faces.csv"])
def test_what_is_stated_beside_a_manifest_is_read(make_manifest: MakeManifest, name: str) -> None:
    manifest = make_manifest(name=name)
    facts_path(manifest).write_text('{"format": 1, "synthetic": true}')
    assert facts_path(manifest).name == f"{manifest.stem}.json"
    assert read_manifest(manifest).facts == SYNTHETIC


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('{"format": 1, "syntetic": true}', "unknown key 'syntetic'; the keys are format, synth"),
        ('{"synthetic": true}', "key 'format' is missing"),
        ('{"format": 2}', "'format' is 2, not one of 1"),
        ('{"format": 1, "synthetic": "yes"}', "'synthetic' is wrong: input should be a valid bool"),
        ('{"format": 1, "format": 1}', r"not JSON \(the key 'format' stands there twice\)"),
        ("[1]", "a mapping is expected, found list"),
        ("synthetic: true", r"not JSON \(Expecting value"),
    ],
)
def test_wrong_facts_are_an_error_that_names_file_and_key(
    make_manifest: MakeManifest, text: str, sentence: str
) -> None:
    manifest = make_manifest()
    facts_path(manifest).write_text(text)
    with pytest.raises(ManifestError, match=f"{facts_path(manifest)}: {sentence}") as caught:
        read_manifest(manifest)
    meant = "; it states facts of the dataset of manifest.csv: rename it if it is something else"
    assert str(caught.value).endswith(meant)


def test_a_folder_is_not_indexed_where_wrong_facts_would_stand_beside_its_manifest(
    make_manifest: MakeManifest, tmp_path: Path
) -> None:
    make_manifest([{"path": "real/a.png", "label": "real"}], images=True).unlink()
    (tmp_path / "manifest.json").write_text('{"images": []}')
    with pytest.raises(ManifestError, match=r"manifest\.json: unknown key 'images'"):
        index_folder(tmp_path)
    assert not (tmp_path / "manifest.csv").exists()
    (tmp_path / "manifest.json").write_text('{"format": 1, "synthetic": true}')
    assert index_folder(tmp_path).manifest.facts == SYNTHETIC


def test_written_facts_are_read_back_and_never_contradicted(make_manifest: MakeManifest) -> None:
    manifest = make_manifest()
    write_facts(manifest, NOTHING_STATED)
    assert not facts_path(manifest).exists()
    write_facts(manifest, SYNTHETIC)
    write_facts(manifest, SYNTHETIC)  # the same again is no harm
    assert read_dataset_facts(manifest) == SYNTHETIC
    with pytest.raises(ManifestError, match=r"'synthetic' is true, where false is to be stated"):
        write_facts(manifest, NOTHING_STATED)


def stated_synthetic(manifest: Path) -> bool:
    """Tell what a run on a manifest says of its data."""
    study = study_of("cross-dataset", detectors=["spectrum"], size="tiny")
    return make_plan(resolve(study, manifest)).data["data"].synthetic


def test_an_embedded_set_is_synthetic_whatever_it_and_its_sources_are_called(
    tmp_path: Path,
) -> None:
    manifest = generate(tmp_path / "holiday-photographs", counts=SMALL, workers=1)
    assert stated_synthetic(manifest)
    table = pd.read_csv(manifest, dtype=str, keep_default_na=False)
    table["source"] = table["source"].str.replace("embedded", "family")
    table.to_csv(manifest, index=False)
    assert stated_synthetic(manifest)


def test_photographs_whose_sources_sound_embedded_are_not_synthetic(tmp_path: Path) -> None:
    manifest = write_dataset(tmp_path / "data", count=2)
    table = pd.read_csv(manifest, dtype=str, keep_default_na=False)
    table["source"] = "embedded-" + table["source"]
    table.to_csv(manifest, index=False)
    assert not stated_synthetic(manifest)


def test_an_embedded_set_of_an_earlier_version_is_completed_and_not_drawn_again(
    tmp_path: Path,
) -> None:
    manifest = generate(tmp_path / "set", counts=SMALL, workers=1)
    facts_path(manifest).unlink()
    assert not read_manifest(manifest).facts.synthetic

    def never(done: int, total: int) -> None:
        raise AssertionError(f"drew {done} of {total} again")

    generate(tmp_path / "set", counts=SMALL, workers=1, on_progress=never)
    assert read_manifest(manifest).facts == SYNTHETIC
    facts_path(manifest).write_text('{"format": 1}')
    with pytest.raises(ManifestError, match=r"manifest\.json: 'synthetic' is false, where true"):
        generate(tmp_path / "set", counts=SMALL, workers=1)


@pytest.fixture
def synthetic(tmp_path: Path) -> Manifest:
    manifest = write_dataset(tmp_path / "data", count=2)
    write_facts(manifest, SYNTHETIC)
    return read_manifest(manifest)


def test_a_fold_states_what_its_manifest_does(synthetic: Manifest) -> None:
    out = synthetic.root / "fold-0.csv"
    fold = Fold(number=0, of=3)
    assert fold_manifest(synthetic, fold, out).facts == SYNTHETIC
    assert read_manifest(out).facts == SYNTHETIC
    facts_path(out).unlink()  # as an earlier version wrote it
    fold_manifest(synthetic, fold, out)
    assert read_manifest(out).facts == SYNTHETIC
    facts_path(out).write_text('{"format": 1}')
    with pytest.raises(ManifestError, match=r"fold-0\.json: 'synthetic' is false, where true"):
        fold_manifest(synthetic, fold, out)


def test_a_reencoded_copy_states_what_its_manifest_does(
    synthetic: Manifest, tmp_path: Path
) -> None:
    copy = reencode(synthetic, tmp_path / "copy")
    assert read_manifest(copy).facts == SYNTHETIC
    facts_path(copy).unlink()
    assert reencode(synthetic, tmp_path / "copy") == copy
    assert read_manifest(copy).facts == SYNTHETIC


def test_a_copy_of_what_states_nothing_has_no_file_of_facts(tmp_path: Path) -> None:
    manifest = read_manifest(write_dataset(tmp_path / "data", count=2))
    assert not facts_path(reencode(manifest, tmp_path / "copy")).exists()
    fold_manifest(manifest, Fold(number=0, of=3), manifest.root / "fold-0.csv")
    assert not facts_path(manifest.root / "fold-0.csv").exists()


def test_a_run_names_the_facts_and_refuses_others(tmp_path: Path) -> None:
    manifest, recipe = write_dataset(tmp_path / "data", count=6), write_recipe(tmp_path)
    run(manifest, recipe, tmp_path / "run")
    assert not read_run(tmp_path / "run").data["data"].synthetic
    facts_path(manifest).write_text(json.dumps({"format": 1, "synthetic": True}))
    with pytest.raises(
        BenchmarkError, match=r"on data that was not synthetic \('data'\), and is now synthetic"
    ):
        run(manifest, recipe, tmp_path / "run")
