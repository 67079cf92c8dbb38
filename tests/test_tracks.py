"""Tracks: all detectors trained alike, or each as its paper says; a record names which."""

import re
from pathlib import Path

import pytest

import benchmark
from benchmark.errors import BenchmarkError
from benchmark.progress import Progress
from benchmark.study.checks import check_detectors
from benchmark.study.planning import make_plan
from benchmark.study.resolved import resolve
from benchmark.study.schema import Study, StudyDetector, StudyProtocol, study_of
from benchmark.study.selection import left_out_notes, spelt_out, without_own_recipe
from benchmark.study.tracks import (
    options_of,
    own_recipe,
    recipe_of,
    recipes_of,
    takes_input_size,
    track_of,
)
from benchmark.training.recipe import common_recipe, load_recipe
from detectors.base import Detector
from detectors.cards import CARDS
from detectors.cards.counts import counts
from detectors.catalog import detector_class
from docs.scripts.tracks import BEGIN, END, table
from leaderboard.report import report
from protocols.errors import UnknownNameError
from results.query import cells
from results.store import read_model, records
from tests.fake_run import make_run
from tests.small_data import SMALL, write_dataset, write_recipe

STEPS = [card for card in CARDS.values() if card.fit == "gradient"]
OWN = [card for card in STEPS if card.own_recipe]
# What has an exception in the track common: recipes, and sides that are fixed.
EXCEPTIONS = {
    "base": {"mfclip-release", "resnet50-aug"},
    "tiny": {"mfclip-release", "resnet50-aug", "clip-linear"},
}
FIXED_SIDES = {("mfclip-release", "tiny"): 64}
SHARED = ("steps", "optimizer", "schedule", "warmup", "evaluate_every", "patience", "clip")


def study(size: str, *entries: StudyDetector, track: str = "common") -> Study:
    return Study.model_validate(
        {
            "name": "s",
            "title": "S",
            "protocols": (StudyProtocol(protocol="cross-generator"),),
            "detectors": entries,
            "size": size,
            "seeds": (0,),
            "track": track,
        }
    )


def side_of(name: str, size: str) -> int:
    entry = StudyDetector(detector=name)
    options = options_of(entry, common_recipe(name, size), size)
    side: int = options.get("input_size", counts()[name][size].input_size)
    return side


@pytest.mark.parametrize("size", ["tiny", "base"])
def test_in_common_all_have_one_augmentation_side_and_budget_but_for_what_is_stated(
    size: str,
) -> None:
    shared = load_recipe(size)
    exceptions = set()
    for card in STEPS:
        recipe = common_recipe(card.name, size)
        assert all(getattr(recipe, key) == getattr(shared, key) for key in SHARED), card.name
        if recipe.name != size:
            exceptions.add(card.name)
        if card.name != "resnet50-aug":
            assert recipe.augmentation == shared.augmentation
    assert exceptions == EXCEPTIONS[size]
    sides = {card.name: side_of(card.name, size) for card in CARDS.values() if card.fit != "none"}
    other = {(name, size): side for name, side in sides.items() if side != shared.input_size}
    assert other == {key: side for key, side in FIXED_SIDES.items() if key[1] == size}


def test_the_exceptions_of_common_differ_in_what_they_are_for_alone() -> None:
    for size, names in EXCEPTIONS.items():
        shared = load_recipe(size).model_dump(exclude={"name", "citation"})
        changed = {
            name: {key for key, value in shared.items() if recipe.model_dump().get(key) != value}
            for name in names
            for recipe in [common_recipe(name, size)]
        }
        assert changed["mfclip-release"] == {"batch_size", "balanced", "input_size"}
        assert changed["resnet50-aug"] == {"augmentation"}
        assert changed.get("clip-linear", {"lr"}) == {"lr"}


@pytest.mark.parametrize("card", OWN, ids=lambda card: card.name)
@pytest.mark.parametrize("size", ["tiny", "base"])
def test_an_own_recipe_names_its_source_and_fits_its_detector(card, size: str) -> None:  # type: ignore[no-untyped-def]
    recipe = own_recipe(card, size)
    assert re.search(r"et al\.|Shiohara", recipe.citation)
    assert recipe.resolved(100_000).steps >= 120
    wanted = study(size, StudyDetector(detector=card.name), track="own")
    check_detectors(wanted, recipes_of(wanted))
    assert recipe_of(wanted.detectors[0], wanted) == recipe
    assert recipe.augmentation == load_recipe(card.own_recipe).augmentation
    if size == "tiny":
        assert recipe.steps == load_recipe("tiny").steps


def test_own_at_base_is_the_recipe_of_the_card_and_its_side() -> None:
    sbi = StudyDetector(detector="sbi")
    assert recipe_of(sbi, study("base", sbi, track="own")) == load_recipe("sbi-own")
    assert options_of(sbi, load_recipe("sbi-own"), "base") == {"input_size": 380}
    xception = StudyDetector(detector="xception")
    assert options_of(xception, load_recipe("deepfakebench-unrotated"), "base") == {}
    assert options_of(xception, load_recipe("base"), "base") == {"input_size": 224}


def test_a_detector_without_an_own_recipe_is_refused_and_all_leaves_it_out() -> None:
    entry = StudyDetector(detector="vit")
    with pytest.raises(BenchmarkError, match=r"vit has no track 'own': no paper .* --track common"):
        recipes_of(study("tiny", entry, track="own"))
    common = study("tiny", entry.model_copy(update={"track": "common"}), track="own")
    check_detectors(common, recipes_of(common))
    assert "vit" in spelt_out(["all"], "tiny", "common")
    kept = spelt_out(["all"], "tiny", "own")
    assert "vit" not in kept
    assert {"spectrum", "shortcut", "xception", "mfclip"} <= set(kept)
    assert spelt_out(["vit"], "tiny", "own") == ["vit"]
    (note,) = left_out_notes(["all"], "tiny", "own").items()
    assert note[0].startswith(f"all leaves out {len(without_own_recipe())} without a track 'own'")
    assert "vit" in note[1]
    assert left_out_notes(["all"], "tiny", "common") == {}


def test_what_is_not_trained_in_steps_is_in_both_tracks() -> None:
    entry = StudyDetector(detector="spectrum")
    for track, options in (("common", {"input_size": 224}), ("own", {})):
        wanted = study("base", entry, track=track)
        check_detectors(wanted, recipes_of(wanted))
        assert options_of(entry, recipe_of(entry, wanted), "base") == options


def test_a_recipe_that_is_asked_for_is_of_no_track() -> None:
    wanted = study_of("quickstart", track="own", recipe="tiny-24")
    assert {track_of(entry, wanted) for entry in wanted.detectors} == {"custom"}
    assert {recipe_of(entry, wanted).name for entry in wanted.detectors} == {"tiny-24"}
    wanted = study_of("quickstart", track="own")
    assert {track_of(entry, wanted) for entry in wanted.detectors} == {"own"}
    assert {track_of(entry, study_of("quickstart")) for entry in wanted.detectors} == {"common"}


def test_a_track_that_is_none_is_told_which_there_are() -> None:
    with pytest.raises(
        UnknownNameError, match="no track is called 'papers'; there are common, own"
    ):
        study_of("quickstart", track="papers")


class Fixed(Detector):
    """Fixes its side where the contract takes it."""

    def __init__(self, **shared: object) -> None:
        super().__init__(input_size=48, **shared)  # type: ignore[arg-type]


class Plain(Detector):
    """Has the contract's constructor."""


def test_a_side_is_asked_only_of_a_constructor_that_names_it() -> None:
    assert not takes_input_size(Fixed)
    assert takes_input_size(Plain)
    taking = {name for name in CARDS if takes_input_size(detector_class(name))}
    assert {"xception", "f3net", "probe", "spectrum", "multitask-backbone", "sbi"} <= taking
    assert "mfclip" in taking
    assert not taking & {"mfclip-release", "oracle"}


def test_an_option_that_is_stated_wins_over_the_tracks_side() -> None:
    entry = StudyDetector(detector="meso4", options={"input_size": 96})
    assert options_of(entry, load_recipe("base"), "base") == {"input_size": 96}


def ids(track: str, tmp_path: Path, name: str = "meso4") -> set[str]:
    manifest = write_dataset(tmp_path / "data", count=4)
    wanted = study("tiny", StudyDetector(detector=name, label="d"), track=track)
    return set(make_plan(resolve(wanted, manifest)).jobs)


def test_the_name_of_a_track_makes_no_other_model(tmp_path: Path) -> None:
    assert ids("common", tmp_path, "spectrum") == ids("own", tmp_path, "spectrum")
    assert ids("common", tmp_path) != ids("own", tmp_path)


def test_a_run_and_its_records_name_the_track(tmp_path: Path) -> None:
    manifest = write_dataset(tmp_path / "data", count=8)
    recipe = write_recipe(tmp_path, steps=2)
    entries = (
        StudyDetector(detector=SMALL, label="small", recipe=recipe),
        StudyDetector(detector="spectrum", track="own"),
    )
    wanted = study("tiny", *entries)
    out = tmp_path / "run"
    page = benchmark.run(
        wanted, data=manifest, out=out, store=tmp_path / "store", progress=Progress()
    )
    named = {(record.detector, record.track) for record in records(out)}
    assert named == {(SMALL, "custom"), ("spectrum", "own")}
    assert {read_model(out, record.model).track for record in records(out)} == {"custom", "own"}
    assert set(cells(out)["track"]) == {"custom", "own"}
    text = page.read_text(encoding="utf-8")
    assert "Not all are trained in one track" in text
    assert "recipes differ too (custom: small; own: Spectrum)" in text
    assert '<td class="text">own</td>' in text


def test_one_track_needs_no_word(tmp_path: Path) -> None:
    run = make_run(tmp_path, protocols=["cross-forgery"], detectors=["spectrum", "xception"])
    assert "Not all are trained in one track" not in report(run).read_text(encoding="utf-8")


def test_the_table_in_the_docs_is_made_of_cards_and_recipes() -> None:
    page = Path(__file__).parents[1] / "docs" / "training.md"
    _, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    assert rest.partition(END)[0].strip() == table().strip()
