"""A model without scores that are numbers is a stated gap; the other models go on."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from benchmark.cli.app import app
from benchmark.study.gaps import LeftOutError
from benchmark.study.schema import Study, StudyDetector
from protocols.gaps import LossNotFinite, NoSurrogate
from protocols.schema import load_protocol
from results.store import read_run, records, scores_path
from tests.small_data import SMALL, write_dataset, write_recipe
from tests.small_study import Counting, run, study

WHITE = "one/checker/test0.png"


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a dataset in which a forged test image is white."""
    made = write_dataset(tmp_path_factory.mktemp("data"), count=8, with_hashes=False)
    Image.fromarray(np.full((24, 24, 3), 255, np.uint8)).save(made.parent / WHITE)
    return made


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_recipe(tmp_path_factory.mktemp("recipe"), steps=8)


def with_failing(recipe: str, failing: str, **changes: object) -> Study:
    """Give a study of a detector that fails and, after it, one that does not."""
    bad = StudyDetector(detector=f"tests.small_data:{failing}", label="bad", recipe=recipe)
    good = StudyDetector(detector=SMALL, label="small", recipe=recipe)
    return study(recipe).model_copy(update={"detectors": (bad, good), **changes})


@pytest.mark.parametrize(
    ("failing", "said"),
    [
        ("Exploding", "the loss is nan at step 1; lower the recipe's lr"),
        ("Unmeasurable", "' (validation at step 4) is nan, not a finite number within 1e+06 of 0"),
        ("Diverged", "its weights are not finite: 'unused' holds a NaN or an infinity"),
        ("Dazzled", f"the score of '{WHITE}' (clean) is nan, not a finite number"),
    ],
)
def test_a_detector_without_numbers_is_a_gap_and_the_others_go_on(
    manifest: Path, recipe: str, tmp_path: Path, failing: str, said: str
) -> None:
    with pytest.raises(LeftOutError) as caught:
        run(manifest, recipe, tmp_path / "run", study=with_failing(recipe, failing))
    message = str(caught.value)
    assert "left out 2 of 4 models: bad on checker (seed 0): " in message
    assert said in message
    assert str(tmp_path / "run" / "index.html") in message
    entries = read_run(tmp_path / "run").entries
    gaps = [entry for entry in entries if entry.detector == "bad"]
    assert [entry.model for entry in gaps] == [None, None]
    assert said in str(gaps[0].gap)
    good = [entry.model for entry in entries if entry.detector == "small"]
    assert sorted(r.model for r in records(tmp_path / "run")) == sorted(map(str, good))
    page = (tmp_path / "run" / "index.html").read_text(encoding="utf-8")
    assert "nan" in page or "not finite" in page
    assert "goes on" not in page
    assert not (tmp_path / "run" / "units").exists()
    assert {path.stem for path in (tmp_path / "run" / "scores").iterdir()} == set(good)


def test_a_mended_detector_takes_the_place_of_its_gap(
    manifest: Path, recipe: str, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    with pytest.raises(LeftOutError, match="bad on checker"):
        run(manifest, recipe, out, study=with_failing(recipe, "Dazzled"))
    progress = Counting()
    run(manifest, recipe, out, progress, study=with_failing(recipe, "Small"))
    assert progress.jobs["train"] == 2
    entries = read_run(out).entries
    assert all(entry.model for entry in entries)
    assert all(scores_path(out, str(entry.model)).is_file() for entry in entries)


def test_the_same_command_tries_what_was_left_out_again(
    manifest: Path, recipe: str, tmp_path: Path
) -> None:
    failing = with_failing(recipe, "Unmeasurable")
    for trained in (4, 2):  # the second time the good ones are there
        progress = Counting()
        with pytest.raises(LeftOutError):
            run(manifest, recipe, tmp_path / "run", progress, study=failing)
        assert progress.jobs["train"] == trained


def test_the_command_line_tells_and_exits_with_an_error(
    manifest: Path, recipe: str, tmp_path: Path
) -> None:
    done = CliRunner().invoke(
        app,
        [
            "run", "cross-generator", "--data", str(manifest), "--out", str(tmp_path / "run"),
            "--detectors", "tests.small_data:Unmeasurable", "--recipe", recipe, "--size", "tiny",
            "--store", str(tmp_path / "store"),
        ],
    )  # fmt: skip
    assert done.exit_code == 1
    assert "error: left out 2 of 2 models: " in done.stderr
    assert (tmp_path / "run" / "index.html").is_file()


def test_a_model_attacked_on_one_that_was_left_out_is_left_out(
    manifest: Path, recipe: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    attacked = tmp_path / "attacked.yaml"
    stated = load_protocol("cross-generator").model_dump(mode="json")
    attack = {"perturbation": "adversarial/fgsm", "severities": [1], "stage": "model"}
    stated |= {"name": "attacked", "conditions": ["clean", attack | {"surrogate": "bad"}]}
    attacked.write_text(json.dumps(stated))
    wanted = study(recipe, protocol=str(attacked)).model_copy(
        update={"detectors": with_failing(recipe, "Exploding").detectors}
    )
    with pytest.raises(LeftOutError, match="its attacks are made on bad, which is left out: the l"):
        run(manifest, recipe, tmp_path / "run", study=wanted)
    assert {entry.model for entry in read_run(tmp_path / "run").entries} == {None}


def test_a_gap_says_why_it_is_one() -> None:
    loss = LossNotFinite(value=float("inf"), step=3)
    assert str(loss).startswith("the loss is inf at step 3; ")
    gap = NoSurrogate(surrogate="xception", reason=loss)
    assert str(gap) == f"its attacks are made on xception, which is left out: {loss}"
