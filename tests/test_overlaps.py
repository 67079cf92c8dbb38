"""What stands on two sides of a split is found, whatever it is."""

from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from benchmark.cli.app import app
from benchmark.cli.console import warn_of_overlaps
from protocols.expansion import expand
from protocols.overlaps import Overlap, overlap_sentences, overlaps
from protocols.schema import load_protocol
from tests.fake_run import Generator, fake_samples, make_run

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


def test_sentences_name_the_kind_the_sides_and_the_first() -> None:
    samples = make()
    samples.loc[["one/A/train/0.png", "one/A/val/1.png", "one/A/test/2.png"], "pair"] = "p7"
    expansion = expand(load_protocol("cross-generator"), samples)
    assert overlap_sentences(expansion, make()) == []
    (said,) = overlap_sentences(expansion, samples)
    assert said == (
        "Cross-generator: 1 values of pair ('p7' first) stand in train of 'A' and in val, and "
        "others on 2 more pairs of sides"
    )


def test_equal_bytes_in_both_classes_are_said() -> None:
    samples = make()
    samples.loc[["one/A/test/0.png", "one/camera/test/1.png"], "sha256"] = "5" * 64
    expansion = expand(load_protocol("cross-generator"), samples)
    assert overlap_sentences(expansion, samples) == [
        "1 contents are called both real and forged: 'one/A/test/0.png' and "
        "'one/camera/test/1.png' are the same bytes"
    ]
    samples.loc["one/camera/test/1.png", "sample_id"] = "one/A/test/0.png#frame=3"
    assert overlap_sentences(expansion, samples) == []


def test_the_report_and_its_page_tell_them(tmp_path: Path) -> None:
    samples = fake_samples(GENERATORS, {"one": 4, "two": 4})
    samples.loc[samples["generator"] == "A", "identity"] = "p1"
    run = make_run(tmp_path / "run", samples=samples, protocols=["cross-generator"])
    done = CliRunner().invoke(app, ["report", str(run)], env={"COLUMNS": "200"})
    assert done.exit_code == 0, done.output
    said = "1 values of identity ('p1' first) stand in train of 'A' and in "
    assert f"warning: Cross-generator: {said}" in done.stdout
    assert "<b>On two sides:</b> Cross-generator: 1 values of identity" in (
        (run / "index.html").read_text()
    )


def test_a_run_tells_them_before_it_trains(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    samples = make()
    samples.loc[["one/A/train/0.png", "one/A/test/2.png"], "group"] = "clip"
    expansion = expand(load_protocol("cross-generator"), samples)
    warn_of_overlaps([expansion, expansion], samples)
    assert capsys.readouterr().out.count("values of group ('clip' first)") == 1
