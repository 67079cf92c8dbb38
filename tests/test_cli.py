"""The command line as its user meets it: exit codes, one-line errors, files."""

import csv
import re
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from benchmark.cli.app import app
from benchmark.training.store import ModelStore
from results.store import read_run
from tests.small_data import SMALL, write_dataset, write_recipe


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("data"), count=6)


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORGERYBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "200")


def call(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def error(result: Result) -> str:
    """The one line on the error stream of a command that failed as it should."""
    assert result.exit_code == 1, result.output
    lines = [line for line in result.stderr.splitlines() if line.startswith("error:")]
    assert len(lines) == 1, result.stderr
    assert "Traceback" not in result.output
    return lines[0]


def run_small(manifest: Path, out: Path, recipe: str, *more: object) -> Result:
    return call(
        "run", "cross-generator", "--data", manifest, "--detectors", SMALL, "--size", "tiny",
        "--recipe", recipe, "--out", out, *more,
    )  # fmt: skip


def test_a_run_prints_where_its_report_is(manifest: Path, tmp_path: Path) -> None:
    done = run_small(manifest, tmp_path / "run", write_recipe(tmp_path))
    assert done.exit_code == 0, done.output
    assert f"Report: {tmp_path / 'run' / 'index.html'}" in done.stdout
    assert (tmp_path / "home" / "models").is_dir()


def test_report_rebuilds_the_same_bytes(manifest: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    run_small(manifest, out, write_recipe(tmp_path))
    before = {p: p.read_bytes() for p in out.rglob("*") if p.is_file()}
    (out / "index.html").unlink()
    assert call("report", out).exit_code == 0
    assert {p: p.read_bytes() for p in out.rglob("*") if p.is_file()} == before


def test_score_on_a_catalog_detector(manifest: Path, tmp_path: Path) -> None:
    arguments = ["--data", manifest, "--detectors", "spectrum", "--size", "tiny"]
    call("run", "cross-generator", *arguments, "--out", tmp_path / "run")
    model = next(e.model for e in read_run(tmp_path / "run").entries)
    folder = ModelStore(tmp_path / "home" / "models").root / str(model)
    images = manifest.parent / "one" / "checker"
    done = call("score", images, "--model", folder, "--out", tmp_path / "scores.csv")
    assert done.exit_code == 0, done.output
    assert "P(fake) by Spectrum" in done.stdout
    with (tmp_path / "scores.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 18
    assert all(0 <= float(row["p_fake"]) <= 1 for row in rows)
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff")
    again = call("score", images / "test0.png", broken, "--model", folder)
    assert re.search(r"broken\.jpg: ", error(again))
    assert "test0.png" in again.stdout
    taken = call("score", images, "--model", folder, "--out", tmp_path / "scores.csv")
    assert "exists already" in error(taken)


def test_plan_tells_what_would_be_done_and_does_nothing(manifest: Path, tmp_path: Path) -> None:
    done = call(
        "plan", "cross-generator", "--data", manifest, "--detectors", f"{SMALL},spectrum",
        "--size", "tiny", "--out", tmp_path / "run",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "checker" in done.stdout
    assert re.search(r"models to train\W+4\b", done.stdout)
    assert re.search(r"scores\W+144 \(144 left", done.stdout)
    assert not (tmp_path / "run").exists()


def test_the_lists_list(manifest: Path) -> None:
    known = {
        "detectors": "mfclip",
        "protocols": "cross-forgery",
        "perturbations": "real-world/jpeg",
    }
    for kind, name in known.items():
        done = call("list", kind)
        assert done.exit_code == 0, done.output
        assert name in done.stdout


def test_data_show_and_check(manifest: Path, tmp_path: Path) -> None:
    assert "72 samples" in call("data", "show", manifest).stdout
    assert "72 of 72 images are whole" in call("data", "check", manifest).stdout


def test_data_check_names_what_is_broken(tmp_path: Path) -> None:
    manifest = write_dataset(tmp_path / "data", count=2)
    (tmp_path / "data" / "one" / "real" / "val1.png").unlink()
    assert "one/real/val1.png: missing" in error(call("data", "check", manifest))


def test_data_index_makes_a_manifest_that_runs(tmp_path: Path) -> None:
    write_dataset(tmp_path / "data", count=4)
    for old in (tmp_path / "data").rglob("*.png"):
        source, kind, name = old.relative_to(tmp_path / "data").parts
        split = re.sub(r"\d+\.png", "", name)
        label = "real" if kind == "real" else f"fake/{kind}"
        new = tmp_path / "tree" / split / label / f"{source}-{name}"
        new.parent.mkdir(parents=True, exist_ok=True)
        old.rename(new)
    done = call(
        "data", "index", tmp_path / "tree", "--forgery", "checker=EFS", "--forgery", "tint=FS"
    )
    assert done.exit_code == 0, done.output
    table = pd.read_csv(tmp_path / "tree" / "manifest.csv", dtype=str, keep_default_na=False)
    assert set(table["generator"]) == {"camera", "checker", "tint"}
    assert set(table.loc[table["generator"] == "tint", "forgery"]) == {"FS"}
    recipe = write_recipe(tmp_path)
    done = run_small(tmp_path / "tree" / "manifest.csv", tmp_path / "run", recipe)
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"--detectors": "mfclp"}, "no detector is called 'mfclp'; did you mean 'mfclip'?"),
        ({"--detectors": "nowhere:Thing"}, "there is no module 'nowhere'"),
        ({"--data": "nowhere.csv"}, "nowhere.csv"),
        ({"--data": "faces=nowhere.csv"}, "nowhere.csv"),
        ({"--size": "huge"}, "--size is tiny or base, not 'huge'"),
        ({"--recipe": "tinny"}, "no recipe is called 'tinny'; did you mean 'tiny'"),
        ({"--seeds": "0,x"}, "--seeds are whole numbers from 0, not 'x'"),
        ({"--device": "tpu"}, "--device is auto, cpu or cuda, not 'tpu'"),
        ({"--train-on": "tnit"}, "no training set is called 'tnit'; there are checker, tint"),
    ],
)
def test_a_wrong_argument_is_one_line_and_leaves_nothing(
    manifest: Path, tmp_path: Path, change: dict[str, str], sentence: str
) -> None:
    arguments = {"--data": str(manifest), "--detectors": SMALL, "--size": "tiny"} | change
    flat = [part for pair in arguments.items() for part in pair]
    done = call("run", "cross-generator", *flat, "--out", tmp_path / "run")
    assert sentence in error(done)
    assert not (tmp_path / "run" / "run.json").exists()


@pytest.mark.parametrize(
    ("mend", "sentence"),
    [
        (lambda t: t.drop(columns="split"), "manifest.csv: column 'split' is missing"),
        (lambda t: pd.concat([t, t.head(1)]), "the same sample stands in an earlier row"),
        (lambda t: t.assign(label="maybe"), "'label' is 'maybe', not one of real, fake"),
        (lambda t: t[t["label"] == "real"], "the manifest has no forged images to train on"),
    ],
    ids=["column", "duplicate", "label", "one-class"],
)
def test_a_wrong_manifest_is_one_line(tmp_path: Path, mend: object, sentence: str) -> None:
    manifest = write_dataset(tmp_path / "data", count=2)
    mend(pd.read_csv(manifest)).to_csv(manifest, index=False)  # type: ignore[operator]
    assert sentence in error(run_small(manifest, tmp_path / "run", write_recipe(tmp_path)))


def test_a_folder_that_cannot_be_made_is_one_line(manifest: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    done = run_small(manifest, tmp_path / "file" / "run", write_recipe(tmp_path))
    assert "which is a file: choose another folder" in error(done)


def test_a_model_of_the_store_is_named_by_its_id(manifest: Path, tmp_path: Path) -> None:
    run_small(manifest, tmp_path / "run", write_recipe(tmp_path))
    model = str(read_run(tmp_path / "run").entries[0].model)
    image = manifest.parent / "one" / "checker" / "test0.png"
    assert "--allow-code tests.small_data" in error(call("score", image, "--model", model))
    done = call("score", image, "--model", model, "--allow-code", "tests.small_data")
    assert done.exit_code == 0, done.output
    assert "P(fake) by Small" in done.stdout


def test_a_model_that_is_not_there_is_told_with_those_of_the_store(tmp_path: Path) -> None:
    store = tmp_path / "home" / "models"
    done = call("score", "x.png", "--model", "xception")
    assert f"the store {store} has no model 'xception'; it has none" in error(done)
    for number in range(5):
        (store / f"xception-{number}").mkdir(parents=True)
        (store / f"xception-{number}" / "facts.json").touch()
    (store / "meso4-1").mkdir()
    (store / "meso4-1" / "facts.json").touch()
    told = error(call("score", "x.png", "--model", "xception"))
    assert "its 6 are xception-0, xception-1, xception-2, ...; give the id of one" in told
    told = error(call("score", "x.png", "--model", "meso4-2", "--store", store))
    assert "its 6 are meso4-1, ..." in told


def test_data_index_says_where_broken_images_are(tmp_path: Path) -> None:
    for name in ("real/a.png", "fake/b.png"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(b"no image")
    done = call("data", "index", tmp_path)
    assert done.exit_code == 1
    assert "Of these, 2 cannot be used: they stand in the manifest without a sha256" in done.stdout


def test_a_run_says_how_many_images_it_left_out(tmp_path: Path) -> None:
    manifest = write_dataset(tmp_path / "data", count=4)
    (manifest.parent / "one" / "real" / "val1.png").unlink()
    done = run_small(manifest, tmp_path / "run", write_recipe(tmp_path), "--allow-missing")
    assert done.exit_code == 0, done.output
    assert "1 of 48 images cannot be used and are left out" in done.stderr


def test_a_report_of_no_run_is_one_line(tmp_path: Path) -> None:
    assert "not the folder of a run, it has no run.json" in error(call("report", tmp_path))


def test_names_are_never_markup(manifest: Path, tmp_path: Path) -> None:
    done = call("data", "check", tmp_path / "[bold]x[/bold].csv")
    assert "[bold]x[/bold].csv" in error(done)


def test_the_embedded_set_is_drawn_where_one_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def generate(root: Path, *, seed: int, on_progress: object) -> Path:
        asked.append((root, seed))
        return root / "manifest.csv"

    monkeypatch.setattr("benchmark.synthetic.generate.generate", generate)
    done = call("data", "embedded", tmp_path / "set", "--seed", 3)
    assert done.exit_code == 0, done.output
    assert asked == [(tmp_path / "set", 3)]
    assert f"Manifest: {tmp_path / 'set' / 'manifest.csv'}" in done.stdout


def test_the_embedded_set_overwrites_no_folder(tmp_path: Path) -> None:
    (tmp_path / "letters.txt").write_text("dear", encoding="utf-8")
    assert f"error: {tmp_path}" in error(call("data", "embedded", tmp_path))
