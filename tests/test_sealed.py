"""A sealed run is gone on with only as what it was sealed as, and is sealed again afterwards."""

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from benchmark.analysis.cost import Setting
from benchmark.analysis.run_cost import measure_run
from benchmark.study.crossvalidation import _folder_of, cross_validate
from benchmark.study.schema import Study
from results.errors import ResultError
from results.files import file_hash
from results.store import read_run, read_samples, scores_path, write_run, write_samples
from results.verifying import verify
from tests.small_data import write_dataset, write_recipe
from tests.small_study import Counting, run, study


class Done(NamedTuple):
    """A finished run, and what it was made of."""

    folder: Path
    manifest: Path
    recipe: str


def small(recipe: str, **changes: Any) -> Study:
    return study(recipe, protocol="everything").model_copy(update=changes)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Done:
    folder = tmp_path_factory.mktemp("done")
    manifest, recipe = write_dataset(folder / "data", count=6), write_recipe(folder)
    run(manifest, recipe, folder / "run", study=small(recipe))
    return Done(folder, manifest, recipe)


@pytest.fixture
def copy(done: Done, tmp_path: Path) -> Path:
    shutil.copytree(done.folder / "run", tmp_path / "run")
    return tmp_path / "run"


def tree(folder: Path) -> dict[str, str]:
    """Hash all files of a folder but its locks."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != ".locks")
    return {str(path.relative_to(folder)): file_hash(path) for path in sorted(files)}


def go_on(done: Done, out: Path, **changes: Any) -> Counting:
    """Go on with a run; the trained models are those of the first."""
    progress, options = Counting(), {"study": small(done.recipe)} | changes
    run(done.manifest, done.recipe, out, progress, store=done.folder / "store", **options)
    return progress


def other_sources(run: Path) -> str:
    samples = read_samples(run)
    samples.loc[samples.index[:3], "source"] = "elsewhere"
    write_samples(run, samples)
    return "fingerprint"


def other_facts(run: Path) -> str:
    path = sorted((run / "models").glob("*.json"))[0]
    path.write_text(json.dumps(json.loads(path.read_text()) | {"val_auc": 0.999}))
    return "model"


def other_title(run: Path) -> str:
    write_run(run, read_run(run).model_copy(update={"title": "Much better"}))
    return "run"


def other_entry(run: Path) -> str:
    facts = read_run(run)
    first, *rest = facts.entries
    changed = first.model_copy(update={"detector": "renamed"})
    write_run(run, facts.model_copy(update={"entries": [changed, *rest]}))
    return "entries"


EDITS = [other_sources, other_facts, other_title, other_entry]
SEED = {"seeds": (1,)}
WAYS: Mapping[str, Mapping[str, Any]] = {
    "again": {},
    "processes": {"executor": "processes", "workers": 2},
    "shard": {"shard": "1/2"},
}


def refused(done: Done, out: Path, rule: str, **changes: Any) -> None:
    before = tree(out)
    told = rf"{rule}.*nothing is added to a run that is not what it says: put back what was edited"
    with pytest.raises(ResultError, match=told):
        go_on(done, out, **changes)
    assert tree(out) == before


@pytest.mark.parametrize("edit", EDITS)
def test_a_run_that_was_edited_is_not_gone_on_with(
    edit: Callable[[Path], str], done: Done, copy: Path
) -> None:
    refused(done, copy, f"{edit(copy)}: ")


@pytest.mark.parametrize("way", WAYS)
def test_no_executor_goes_on_with_a_run_that_was_edited(way: str, done: Done, copy: Path) -> None:
    refused(done, copy, other_facts(copy), **WAYS[way])


def test_another_seed_is_not_added_to_a_run_that_was_edited(done: Done, copy: Path) -> None:
    wanted = small(done.recipe, **SEED)
    refused(done, copy, other_title(copy), study=wanted)


def spoil(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


def test_another_seed_is_not_added_beside_damaged_scores_which_it_does_not_compute(
    done: Done, copy: Path
) -> None:
    model = read_run(copy).entries[0].model
    assert model is not None
    wanted = small(done.recipe, **SEED)
    spoil(scores_path(copy, model))
    refused(done, copy, f"scores: .*{model}", study=wanted)
    scores_path(copy, model).unlink()
    refused(done, copy, f"scores: .*{model}.parquet: is gone", study=wanted)


@pytest.mark.parametrize("gone", [False, True])
def test_damaged_scores_of_the_run_itself_are_computed_again(
    gone: bool, done: Done, copy: Path
) -> None:
    model = read_run(copy).entries[0].model
    assert model is not None
    path, before = scores_path(copy, model), tree(copy)
    path.unlink() if gone else spoil(path)
    notes: list[str] = []

    class Heard(Counting):
        def note(self, text: str) -> None:
            notes.append(text)

    options = {"store": done.folder / "store", "study": small(done.recipe)}
    run(done.manifest, done.recipe, copy, Heard(), **options)
    assert gone or f"{path} was damaged: what it held is scored again" in notes
    left_out = ("host.json", "time.html", "index.html")
    now = tree(copy)
    assert {k: v for k, v in now.items() if k not in left_out} == {
        k: v for k, v in before.items() if k not in left_out
    }
    assert not verify(copy).faults


def test_a_sound_run_that_is_gone_on_with_keeps_its_seal_and_one_added_to_has_a_new_one(
    done: Done, copy: Path
) -> None:
    seal = read_run(copy).seal
    assert go_on(done, copy).jobs.get("score") == 0
    assert read_run(copy).seal == seal
    go_on(done, copy, study=small(done.recipe, **SEED))
    now = read_run(copy).seal
    assert now is not None
    assert seal is not None
    assert seal.models.items() < now.models.items()
    assert not verify(copy).faults


def test_a_fold_that_was_edited_is_not_gone_on_with(done: Done, copy: Path, tmp_path: Path) -> None:
    out, store = tmp_path / "out", tmp_path / "store"
    only, manifest = small(done.recipe), done.manifest
    fold = _folder_of("cpu", out) / "fold-1"
    shutil.copytree(copy, fold)
    rule, before = other_facts(fold), tree(tmp_path)
    with pytest.raises(ResultError, match=rf"fold-1: {rule}: .*nothing is added to a run"):
        cross_validate(only, manifest, out=out, folds=3, device="cpu", store=store)
    assert tree(tmp_path) == before


def test_what_a_model_costs_is_not_written_into_a_run_that_was_edited(
    done: Done, copy: Path
) -> None:
    rule, before = other_facts(copy), tree(copy)
    setting = Setting(size="tiny", device="cpu")
    with pytest.raises(ResultError, match=rf"{rule}: .*nothing is taken from a run"):
        measure_run(copy, setting, store=done.folder / "store")
    assert tree(copy) == before


@pytest.mark.parametrize("text", ["[]", '{"sittings": 3, "models": []}', "{}"])
def test_a_damaged_host_file_is_told_before_any_work(text: str, done: Done, copy: Path) -> None:
    (copy / "host.json").write_text(text)
    before = tree(copy)
    with pytest.raises(ResultError, match=r"host\.json: is not what a run writes of its host"):
        go_on(done, copy)
    assert tree(copy) == before
