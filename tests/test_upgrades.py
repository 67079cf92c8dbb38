"""Files of older schemas are read as what they say today, and are left as they are."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmark.training.store import ModelStore
from results import store, upgrades
from results.errors import ResultError
from results.schema import SCHEMA
from results.store import read_model, read_run, write_run
from results.upgrades import upgraded
from tests.fake_run import make_run

OLDEST = -1


def older(raw: dict[str, Any]) -> dict[str, Any]:
    """Two schemas ago a run had a ``name`` for its study, and a ``batch`` for its batch size."""
    old = {**raw, "schema": OLDEST, "name": raw["study"], "batch": raw["batch_size"]}
    return {key: value for key, value in old.items() if key not in ("study", "batch_size")}


def _rename(kind: str, raw: dict[str, Any], old: str, new: str) -> dict[str, Any]:
    if kind == "RunFacts":
        raw[new] = raw.pop(old)
    return raw


LADDER = {
    -1: lambda kind, raw: _rename(kind, raw, "name", "study"),
    0: lambda kind, raw: _rename(kind, raw, "batch", "batch_size"),
    **upgrades.UPGRADES,
}


@pytest.fixture
def old_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    run = make_run(tmp_path, protocols=["cross-forgery"], detectors=["spectrum"])
    path = run / "run.json"
    path.write_text(json.dumps(older(json.loads(path.read_text()))))
    monkeypatch.setattr(store, "upgraded", lambda *a: upgraded(*a, schema=SCHEMA, ladder=LADDER))
    return run


def test_an_older_file_is_read_step_by_step_and_not_rewritten(old_run: Path) -> None:
    before = (old_run / "run.json").read_bytes()
    facts = read_run(old_run)
    assert (facts.study, facts.batch_size) == ("fake", 32)
    assert (old_run / "run.json").read_bytes() == before


def test_an_older_file_is_not_replaced_by_writing_either(old_run: Path) -> None:
    before = (old_run / "run.json").read_bytes()
    with pytest.raises(ResultError, match=r"run\.json: schema -1 is read but not written by this"):
        write_run(old_run, read_run(old_run))
    assert (old_run / "run.json").read_bytes() == before


def test_a_trained_model_of_an_older_schema_is_used_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(tmp_path / "run", protocols=["cross-forgery"], detectors=["spectrum"])
    path = next((run / "models").iterdir())
    now = json.loads(path.read_text())
    kept = tmp_path / "models" / path.stem / "facts.json"
    kept.parent.mkdir(parents=True)
    kept.write_text(json.dumps({**now, "schema": OLDEST}))
    monkeypatch.setattr(store, "upgraded", lambda *a: upgraded(*a, schema=SCHEMA, ladder=LADDER))
    wanted = read_model(run, path.stem).model_copy(update={"track": "unknown"})
    assert ModelStore(tmp_path / "models").facts(path.stem) == wanted


def test_each_kind_of_file_climbs_by_its_own_steps() -> None:
    raw = {"schema": -1, "name": "spectrum", "batch": 3}
    assert upgraded(raw, "ModelFacts", "x.json", schema=1, ladder=LADDER) == {**raw, "schema": 1}
    assert raw["schema"] == -1


def test_a_ladder_that_lacks_a_step_names_the_oldest_schema_that_is_read() -> None:
    with pytest.raises(ResultError, match=r"schema -1 is no longer read; the oldest that is, is 0"):
        upgraded({"schema": -1}, "Record", "x.json", schema=1, ladder={0: LADDER[0]})


def test_every_older_schema_of_today_has_a_step_to_the_next() -> None:
    known = upgrades.UPGRADES
    assert sorted(known) == list(range(SCHEMA - len(known), SCHEMA))
