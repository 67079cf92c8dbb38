"""What stands on two sides of a split is found, whatever it is."""

import pandas as pd
import pytest

from protocols.expansion import expand
from protocols.overlaps import Overlap, overlaps
from protocols.schema import load_protocol
from tests.fake_run import Generator, fake_samples

GENERATORS = (Generator("A", "EFS", "GAN", "one", 4), Generator("B", "FS", "GAN", "two", 4))


def found(samples: pd.DataFrame) -> list[Overlap]:
    return overlaps(expand(load_protocol("cross-generator"), samples), samples)


def make() -> pd.DataFrame:
    samples = fake_samples(GENERATORS, {"one": 4, "two": 4})
    return samples.set_index("sample_id", drop=False).rename_axis(None)


def test_clean_data_has_none() -> None:
    assert found(make()) == []


@pytest.mark.parametrize("kind", ["sha256", "identity", "pair", "group"])
def test_a_value_in_training_and_test_is_told_with_the_sides(kind: str) -> None:
    samples = make()
    samples.loc[["one/A/train/0.png", "one/camera/test/1.png"], kind] = "same"
    assert found(samples) == [Overlap("A", "train", "A", kind, 1, "same")]


def test_validation_is_a_side_of_its_own() -> None:
    samples = make()
    samples.loc[["one/A/train/0.png", "one/A/val/1.png", "one/A/test/2.png"], "pair"] = "p7"
    assert found(samples) == [
        Overlap("A", "train", "val", "pair", 1, "p7"),
        Overlap("A", "train", "A", "pair", 1, "p7"),
        Overlap("A", "val", "A", "pair", 1, "p7"),
    ]


def test_one_name_in_two_sources_is_not_one_person() -> None:
    samples = make()
    samples.loc[["one/A/train/0.png", "two/B/test/1.png"], "identity"] = "007"
    assert found(samples) == []


def test_files_that_are_missing_are_not_one_file() -> None:
    samples = make()
    samples.loc[["one/A/train/0.png", "one/A/test/1.png"], "sha256"] = "missing"
    assert found(samples) == []
