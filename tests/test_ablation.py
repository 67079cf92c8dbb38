"""Ablations: studies that can be built, and differences that are paired and say their K."""

import statistics
from pathlib import Path

import pytest
import torch

import benchmark
from benchmark.errors import BenchmarkError
from benchmark.study.checks import check_detectors
from benchmark.study.schema import Study, StudyDetector, load_study, study_names, study_of
from benchmark.study.tracks import recipes_of
from benchmark.training.recipe import load_recipe
from detectors.cards import CARDS
from detectors.catalog import create_detector
from leaderboard.report import report
from leaderboard.tables.ablation import ablation_tables, prompt_count
from leaderboard.tables.table import Table, TableCell
from leaderboard.view import Context
from results.store import read_run, write_run
from tests.fake_run import contexts, fake_samples, make_run
from tests.small_data import SMALL, write_dataset, write_recipe

TAXA = [
    ("real", "real", "real", "camera"),
    ("fake", "EFS", "GAN", "StyleGAN"),
    ("fake", "EFS", "diffusion", "SDXL"),
    ("fake", "FS", "unknown", "DFDC-mixed"),
]
STUDY = load_study("ablation-mfclip")


@pytest.fixture(scope="module")
def laid_out(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Context]:
    folder = make_run(
        tmp_path_factory.mktemp("run"),
        protocols=["leave-one-forgery-out", "cross-forgery"],
        detectors=["mfclip", "xception", "spectrum"],
        seeds=(0, 1, 2),
        reference="mfclip",
    )
    return {context.view.name: context for context in contexts(folder)}


@pytest.fixture(scope="module")
def table(laid_out: dict[str, Context]) -> Table:
    (table,) = ablation_tables(laid_out["cross-forgery"])
    return table


def cells(table: Table, title: str, name: str) -> dict[str, TableCell]:
    rows = next(section.rows for section in table.sections if section.title.startswith(title))
    return dict(zip(table.columns, dict(rows)[name], strict=True))


def test_differences_are_paired_by_seed_and_cell(
    laid_out: dict[str, Context], table: Table
) -> None:
    view = laid_out["cross-forgery"].view
    by_seed = []
    for seed in (0, 1, 2):
        found = []
        for test in view.tests:
            pair = [
                next(
                    r for r in view.at(view.base, "image")
                    if (r.contender.detector, r.contender.seed) == (name, seed)
                    and (r.cell.training, r.test) == ("EFS", test)
                )
                for name in ("xception", "mfclip")
            ]  # fmt: skip
            own, full = (result.value("AUC").value for result in pair)
            if not pair[0].cell.seen and own is not None and full is not None:
                found.append(own - full)
        by_seed.append(statistics.fmean(found))
    cell = cells(table, "trained on EFS", "xception")["difference, unseen"]
    assert cell.raw == pytest.approx(statistics.fmean(by_seed))
    assert cell.detail == f"sd {statistics.stdev(by_seed):.3f}, n 3"


def test_the_reference_differs_from_itself_by_nothing(table: Table) -> None:
    found = cells(table, "trained on EFS", "mfclip (reference)")
    assert (found["difference, unseen"].raw, found["difference, unseen"].detail) == (0.0, "n 3")


def test_each_training_set_says_its_k_and_two_prompts_are_a_null_control(table: Table) -> None:
    titles = [section.title for section in table.sections]
    assert titles == [
        "trained on AM, K = 2: null control of language and attention",
        "trained on EFS, K = 5",
        "trained on FS, K = 2: null control of language and attention",
    ]


def test_sets_with_more_than_two_prompts_are_summed_up_first(
    laid_out: dict[str, Context],
) -> None:
    (table,) = ablation_tables(laid_out["leave-one-forgery-out"])
    titles = [section.title for section in table.sections]
    assert titles == [
        "mean over the 3 training sets with K of 3 or more",
        "trained on all but AM, K = 6",
        "trained on all but EFS, K = 3",
        "trained on all but FS, K = 6",
    ]


def test_one_seed_has_no_spread(tmp_path: Path) -> None:
    detectors = ["mfclip", "spectrum"]
    run = make_run(tmp_path, protocols=["cross-forgery"], detectors=detectors, reference="mfclip")
    (table,) = ablation_tables(*contexts(run))
    assert cells(table, "trained on EFS", "spectrum")["difference, seen"].detail == "one seed"


def test_real_images_of_many_sources_are_one_prompt() -> None:
    samples = fake_samples()
    assert prompt_count(samples) == 7
    assert prompt_count(samples[samples["label"] == "real"]) == 1


def test_a_report_has_the_table_where_the_study_has_a_reference(tmp_path: Path) -> None:
    run = make_run(tmp_path, protocols=["cross-forgery"], detectors=["mfclip", "spectrum"])
    report(run)
    name = run / "tables" / "cross-forgery-ablation.md"
    assert not name.exists()
    write_run(run, read_run(run).model_copy(update={"reference": "mfclip"}))
    page = report(run)
    assert "null control" in name.read_text(encoding="utf-8")
    assert "AUC against mfclip" in page.read_text(encoding="utf-8")


def test_a_reference_that_is_no_detector_is_told(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        "name: mine\ntitle: Mine\nprotocols: [{protocol: cross-forgery}]\n"
        "detectors: [{detector: spectrum}]\nsize: tiny\nseeds: [0]\nreference: full\n"
    )
    with pytest.raises(BenchmarkError, match="reference 'full' is none of its detectors spectrum"):
        load_study(str(path))


def test_other_detectors_take_the_reference_away() -> None:
    assert study_of("ablation-mfclip", detectors=["spectrum"]).reference is None


@pytest.mark.parametrize("name", study_names())
def test_every_study_that_ships_has_options_that_exist(name: str) -> None:
    study = load_study(name)
    check_detectors(study, recipes_of(study))


@pytest.mark.parametrize("entry", STUDY.detectors, ids=lambda entry: entry.name)
def test_every_row_of_the_ablation_can_be_built(entry: StudyDetector) -> None:
    create_detector(entry.detector, size="tiny", taxa=TAXA, **entry.options)


def test_each_row_differs_from_the_reference() -> None:
    reference, *others = STUDY.detectors
    assert (reference.name, reference.options) == (STUDY.reference, {})
    kept = {"label"}
    changed = [other.model_dump(exclude=kept) for other in others]
    assert reference.model_dump(exclude=kept) not in changed
    assert all(changed.count(row) == 1 for row in changed)
    assert len(STUDY.seeds) >= 3


def test_a_run_of_an_ablation_states_its_reference(tmp_path: Path) -> None:
    wide = {"detector": SMALL, "recipe": write_recipe(tmp_path)}
    study = Study.model_validate(
        {
            "name": "widths",
            "title": "Widths",
            "protocols": [{"protocol": "cross-forgery", "train_on": ["EFS"]}],
            "detectors": [
                {**wide, "label": "narrow", "options": {"width": 4}},
                {**wide, "label": "wide"},
            ],
            "size": "tiny",
            "seeds": [0],
            "reference": "wide",
        }
    )
    data = write_dataset(tmp_path / "data", count=4)
    benchmark.run(study, data=data, out=tmp_path / "run", store=tmp_path / "store")
    table = (tmp_path / "run" / "tables" / "cross-forgery-ablation.md").read_text(encoding="utf-8")
    assert "wide (reference)" in table
    assert "K = 2: null control" in table


def test_rows_of_a_study_are_chosen_by_their_labels() -> None:
    chosen = study_of("ablation-mfclip", detectors=["full", "ce-only"], seeds=[0])
    assert [row.label for row in chosen.detectors] == ["full", "ce-only"]
    assert chosen.detectors[1].options == {"language": "none"}
    assert chosen.reference == "full"


@pytest.mark.parametrize("study", ["ablation-mfclip", "demonstration"])
def test_rows_that_know_their_place_in_a_batch_train_on_mixed_ones(study: str) -> None:
    found = []
    for entry in load_study(study).detectors:
        if entry.detector == "mfclip-release" or entry.options.get("positions") == "row":
            found.append(entry.name)
            recipe = load_recipe(entry.recipe or "")
            assert not recipe.balanced
            assert recipe.batch_size <= 24
    assert found


def test_balanced_batches_are_refused_where_the_place_would_tell_the_class(tmp_path: Path) -> None:
    row = {"detector": "mfclip", "options": {"positions": "row"}}
    study = Study.model_validate(
        {
            "name": "place",
            "title": "Place",
            "protocols": [{"protocol": "cross-forgery", "train_on": ["EFS"]}],
            "detectors": [{**row, "recipe": write_recipe(tmp_path)}],
            "size": "tiny",
            "seeds": [0],
        }
    )
    data = write_dataset(tmp_path / "data", count=4)
    with pytest.raises(BenchmarkError, match="balanced batches hold the real images first: use"):
        benchmark.run(study, data=data, out=tmp_path / "run", store=tmp_path / "store")


DEMONSTRATION = load_study("demonstration")


def test_the_demonstration_has_every_detector_that_needs_no_pretrained_weights() -> None:
    wanted = {c.name for c in CARDS.values() if c.definition == "training" and not c.sanity}
    there = {entry.detector for entry in DEMONSTRATION.detectors}
    assert there == wanted, "add a row to, or take one from, benchmark/studies/demonstration.yaml"
    names = [entry.name for entry in DEMONSTRATION.detectors]
    assert names[:3] == ["mfclip", "mfclip-release", "ce-only"]
    assert DEMONSTRATION.reference == names[0]


@pytest.mark.parametrize("entry", DEMONSTRATION.detectors, ids=lambda entry: entry.name)
def test_every_row_of_the_demonstration_starts_from_random_weights(entry: StudyDetector) -> None:
    by_gradient = CARDS[entry.detector].fit == "gradient"
    with torch.device("meta" if by_gradient else "cpu"):
        detector = create_detector(entry.detector, size="base", taxa=TAXA, **entry.options)
    assert detector.init in ("random", "none")


def test_every_row_of_the_demonstration_has_the_same_budget() -> None:
    budgets = set()
    for entry in DEMONSTRATION.detectors:
        if CARDS[entry.detector].fit == "gradient":
            recipe = load_recipe(entry.recipe or "")
            budgets.add((recipe.steps, recipe.evaluate_every, recipe.patience))
    assert budgets == {("20 epochs", "1 epoch", 6)}
