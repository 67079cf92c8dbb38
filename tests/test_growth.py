"""What grows with the data is computed once, shared or bounded by bytes; no time is judged."""

import hashlib
import json
from itertools import product
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd
import pytest

from benchmark.data import manifest as manifest_module
from benchmark.data.manifest import read_manifest
from benchmark.scoring.units import plan_groups
from benchmark.study import planning, tracks
from benchmark.study.planning import make_plan
from benchmark.study.resolved import resolve
from benchmark.study.schema import StudyDetector, study_of
from benchmark.training import sampling
from benchmark.training.recipe import Recipe
from benchmark.training.sampling import BatchOrder
from performance import engine, growth
from protocols import samples as samples_module
from protocols.conditions import CLEAN
from protocols.samples import TAXONOMY, fingerprint
from results import run as run_module
from results.run import RunContents
from results.store import scores_path
from tests.fake_run import fake_samples, make_run


def test_a_stream_is_permuted_once_a_lap(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[tuple[object, ...]] = []
    real = sampling.derive

    def derive(*parts: object) -> int:
        drawn.append(parts)
        return real(*parts)

    monkeypatch.setattr(sampling, "derive", derive)
    order = BatchOrder(np.arange(30), np.arange(30, 60), batch_size=6, balanced=True, seed=4)
    for step in range(30):  # three laps of 10 steps
        order.batch(step)
    assert drawn == [(4, "order", name, lap) for lap in range(3) for name in ("real", "fake")]


def test_models_of_one_training_set_share_what_they_are_scored_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    growth.prepare(tmp_path, 2000)
    study = study_of("one-to-many", detectors=["spectrum", "meso4"], size="tiny", seeds=[0, 1, 2])
    found: list[str] = []

    def options_of(entry: StudyDetector, recipe: Recipe, size: str) -> dict[str, Any]:
        found.append(entry.name)
        return tracks.options_of(entry, recipe, size)

    monkeypatch.setattr(planning, "options_of", options_of)
    plan = make_plan(resolve(study, tmp_path / growth.MANIFEST))
    assert sorted(found) == ["meso4", "spectrum"]  # not once a model
    assert len(plan.needs) == len(plan.jobs) > len({id(needs) for needs in plan.needs.values()}) > 1
    for model, needs in plan.needs.items():
        assert set(plan.jobs[model].training.val) <= set(needs[CLEAN])


def test_a_missing_score_is_found_among_many(tmp_path: Path) -> None:
    samples = fake_samples()
    rows = np.arange(len(samples))
    done = samples[["dataset", "sample_id"]].assign(model="a", condition=CLEAN.key)
    other = pd.DataFrame({"dataset": ["data"], "sample_id": ["of another set"]})
    done = pd.concat([done, other.assign(model="a", condition=CLEAN.key)], ignore_index=True)
    needs = {"a": {CLEAN: rows}, "b": {CLEAN: rows}}
    done = done.astype("category")
    (group,) = plan_groups(samples, needs, lambda _: [done], 8)
    assert all(set(unit.rows) == {"b"} for unit in group.units)
    lacking = done.drop(index=[len(rows) - 1])
    (group,) = plan_groups(samples, needs, lambda _: [lacking.iloc[:9], lacking.iloc[9:]], 8)
    assert [set(unit.rows) for unit in group.units][-1] == {"a", "b"}
    assert all(set(unit.rows) == {"b"} for unit in group.units[:-1])


def test_a_fingerprint_is_of_rows_however_many_are_joined_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    samples = fake_samples()
    columns = ["sample_id", "sha256", *TAXONOMY, "source", "split", "group", "identity", "pair"]
    digest = hashlib.sha256()
    for row in samples.sort_values("sample_id")[columns].itertuples(index=False, name=None):
        digest.update("\x1f".join(row).encode() + b"\x1e")
    assert fingerprint(samples) == digest.hexdigest()
    monkeypatch.setattr(samples_module, "_AT_ONCE", 7)
    assert fingerprint(samples.iloc[::-1]) == digest.hexdigest()


def test_plain_paths_are_those_that_stay_as_they_are() -> None:
    paths = ["".join(signs) for n in range(1, 7) for signs in product("a./", repeat=n)]
    odd = pd.Series(paths).str.contains(manifest_module._NOT_PLAIN, regex=True)
    for path, is_odd in zip(paths, odd, strict=True):
        # The root of all is refused as no relative path, whatever its slashes.
        assert is_odd == (str(PurePosixPath(path)) != path) or path == "//", path


def test_kept_scores_are_bounded_and_change_no_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(tmp_path, protocols=["cross-generator"], detectors=["xception", "spectrum"])
    contents = RunContents(run)
    models = list(contents.models)
    whole = [found_scores(contents, model) for model in models]
    total = sum(contents.scores(model).nbytes for model in models)
    assert total == 8 * sum(len(pd.read_parquet(scores_path(run, model))) for model in models)
    assert contents.scores(models[0]) is contents.scores(models[0])
    monkeypatch.setattr(run_module, "_MOST_KEPT_BYTES", 1)
    contents = RunContents(run)
    first = contents.scores(models[0])
    assert contents.scores(models[1]) is contents.scores(models[1])
    assert contents.scores(models[0]) is not first
    assert [found_scores(contents, model) for model in models] == whole


def found_scores(contents: RunContents, model: str) -> list[list[float]]:
    """Give what the cells of a protocol ask of a model's scores."""
    cells = contents.expansions["cross-generator"].cells
    (training,) = (entry.training for entry in contents.facts.entries if entry.model == model)
    own = [cell for cell in cells if cell.training == training]
    return [contents.scored(model, cell).scores.tolist() for cell in own]


@pytest.mark.parametrize("stage", [name for name in growth.STAGES if name != "report"])
def test_every_stage_of_growth_runs(
    tmp_path: Path, stage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(growth, "DETECTORS", 2)
    growth.prepare(tmp_path, 2000)
    assert len(read_manifest(tmp_path / growth.MANIFEST).samples) == 2000
    growth.STAGES[stage](tmp_path, 2000)()


def test_loading_is_compared_with_a_plain_loop(tmp_path: Path) -> None:
    path = tmp_path / "loading.json"
    options = ["--part", "loading", "--images", "6", "--workers", "0,2", "--rounds", "1"]
    engine.main([*options, "--json", str(path)])
    rows = json.loads(path.read_text(encoding="utf-8"))["tables"]["loading"]
    assert [row["way"] for row in rows] == ["plain loop", "0 threads", "2 threads"] * 2
    assert all(row["scores/s"] > 0 for row in rows)


def test_growth_is_told_as_a_table_with_its_rate(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "growth.json"
    engine.main(["--part", "growth", "--rows", "400,200", "--stages", "order", "--json", str(path)])
    rows = json.loads(path.read_text(encoding="utf-8"))["tables"]["growth"]
    assert [(row["stage"], row["rows"]) for row in rows] == [("order", 200), ("order", 400)]
    assert rows[0]["times n log n"] is None
    assert rows[1]["times n log n"] >= 0
    assert all(row["peak MB"] > 1 for row in rows)
    assert "| order | 400 |" in capsys.readouterr().out
