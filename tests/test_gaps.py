"""Gaps are facts with one wording, and it tells the truth."""

import pandas as pd
import pytest

from benchmark.data.checking import SPLIT_REMEDY
from benchmark.study.planning import explained
from protocols.gaps import Gap, NoImages, TooFewForged, TooFewReal, TooManyGenerators, Unbound
from tests.test_expansion import SAME_SOURCE, make_samples, own

NONE_FORGED = NoImages(label="fake", split="val", role="data")


@pytest.mark.parametrize(
    ("gap", "text"),
    [
        (Unbound(role="celeb-df"), "no dataset is bound to role 'celeb-df'"),
        (NoImages(label="real", split="train", role="data"), "no real images in split train"),
        (NONE_FORGED, "no forged images in split val"),
        (
            TooFewReal(split="val", size=9, there=4),
            "the budget is 9 images a class in split val, there are 4 real ones",
        ),
        (
            TooManyGenerators(split="train", size=2, generators=3),
            "the budget is 2 images a class in split train, fewer than its 3 generators",
        ),
        (
            TooFewForged(split="train", size=9, generator="DDPM", there=1, share=3),
            "the budget is 9 images a class in split train, 'DDPM' has 1 of the 3 that are its "
            "share",
        ),
    ],
)
def test_a_gap_has_one_wording(gap: Gap, text: str) -> None:
    assert str(gap) == text


def without(samples: pd.DataFrame, generator: str, split: str) -> pd.DataFrame:
    """Leave out a generator's images of a split."""
    lost = (samples["generator"] == generator) & (samples["split"] == split)
    return samples[~lost].reset_index(drop=True)


def test_a_gap_says_which_class_split_and_dataset_lack() -> None:
    samples = without(make_samples({"G1": "a", "G2": "a"}, ("a",)), "G1", "train")
    training = {t.name: t for t in own(samples).training_sets}
    assert training["G2"].gap is None
    assert training["G1"].gap == NoImages(
        label="fake", split="train", role="data", column="generator", values=("G1",)
    )


def test_real_images_of_a_dataset_of_their_own_lack_in_that_one() -> None:
    samples = make_samples({"G1": "a"}, ("a",))
    samples["dataset"] = ["reals" if label == "real" else "data" for label in samples["label"]]
    one = [SAME_SOURCE[0] | {"reals_role": "reals"}]
    samples = without(samples, "camera", "val")
    found = own(samples, roles=["data", "reals"], train=one, test=one).training_sets[0].gap
    assert isinstance(found, NoImages)
    assert (found.label, found.split, found.role) == ("real", "val", "reals")


def test_forged_validation_images_of_other_generators_are_not_denied() -> None:
    samples = make_samples({"G1": "a", "G2": "a", "G3": "a"}, ("a",))
    samples = without(samples, "G1", "val")
    gap = {t.name: t for t in own(samples).training_sets}["G1"].gap
    assert isinstance(gap, NoImages)
    assert gap.untrained == ("G2", "G3")
    assert str(gap) == (
        "no forged images of the training generators in split val; there are some of G2, G3"
    )


def test_all_but_one_says_whose_validation_images_there_are() -> None:
    samples = make_samples({"G1": "a", "G2": "a"}, ("a",))
    samples = without(samples, "G1", "val")
    gaps = {
        t.name: t.gap for t in own(samples, "leave-one-generator-out", budget=None).training_sets
    }
    assert str(gaps["all but G2"]) == (
        "no forged images of the training generators in split val; there are some of G2"
    )
    assert gaps["all but G1"] is None


def test_validation_images_of_a_training_generator_from_elsewhere_are_not_denied() -> None:
    samples = make_samples({"G1": "a", "G2": "b"}, ("a", "b"))
    samples.loc[samples["generator"] == "G2", "generator"] = "G1"
    lost = (samples["source"] == "b") & (samples["label"] == "fake") & (samples["split"] == "val")
    gap = {
        t.name: t.gap
        for t in own(samples[~lost].reset_index(drop=True), "cross-dataset").training_sets
    }["b"]
    assert str(gap) == "no forged images in split val"


def test_unreadable_validation_images_are_none() -> None:
    samples = make_samples({"G1": "a", "G2": "a"}, ("a",))
    forged = (samples["label"] == "fake") & (samples["split"] == "val")
    samples.loc[forged, "problem"] = "missing"
    gap = own(samples).training_sets[0].gap
    assert str(gap) == "no forged images in split val"


def test_a_gap_is_explained_by_what_there_is_instead() -> None:
    samples = make_samples({"G1": "a", "G2": "a"}, ("a",))
    g9 = NoImages(label="fake", split="val", role="data", column="generator", values=("G9",))
    there = "no forged images of generator G9 in split val; there are G1, G2"
    assert explained(g9, samples) == there
    # One that the dataset has in another split can be had by splitting it again.
    assert explained(g9, samples.replace({"generator": {"G1": "G9"}}).query("split != 'val'")) == (
        f"no forged images in split val; {SPLIT_REMEDY}"
    )
    g1 = NoImages(label="fake", split="val", role="data", column="generator", values=("G1",))
    assert explained(g1, without(samples, "G1", "val")) == (
        f"no forged images of generator G1 in split val; there are G2; {SPLIT_REMEDY}"
    )


def test_what_there_is_in_another_dataset_explains_nothing() -> None:
    samples = make_samples({"G1": "a"}, ("a",)).assign(dataset="other")
    assert explained(NONE_FORGED, samples) == f"{NONE_FORGED}; {SPLIT_REMEDY}"


def test_other_gaps_are_told_as_they_are() -> None:
    samples = make_samples({"G1": "a"}, ("a",))
    for gap in (Unbound(role="data"), TooFewReal(split="val", size=9, there=4), NONE_FORGED):
        assert explained(gap, samples) == str(gap)
