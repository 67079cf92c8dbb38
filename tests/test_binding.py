"""Which manifest stands for which role, and what is refused before torch is loaded."""

import re
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner, Result

from benchmark.cli.app import app
from benchmark.cli.options import read_data
from benchmark.errors import BenchmarkError
from benchmark.study.binding import check_folder, load_protocols, stands_for
from benchmark.study.schema import Study, StudyDetector, StudyProtocol, study_of
from protocols.errors import ProtocolError
from protocols.schema import load_protocol
from tests.small_data import write_dataset


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("data"), count=2)


def call(*arguments: object) -> Result:
    words = [str(argument) for argument in arguments]
    return CliRunner().invoke(app, words, env={"COLUMNS": "80"})


@pytest.fixture
def own(tmp_path: Path) -> str:
    """A protocol file with a metric that does not exist."""
    text = (Path(str(files("protocols"))) / "cross-generator.yaml").read_text(encoding="utf-8")
    raw = yaml.safe_load(text) | {"name": "own", "metrics": ["AUROC"]}
    path = tmp_path / "own.yaml"
    path.write_text(yaml.safe_dump(raw), encoding="utf-8")
    return str(path)


NO_SUCH_METRIC = r"own: 'metrics\.0' is 'AUROC', not one of AUC, AP, "


def test_a_metric_that_does_not_exist_is_refused_when_a_study_reads_its_protocols(own: str) -> None:
    study = Study(
        name="own",
        title="own",
        protocols=(StudyProtocol(protocol="cross-forgery"), StudyProtocol(protocol=own)),
        detectors=(StudyDetector(detector="spectrum"),),
        size="tiny",
        seeds=(0,),
    )
    with pytest.raises(ProtocolError, match=NO_SUCH_METRIC):
        load_protocols(study)
    with pytest.raises(ProtocolError, match=NO_SUCH_METRIC):
        study_of(own, detectors=["spectrum"], size="tiny")


@pytest.mark.parametrize("command", ["run", "plan"])
def test_a_metric_that_does_not_exist_is_told_before_the_data_are_looked_for(
    own: str, tmp_path: Path, command: str
) -> None:
    more = ("--detectors", "spectrum", "--size", "tiny", "--out", tmp_path / "run")
    done = call(command, own, "--data", "nowhere.csv", *more)
    assert done.exit_code == 1
    assert re.search(f"^error: {NO_SUCH_METRIC}", done.stderr), done.stderr
    assert not (tmp_path / "run").exists()


def test_a_word_for_the_one_role_is_told_unless_it_is_the_roles_own() -> None:
    protocols = [load_protocol("robustness")]
    sentence = "data 'faces' stands for the protocol's role 'data'"
    assert stands_for(protocols, {"faces": "m.csv"}) == sentence
    assert stands_for(protocols, {"data": "m.csv"}) is None
    assert stands_for(protocols, "m.csv") is None
    assert stands_for([load_protocol("cross-dataset")], {"train": "a", "test": "b"}) is None


def test_plan_tells_what_an_own_word_stands_for(manifest: Path) -> None:
    more = ("--detectors", "spectrum", "--size", "tiny")
    done = call("plan", "cross-generator", "--data", f"daat={manifest}", *more)
    assert done.exit_code == 0, done.output
    assert "data 'daat' stands for the protocol's role 'data'" in done.stdout


def test_several_manifests_without_roles_are_told_the_roles() -> None:
    with pytest.raises(
        BenchmarkError,
        match=r"several manifests need a role each, as --data ROLE=a\.csv; the roles are x, y",
    ):
        read_data(["a.csv", "b.csv"], lambda: ["x", "y"])


@pytest.mark.parametrize(
    ("below", "sentence"),
    [
        ("file", "--out {out} is a file: choose another folder"),
        ("file/run", "--out {out} is in {file}, which is a file: choose another folder"),
    ],
)
def test_a_folder_that_no_run_can_be_in_is_named(tmp_path: Path, below: str, sentence: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BenchmarkError) as caught:
        check_folder(tmp_path / below)
    assert str(caught.value) == sentence.format(out=tmp_path / below, file=tmp_path / "file")


def test_a_folder_that_cannot_be_made_names_its_option(manifest: Path) -> None:
    more = ("--detectors", "spectrum", "--size", "tiny", "--out", "/proc/x")
    done = call("run", "cross-generator", "--data", manifest, *more)
    assert done.exit_code == 1
    assert "error: --out /proc/x cannot be made (" in done.stderr
    assert "): choose another folder" in done.stderr


def without(manifest: Path, folder: Path, lost: dict[str, str]) -> Path:
    """Copy a manifest without the forged images that have these values."""
    table = pd.read_csv(manifest)
    drop = table["label"] == "fake"
    for column, value in lost.items():
        drop &= table[column] == value
    path = manifest.with_name(f"{folder.name}.csv")
    table[~drop].to_csv(path, index=False)
    return path


@pytest.mark.parametrize(
    ("protocol", "lost", "sentence"),
    [
        (
            "genimage-one-to-many",
            {},
            "no forged images of generator SD v1.4 in split train; there are checker, tint",
        ),
        (
            "robustness",
            {"split": "val"},
            "no forged images in split val; give it some with 'forgerybench data split",
        ),
    ],
)
def test_nothing_to_train_says_what_there_is_and_the_plan_still_shows_it(
    manifest: Path, tmp_path: Path, protocol: str, lost: dict[str, str], sentence: str
) -> None:
    data = without(manifest, tmp_path, lost) if lost else manifest
    arguments = (protocol, "--data", data, "--detectors", "spectrum", "--size", "tiny")
    refused = call("run", *arguments, "--out", tmp_path / "run")
    assert refused.exit_code == 1
    assert f"error: there is nothing to train: {sentence}" in refused.stderr
    planned = call("plan", *arguments)
    assert planned.exit_code == 0, planned.output
    said = " ".join(planned.stdout.split())
    assert f"There is nothing to train, so run refuses: {sentence}" in said
    assert "models to train │ 0 " in said


WRONG = """
import sys
from typer.testing import CliRunner
from benchmark.cli.app import app
good = dict(detectors="xception", size="tiny", data=sys.argv[1], out=sys.argv[2])
for option, value, sentence in [
    ("target", "cross-genrator", "did you mean 'cross-generator'"),
    ("detectors", "xcepton", "did you mean 'xception'"),
    ("size", "huge", "--size is tiny or base"),
    ("seeds", "x", "--seeds are whole numbers"),
    ("recipe", "tinny", "did you mean 'tiny'"),
    ("device", "tpu", "--device is auto, cpu or cuda"),
    ("data", "nowhere.csv", "there is no such manifest"),
    ("out", sys.argv[1], "is a file: choose another folder"),
]:
    asked = {"target": "cross-generator", **good, option: value}
    words = ["run", asked.pop("target")]
    words += [word for name, text in asked.items() for word in (f"--{name}", text)]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 1 and sentence in done.stderr, (option, done.stderr, done.exception)
    assert "torch" not in sys.modules, option
done = CliRunner().invoke(app, ["score", "x.png", "--model", "xception", "--store", sys.argv[2]])
assert "has no model 'xception'" in done.stderr, done.stderr
assert "torch" not in sys.modules
"""


def test_a_wrong_name_is_told_before_torch_is_loaded(manifest: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WRONG, str(manifest), str(tmp_path / "run")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
