"""Submissions: accepted end to end by honest ones, refused by name whatever is tried."""

import json
import re
import shutil
import stat
import zipfile
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner

from benchmark.cli.app import app
from benchmark.cli.board import board_app
from leaderboard.board.build import build_board, gather
from leaderboard.board.records import read_entries
from leaderboard.errors import LeaderboardError
from leaderboard.submissions.adding import add_submission
from leaderboard.submissions.checking import check_archive
from leaderboard.submissions.keeper import Keeper, make_keeper
from leaderboard.submissions.packing import pack
from leaderboard.submissions.verdicts import CheckedSubmission
from tests.cheats import CARD, CHEATS, edited, files_of, logits, rescored, zipped
from tests.fake_run import make_run

TODAY = date(2026, 11, 27)
SAID: dict[str, Any] = {"submitter": "Some Group", "training_data": "these images", "said": CARD}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(
        tmp_path_factory.mktemp("run"),
        protocols=["cross-forgery", "robustness-basic"],
        detectors=["mfclip", "xception"],
    )


@pytest.fixture(scope="module")
def keeper(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_keeper(run, tmp_path_factory.mktemp("keeper") / "k")


@pytest.fixture(scope="module")
def honest(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("honest") / "x.zip"
    pack(run, path, detector="xception", **SAID)
    return path


def broken(checked: CheckedSubmission) -> dict[str, tuple[str, ...]]:
    return {verdict.rule: verdict.faults for verdict in checked.verdicts if verdict.faults}


def test_an_honest_submission_is_accepted_and_its_numbers_are_the_runs(
    run: Path, keeper: Path, honest: Path, tmp_path: Path
) -> None:
    checked = check_archive(honest, keeper, TODAY)
    assert broken(checked) == {}
    assert len(checked.verdicts) >= 20
    ours = {e.protocol: e for e in gather([run]) if e.detector == "xception"}
    for entry in checked.entries:
        assert entry.state == "recomputed"
        assert entry.cells == ours[entry.protocol].cells
        assert entry.card is not None
        assert entry.card.paper == CARD["paper"]
    pack(run, tmp_path / "again.zip", detector="xception", **SAID)
    assert (tmp_path / "again.zip").read_bytes() == honest.read_bytes()
    held = files_of(honest)
    assert not [name for name in held if name.endswith((".png", ".pt", ".pkl", "samples.parquet"))]


def test_it_goes_into_a_folder_of_hidden_labels_and_onto_a_board_and_is_only_appended(
    run: Path, honest: Path, tmp_path: Path
) -> None:
    keeper = make_keeper(run, tmp_path / "keeper", hidden_labels=True, looks=2)
    ids = pd.read_csv(keeper / "ids.csv")
    assert list(ids.columns) == ["dataset", "sample_id"], "no label among what submitters see"
    first = add_submission(honest, keeper, tmp_path / "entries", TODAY)
    assert broken(first.checked) == {}
    assert [path.name for path in first.added] == ["some-group-xception-tiny-common-0-1.json"] * 2
    assert {entry.state for entry in read_entries(tmp_path / "entries")} == {"hidden-labels"}
    again = add_submission(honest, keeper, tmp_path / "entries", TODAY, reason="sent twice")
    assert (again.added, len(again.same)) == ((), 2), "what says just the same is passed over"
    third = add_submission(honest, keeper, tmp_path / "entries", TODAY)
    assert (list(broken(third.checked)), third.added) == (["looks"], ())
    tomorrow = date(2026, 11, 28)
    other = edited(files_of(honest), "submission.json", lambda s: s.update(title="Corrected"))
    corrected = zipped(tmp_path / "other.zip", other)
    with pytest.raises(LeaderboardError, match=r"says something else; entries are never changed"):
        add_submission(corrected, keeper, tmp_path / "entries", tomorrow)
    second = add_submission(
        corrected, keeper, tmp_path / "entries", tomorrow, reason="a name was wrong"
    )
    assert [path.name for path in second.added] == ["some-group-xception-tiny-common-0-2.json"] * 2
    page = build_board(gather([tmp_path / "entries"]), tmp_path / "site")
    assert "hidden-labels" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize("what", CHEATS)
def test_it_is_refused_by_name(what: str, keeper: Path, honest: Path, tmp_path: Path) -> None:
    rule, cheat = CHEATS[what]
    checked = check_archive(zipped(tmp_path / "x.zip", cheat(files_of(honest))), keeper, TODAY)
    assert rule in broken(checked), [v.rule for v in checked.verdicts]
    assert not checked.is_accepted
    assert checked.entries == []
    for faults in broken(checked).values():
        assert all(fault and "/tmp" not in fault and "\n" not in fault for fault in faults)


def test_a_link_in_an_archive_is_refused(keeper: Path, honest: Path, tmp_path: Path) -> None:
    path = zipped(tmp_path / "x.zip", files_of(honest))
    with zipfile.ZipFile(path, "a") as archive:
        about = zipfile.ZipInfo("models/link.json")
        about.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(about, "/etc/passwd")
    assert list(broken(check_archive(path, keeper, TODAY))) == ["archive-links"]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"not a zip at all"])
def test_what_is_no_archive_is_refused(content: bytes, keeper: Path, tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(content)
    assert list(broken(check_archive(tmp_path / "x.zip", keeper, TODAY))) == ["archive-readable"]


def test_a_cut_archive_is_refused(keeper: Path, honest: Path, tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(honest.read_bytes()[:-500])
    assert list(broken(check_archive(tmp_path / "x.zip", keeper, TODAY))) == ["archive-readable"]


@pytest.mark.parametrize(("factor", "how"), [(1.0, "are those"), (-2.5, "are an affine function")])
def test_a_copy_of_an_accepted_entry_is_refused(
    run: Path, honest: Path, tmp_path: Path, factor: float, how: str
) -> None:
    keeper = make_keeper(run, tmp_path / "keeper")
    add_submission(honest, keeper, tmp_path / "entries", TODAY)
    files = rescored(files_of(honest), lambda t: logits(t, factor * t["logit"].astype(float)))
    copied = edited(files, "submission.json", lambda s: s.update(name="thief", submitter="thief"))
    checked = check_archive(zipped(tmp_path / "copy.zip", copied), keeper, TODAY)
    assert f"{how}" in broken(checked)["scores-copied"][0]
    assert "some-group-xception" in broken(checked)["scores-copied"][0]


def test_markup_formulas_and_signs_in_names_are_shown_harmlessly(
    keeper: Path, honest: Path, tmp_path: Path
) -> None:
    title = "=HYPERLINK(1) <script>alert(1)</script> \\input{/etc/passwd} | **x** \u202e"
    files = edited(files_of(honest), "submission.json", lambda s: s.update(title=title))
    path = zipped(tmp_path / "x.zip", files)
    held = shutil.copytree(keeper, tmp_path / "k")
    added = add_submission(path, held, tmp_path / "e", TODAY).added
    page = build_board(gather([tmp_path / "e"]), tmp_path / "site")
    text = page.read_text(encoding="utf-8")
    assert "<script>alert" not in text
    assert "\u202e" not in text.partition('id="data">')[0]
    rows = (tmp_path / "site" / "board.csv").read_text(encoding="utf-8")
    assert ",=HYPERLINK" not in rows
    assert added


def test_the_commands_tell_a_line_a_rule_json_and_an_exit_code(
    run: Path, honest: Path, tmp_path: Path
) -> None:
    def invoke(*arguments: object) -> tuple[int, str]:
        done = CliRunner().invoke(app, ["board", *map(str, arguments)], env={"COLUMNS": "240"})
        return done.exit_code, done.output

    assert invoke("keep", run, "-o", tmp_path / "k")[0] == 0
    options = ("--submitter", "G", "--training-data", "these", "--detector", "xception")
    code, said = invoke("pack", run, "-o", tmp_path / "x.zip", *options)
    assert code != 0
    assert "a card says paper, code, licence, fidelity" in said.replace("\n", " ")
    told = tmp_path / "told.json"
    code, said = invoke("check", honest, "--keeper", tmp_path / "k", "--json", told)
    assert (code, "kept    scores-samples" in said) == (0, True), said
    assert json.loads(told.read_text())["accepted"] is True
    bad = zipped(tmp_path / "bad.zip", {**files_of(honest), "x.pkl": b""})
    code, said = invoke("add", bad, "--keeper", tmp_path / "k", "--entries", tmp_path / "e")
    assert code != 0
    assert "broken  archive-contents: 'x.pkl' has no place in a submission" in said
    assert not (tmp_path / "e").exists()


def test_the_workflow_for_pull_requests_runs_no_code_of_theirs() -> None:
    raw = yaml.safe_load((Path(__file__).parents[1] / "examples/board-submission.yml").read_text())
    steps = raw["jobs"]["check"]["steps"]
    assert raw["permissions"] == {"contents": "read", "pull-requests": "write"}
    assert all(re.search(r"@[0-9a-f]{40}$", s["uses"]) for s in steps if "uses" in s)
    assert not any("ref" in step.get("with", {}) for step in steps), "the base is checked out"
    said = " ".join(step.get("run", "") for step in steps)
    assert "${{" not in said, "nothing of a request is pasted into a command"
    known = {command.name for command in board_app.registered_commands}
    known |= {c.callback.__name__ for c in board_app.registered_commands if c.callback}
    assert set(re.findall(r"forgerybench --no-code board (\w+)", said)) == {"add", "build"} <= known


def test_a_folder_that_is_no_keepers_is_named(run: Path, tmp_path: Path) -> None:
    with pytest.raises(LeaderboardError, match="no keeper's folder"):
        Keeper(tmp_path)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_text("")
    with pytest.raises(LeaderboardError, match="is not empty"):
        make_keeper(run, tmp_path / "full")
