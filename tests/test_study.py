import hashlib
import json
import shutil
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import benchmark
from benchmark.errors import BenchmarkError
from benchmark.progress import Progress
from benchmark.study.binding import bind
from benchmark.study.schema import StudyDetector, load_study, study_of
from protocols.schema import load_protocol
from results.sealing import seal_run
from results.store import load_scores, read_run, read_samples, records
from tests.small_data import SMALL, write_dataset, write_recipe
from tests.small_study import Counting, run, study
from tests.test_embedded_fairness import TRAINED


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("data"), count=8)


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_recipe(tmp_path_factory.mktemp("recipe"))


@pytest.mark.usefixtures("every_form")
def test_a_run_gives_a_page_tables_figures_and_records(
    manifest: Path, recipe: str, tmp_path: Path
) -> None:
    page = run(manifest, recipe, tmp_path / "run")
    assert page == tmp_path / "run" / "index.html"
    assert "Cross-generator" in page.read_text(encoding="utf-8")
    for name in ("tables/cells.csv", "figures/cross-generator-heat-map.svg", "host.json"):
        assert (tmp_path / "run" / name).is_file(), name
    found = records(tmp_path / "run")
    assert [len(record.cells) for record in found] == [2, 2]
    seen = {(c.training, c.test): c for record in found for c in record.cells}
    value = seen["checker", "checker"].metrics["AUC"].value
    assert value is not None
    assert value > 0.9
    assert (seen["tint", "checker"].n_real, seen["tint", "checker"].n_fake) == (8, 8)


def test_a_run_holds_the_scores_of_validation_images_too(
    manifest: Path, recipe: str, tmp_path: Path
) -> None:
    run(manifest, recipe, tmp_path / "run")
    samples = read_samples(tmp_path / "run").set_index("sample_id")
    scored = load_scores(tmp_path / "run")
    splits = samples.loc[scored["sample_id"], "split"]
    assert set(splits) == {"val", "test"}


def test_a_second_run_does_nothing_again(manifest: Path, recipe: str, tmp_path: Path) -> None:
    run(manifest, recipe, tmp_path / "run")
    before = {p: p.read_bytes() for p in (tmp_path / "run").rglob("*.parquet")}
    progress = Counting()
    run(manifest, recipe, tmp_path / "run", progress)
    assert progress.jobs == {"train": 0, "score": 0, "report": 1}
    assert {p: p.read_bytes() for p in (tmp_path / "run").rglob("*.parquet")} == before


def test_models_are_reused_by_another_run(manifest: Path, recipe: str, tmp_path: Path) -> None:
    run(manifest, recipe, tmp_path / "one")
    progress = Counting()
    run(manifest, recipe, tmp_path / "two", progress)
    assert progress.jobs["train"] == 0
    assert load_scores(tmp_path / "one").equals(load_scores(tmp_path / "two"))
    pages = [(tmp_path / name / "index.html").read_bytes() for name in ("one", "two")]
    assert pages[0] == pages[1]


def test_a_detector_can_be_added_to_a_run(manifest: Path, recipe: str, tmp_path: Path) -> None:
    run(manifest, recipe, tmp_path / "run")
    added = study(recipe, detector="spectrum").model_copy(
        update={"detectors": (StudyDetector(detector="spectrum"),)}
    )
    progress = Counting()
    run(manifest, recipe, tmp_path / "run", progress, study=added)
    assert progress.jobs["train"] == 2
    assert {entry.detector for entry in read_run(tmp_path / "run").entries} == {"small", "spectrum"}
    assert len(records(tmp_path / "run")) == 4


def test_a_copy_of_the_data_goes_on_under_the_first_name(
    manifest: Path, recipe: str, tmp_path: Path
) -> None:
    run(manifest, recipe, tmp_path / "run")
    before = (tmp_path / "run" / "run.json").read_bytes()
    shutil.copytree(manifest.parent, tmp_path / "moved")
    progress = Counting()
    run(tmp_path / "moved" / "manifest.csv", recipe, tmp_path / "run", progress)
    assert progress.jobs["train"] == 0
    assert (tmp_path / "run" / "run.json").read_bytes() == before


def test_a_word_of_ones_own_for_the_one_role_is_noted(
    manifest: Path, recipe: str, tmp_path: Path
) -> None:
    class Noting(Progress):
        def note(self, text: str) -> None:
            noted.append(text)

    noted: list[str] = []
    out, store = tmp_path / "run", tmp_path / "store"
    benchmark.run(study(recipe), data={"daat": manifest}, out=out, store=store, progress=Noting())
    assert noted == ["data 'daat' stands for the protocol's role 'data'"]


def test_where_the_data_lies_does_not_matter(manifest: Path, recipe: str, tmp_path: Path) -> None:
    run(manifest, recipe, tmp_path / "run")
    shutil.copytree(manifest.parent, tmp_path / "elsewhere" / manifest.parent.name)
    progress = Counting()
    moved = tmp_path / "elsewhere" / manifest.parent.name / "manifest.csv"
    run(moved, recipe, tmp_path / "run", progress)
    assert progress.jobs == {"train": 0, "score": 0, "report": 1}


def test_missing_and_broken_images_are_named_and_left_out_only_when_asked(
    manifest: Path, recipe: str, tmp_path: Path
) -> None:
    shutil.copytree(manifest.parent, tmp_path / "data")
    data = tmp_path / "data" / "manifest.csv"
    (tmp_path / "data" / "one/checker/test0.png").unlink()
    whole = (tmp_path / "data" / "one/real/test1.png").read_bytes()
    (tmp_path / "data" / "one/real/test1.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(
        BenchmarkError,
        match=r"2 of 96 images cannot be used: one/checker/test0\.png \(missing\), "
        r"one/real/test1\.png \(.*\); mend them, or leave them out with --allow-missing",
    ):
        run(data, recipe, tmp_path / "run")
    assert not (tmp_path / "run" / "scores").exists()
    run(data, recipe, tmp_path / "run", allow_missing=True)
    cells = [cell for record in records(tmp_path / "run") for cell in record.cells]
    counted = {cell.test: (cell.n_real, cell.n_fake, cell.n_missing) for cell in cells}
    assert counted == {"checker": (7, 7, 2), "tint": (8, 8, 0)}
    assert read_run(tmp_path / "run").data["data"].n_missing == 2
    assert "one/real/test1.png" not in set(load_scores(tmp_path / "run")["sample_id"])


def test_a_test_set_of_one_class_is_a_stated_gap(recipe: str, tmp_path: Path) -> None:
    manifest = write_dataset(tmp_path / "data", count=6)
    table = pd.read_csv(manifest)
    keep = ~((table["source"] == "two") & (table["split"] == "test") & (table["label"] == "real"))
    table[keep].to_csv(manifest, index=False)
    run(manifest, recipe, tmp_path / "run", study=study(recipe, protocol="cross-dataset"))
    cells = {(c.training, c.test): c for record in records(tmp_path / "run") for c in record.cells}
    gap = cells["one", "two"]
    assert (gap.n_real, gap.n_fake) == (0, 6)
    assert gap.metrics["AUC"].value is None
    assert "no real images" in (gap.metrics["AUC"].reason or "")
    page = (tmp_path / "run" / "index.html").read_text(encoding="utf-8")
    assert "no real images" in page


def test_a_training_set_of_one_class_is_a_stated_gap(recipe: str, tmp_path: Path) -> None:
    manifest = write_dataset(tmp_path / "data", count=6)
    table = pd.read_csv(manifest)
    keep = ~((table["source"] == "two") & (table["split"] == "train") & (table["label"] == "real"))
    table[keep].to_csv(manifest, index=False)
    run(manifest, recipe, tmp_path / "run", study=study(recipe, protocol="cross-dataset"))
    gaps = {entry.training: entry.gap for entry in read_run(tmp_path / "run").entries}
    assert gaps == {"one": None, "two": "no real images in split train"}


def test_a_gap_that_is_worded_anew_is_no_other_run(recipe: str, tmp_path: Path) -> None:
    manifest = write_dataset(tmp_path / "data", count=6)
    table = pd.read_csv(manifest)
    keep = ~((table["source"] == "two") & (table["split"] == "train") & (table["label"] == "real"))
    table[keep].to_csv(manifest, index=False)
    crossed = study(recipe, protocol="cross-dataset")
    run(manifest, recipe, tmp_path / "run", study=crossed)
    written = tmp_path / "run" / "run.json"
    now = written.read_text(encoding="utf-8")
    written.write_text(now.replace("no real images in split train", "nothing real to train on"))
    earlier = json.loads(written.read_text(encoding="utf-8"))
    del earlier["seal"]
    written.write_text(json.dumps(earlier), encoding="utf-8")
    seal_run(tmp_path / "run")  # as an earlier version had worded and sealed it
    run(manifest, recipe, tmp_path / "run", study=crossed)
    assert written.read_text(encoding="utf-8") == now


@pytest.mark.slow
def test_shuffled_training_labels_teach_nothing_on_average(recipe: str, tmp_path: Path) -> None:
    manifest = write_dataset(tmp_path / "data", count=16)
    table = pd.read_csv(manifest)
    taxonomy = ["label", "forgery", "family", "generator"]
    random = np.random.default_rng(3)
    for source in ("one", "two"):
        for split in ("train", "val"):
            here = table.index[(table["source"] == source) & (table["split"] == split)]
            table.loc[here, taxonomy] = table.loc[random.permutation(here), taxonomy].to_numpy()
    table.to_csv(manifest, index=False)
    seeded = study(recipe).model_copy(update={"seeds": tuple(range(8))})
    run(manifest, recipe, tmp_path / "run", study=seeded)
    cells = [cell for record in records(tmp_path / "run") for cell in record.cells if cell.seen]
    values = np.array([cell.metrics["AUC"].value for cell in cells], dtype=float)
    assert len(values) == 16
    # A model that learnt nothing still ranks by some direction, and may put all images of a trace
    # first or last: it is the mean over models that is one half, within its own standard error.
    assert abs(values.mean() - 0.5) < 3 * values.std(ddof=1) / np.sqrt(len(values))


def test_a_run_that_failed_does_not_stand_in_the_way(
    manifest: Path, recipe: str, tmp_path: Path
) -> None:
    failing = study(recipe, detector="tests.small_data:Exploding")
    with pytest.raises(BenchmarkError, match="the loss is nan at step 1"):
        run(manifest, recipe, tmp_path / "run", study=failing)
    run(manifest, recipe, tmp_path / "run")
    assert {entry.model is None for entry in read_run(tmp_path / "run").entries} == {False}
    assert len(records(tmp_path / "run")) == 2


def test_roles_are_bound_by_name(manifest: Path, recipe: str, tmp_path: Path) -> None:
    named = study(recipe, protocol="genface-cross-forgery")
    with pytest.raises(BenchmarkError, match="no role is called 'ffpp'; the roles are genface"):
        benchmark.run(named, data={"ffpp": manifest}, out=tmp_path / "run")
    with pytest.raises(BenchmarkError, match="no manifest is bound to data: --data data=MANIFEST"):
        benchmark.run(study(recipe), data={}, out=tmp_path / "run")


def test_a_generic_protocol_takes_one_manifest_by_any_name(manifest: Path) -> None:
    generic, named = load_protocol("cross-generator"), load_protocol("genface-cross-forgery")
    assert list(bind([generic], {"faces": manifest})) == ["data"]
    with pytest.raises(BenchmarkError, match="the roles are data"):
        bind([generic], {"faces": manifest, "more": manifest})
    with pytest.raises(BenchmarkError, match="the roles are genface"):
        bind([named], {"faces": manifest})


def test_a_training_set_is_chosen_by_name(manifest: Path, recipe: str, tmp_path: Path) -> None:
    only = study_of(
        "cross-generator", detectors=[SMALL], size="tiny", recipe=recipe, train_on=["tint"]
    )
    run(manifest, recipe, tmp_path / "run", study=only)
    assert [record.cells[0].training for record in records(tmp_path / "run")] == ["tint"]
    wrong = study_of(
        "cross-generator", detectors=[SMALL], size="tiny", recipe=recipe, train_on=["tnit"]
    )
    progress = Counting()
    with pytest.raises(BenchmarkError, match="no training set is called 'tnit'; there are checker"):
        run(manifest, recipe, tmp_path / "other", progress, study=wrong)
    assert progress.jobs == {}  # no image was read for it


def test_seeds_are_models_of_their_own(manifest: Path, recipe: str, tmp_path: Path) -> None:
    seeded = study(recipe).model_copy(update={"seeds": (0, 1)})
    run(manifest, recipe, tmp_path / "run", study=seeded)
    assert len(records(tmp_path / "run")) == 4


@pytest.fixture(scope="module")
def done(manifest: Path, recipe: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("done")
    run(manifest, recipe, folder / "run")
    return folder


def test_what_depends_on_clock_and_host_stands_apart(done: Path) -> None:
    told = json.loads((done / "run" / "host.json").read_text())
    sitting = told["sittings"][0]
    assert {"train", "score"} <= set(sitting["seconds"])
    assert set(told["models"]) == {entry.model for entry in read_run(done / "run").entries}
    assert sitting["packages"]["torch"] == version("torch")
    assert {"device", "system"} <= set(sitting)
    assert not {"energy_joules", "driver"} & set(sitting)  # unknown on a CPU, and so absent


def test_a_model_states_the_hash_of_its_weights(done: Path) -> None:
    for path in (done / "run" / "models").iterdir():
        tensors = done / "store" / path.stem / "model.safetensors"
        stated = json.loads(path.read_text())["weights"]
        assert stated == hashlib.sha256(tensors.read_bytes()).hexdigest()


def test_every_study_that_ships_is_valid() -> None:
    quickstart = load_study("quickstart")
    assert [p.protocol for p in quickstart.protocols] == [
        "cross-generator", "cross-forgery", "cross-dataset", "robustness-basic",
    ]  # fmt: skip
    # test_quickstart.py trains on each of TRAINED and asks what is learnt there.
    assert set(quickstart.protocols[0].train_on or ()) <= set(TRAINED)
