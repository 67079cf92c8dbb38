"""The board: entries that are only added to, ranks within a state, holes that never help."""

import csv
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from benchmark.cli.app import app
from benchmark.study.importing import ImportSettings, import_scores
from leaderboard.board.build import build_board, gather
from leaderboard.board.entries import run_entries, slug
from leaderboard.board.ranking import Slice, lead_of, slices
from leaderboard.board.records import (
    add_entry,
    append_entries,
    entry_text,
    newest,
    read_entries,
    read_entry,
)
from leaderboard.board.reported import reported_entries
from leaderboard.board.schema import BoardEntry, replicates_of
from leaderboard.errors import LeaderboardError
from results.comparing import compare_detectors
from results.literature import Literature, Name, Reported
from results.store import read_samples
from tests.fake_board import make_entry
from tests.fake_run import make_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(
        tmp_path_factory.mktemp("run"),
        protocols=["cross-forgery"],
        detectors=["mfclip", "spectrum"],
    )


@pytest.fixture(scope="module")
def of_run(run: Path) -> list[BoardEntry]:
    return run_entries(run)


def only(entries: list[BoardEntry]) -> Slice:
    return slices(entries)[0]


def ranks(entries: list[BoardEntry]) -> dict[str, int | None]:
    return {row.entry.entry: row.rank for row in only(entries).rows}


def test_an_entry_of_a_run_has_its_numbers_and_comes_back_as_written(
    of_run: list[BoardEntry], tmp_path: Path
) -> None:
    assert [(e.entry, e.state) for e in of_run] == [
        ("mfclip-tiny-common-0", "recomputed"), ("spectrum-tiny-common-0", "recomputed"),
    ]  # fmt: skip
    assert len(of_run[0].cells) == 9
    assert of_run[0].draws == of_run[1].draws != ""
    for entry in of_run:
        path = add_entry(tmp_path, entry)
        assert path == tmp_path / "cross-forgery-v1" / f"{entry.entry}-1.json"
        assert read_entry(path) == entry
    assert read_entries(tmp_path) == of_run


def test_differences_over_kept_resamples_are_those_of_the_run(
    run: Path, of_run: list[BoardEntry]
) -> None:
    told = compare_detectors(run, "mfclip", "spectrum")
    for at, expected in enumerate(told.cells):
        left, right = (entry.cells[at] for entry in of_run)
        if expected.difference is None or not (left.replicates and right.replicates):
            continue
        spread = (left.replicates.values() - right.replicates.values()).std(ddof=1)
        width = (expected.difference.high - expected.difference.low) / (2 * 1.96)
        assert spread == pytest.approx(width, rel=0.25)
        value = left.metrics["AUC"].value - right.metrics["AUC"].value
        assert value == pytest.approx(expected.difference.value)


def test_resamples_are_kept_to_a_hundredth_of_their_spread() -> None:
    values = np.random.default_rng(0).normal(0.8, 0.02, 1000)
    kept = replicates_of(values).values()
    assert len(kept) == 200
    assert np.abs(kept - values[:200]).max() < 0.02 * values.std()


def test_entries_are_never_changed_and_corrections_say_why(tmp_path: Path) -> None:
    first = make_entry("one")
    add_entry(tmp_path, first)
    with pytest.raises(LeaderboardError, match="never changed: add version 2 with a reason"):
        add_entry(tmp_path, first)
    with pytest.raises(LeaderboardError, match="a correction says its reason"):
        add_entry(tmp_path, make_entry("one", version=2))
    with pytest.raises(LeaderboardError, match="versions are counted from 1"):
        add_entry(tmp_path, make_entry("one", version=3, reason="labels were wrong"))
    second = make_entry("one", version=2, reason="labels were wrong", strength=0.7)
    add_entry(tmp_path, second)
    assert newest(read_entries(tmp_path)) == [second]


def test_a_run_entered_again_adds_what_is_new_and_corrects_with_a_reason(tmp_path: Path) -> None:
    one, two = make_entry("one"), make_entry("two")
    added, same = append_entries(tmp_path, [one])
    assert ([path.name for path in added], same) == (["one-1.json"], [])
    added, same = append_entries(tmp_path, [one, two])
    assert ([path.name for path in added], same) == (["two-1.json"], [one])
    changed = one.model_copy(update={"title": "another"})
    three = make_entry("three")
    with pytest.raises(LeaderboardError, match=r"one-1\.json: is there already and says something"):
        append_entries(tmp_path, [three, changed])
    assert not list(tmp_path.rglob("three*"))
    added, same = append_entries(tmp_path, [changed, two], reason="labels were wrong")
    assert ([path.name for path in added], same) == (["one-2.json"], [two])
    again = append_entries(tmp_path, [changed])
    assert (again[0], [entry.version for entry in again[1]]) == ([], [2])


def test_an_entry_of_another_processor_says_the_same(tmp_path: Path) -> None:
    one = make_entry("one")
    append_entries(tmp_path, [one])
    moved = []
    for cell in one.cells:
        assert cell.replicates is not None
        metrics = {
            m: n.model_copy(update={"value": n.value + 1e-15}) for m, n in cell.metrics.items()
        }
        kept = replicates_of(cell.replicates.values() + 1e-15)
        moved.append(cell.model_copy(update={"metrics": metrics, "replicates": kept}))
    assert one.cells != tuple(moved)
    added, same = append_entries(tmp_path, [one.model_copy(update={"cells": tuple(moved)})])
    assert (added, same) == ([], [one])
    first, *rest = one.cells
    assert first.replicates is not None
    other = first.model_copy(update={"replicates": replicates_of(first.replicates.values()[::-1])})
    with pytest.raises(LeaderboardError, match="says something else"):
        append_entries(tmp_path, [one.model_copy(update={"cells": (other, *rest)})])


def test_resamples_that_differ_by_rounding_alone_are_kept_as_one_value() -> None:
    noise = 0.75 + np.random.default_rng(0).choice([-1, 0, 1], 1000) * np.spacing(0.75)
    assert replicates_of(noise).values().std() == 0


def test_entries_of_a_protocol_are_of_the_same_images(tmp_path: Path) -> None:
    one, two = make_entry("one"), make_entry("two")
    data = {"data": one.data["data"].model_copy(update={"fingerprint": "b" * 64})}
    other = two.model_copy(update={"data": data})
    append_entries(tmp_path, [one])
    with pytest.raises(LeaderboardError, match=r"two-1\.json: is measured on .* the same images"):
        append_entries(tmp_path, [other])
    assert not list(tmp_path.rglob("two*"))
    elsewhere = one.model_copy(update={"data": data})
    with pytest.raises(LeaderboardError, match="says something else"):
        append_entries(tmp_path, [elsewhere])
    append_entries(tmp_path, [two])
    with pytest.raises(LeaderboardError, match="a board compares on the same images"):
        append_entries(tmp_path, [elsewhere], reason="another copy of the data")
    append_entries(tmp_path, [elsewhere, other], reason="the data of all were wrong")
    append_entries(tmp_path / "own", [other])
    with pytest.raises(LeaderboardError, match="a board compares on the same images"):
        gather([tmp_path / "own", add_entry(tmp_path / "third", one)])


def test_a_file_in_the_wrong_place_or_form_is_named(tmp_path: Path) -> None:
    path = tmp_path / "cross-forgery-v1" / "other-1.json"
    path.parent.mkdir()
    path.write_text(entry_text(make_entry("one")))
    with pytest.raises(LeaderboardError, match=r"belongs at .*cross-forgery-v1/one-1\.json"):
        read_entries(tmp_path)
    raw = json.loads(entry_text(make_entry("one")))
    raw["cells"].append(raw["cells"][0])
    path.write_text(json.dumps(raw))
    with pytest.raises(LeaderboardError, match="two cells are of T0, data, S0"):
        read_entry(path)
    path.write_text(json.dumps({**raw, "entry": "../evil"}))
    with pytest.raises(LeaderboardError, match="'entry' is wrong"):
        read_entry(path)
    path.write_text(json.dumps({**raw, "more": 1}))
    with pytest.raises(LeaderboardError, match="'more' is wrong"):
        read_entry(path)


def test_ranks_are_within_a_state_and_a_better_reported_number_changes_none() -> None:
    measured = [make_entry("a", strength=0.9), make_entry("b", strength=0.8, seed=1)]
    assert ranks(measured) == {"a": 1, "b": 2}
    reported = [make_entry(f"r{n}", strength=0.99, state="reported", seed=n) for n in range(2, 4)]
    both = ranks([*measured, *reported])
    assert {name: both[name] for name in ("a", "b")} == {"a": 1, "b": 2}
    before, after = only(measured).rows, only([*measured, *reported]).rows[:2]
    assert [(r.mean, r.borda) for r in before] == [(r.mean, r.borda) for r in after]


def test_a_hole_never_helps() -> None:
    whole, other = make_entry("whole", strength=0.7), make_entry("other", strength=0.6, seed=2)
    holed = make_entry("holed", strength=0.95, seed=1, holes=(1,))
    found = {row.entry.entry: row for row in only([whole, other, holed]).rows}
    assert found["holed"].rank is None
    assert found["holed"].mean is None
    assert (found["holed"].covered, found["whole"].covered) == (1, 2)
    assert found["whole"].rank == 1
    filled = make_entry("holed", strength=0.95, seed=1)
    better = {row.entry.entry: row for row in only([whole, other, filled]).rows}
    assert (better["holed"].borda or 0) > (found["holed"].borda or 0)
    assert (found["whole"].borda or 0) > (better["whole"].borda or 0)


def test_borda_counts_wins_cell_by_cell() -> None:
    entries = [make_entry(n, strength=s, seed=7) for n, s in (("a", 0.9), ("b", 0.8), ("c", 0.7))]
    assert [row.borda for row in only(entries).rows] == [1.0, 0.5, 0.0]
    assert only(entries[:1]).rows[0].borda is None


def test_means_not_told_apart_share_a_rank_and_other_images_are_not_paired() -> None:
    a, b = make_entry("a", strength=0.8), make_entry("b", strength=0.8001)
    noise = np.random.default_rng(5).normal(0.8, 0.02, 200)
    shaken = [cell.model_copy(update={"replicates": replicates_of(noise)}) for cell in b.cells]
    near = [a, b.model_copy(update={"cells": tuple(shaken)})]
    assert ranks(near) == {"a": 1, "b": 1}
    assert all(row.alike for row in only(near).rows)
    apart = [near[0].model_copy(update={"draws": "others"}), near[1]]
    assert ranks(apart) == {"a": 2, "b": 1}


def test_only_unseen_cells_count_and_the_lead_has_an_interval() -> None:
    found = only([make_entry("a", strength=0.9), make_entry("b", strength=0.8, seed=1)])
    assert [found.columns[at].test for at in found.counting] == ["S1", "S2"]
    lead = lead_of(found)
    assert lead is not None
    assert lead.first.entry.entry == "a"
    assert lead.ahead is not None
    value, low, high = lead.ahead
    assert low is not None
    assert high is not None
    assert low < value < high
    assert value == pytest.approx(0.1, abs=0.02)


def test_cells_that_are_too_small_rank_nobody(tmp_path: Path) -> None:
    def small(entry: BoardEntry) -> BoardEntry:
        cells = [cell.model_copy(update={"headline": False}) for cell in entry.cells]
        return entry.model_copy(update={"cells": tuple(cells)})

    entries = [small(make_entry("a", strength=0.9)), small(make_entry("b", strength=0.6))]
    found = only(entries)
    assert found.counting == ()
    assert [(row.rank, row.mean, row.borda, row.covered) for row in found.rows] == [
        (None, None, None, 0), (None, None, None, 0),
    ]  # fmt: skip
    assert lead_of(found) is None
    page = build_board(entries, tmp_path / "site").read_text(encoding="utf-8")
    assert "Nobody leads Cross Forgery: no cell counts" in page


def test_what_was_measured_opens_a_board() -> None:
    entries = [
        make_entry("paper", state="reported", protocol="a-protocol"),
        make_entry("ours", protocol="b-protocol"),
    ]
    assert [each.protocol for each in slices(entries) if each.is_headline] == [
        "b-protocol", "a-protocol",
    ]  # fmt: skip


def test_imported_scores_stand_in_a_table_of_their_own_and_leave_gaps(tmp_path: Path) -> None:
    made = make_run(tmp_path / "run", protocols=["cross-generator"], detectors=["xception"])
    samples = read_samples(made)
    tests = samples[samples["split"] == "test"]
    given = tests[["sample_id"]].assign(prob_fake=np.linspace(0.1, 0.9, len(tests)))
    lacking = given[given["sample_id"] != tests[tests["label"] == "fake"]["sample_id"].iloc[0]]
    alone = build_board(run_entries(made), tmp_path / "alone").read_text(encoding="utf-8")
    for name, table in (("Whole", given), ("Gaps", lacking)):
        table.to_csv(tmp_path / f"{name}.csv", index=False)
        import_scores(
            ImportSettings(
                file=tmp_path / f"{name}.csv", detector=name, out=made, data=None, protocols=()
            )
        )
    entries = run_entries(made)
    tables = {each.place: each for each in slices(entries) if each.is_headline}
    assert list(tables) == ["cross-generator-v1", "cross-generator-v1-elsewhere"]
    own, elsewhere = tables.values()
    assert [row.entry.detector for row in own.rows] == ["xception"]
    assert {row.entry.detector: row.rank for row in elsewhere.rows} == {"Whole": 1, "Gaps": None}
    short = next(row for row in elsewhere.rows if row.entry.detector == "Gaps")
    assert 0 < short.covered < len(elsewhere.counting)
    page = build_board(entries, tmp_path / "site").read_text(encoding="utf-8")
    lead = re.compile(r'<p class="answer".*?</p>', re.DOTALL)
    assert lead.findall(page) == lead.findall(alone)
    inner = (tmp_path / "site/protocols/cross-generator-v1-elsewhere.html").read_text("utf-8")
    assert "trained elsewhere</h1>" in inner
    assert "<td>?</td>" in inner
    assert re.search(r"over \d cells?[,.]", inner), "no side is named that nobody knows"


def test_published_numbers_of_the_same_cells_are_entries_of_their_own(
    of_run: list[BoardEntry],
) -> None:
    where = {"source": "Paper 2024", "table": "Table 1"}
    numbers = [
        Reported.model_validate(
            {
                **where, "model": "Net", "train": "Swap", "test": test, "level": "image",
                "metric": "AUC", "value": value, "selection": "unknown", "repeated": "false",
                **({"doubtful": "false"} if "doubtful" in Reported.model_fields else {}),
            }
        )
        for test, value in (("Swap", "0.99"), ("Nowhere", "0.5"))
    ]  # fmt: skip
    names = [
        Name(**where, kind=kind, published="Swap", protocol="cross-forgery", ours="FS")
        for kind in ("train", "test")
    ]
    (entry,) = reported_entries(Literature(numbers, names), of_run)
    assert (entry.state, entry.title, len(entry.cells)) == ("reported", "Net", 1)
    assert entry.cells[0].metrics["AUC"].value == 0.99
    assert entry.cells[0].n_real is None
    assert "Paper 2024, Table 1" in entry.source


def test_names_make_addresses_that_lead_nowhere_else() -> None:
    assert slug("MFCLIP (release)") == "mfclip-release"
    odd = [slug(name) for name in ("../../etc", "模型", "x" * 300, "a/b\\c\0", "")]
    assert len(set(odd)) == len(odd)
    assert all(re.fullmatch(r"[a-z0-9][a-z0-9-]*", each) for each in odd)


def test_a_board_is_built_with_its_downloads_and_only_over_a_board(tmp_path: Path) -> None:
    entries = [make_entry("a"), make_entry("b", seed=1).model_copy(update={"title": "=b"})]
    page = build_board(entries, tmp_path / "site")
    table = pd.read_parquet(tmp_path / "site" / "board.parquet")
    assert len(table) == sum(len(e.cells) * 2 for e in entries)
    rows = list(csv.DictReader((tmp_path / "site" / "board.csv").open()))
    assert len(rows) == len(table)
    assert not [row for row in rows if row["title"].startswith("=")], "no formula"
    told = json.loads((tmp_path / "site" / "board.json").read_text())
    assert [each["entry"] for each in told] == ["a", "b"]
    badge = json.loads((tmp_path / "site" / "badges" / "a-cross-forgery-v1.json").read_text())
    assert badge["schemaVersion"] == 1
    assert re.fullmatch(r"AUC 0\.[0-9]{3}, recomputed", badge["message"])
    first = page.read_bytes()
    (tmp_path / "site" / "old.html").write_text("")
    assert build_board(entries, tmp_path / "site").read_bytes() == first
    assert not (tmp_path / "site" / "old.html").exists()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("")
    with pytest.raises(LeaderboardError, match="holds something that is no board"):
        build_board(entries, tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.txt").exists()


def test_the_command_builds_from_runs_and_entries_and_refuses_what_is_neither(
    run: Path, tmp_path: Path
) -> None:
    add_entry(tmp_path / "entries", make_entry("kept", protocol="cross-generator"))
    arguments = ["board", "build", str(run), str(tmp_path / "entries"), "-o", str(tmp_path / "s")]
    done = CliRunner().invoke(app, arguments, env={"COLUMNS": "200"})
    assert done.exit_code == 0, done.output
    assert "(3 entries)" in done.output
    assert (tmp_path / "s" / "detectors" / "mfclip-tiny-common.html").is_file()
    assert (tmp_path / "s" / "protocols" / "cross-generator-v1.html").is_file()
    done = CliRunner().invoke(app, ["board", "build", str(tmp_path / "none")])
    assert done.exit_code != 0
    assert "name the folder of a run" in done.output.replace("\n", " ")
    with pytest.raises(LeaderboardError, match="two sources hold this entry"):
        gather([tmp_path / "entries", tmp_path / "entries" / "cross-generator-v1" / "kept-1.json"])


def test_a_lead_without_resamples_is_never_called_sure(tmp_path: Path) -> None:
    entries = [
        make_entry("a", strength=0.9, state="reported"),
        make_entry("b", strength=0.8, state="reported", seed=1),
    ]
    lead = lead_of(only(entries))
    assert lead is not None
    assert lead.ahead is not None
    assert (lead.ahead.low, lead.ahead.high) == (None, None)
    text = build_board(entries, tmp_path / "site").read_text(encoding="utf-8")
    assert "how surely cannot be told" in text
    assert "; beyond chance" not in text
