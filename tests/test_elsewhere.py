"""What was trained elsewhere: one model, one row, nothing seen or unseen."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

import benchmark
from benchmark.data.images import decode, image_tensor
from benchmark.errors import BenchmarkError
from benchmark.training.identity import tensor_hash
from detectors import CATALOG, DetectorError, WeightsError, create_detector
from detectors.catalog import called, is_trained_elsewhere, load_detector
from leaderboard.board.entries import run_entries
from leaderboard.board.ranking import slices
from leaderboard.report import report
from leaderboard.tables.matrix import matrix_table
from leaderboard.tables.ranks import ranks_tables
from leaderboard.tables.seeds import seeds_tables
from leaderboard.tables.summary import summary_tables
from leaderboard.tables.table import DASH, Table
from protocols import ELSEWHERE
from results.comparing import compare_detectors
from results.exports import to_csv, to_json
from results.query import cells
from results.schema import ModelFacts
from results.store import load_scores, read_model, read_run, records
from tests.fake_run import contexts, make_run
from tests.small_data import Small, write_dataset, write_recipe


@pytest.fixture(scope="module")
def fake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fake")
    return make_run(
        folder,
        protocols=["cross-generator"],
        detectors=["xception", "spectrum"],
        elsewhere=["net-a", "net-b"],
        seeds=(0, 1),
    )


def rows_of(table: Table) -> dict[str, list[str]]:
    return {section.title: [name for name, _ in section.rows] for section in table.sections}


def test_it_has_one_row_and_the_others_have_none_of_its(fake: Path) -> None:
    (context,) = contexts(fake)
    view = context.view
    trainings = [name for name in view.trainings if name != ELSEWHERE]
    assert len(trainings) == 6
    for table in (matrix_table(view, "AUC", "image"), *seeds_tables(context)):
        for title, names in rows_of(table).items():
            assert names == ([ELSEWHERE] if title.startswith("net-") else trainings), title
    assert all(not result.gap for result in view.results.values())


def test_it_has_neither_a_seen_nor_an_unseen_mean(fake: Path) -> None:
    (context,) = contexts(fake)
    (table,) = summary_tables(context)
    columns, (section,) = table.columns, table.sections
    found = dict(section.rows)
    for name, cells_of_row in found.items():
        told = dict(zip(columns, cells_of_row, strict=True))
        own, seen = told["mean, trained elsewhere"], (told["seen"], told["unseen"])
        if name.startswith("net-"):
            assert {cell.text for cell in seen} == {DASH}
            assert seen[0].reason == "trained elsewhere: what it has seen is not known"
            values = [
                result.value("AUC").value
                for result in context.view.results.values()
                if result.contender.label == name and result.cell.headline
            ]
            assert own.raw == pytest.approx(sum(values) / len(values))  # type: ignore[arg-type]
            assert told["init"].text == "weights:0123456789ab"
        else:
            assert own.text == DASH
            assert all(cell.raw is not None for cell in seen)
    matrix = matrix_table(context.view, "AUC", "image")
    (row,) = next(s.rows for s in matrix.sections if s.title.startswith("net-a"))
    assert row[1][0].text == DASH


def test_nothing_is_seen_unseen_or_carried_in_its_record(fake: Path) -> None:
    report(fake)
    (record,) = [r for r in records(fake) if r.detector == "net-a"]
    assert {cell.seen for cell in record.cells} == {None}
    assert {cell.training for cell in record.cells} == {ELSEWHERE}
    assert record.thresholds[ELSEWHERE]["image"].value is None
    assert "there are no validation samples" in str(record.thresholds[ELSEWHERE]["image"].reason)
    carried = {cell.metrics["TPR@val"].value for cell in record.cells if "TPR@val" in cell.metrics}
    assert carried <= {None}
    table = cells(fake)
    own = table[table["detector"] == "net-a"]
    assert own["seen"].isna().all()
    assert table[table["detector"] == "xception"]["seen"].notna().all()
    assert to_csv(fake).text.count(ELSEWHERE) >= len(own)
    assert '"seen": null' in to_json(fake).text


def test_it_is_ranked_among_its_own(fake: Path) -> None:
    (context,) = contexts(fake)
    (table,) = ranks_tables(context)
    assert rows_of(table).keys() == {"", ELSEWHERE}
    assert sorted(rows_of(table)[ELSEWHERE]) == ["net-a", "net-b"]
    assert sorted(rows_of(table)[""]) == ["Spectrum", "Xception"]


def test_it_is_compared_with_every_model_of_a_trained_one(fake: Path) -> None:
    found = compare_detectors(fake, "net-a", "xception", resamples=200)
    assert {each.cell.training for each in found.cells} == {
        name for name in contexts(fake)[0].view.trainings if name != ELSEWHERE
    }
    assert found.without == ()
    by_test: dict[str, set[float | None]] = {}
    for each in found.cells:
        by_test.setdefault(each.cell.test.name, set()).add(each.left)
    assert all(len(values) == 1 for values in by_test.values()), "it is the same model"
    both = compare_detectors(fake, "net-a", "net-b", resamples=200)
    assert {each.cell.training for each in both.cells} == {ELSEWHERE}


def test_the_page_shows_it(fake: Path) -> None:
    page = report(fake).read_text(encoding="utf-8")
    assert page.count("trained elsewhere") > 4
    assert "not part of this run" not in page


def test_a_run_of_nothing_else_needs_no_training_images(tmp_path: Path) -> None:
    run = make_run(
        tmp_path / "run", protocols=["cross-generator"], detectors=[], elsewhere=["net-a", "net-b"]
    )
    assert report(run).is_file()
    (context,) = contexts(run)
    assert context.view.trainings == (ELSEWHERE,)
    (table,) = summary_tables(context)
    assert "unseen" not in table.columns
    (ranks,) = ranks_tables(context)
    assert rows_of(ranks).keys() == {""}
    assert "over 2 cells" in ranks.caption


def test_names_say_what_was_trained_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    assert is_trained_elsewhere(str(tmp_path / "mine"))
    assert is_trained_elsewhere("owner/name")
    assert is_trained_elsewhere("resnet50-aug=some.pth")
    assert is_trained_elsewhere("hf:owner/name")
    assert is_trained_elsewhere("clip-zeroshot")
    assert not any(map(is_trained_elsewhere, CATALOG.keys() - {"clip-zeroshot"}))
    assert called(str(tmp_path / "mine")) == "mine"
    assert called("xception") == "xception"
    (tmp_path / "x.pth").touch()
    assert called(f"resnet50-aug={tmp_path / 'x.pth'}") == "resnet50-aug=x.pth"


def saved(folder: Path, name: str = "xception", seed: int = 3) -> str:
    torch.manual_seed(seed)
    detector = create_detector(name, size="tiny")
    detector.mark_trained()
    detector.save_pretrained(folder)
    return str(folder)


def run_of(detectors: list[str], data: Path, out: Path, **changes: Any) -> dict[str, ModelFacts]:
    benchmark.run(
        "cross-generator",
        data=data,
        detectors=detectors,
        size="tiny",
        out=out,
        store=out.parent / "store",
        **changes,
    )
    return {e.detector: read_model(out, str(e.model)) for e in read_run(out).entries}


@pytest.fixture(scope="module")
def tests_alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a dataset of which only the test images are there."""
    path = write_dataset(tmp_path_factory.mktemp("data"), count=4)
    table = pd.read_csv(path)
    table[table["split"] == "test"].to_csv(path, index=False)
    return path


def test_a_saved_detector_is_evaluated_with_nothing_trained(
    tests_alone: Path, tmp_path: Path
) -> None:
    folder = saved(tmp_path / "my-net")
    weights = tmp_path / "other.pth"
    torch.manual_seed(4)
    held = create_detector("resnet50-aug", size="tiny").network.state_dict()  # type: ignore[union-attr]
    torch.save(held, weights)
    facts = run_of([folder, f"resnet50-aug={weights}"], tests_alone, tmp_path / "run")
    assert facts.keys() == {"my-net", "resnet50-aug=other.pth"}
    mine = facts["my-net"]
    detector = load_detector(folder)
    assert (mine.detector, mine.title, mine.fit, mine.training) == (
        "xception", "my-net", "none", ELSEWHERE
    )  # fmt: skip
    assert mine.init == f"weights:{tensor_hash(detector)[:12]}"
    assert (mine.n_real, mine.n_val_fake, mine.steps, mine.reals) == (0, 0, 0, "unknown")
    assert facts["resnet50-aug=other.pth"].init.startswith("weights:")
    assert str(tmp_path) not in (tmp_path / "run" / "run.json").read_text()
    scores = load_scores(tmp_path / "run").set_index(["model", "sample_id"])["logit"]
    sample = "one/real/test0.png"
    image = image_tensor(decode(tests_alone.parent / sample))
    expected = float(detector.logits([image])[0])
    assert scores[mine.id, sample] == pytest.approx(expected, abs=1e-4)


def test_the_id_is_of_the_weights_and_not_of_their_place(tests_alone: Path, tmp_path: Path) -> None:
    one = run_of([saved(tmp_path / "a" / "net")], tests_alone, tmp_path / "one")["net"]
    same = run_of([saved(tmp_path / "b" / "net")], tests_alone, tmp_path / "two")["net"]
    other = run_of([saved(tmp_path / "c" / "net", seed=5)], tests_alone, tmp_path / "three")["net"]
    assert one.id == same.id != other.id


def test_a_saved_detector_stands_beside_one_that_is_trained(tmp_path: Path) -> None:
    data = write_dataset(tmp_path / "data", count=4)
    out = tmp_path / "run"
    run_of([saved(tmp_path / "net"), "spectrum"], data, out, seeds=[0, 1])
    entries = read_run(out).entries
    assert [(e.training, e.seed) for e in entries if e.detector == "net"] == [(ELSEWHERE, 0)]
    assert len([e for e in entries if e.detector == "spectrum"]) == 4
    found = compare_detectors(out, "net", "spectrum", resamples=100)
    assert len(found.cells) == 4


class Loaded(Small):
    """A network of one's own that is trained by nothing."""

    card = Small.card.__class__(**{**vars(Small.card), "name": "loaded", "fit": "none"})


def test_ones_own_that_is_trained_by_nothing_says_its_tensors(
    tests_alone: Path, tmp_path: Path
) -> None:
    facts = run_of(["tests.test_elsewhere:Loaded"], tests_alone, tmp_path / "run")
    (mine,) = facts.values()
    assert (mine.training, mine.fit) == (ELSEWHERE, "none")
    assert mine.init.startswith("weights:")


def test_what_is_no_trained_detector_is_refused(tests_alone: Path, tmp_path: Path) -> None:
    folder = saved(tmp_path / "net")
    with pytest.raises(DetectorError, match="net' is a saved detector, whose options are its own"):
        create_detector(folder, patch=3)
    (tmp_path / "empty").mkdir()
    with pytest.raises(WeightsError, match=r"config\.json: is not there; its folder holds nothing"):
        run_of([str(tmp_path / "empty")], tests_alone, tmp_path / "run")
    held = create_detector("resnet50-aug", size="tiny").network.state_dict()  # type: ignore[union-attr]
    trunk = {name: t for name, t in held.items() if not name.startswith("fc.")}
    torch.save({**trunk, "fc.weight": torch.zeros(10, 3)}, tmp_path / "imagenet.pth")
    with pytest.raises(WeightsError, match=r"imagenet\.pth: has no last layer that tells fakes"):
        create_detector(f"resnet50-aug={tmp_path / 'imagenet.pth'}", size="tiny")
    with pytest.raises(BenchmarkError, match="'cross-generator' is a protocol and names no size"):
        benchmark.run("cross-generator", data=tests_alone, detectors=[folder], out=tmp_path / "run")


def test_training_beside_it_still_needs_training_images(tests_alone: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    facts = run_of_pair(tests_alone, saved(tmp_path / "net"), out, tmp_path)
    assert facts["net"] is not None
    assert facts["tests.small_data:Small"] is None
    gaps = {e.gap for e in read_run(out).entries if e.model is None}
    assert gaps == {"no forged images in split train"}


def run_of_pair(data: Path, folder: str, out: Path, recipes: Path) -> dict[str, str | None]:
    benchmark.run(
        "cross-generator",
        data=data,
        detectors=[folder, "tests.small_data:Small"],
        size="tiny",
        recipe=write_recipe(recipes),
        out=out,
        store=recipes / "store",
    )
    return {entry.detector: entry.model for entry in read_run(out).entries}


def test_a_board_takes_it_with_nothing_seen_or_unseen(fake: Path) -> None:
    entries = run_entries(fake)
    mine = [entry for entry in entries if entry.entry.startswith("net-")]
    assert len(mine) == 2
    assert {cell.seen for entry in mine for cell in entry.cells} == {None}
    assert len(slices(mine)[0].counting) > 0
