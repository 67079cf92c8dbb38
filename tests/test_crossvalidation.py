"""Cross-validation: one model at a time, nothing twice, nothing that does not fit the time."""

import csv
import json
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import NamedTuple

import pytest
from typer.testing import CliRunner

from benchmark.cli.app import app
from benchmark.data.manifest import read_manifest
from benchmark.errors import BenchmarkError
from benchmark.study.crossvalidation import (
    CrossValidated,
    FoldModel,
    cross_validate,
    estimate,
    fold_models,
    missing,
)
from benchmark.study.schema import Study, load_study
from results.store import read_run, read_samples, read_scores, records
from tests.small_data import SMALL, write_dataset, write_recipe


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("data"), count=5)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    recipe = write_recipe(tmp_path_factory.mktemp("recipe"), steps=4)
    first, second = (
        {"detector": SMALL, "recipe": recipe, "label": name, "options": {"width": width}}
        for name, width in (("full", 8), ("narrow", 4))
    )
    return Study.model_validate(
        {
            "name": "both",
            "title": "Both",
            "protocols": [{"protocol": "everything"}],
            "detectors": [first, second],
            "size": "tiny",
            "seeds": [0],
            "reference": "full",
        }
    )


def do(study: Study, manifest: Path, folder: Path, **options: object) -> CrossValidated:
    return cross_validate(
        study, manifest, out=folder / "out", folds=3, store=folder / "store", device="cpu",
        **options,  # type: ignore[arg-type]
    )  # fmt: skip


class Sittings(NamedTuple):
    """A study stopped by its budget, then gone on with."""

    folder: Path
    first: CrossValidated
    planned: list[str]
    known: dict[str, float]
    rest: CrossValidated


@pytest.fixture(scope="module")
def sittings(study: Study, manifest: Path, tmp_path_factory: pytest.TempPathFactory) -> Sittings:
    folder = tmp_path_factory.mktemp("sittings")
    # Each look at this clock is 10 s later: a model takes 10 s between its two looks.
    ticks = (10.0 * n for n in count())
    first = do(study, manifest, folder, budget=45.0, clock=lambda: next(ticks))
    planned: list[str] = []
    known: dict[str, float] = {}

    def note(left: Sequence[FoldModel], took: Mapping[str, float]) -> None:
        planned.extend(model.name for model in left)
        known.update(took)

    rest = do(study, manifest, folder, on_plan=note)
    return Sittings(folder, first, planned, known, rest)


@pytest.fixture(scope="module")
def finished(sittings: Sittings) -> Path:
    return next((sittings.folder / "out").iterdir())


def test_a_fold_is_done_for_all_detectors_before_the_next(study: Study, manifest: Path) -> None:
    models, gaps = fold_models(study, read_manifest(manifest), 3)
    assert [(p.fold.number, p.detector.name) for p in models] == [
        (0, "full"), (0, "narrow"), (1, "full"), (1, "narrow"), (2, "full"), (2, "narrow"),
    ]  # fmt: skip
    assert gaps == []


def test_every_image_is_scored_as_a_test_image_in_one_fold(finished: Path) -> None:
    tested: list[str] = []
    for run in sorted(finished.glob("fold-*")):
        assert len(records(run)) == 2
        assert read_run(run).reference == "full"
        model = next(e.model for e in read_run(run).entries if e.model)
        rows = read_scores(run, model)
        split = read_samples(run).set_index("sample_id")["split"]
        tested += [s for s in rows["sample_id"] if split[s] == "test"]
    assert len(tested) == len(set(tested)) == 60


def test_what_was_made_says_where_on_what_and_that_it_is_a_demonstration(finished: Path) -> None:
    log = json.loads((finished / "cross-validation.json").read_text())
    assert len(log) == 6
    facts = log["fold 0, everything, all, full, seed 0"]
    assert (facts["kind"], facts["folds"], facts["detector"]) == ("demonstration", 3, "full")
    assert facts["seconds"] > 0
    assert facts["versions"]["device"].startswith("cpu")
    assert "(demonstration), fold 0 of 3" in (finished / "fold-0" / "index.html").read_text()
    facts_of_model = json.loads(next((finished / "fold-0" / "models").iterdir()).read_text())
    assert facts_of_model["init"] == "random"


def test_the_mean_over_folds_is_of_each_folds_own_value(finished: Path) -> None:
    values = []
    for run in sorted(finished.glob("fold-*")):
        full = next(entry.model for entry in read_run(run).entries if entry.detector == "full")
        values += [
            cell.metrics["AUC"].value
            for record in records(run)
            for cell in record.cells
            if record.model == full and cell.test == "tint"
        ]
    with (finished / "everything-folds.csv").open(newline="") as file:
        row = next(row for row in csv.DictReader(file) if row["row"] == "full")
    assert len(values) == 3
    assert float(row["tint"]) == pytest.approx(sum(v for v in values if v is not None) / 3)
    assert "3/3" in (finished / "everything-folds.md").read_text()


def test_weights_stay_behind(finished: Path) -> None:
    assert not list(finished.rglob("*.safetensors"))


def test_it_stops_before_a_model_that_would_not_fit_and_goes_on_later(
    sittings: Sittings, study: Study, manifest: Path
) -> None:
    assert len(sittings.first.done) == 2
    assert [model.name for model in sittings.first.left] == sittings.planned
    assert len(sittings.planned) == 4
    assert sittings.known == {"full": 10.0, "narrow": 10.0}
    assert list(sittings.rest.done) == sittings.planned
    assert sittings.rest.left == []
    assert do(study, manifest, sittings.folder).done == {}


def test_a_model_without_its_record_is_missing(
    study: Study, manifest: Path, finished: Path
) -> None:
    models, _ = fold_models(study, read_manifest(manifest), 3)
    assert missing(models, finished.parent) == []
    assert len(missing(models, finished.parent / "elsewhere")) == 6


def test_an_estimate_is_of_the_detector_or_the_longest(study: Study, manifest: Path) -> None:
    model = fold_models(study, read_manifest(manifest), 3)[0][0]
    assert estimate(model, {}) is None
    assert estimate(model, {"narrow": 9.0, "other": 20.0}) == 20.0
    assert estimate(model, {"full": 3.0, "other": 20.0}) == 3.0


def test_a_fold_without_images_of_a_class_is_named(study: Study, tmp_path: Path) -> None:
    path = write_dataset(tmp_path, count=1)
    lines = path.read_text().splitlines()
    kept = [line for line in lines if "tint" not in line or "test" in line]
    path.write_text("\n".join(kept) + "\n")
    protocol = study.protocols[0].model_copy(update={"protocol": "cross-generator"})
    _, gaps = fold_models(
        study.model_copy(update={"protocols": (protocol,)}), read_manifest(path), 3
    )
    assert any("cross-generator, tint: no forged images" in gap for gap in gaps)


def test_folds_are_of_one_dataset(study: Study, manifest: Path, tmp_path: Path) -> None:
    text = (Path(__file__).parents[1] / "protocols" / "everything.yaml").read_text()
    own = tmp_path / "two.yaml"
    text = text.replace("name: everything", "name: two").replace("[data]", "[data, other]")
    own.write_text(text)
    protocol = study.protocols[0].model_copy(update={"protocol": str(own)})
    two = study.model_copy(update={"protocols": (protocol,)})
    with pytest.raises(BenchmarkError, match="its roles are data, other, but folds are of one"):
        fold_models(two, read_manifest(manifest), 3)


def test_the_demonstration_puts_mfclip_and_its_controls_first() -> None:
    names = [detector.name for detector in load_study("demonstration").detectors]
    assert names[:3] == ["mfclip", "mfclip-release", "ce-only"]


def test_the_command_prints_its_plan_first(
    sittings: Sittings, manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    arguments = ["cross-validate", "everything", "--detectors", "spectrum", "--size", "tiny"]
    arguments += ["--data", str(manifest), "--folds", "3", "--budget-seconds", "0"]
    arguments += ["--out", str(tmp_path / "out"), "--store", str(tmp_path / "store")]
    told = CliRunner().invoke(app, arguments)
    assert told.exit_code == 0, told.output
    assert "Models without a record: 3" in told.stdout
    assert "fold 2, everything, all, spectrum, seed 0" in told.stdout
    # The first has no estimate, so it is done; the next would not fit.
    assert "1 models done, 2 left" in told.stdout
