"""Reruns: an entry's images scored again from its weights, and what only that may change."""

import json
import shutil
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from typer.testing import CliRunner

import leaderboard.submissions.reruns as reruns_module
from benchmark.analysis.rerun import EntryRerun, RerunSettings, rerun_entry
from benchmark.cli.app import app
from benchmark.errors import BenchmarkError
from benchmark.progress import Progress
from leaderboard.board.build import build_board
from leaderboard.board.entries import run_entries
from leaderboard.board.records import add_entry, append_entries, read_entries, read_entry
from leaderboard.board.schema import BoardEntry
from leaderboard.errors import LeaderboardError
from leaderboard.submissions.adding import add_submission
from leaderboard.submissions.keeper import Keeper, make_keeper
from leaderboard.submissions.packing import pack
from leaderboard.submissions.reruns import draw_sample, with_rerun
from results.run import RunContents
from tests import small_study
from tests.cheats import CARD
from tests.small_data import SMALL, write_dataset, write_recipe

TODAY = date(2026, 11, 27)


class Case(NamedTuple):
    manifest: Path
    run: Path
    store: Path
    contents: RunContents
    entry: BoardEntry


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    folder = tmp_path_factory.mktemp("rerun")
    manifest = write_dataset(folder / "data")
    page = small_study.run(manifest, write_recipe(folder), folder / "run")
    contents = RunContents(page.parent)
    (entry,) = run_entries(contents)
    return Case(manifest, page.parent, folder / "store", contents, entry)


@pytest.fixture(autouse=True)
def few_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the few images of the small set be enough."""
    monkeypatch.setattr(reruns_module, "FEWEST_IMAGES", 10)


def rerun(case: Case, folder: Path, **changes: Any) -> EntryRerun:
    options: dict[str, Any] = {
        "data": case.manifest, "reruns": folder, "images": 16, "store": case.store,
        "device": "cpu", "allow_code": [SMALL.partition(":")[0]],
    }  # fmt: skip
    settings = RerunSettings(**(options | changes))
    return rerun_entry(case.entry, case.contents, settings, TODAY, Progress())


def test_honest_scores_come_out_again_and_the_entry_may_be_called_so(
    case: Case, tmp_path: Path
) -> None:
    found = rerun(case, tmp_path / "reruns")
    facts = found.facts
    assert (facts.agrees, found.is_enough, facts.share) == (True, True, 1.0)
    assert facts.models == len(case.entry.models) == 2
    assert (facts.images, facts.scores) == (16, 32)
    assert facts.largest_logit < 1e-4
    assert facts.auc_published == facts.auc_again
    lifted = with_rerun(case.entry, case.contents, tmp_path / "reruns")
    assert (lifted.state, lifted.rerun) == ("re-run", facts)
    add_entry(tmp_path / "entries", case.entry)
    added, _ = append_entries(tmp_path / "entries", [lifted], reason="run again")
    assert [path.name[-7:] for path in added] == ["-2.json"]
    (page,) = (
        path
        for path in build_board(read_entries(tmp_path / "entries"), tmp_path / "site").parent.glob(
            "detectors/*.html"
        )
    )
    assert "16 images of each of 2 models" in page.read_text("utf-8")


def test_the_sample_is_of_its_seed_and_half_of_it_is_real(case: Case) -> None:
    training = next(iter(case.entry.models))

    def drawn(seed: int) -> list[int]:
        (part,) = draw_sample(case.contents, case.entry.protocol, training, 8, seed)
        labels = case.contents.samples["label"].iloc[part.rows].tolist()
        assert labels.count("real") == 4
        return list(part.rows)

    assert drawn(0) == drawn(0) != drawn(1)


def other_scores(case: Case, folder: Path) -> Case:
    """Make a run of the same models whose scores are made up."""
    from results.sealing import seal_run
    from results.store import read_model, read_scores, write_model, write_scores

    run = Path(shutil.copytree(case.run, folder))
    shutil.rmtree(run / "records")
    for model in case.contents.models:
        table = read_scores(run, model)
        table["logit"] = -table["logit"]
        write_model(run, read_model(run, model).model_copy(update={"scores": None}))
        write_scores(run, model, table)
    seal_run(run)
    contents = RunContents(run)
    (entry,) = run_entries(contents)
    return case._replace(run=run, contents=contents, entry=entry)


def test_made_up_scores_do_not_come_out_again_and_lift_nothing(case: Case, tmp_path: Path) -> None:
    cheat = other_scores(case, tmp_path / "cheat")
    found = rerun(cheat, tmp_path / "reruns")
    assert (found.facts.agrees, found.is_enough) == (False, False)
    assert found.facts.auc_published == pytest.approx(1 - (found.facts.auc_again or 0))
    kept = with_rerun(cheat.entry, cheat.contents, tmp_path / "reruns")
    assert kept.state == "recomputed"
    assert kept.rerun is not None
    assert not kept.rerun.agrees, "that it failed is shown"
    honest = with_rerun(case.entry, case.contents, tmp_path / "reruns")
    assert honest.rerun is None, "of other scores a record says nothing"
    rerun(case, tmp_path / "reruns")
    with_both = with_rerun(cheat.entry, cheat.contents, tmp_path / "reruns")
    assert with_both.state == "recomputed", "a record of the honest scores lifts no others"


def forge(path: Path, edit: Any) -> None:
    raw = json.loads(path.read_text(encoding="utf-8"))
    edit(next(iter(raw["models"].values())), raw)
    path.write_text(json.dumps(raw), encoding="utf-8")


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        (lambda model, _: model.update(published=model["again"][::-1]), "published scores are not"),
        (lambda model, _: model.update(samples=model["samples"][::-1]), "not those that seed 0"),
        (lambda _, raw: raw.update(seed=5), "not those that seed 5 draws"),
        (lambda model, _: model.update(weights="0" * 64), "of other weights than the entry's"),
        (lambda model, _: model.update(again=model["again"][:-1]), "published scores are not"),
        (lambda _, raw: raw.update(agrees=True), "'agrees' is wrong"),
    ],
)
def test_a_record_that_was_edited_is_refused(
    case: Case, tmp_path: Path, edit: Any, told: str
) -> None:
    path = rerun(case, tmp_path / "reruns").path
    forge(path, edit)
    with pytest.raises(LeaderboardError, match=told):
        with_rerun(case.entry, case.contents, tmp_path / "reruns")


def test_scores_that_were_edited_in_a_record_are_compared_again(case: Case, tmp_path: Path) -> None:
    path = rerun(case, tmp_path / "reruns").path
    forge(path, lambda model, _: model.update(again=[value + 1 for value in model["again"]]))
    kept = with_rerun(case.entry, case.contents, tmp_path / "reruns")
    assert (kept.state, kept.rerun and kept.rerun.agrees) == ("recomputed", False)


@pytest.mark.parametrize("changes", [{"images": 8}, {"tolerance": 0.5}])
def test_few_images_or_a_wide_tolerance_are_not_enough(
    case: Case, tmp_path: Path, changes: dict[str, Any]
) -> None:
    found = rerun(case, tmp_path / "reruns", **changes)
    assert (found.facts.agrees, found.is_enough) == (True, False)
    assert with_rerun(case.entry, case.contents, tmp_path / "reruns").state == "recomputed"


def test_other_weights_than_the_scores_are_of_are_refused(case: Case, tmp_path: Path) -> None:
    store = Path(shutil.copytree(case.store, tmp_path / "store"))
    first, second = (store / model / "model.safetensors" for model in case.contents.models)
    shutil.copyfile(second, first)
    with pytest.raises(BenchmarkError, match="is not what the entry's scores were computed with"):
        rerun(case, tmp_path / "reruns", store=store)
    shutil.rmtree(first.parent)
    with pytest.raises(BenchmarkError, match=r"has no model 'small-.*', whose weights"):
        rerun(case, tmp_path / "reruns", store=store)
    assert not (tmp_path / "reruns").exists()


def test_images_that_changed_are_named(case: Case, tmp_path: Path) -> None:
    data = Path(shutil.copytree(case.manifest.parent, tmp_path / "data"))
    for path in data.rglob("test*.png"):
        shutil.copyfile(next(data.rglob("train0.png")), path)
    with pytest.raises(Exception, match=r"test\d+\.png"):
        rerun(case, tmp_path / "reruns", data=data / "manifest.csv")


def test_no_entry_calls_itself_run_again(case: Case, tmp_path: Path) -> None:
    raw = json.loads(add_entry(tmp_path, case.entry).read_text(encoding="utf-8"))
    path = tmp_path / "forged.json"
    path.write_text(json.dumps({**raw, "state": "re-run"}), encoding="utf-8")
    with pytest.raises(LeaderboardError, match="state re-run needs a rerun that agrees"):
        read_entry(path)


def test_a_keeper_runs_a_submission_again_and_its_next_version_is_lifted(
    case: Case, tmp_path: Path
) -> None:
    keeper = make_keeper(case.run, tmp_path / "keeper")
    archive = tmp_path / "x.zip"
    pack(case.run, archive, submitter="us", training_data="these", said=CARD)
    first = add_submission(archive, keeper, tmp_path / "entries", TODAY)
    assert [verdict for verdict in first.checked.verdicts if verdict.faults] == []
    added = first.added
    assert read_entry(added[0]).state == "recomputed"

    def invoke(*arguments: object) -> tuple[int, str]:
        done = CliRunner().invoke(app, ["board", *map(str, arguments)], env={"COLUMNS": "240"})
        return done.exit_code, done.output

    options = (
        "--data", case.manifest, "--store", case.store, "--images", 16, "--device", "cpu",
        "--allow-code", SMALL.partition(":")[0],
    )  # fmt: skip
    told = tmp_path / "told.json"
    code, said = invoke(
        "rerun", added[0], "--archive", archive, "--keeper", keeper, *options, "--json", told
    )
    assert (code, "100.0% of the scores agree to 0.02" in said) == (0, True), said
    assert json.loads(told.read_text())["counts"] is True
    assert len(list(Keeper(keeper).reruns.glob("*/*.json"))) == 1
    again = add_submission(archive, keeper, tmp_path / "entries", TODAY, reason="run again")
    assert [read_entry(path).state for path in again.added] == ["re-run"]
    code, said = invoke("rerun", added[0], *options)
    assert code != 0
    assert "name what the entry was made from: --run, or --archive and --keeper" in said


def test_a_run_does_not_vouch_for_itself(case: Case, tmp_path: Path) -> None:
    run = Path(shutil.copytree(case.run, tmp_path / "run"))
    rerun(case, run / "reruns")
    arguments = ["board", "enter", str(run), "--entries", str(tmp_path / "e")]
    done = CliRunner().invoke(app, [*arguments, "--reruns", str(run / "reruns")])
    assert done.exit_code != 0
    assert "no run vouches for itself" in done.output.replace("\n", " ")
    shutil.move(run / "reruns", tmp_path / "reruns")
    done = CliRunner().invoke(app, [*arguments, "--reruns", str(tmp_path / "reruns")])
    assert done.exit_code == 0, done.output
    assert [entry.state for entry in read_entries(tmp_path / "e")] == ["re-run"]
