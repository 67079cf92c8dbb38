"""Files never name code: a module is loaded only where the user's own words name it."""

import json
import pickle
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

import benchmark
from benchmark.analysis.embedding import embed
from benchmark.analysis.overlays import overlay
from benchmark.cli.app import app
from benchmark.errors import BenchmarkError
from benchmark.progress import Progress
from benchmark.scoring.files import score_paths
from benchmark.study.schema import load_study
from benchmark.training.checksums import write_checksums
from benchmark.training.store import ModelStore
from detectors import CATALOG, CodeError, UnknownDetectorError, detector_class
from detectors.catalog import check_stated
from results.files import file_hash
from results.sealing import seal_run
from results.store import read_run
from tests.own_detector import Write, detector
from tests.small_data import write_dataset, write_recipe
from tests.small_study import run
from tests.traps import MakesFolder

ROOT = Path(__file__).parents[1]
STUDY: dict[str, Any] = {
    "name": "theirs",
    "title": "Theirs",
    "protocols": [{"protocol": "everything"}],
    "size": "tiny",
    "seeds": [0],
}
REFUSED = (
    "names the detector '{name}', and a file may not say which code is run: if you trust the "
    "module '{module}', allow it with --allow-code {module} (in Python allow_code=['{module}'])"
)


@pytest.fixture
def ran(tmp_path: Path, own: Write) -> Path:
    """A module on the import path that tells when it is run, by a file that it writes."""
    marker = tmp_path / "ran"
    trap = f"import pathlib; pathlib.Path({str(marker)!r}).touch()"
    own("theirs/mine.py", detector(trap))
    own("theirs/__init__.py", trap)
    return marker


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORGERYBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "300")


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("data"), count=4)


def call(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def error(result: Result) -> str:
    assert result.exit_code == 1, result.output
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("error:")]
    return line


def write_study(folder: Path, *names: str, **entry: str) -> str:
    entries = [{"detector": name, **entry} for name in names]
    path = folder / "theirs.yaml"
    path.write_text(yaml.safe_dump(STUDY | {"detectors": entries}))
    return str(path)


@pytest.mark.parametrize("command", ["run", "plan", "cross-validate"])
def test_a_study_cannot_say_which_code_is_run(
    command: str, ran: Path, manifest: Path, tmp_path: Path
) -> None:
    study = write_study(tmp_path, "spectrum", "theirs.mine:Mine")
    done = call(command, study, "--data", manifest, "--out", tmp_path / "out")
    assert REFUSED.format(name="theirs.mine:Mine", module="theirs.mine") in error(done)
    assert error(done).startswith(f"error: {study}: ")
    assert not ran.exists()
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "is_run"),
    [
        (["--allow-code", "theirs.mine"], True),
        (["--allow-code", "os", "--allow-code", "theirs.mine"], True),
        (["--detectors", "theirs.mine:Mine"], True),
        (["--detectors", "spectrum"], False),  # what is left out is no matter
        (["--allow-code", "theirs"], False),
        (["--allow-code", "mine"], False),
        (["--detectors", "theirs:Mine,theirs.mine:Mine"], True),
    ],
)
def test_the_command_line_says_which_module_a_study_may_name(
    options: list[str], is_run: bool, ran: Path, manifest: Path, tmp_path: Path
) -> None:
    study = write_study(tmp_path, "theirs.mine:Mine", recipe=write_recipe(tmp_path))
    done = call("plan", study, "--data", manifest, *options)
    assert ran.exists() == is_run
    refused = options[-1] in ("theirs", "mine")
    assert ("may not say which code is run" in done.output) == refused


def test_a_label_stands_for_the_studys_own_entry_and_names_no_code(
    ran: Path, manifest: Path, tmp_path: Path
) -> None:
    for label in ("xception", "theirs.other:Mine"):
        study = write_study(tmp_path, "theirs.mine:Mine", label=label)
        done = call("plan", study, "--data", manifest, "--detectors", label)
        assert REFUSED.format(name="theirs.mine:Mine", module="theirs.mine") in error(done)
    assert not ran.exists()


def test_in_python_a_study_is_read_only_with_the_modules_that_the_caller_allows(
    ran: Path, manifest: Path, tmp_path: Path
) -> None:
    study = write_study(tmp_path, "theirs.mine:Mine", recipe=write_recipe(tmp_path))
    with pytest.raises(CodeError, match="may not say which code is run"):
        load_study(study)
    with pytest.raises(CodeError, match="may not say which code is run"):
        benchmark.run(study, data=manifest, out=tmp_path / "out", store=tmp_path / "store")
    assert not ran.exists()
    assert load_study(study, allow_code=["theirs.mine"]).detectors[0].name == "theirs.mine:Mine"
    benchmark.run(
        study, data=manifest, out=tmp_path / "out", store=tmp_path / "store",
        allow_code=["theirs.mine"],
    )  # fmt: skip
    assert ran.exists()


Trained = tuple[Path, Path, str]


@pytest.fixture
def trained(ran: Path, manifest: Path, tmp_path: Path, own: Write) -> Trained:
    """A run and a store of somebody else, whose model is of his own module; and the model's id."""
    out, store = tmp_path / "out", tmp_path / "store"
    benchmark.run(
        "everything", data=manifest, detectors=["theirs.mine:Mine"], size="tiny",
        recipe=write_recipe(tmp_path, steps=4), out=out, store=store,
    )  # fmt: skip
    ran.unlink()
    own("theirs/other.py", "")  # what was loaded is forgotten
    return out, store, str(read_run(out).entries[0].model)


def test_a_store_cannot_say_which_code_is_run(
    ran: Path, trained: Trained, manifest: Path, tmp_path: Path
) -> None:
    _, store, model = trained
    image = manifest.parent / "one" / "real" / "test0.png"
    told = REFUSED.format(name="theirs.mine:Mine", module="theirs.mine")
    (tmp_path / "home" / "models").mkdir(parents=True)
    for named in (
        ["--model", model, "--store", store],
        ["--model", store / model],
        ["--model", store / model, "--store", store],
        ["--model", f"{store}/x/../{model}"],
        ["--model", f"../../store/{model}"],
    ):
        done = call("score", image, *named)
        assert done.exit_code == 1, done.output
        assert told in done.output or "there is no folder" in done.output
    with pytest.raises(CodeError, match=r"facts\.json: names the detector"):
        score_paths([image], model=model, store=store)
    assert not ran.exists()
    allowed = call(
        "score", image, "--model", model, "--store", store, "--allow-code", "theirs.mine"
    )
    assert allowed.exit_code == 0, allowed.output
    assert ran.exists()
    scored = score_paths([image], model=str(store / model), allow_code=["theirs.mine"])
    assert scored.detector == "Mine"


@pytest.mark.parametrize(
    "name",
    ["os:system", "os.path:join", "../../theirs/mine:Mine", "theirs.mine:Mine\n", ":x", "a:"],
)
def test_facts_cannot_name_anything_else_either(
    name: str, ran: Path, trained: Trained, manifest: Path
) -> None:
    out, store, model = trained
    for facts in (store / model / "facts.json", out / "models" / f"{model}.json"):
        facts.write_text(json.dumps(json.loads(facts.read_text()) | {"detector": name}))
    image = manifest.parent / "one" / "real" / "test0.png"
    assert "may not say which code is run" in error(
        call("score", image, "--model", model, "--store", store)
    )
    for command in (embed, overlay):
        change_run(out, synthetic=True)
        with pytest.raises(CodeError, match="may not say which code is run"):
            command(out, data=manifest, store=store, device="cpu")
    assert not ran.exists()


def change_run(out: Path, **facts: bool) -> None:
    run = json.loads((out / "run.json").read_text())
    for dataset in run["data"].values():
        dataset.update(facts)
    (out / "run.json").write_text(json.dumps(run))
    seal_run(out)  # as whoever lays the trap does


def test_a_run_cannot_say_which_code_is_run(ran: Path, trained: Trained, manifest: Path) -> None:
    out, store, model = trained
    change_run(out, synthetic=True)
    for command in ("embed", "overlay"):
        done = call(command, out, "--data", manifest, "--store", store, "--device", "cpu")
        assert f"{out / 'models' / model}.json: names the detector" in error(done)
    assert not ran.exists()
    call("embed", out, "--data", manifest, "--store", store, "--detectors", "theirs.mine:Mine")
    assert ran.exists()  # the command line names it


def test_facts_that_name_a_checkpoint_fetch_nothing(
    trained: Trained, manifest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, store, model = trained
    folder = store / model
    monkeypatch.setattr("huggingface_hub.snapshot_download", None)  # a call is a TypeError
    facts, config = folder / "facts.json", folder / "config.json"
    options = {"checkpoint": "some/where", "labels": {"real": [0], "fake": [1]}}
    config.write_text(
        json.dumps({"format": 1, "detector": "huggingface", "init": "none", "options": options})
    )
    stated = {"detector": "hf:some/where", "config": file_hash(config)}
    facts.write_text(json.dumps(json.loads(facts.read_text()) | stated))
    image = manifest.parent / "one" / "real" / "test0.png"
    done = call("score", image, "--model", model, "--store", store)
    assert "a saved detector fetches nothing, and its options ask for 'some/where'" in error(done)


@pytest.mark.parametrize("name", ["../out", "/etc", ".", "..", "", "a/b", "a\x00"])
def test_only_an_id_names_a_model_of_a_store(name: str, tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    for folder in (tmp_path, tmp_path / "out", tmp_path / "store"):
        folder.mkdir(exist_ok=True)
        (folder / "facts.json").touch()
    assert not ModelStore(tmp_path / "store").has(name)
    assert not ModelStore(tmp_path / "store").has(str(tmp_path / "out"))


def test_what_ships_may_be_named_by_its_module_too() -> None:
    for name, target in CATALOG.items():
        assert check_stated(name, "a file") == name
        assert check_stated(target, "a file") == target
    with pytest.raises(CodeError):
        check_stated("detectors.base:Detector", "a file")


def entries(monkeypatch: pytest.MonkeyPatch, **targets: str) -> None:
    found = [EntryPoint(name, value, "forgerybench.detectors") for name, value in targets.items()]
    monkeypatch.setattr("detectors.catalog.entry_points", lambda group: found)


def test_an_installed_detector_counts_as_named(monkeypatch: pytest.MonkeyPatch) -> None:
    entries(monkeypatch, installed="somewhere:Thing")
    assert check_stated("installed", "a file") == "installed"
    with pytest.raises(CodeError, match="if you trust the module 'somewhere'"):
        check_stated("somewhere:Thing", "a file")


def test_a_name_of_the_catalog_is_the_catalogs_and_the_other_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    entries(monkeypatch, xception="somewhere:Thing")
    with pytest.warns(UserWarning, match=r"has a detector 'xception' too \(somewhere:Thing\)"):
        found = detector_class("xception")
    assert found.__module__ == "detectors.xception"


def test_two_installed_detectors_of_one_name_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    group = "forgerybench.detectors"
    found = [EntryPoint("twin", value, group) for value in ("one:Thing", "two:Thing")]
    monkeypatch.setattr("detectors.catalog.entry_points", lambda group: found)
    with pytest.raises(UnknownDetectorError, match="say which, one:Thing or two:Thing"):
        detector_class("twin")
    assert detector_class("xception").card.name == "xception"


class StopLate(Progress):
    steps = 0

    def advance(self, amount: int = 1, **values: float) -> None:
        self.steps += bool(values)
        if self.steps > 12:
            raise KeyboardInterrupt


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_the_state_of_a_training_is_tensors_alone(manifest: Path, tmp_path: Path) -> None:
    """A store of somebody else may hold a training under way: it is gone on with, not run."""
    recipe = write_recipe(tmp_path, ema=0.9)
    with pytest.raises(KeyboardInterrupt):
        run(manifest, recipe, tmp_path / "out", StopLate(), checkpoint_seconds=0)
    (folder,) = (tmp_path / "store").glob("*.resume/step-*")
    found = [path for path in folder.rglob("*") if path.suffix in (".pt", ".bin", ".pkl")]
    assert {"average.pt", "best.pt", "optimizer.bin"} <= {path.name for path in found}
    for path in found:
        before = path.read_bytes()
        path.write_bytes(pickle.dumps(MakesFolder(tmp_path / "ran"), protocol=2))
        write_checksums(folder)  # as whoever lays the trap does
        # Random states that cannot be read are left: each step's follow from the seed.
        if not path.name.startswith("random_states"):
            with pytest.raises(BenchmarkError, match="holds more than the state of a training"):
                run(manifest, recipe, tmp_path / "out")
        path.write_bytes(before)
    trap = folder / "accelerate" / "custom_checkpoint_0.pkl"
    trap.write_bytes(pickle.dumps(MakesFolder(tmp_path / "ran")))
    write_checksums(folder)
    with pytest.raises(RuntimeError, match="custom checkpoints"):
        run(manifest, recipe, tmp_path / "out")
    trap.unlink()
    write_checksums(folder)
    run(manifest, recipe, tmp_path / "out")
    assert not (tmp_path / "ran").exists()
