"""What a study refuses, and what it is told."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

import benchmark
from benchmark.errors import BenchmarkError
from benchmark.progress import Progress
from benchmark.study.checks import check_detectors
from benchmark.study.schema import Study, StudyDetector, load_study, study_of
from benchmark.study.sharing import locked, shared
from benchmark.study.tracks import recipes_of
from benchmark.training.recipe import load_recipe
from protocols.errors import ProtocolError
from tests.small_data import SMALL, write_dataset, write_recipe
from tests.small_study import run, study


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("data"), count=8)


def check(wanted: Study) -> None:
    check_detectors(wanted, recipes_of(wanted))


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_recipe(tmp_path_factory.mktemp("recipe"))


def test_a_changed_detector_does_not_slip_into_a_run(
    manifest: Path, recipe: str, tmp_path: Path
) -> None:
    run(manifest, recipe, tmp_path / "run")
    other = study(write_recipe(tmp_path, name="other", lr=0.05))
    with pytest.raises(
        BenchmarkError, match=r"with another 'small' \(options, track, recipe, size or"
    ):
        run(manifest, recipe, tmp_path / "run", study=other)


def test_other_data_does_not_slip_into_a_run(manifest: Path, recipe: str, tmp_path: Path) -> None:
    run(manifest, recipe, tmp_path / "run")
    shutil.copytree(manifest.parent, tmp_path / "data")
    table = pd.read_csv(tmp_path / "data" / "manifest.csv")
    table.iloc[1:].to_csv(tmp_path / "data" / "manifest.csv", index=False)
    with pytest.raises(BenchmarkError, match=r"on other data \('data' is data\d* \(\w{12}\), not"):
        run(tmp_path / "data" / "manifest.csv", recipe, tmp_path / "run")


def test_an_image_that_changed_does_not_slip_into_a_run(recipe: str, tmp_path: Path) -> None:
    manifest = write_dataset(tmp_path / "data", count=6, with_hashes=False)
    run(manifest, recipe, tmp_path / "run")
    one, two = (manifest.parent / f"one/real/test{n}.png" for n in (0, 1))
    two.write_bytes(one.read_bytes())
    seeded = study(recipe).model_copy(update={"seeds": (0, 1)})
    with pytest.raises(
        BenchmarkError, match=r"1 images have changed .* 'one/real/test1\.png' first"
    ):
        run(manifest, recipe, tmp_path / "run", study=seeded)


def test_content_that_is_not_the_manifests_is_refused(
    manifest: Path, recipe: str, tmp_path: Path
) -> None:
    shutil.copytree(manifest.parent, tmp_path / "data")
    one, two = (tmp_path / "data" / f"one/real/test{n}.png" for n in (0, 1))
    two.write_bytes(one.read_bytes())
    with pytest.raises(BenchmarkError, match=r"one/real/test1\.png \(content differs from the man"):
        run(tmp_path / "data" / "manifest.csv", recipe, tmp_path / "run")


def test_a_run_in_use_is_left_alone_by_what_nobody_may_work_beside(tmp_path: Path) -> None:
    out = tmp_path / "run"
    with shared(out, Progress()) as folder:
        with folder.held():
            folder.join()
        with pytest.raises(BenchmarkError, match="is in use by another run"), locked(out):
            pass
        with folder.held():
            assert folder.leave()
        with locked(out):
            pass


def test_a_worker_knows_whether_he_is_the_last(tmp_path: Path) -> None:
    out = tmp_path / "run"
    with shared(out, Progress()) as one, shared(out, Progress()) as two:
        for folder in (one, two):
            with folder.held():
                folder.join()
        with one.held_last(wait=False) as last:
            assert not last
        with two.held_last(wait=False) as last:
            assert last
    assert not out.exists(), "nothing came of it"


def test_a_run_that_came_to_nothing_is_begun_anew_by_who_waited(tmp_path: Path) -> None:
    out = tmp_path / "run"
    with shared(out, Progress()) as waiting:
        with shared(out, Progress()):
            pass
        assert not out.exists()
        with waiting.held():
            assert (out / ".lock").is_file()


def test_a_folder_with_other_files_is_left_alone(
    manifest: Path, recipe: str, tmp_path: Path
) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.tex").write_text("years of work")
    with pytest.raises(BenchmarkError, match=r"holds other files \(thesis\.tex\) and no run"):
        run(manifest, recipe, tmp_path / "run")
    assert [p.name for p in (tmp_path / "run").iterdir()] == ["thesis.tex"]


def test_a_missing_need_is_an_error_before_any_training(
    manifest: Path, recipe: str, tmp_path: Path
) -> None:
    needy = study(recipe, detector="tests.small_data:Masked")
    with pytest.raises(BenchmarkError, match="small needs mask, which no manifest has"):
        run(manifest, recipe, tmp_path / "run", study=needy)
    assert not (tmp_path / "run").exists()


def test_a_recipe_that_a_loss_cannot_take_is_an_error_before_any_training(tmp_path: Path) -> None:
    plain = load_recipe("tiny").model_dump() | {"name": "mixed", "balanced": False}
    (tmp_path / "mixed.yaml").write_text(json.dumps(plain))
    said = "small trains on batches of which half are real: recipe 'mixed' has balanced: false"
    with pytest.raises(BenchmarkError, match=said):
        check(study(str(tmp_path / "mixed.yaml"), detector="gend"))
    check(study("tiny", detector="gend"))


def test_an_unknown_option_is_an_error_before_any_training(
    manifest: Path, recipe: str, tmp_path: Path
) -> None:
    wrong = study(recipe)
    wide = StudyDetector(detector=SMALL, label="wide", options={"widht": 8}, recipe=recipe)
    wrong = wrong.model_copy(update={"detectors": (wide,)})
    with pytest.raises(BenchmarkError, match=r"wide has no option 'widht'; there are .*width"):
        run(manifest, recipe, tmp_path / "run", study=wrong)
    assert not (tmp_path / "run").exists()


def test_a_frame_condition_on_crops_is_refused(manifest: Path, recipe: str, tmp_path: Path) -> None:
    text = (Path(benchmark.__file__).parents[1] / "protocols" / "robustness-basic.yaml").read_text()
    own = tmp_path / "own.yaml"
    own.write_text(text.replace("name: robustness-basic", "name: own").replace("crop}", "frame}"))
    with pytest.raises(BenchmarkError, match=r"is for stage frame, but '.*' has no box"):
        run(manifest, recipe, tmp_path / "run", study=study(recipe, protocol=str(own)))


@pytest.mark.parametrize(
    ("target", "options", "sentence"),
    [
        ("cross-generater", {"detectors": [SMALL]}, "did you mean 'cross-generator'"),
        ("cross-generator", {"size": "tiny"}, "is a protocol and names no detectors: add --detec"),
        ("cross-generator", {"detectors": [SMALL]}, "is a protocol and names no size: add --size"),
        ("quickstart", {"train_on": ["x"]}, "is a study: it states train_on for each protocol"),
        (
            "cross-generator",
            {"detectors": ["spectrum", "spectrum"], "size": "tiny"},
            "detector 'spectrum' stands there twice",
        ),
        (
            "nowhere.yaml",
            {"detectors": [SMALL], "size": "tiny"},
            r"nowhere\.yaml: there is no such protocol file",
        ),
    ],
)
def test_a_wrong_request_is_told_what_to_do(
    target: str, options: dict[str, object], sentence: str
) -> None:
    with pytest.raises((BenchmarkError, ProtocolError), match=sentence):
        study_of(target, **options)  # type: ignore[arg-type]


def test_an_unknown_key_of_a_study_is_named(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("name: mine\ntitel: x\ndetectors: [{detector: spectrum}]\n")
    with pytest.raises(ProtocolError, match=r"mine\.yaml: unknown key 'titel'; the keys are name"):
        load_study(str(path))
