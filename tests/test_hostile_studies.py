"""Studies, options and pictures that no honest user writes: one line, before any work."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from typer.testing import CliRunner

from benchmark.cli.app import app
from benchmark.cli.options import read_list
from benchmark.data.images import decode
from benchmark.data.manifest import read_manifest
from benchmark.data.shapes import check_shape
from benchmark.errors import BenchmarkError, ImageError, ManifestError
from benchmark.executors import read_share
from benchmark.scoring.files import trained_detector
from benchmark.study.planning import make_plan
from benchmark.study.resolved import resolve
from benchmark.study.schema import StudyDetector, checked_study, load_study
from benchmark.training.store import ModelStore
from protocols.errors import ProtocolError
from results.errors import ResultError
from results.parquet import read_table
from tests.small_data import SMALL, write_dataset, write_recipe
from tests.small_study import study

STUDY = """\
name: mine
title: Mine
protocols: [{protocol: everything}]
detectors: [{detector: spectrum}]
size: tiny
"""


@pytest.mark.parametrize(
    ("seeds", "told"),
    [
        ("[-1]", "greater than or equal to 0, got -1"),
        ("[true]", "valid integer, got True"),
        ('["0"]', "valid integer, got '0'"),
        ("[1.0]", "valid integer, got 1.0"),
        ("[]", "at least 1 item"),
    ],
)
def test_a_seed_is_a_whole_number_from_0(seeds: str, told: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(f"{STUDY}seeds: {seeds}\n")
    with pytest.raises(ProtocolError, match=f"mine.yaml: 'seeds.*' is wrong: .*{told}"):
        load_study(str(path))


def test_seeds_without_end_are_refused_at_once() -> None:
    endless = study("tiny").model_copy(update={"seeds": tuple(range(100_000))})
    with pytest.raises(BenchmarkError, match="100000 seeds; at most 1000 are trained"):
        checked_study(endless)


@pytest.mark.parametrize("label", ["\x1b[2J", "a\nb", "x" * 101, "\u202eevil", " "])
def test_a_label_that_cannot_be_read_is_refused(label: str) -> None:
    named = (StudyDetector(detector=SMALL, label=label),)
    with pytest.raises(BenchmarkError, match="names no detector: choose a label of 1 to 100"):
        checked_study(study("tiny").model_copy(update={"detectors": named}))


LABELS = {
    "../../x": "x-",
    "<img src=x>": "img-src-x--",
    "检测器": "model-",
    "-rf": "rf-",
    "Größe": "gr--e-",
    "Plain_1": "plain-1-",
}


def test_every_label_that_can_be_read_gives_a_model_an_id_that_names_a_file(tmp_path: Path) -> None:
    manifest, recipe = write_dataset(tmp_path / "data", count=2), write_recipe(tmp_path)
    named = tuple(StudyDetector(detector=SMALL, label=each, recipe=recipe) for each in LABELS)
    wanted = study(recipe, protocol="everything").model_copy(update={"detectors": named})
    ids = [job.id for job in make_plan(resolve(wanted, manifest)).jobs.values()]
    assert [each[:-12] for each in ids] == list(LABELS.values())


@pytest.mark.parametrize("text", ["", " ", ",", '""'])
def test_an_option_that_names_nothing_is_not_taken_for_one_that_is_not_given(text: str) -> None:
    assert read_list(None) is None
    with pytest.raises(BenchmarkError, match="no list of names: leave the option out"):
        read_list(text)


@pytest.mark.parametrize("options", [["--threads", "999999999"], ["--workers", "999999999"]])
def test_more_threads_than_any_machine_starts_are_refused(options: list[str]) -> None:
    found = CliRunner().invoke(app, ["run", "everything", "--data", "m", "--out", "o", *options])
    assert found.exit_code == 2
    assert "less than or equal to 1024" in found.output


def test_numbers_of_a_shard_are_plain_digits() -> None:
    with pytest.raises(BenchmarkError, match="--shard is one of n"):
        read_share("\u0663/\u0664")


def test_a_model_without_a_name_is_not_the_folder_at_hand(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match="'' names no model"):
        trained_detector("", ModelStore(tmp_path), ())


@pytest.mark.parametrize("size", [(1, 101), (20_000, 150)])
def test_a_picture_that_is_all_but_a_line_is_refused_before_it_is_resized(
    size: tuple[int, int], tmp_path: Path
) -> None:
    path = tmp_path / "line.png"
    Image.new("RGB", size).save(path)
    told = f"{size[0]} x {size[1]} pixels: one side is over 100 times the other"
    with pytest.raises(ImageError, match=told):
        decode(path)
    check_shape("a picture", 1, 100, 100)
    with pytest.raises(ImageError, match="more than the 99 an image may have"):
        check_shape("a picture", 1, 100, 99)


def no_text(count: int) -> Any:
    """Text of Parquet that is no UTF-8."""
    return pa.array([b"\xff\xfe"] * count).view(pa.string())


READERS: list[tuple[Callable[[Path], object], type[Exception]]] = [
    (read_manifest, ManifestError),
    (read_table, ResultError),
    (lambda path: read_table(path, coded=True), ResultError),
]


@pytest.mark.parametrize(("reader", "error"), READERS)
def test_text_in_parquet_that_is_no_utf8_is_one_line(
    reader: Callable[[Path], object], error: type[Exception], tmp_path: Path
) -> None:
    columns = {"path": ["a.png"], "label": ["real"], "source": no_text(1)}
    pq.write_table(pa.table(columns), tmp_path / "m.parquet")
    with pytest.raises(error, match=r"m\.parquet: .*arquet.*Invalid UTF8"):
        reader(tmp_path / "m.parquet")
