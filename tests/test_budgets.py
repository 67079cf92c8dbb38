"""Equal training sets: sizes, shares of generators, and gaps where there is too little."""

import pandas as pd
import pytest

from protocols.errors import ProtocolError
from protocols.expansion import Expansion, expand
from protocols.samples import validate
from protocols.schema import Protocol, load_protocol

COUNTS = {"A": 10, "B": 25, "C": 17, "D": 40}


def make_samples(counts: dict[str, int] | None = None, reals: int = 60) -> pd.DataFrame:
    rows = []
    for split in ("train", "val", "test"):
        for name, count in (COUNTS if counts is None else counts).items():
            kind = ("fake", "EFS", "GAN", name, "one", split)
            rows += [(f"{name}/{split}/{i}.png", *kind) for i in range(count)]
        kind = ("real", "real", "real", "camera", "one", split)
        rows += [(f"real/{split}/{i}.png", *kind) for i in range(reals)]
    names = ["sample_id", "label", "forgery", "family", "generator", "source", "split"]
    return validate(pd.DataFrame(rows, columns=names), "test").assign(dataset="data", problem="")


def own(samples: pd.DataFrame, name: str, **changes: object) -> Expansion:
    raw = load_protocol(name).model_dump() | changes
    return expand(Protocol.model_validate(raw), samples)


@pytest.mark.parametrize("name", ["one-to-many", "leave-one-generator-out"])
def test_every_training_set_is_as_large_as_the_poorest_generator_allows(name: str) -> None:
    samples = make_samples()
    for training in own(samples, name).training_sets:
        for rows in (training.rows, training.val):
            labels = samples["label"].iloc[rows].value_counts()
            assert labels.to_dict() == {"real": 10, "fake": 10}


def test_real_images_bound_the_budget_too() -> None:
    samples = make_samples(reals=6)
    for training in own(samples, "one-to-many").training_sets:
        assert samples["label"].iloc[training.rows].value_counts().to_dict() == {
            "real": 6, "fake": 6,
        }  # fmt: skip


def test_generators_have_equal_shares_to_one() -> None:
    samples = make_samples()
    for training in own(samples, "leave-one-generator-out").training_sets:
        chosen = samples.iloc[training.rows]
        shares = chosen.loc[chosen["label"] == "fake", "generator"].value_counts()
        assert sorted(shares) == [3, 3, 4]


def test_a_stated_budget_that_a_set_does_not_reach_is_a_gap_with_both_numbers() -> None:
    budget = {"train": 20, "val": 5}
    expansion = own(make_samples(), "one-to-many", budget=budget)
    gaps = {training.name: training.gap for training in expansion.training_sets}
    assert str(gaps["A"]) == (
        "the budget is 20 images a class in split train, 'A' has 10 of the 20 that are its share"
    )
    assert gaps["B"] is None
    assert not any(cell.headline for cell in expansion.cells if cell.training == "A")


def test_a_budget_below_the_number_of_generators_is_a_gap() -> None:
    expansion = own(make_samples(), "leave-one-generator-out", budget={"train": 2, "val": 2})
    assert {str(t.gap) for t in expansion.training_sets} == {
        "the budget is 2 images a class in split train, fewer than its 3 generators"
    }


def test_tests_are_whole_under_a_budget() -> None:
    samples = make_samples()
    cell = next(c for c in own(samples, "one-to-many").cells if c.test.name == "D")
    assert len(cell.test.rows) == 40 + 60


def test_without_real_images_there_is_no_smallest_budget() -> None:
    samples = make_samples()
    samples.loc[(samples["label"] == "real") & (samples["split"] == "val"), "problem"] = "missing"
    with pytest.raises(ProtocolError, match="no generator has real and forged images in split val"):
        own(samples, "one-to-many")


def test_caps_hold_for_each_generator_and_balance_follows() -> None:
    caps = {"D": {"train": 5, "val": 4}}
    train = [
        {"role": "data", "each": "forgery", "reals": ["pooled"], "caps": caps, "balanced": True}
    ]
    samples = make_samples()
    training = own(samples, "cross-forgery", train=train).training_sets[0]
    chosen = samples.iloc[training.rows]
    kinds = chosen["generator"].value_counts().to_dict()
    assert kinds == {"camera": 57, "B": 25, "C": 17, "A": 10, "D": 5}
