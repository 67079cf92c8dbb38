"""Inspecting a cell: the surest errors first, the images that were scored, none kept in a run."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from typer.testing import CliRunner

from benchmark.analysis.inspection import inspect
from benchmark.cli.app import app
from benchmark.data.manifest import read_manifest
from benchmark.errors import BenchmarkError
from benchmark.study.samples import stated_samples
from leaderboard.errors import LeaderboardError
from leaderboard.figures.hardest import FALSE_ALARM, MISSED, find_cell, hardest
from protocols import UnknownNameError
from results.errors import ResultError
from results.run import RunContents
from tests.fake_run import make_run
from tests.small_data import write_dataset

CELL = "cross-generator/checker/tint"


@pytest.fixture(scope="module")
def fake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(
        tmp_path_factory.mktemp("fake"),
        protocols=["cross-forgery", "robustness-basic"],
        detectors=["xception", "spectrum"],
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on images that are there, in ``data`` beside it."""
    folder = tmp_path_factory.mktemp("small")
    (folder / "data").mkdir()
    manifest = read_manifest(write_dataset(folder / "data", count=6))
    samples = stated_samples({"data": manifest}).assign(problem="")
    return make_run(
        folder / "run", samples=samples, protocols=["cross-generator"], detectors=["xception"]
    )


def test_the_surest_errors_come_first_and_all_are_counted(fake: Path) -> None:
    contents = RunContents(fake)
    entry, cell = find_cell(contents, "cross-forgery/EFS/FS", "xception")
    errors = hardest(contents, entry, cell, 5)
    assert entry.model is not None
    logits = contents.scores(entry.model).logits("clean", cell.test.rows)
    is_fake = (contents.samples["label"].iloc[cell.test.rows] == "fake").to_numpy()
    missed = np.sort(logits[is_fake & (logits <= 0)])
    alarms = -np.sort(-logits[~is_fake & (logits > 0)])
    by_kind = dict(list(errors.table.groupby("kind")["logit"]))
    assert by_kind[MISSED].tolist() == missed[:5].astype(float).tolist()
    assert by_kind[FALSE_ALARM].tolist() == alarms[:5].astype(float).tolist()
    assert errors.wrong == {FALSE_ALARM: len(alarms), MISSED: len(missed)}
    assert errors.images == {FALSE_ALARM: int((~is_fake).sum()), MISSED: int(is_fake.sum())}


def test_a_condition_is_named_as_the_records_or_by_severity(fake: Path) -> None:
    contents = RunContents(fake)
    protocol = contents.expansions["robustness-basic"].protocol
    damaged = protocol.expanded_conditions[2]
    (training,) = contents.trainings("robustness-basic")
    (test,) = {cell.test.name for cell in contents.expansions["robustness-basic"].cells}
    for name in (damaged.key, f"{damaged.name}@{damaged.severity}"):
        _, cell = find_cell(contents, f"robustness-basic/{training}/{test}/{name}", "spectrum")
        assert cell.condition == damaged


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("cross-forgry/EFS/FS", "no protocol is called 'cross-forgry'; did you mean 'cross-forg"),
        ("cross-forgery/XXX/FS", "no training set is called 'XXX'; there are AM, EFS, FS"),
        ("cross-forgery/EFS/Q", "no test set is called 'Q'; there are AM, EFS, FS"),
        ("cross-forgery/EFS", "the test set is not said, there are AM, EFS, FS"),
        ("cross-forgery/EFS/FS/wet@2", "no condition is called 'wet@2'; there are clean"),
    ],
)
def test_a_wrong_name_is_told_with_the_choices(fake: Path, name: str, message: str) -> None:
    with pytest.raises((UnknownNameError, LeaderboardError), match=message):
        find_cell(RunContents(fake), name, "xception")


def test_several_models_are_not_guessed_between(fake: Path) -> None:
    with pytest.raises(LeaderboardError, match=r"2 models are meant: give --detector.* spectrum"):
        find_cell(RunContents(fake), "cross-forgery/EFS/FS")


def test_an_unknown_seed_is_told_with_those_there_are(fake: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"no training seed is called '9'; there are 0$"):
        find_cell(RunContents(fake), "cross-forgery/EFS/FS", "xception", 9)


def test_images_are_shown_apart_from_the_run(run: Path, tmp_path: Path) -> None:
    before = sorted(run.rglob("*"))
    found = inspect(run, CELL, data=run.parent / "data" / "manifest.csv", most=3, out=tmp_path)
    assert found.unseen is None
    assert [path.name for path in found.files] == ["hardest.csv", "hardest.png"]
    table = pd.read_csv(tmp_path / "hardest.csv")
    assert table["sample_id"].tolist() == found.errors.table["sample_id"].tolist()
    with Image.open(tmp_path / "hardest.png") as sheet:
        sheet.load()
    assert sorted(run.rglob("*")) == before


def test_no_file_of_the_users_is_replaced_unless_he_says_so(fake: Path, tmp_path: Path) -> None:
    (tmp_path / "hardest.csv").write_text("mine")
    cell = "cross-forgery/EFS/FS"
    said = r"hardest\.csv exists already: choose another file, or replace it with --force"
    with pytest.raises(ResultError, match=said):
        inspect(fake, cell, detector="xception", out=tmp_path)
    arguments = ["inspect", str(fake), cell, "--detector", "xception", "--out", str(tmp_path)]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 1
    assert (tmp_path / "hardest.csv").read_text() == "mine"
    assert CliRunner().invoke(app, [*arguments, "--force"]).exit_code == 0
    assert "sample_id" in (tmp_path / "hardest.csv").read_text()


def test_missing_images_leave_the_table_and_are_told(run: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    shutil.copy(run.parent / "data" / "manifest.csv", data)
    found = inspect(run, CELL, data=data / "manifest.csv", out=tmp_path / "out")
    number = len(found.errors.table)
    assert number > 0
    assert found.unseen == f"{number} of {number}: missing"
    assert [path.name for path in found.files] == ["hardest.csv"]


def test_other_images_under_the_same_names_are_refused(run: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(run.parent / "data", data)
    for path in data.rglob("test*.png"):
        Image.new("RGB", (8, 8)).save(path)
    with pytest.raises(BenchmarkError, match="made on other images than these, first '"):
        inspect(run, CELL, data=data / "manifest.csv")


def test_the_command_prints_a_table_and_says_what_it_lacks(fake: Path) -> None:
    arguments = ["inspect", str(fake), "cross-forgery/EFS/FS", "--detector", "xception", "--n", "2"]
    done = CliRunner().invoke(app, arguments, env={"COLUMNS": "200"})
    assert done.exit_code == 0, done.output
    said = " ".join(done.stdout.split())
    assert "Forged images called real: " in said
    assert said.count("dfdc-faces/camera/test/") == 2
    assert "Images not shown: without --data" in said
