"""Decoded pixels that are kept on disk: the same numbers, no file decoded twice."""

import pickle
import shutil
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest

from benchmark.data import kept
from benchmark.data.images import Box, OpenFile, Pixels, Place
from benchmark.data.kept import FILE, KeptPixels
from benchmark.data.source import ImageSource
from benchmark.errors import BenchmarkError
from performance.kept_pixels import kept_pixels
from results.files import file_hash
from tests.small_data import write_dataset, write_recipe
from tests.small_study import run, study
from tests.workers import Noting, hashes

SHA = "0a" * 32


def drawn(seed: int = 0, height: int = 5, width: int = 7) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_pixels_come_back_as_they_were_by_content_frame_and_box(tmp_path: Path) -> None:
    pixels, place = KeptPixels(tmp_path / "kept"), Place(Path("a.png"))
    assert pixels.read(place, SHA) is None
    others = [place, Place(Path("a"), 3), Place(Path("a"), 4), Place(Path("a"), 3, Box(0, 0, 2, 2))]
    for number, each in enumerate(others):
        pixels.keep(each, SHA, drawn(number))
    again = KeptPixels(tmp_path / "kept")
    for number, each in enumerate(others):
        found = again.read(each, SHA)
        assert found is not None
        assert found.flags.writeable
        np.testing.assert_array_equal(found, drawn(number))
    elsewhere = again.read(Place(Path("moved/b.png")), SHA)
    np.testing.assert_array_equal(elsewhere, drawn(0))
    assert again.read(place, "0b" * 32) is None
    again.keep(place, "", drawn())
    assert again.read(place, "") is None


def test_pixels_of_another_decoder_are_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels, place = KeptPixels(tmp_path), Place(Path("a.png"))
    pixels.keep(place, SHA, drawn())
    monkeypatch.setattr(kept, "_DECODERS", "pillow 0.1")
    assert pixels.read(place, SHA) is None


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE pixels SET planes = zeroblob(length(planes))",
        "UPDATE pixels SET planes = substr(planes, 2)",
        "UPDATE pixels SET height = width, width = height",
        "UPDATE pixels SET planes = 'text'",
        "UPDATE pixels SET height = -5, width = -7",
        "UPDATE pixels SET sum = sum + 1",
    ],
)
def test_damaged_pixels_are_no_pixels_and_are_kept_again(statement: str, tmp_path: Path) -> None:
    pixels, place = KeptPixels(tmp_path), Place(Path("a.png"))
    pixels.keep(place, SHA, drawn())
    with sqlite3.connect(tmp_path / FILE) as connection:
        connection.execute(statement)
    assert pixels.read(place, SHA) is None
    pixels.keep(place, SHA, drawn())
    np.testing.assert_array_equal(pixels.read(place, SHA), drawn())


def no_database(path: Path) -> None:
    path.write_bytes(b"no database" * 1000)


def with_a_trigger(path: Path) -> None:
    KeptPixels(path.parent).keep(Place(Path("a")), SHA, drawn())
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TRIGGER t AFTER INSERT ON pixels BEGIN DELETE FROM pixels; END")


@pytest.mark.parametrize("spoil", [no_database, with_a_trigger])
def test_a_file_of_something_else_is_refused_by_name(
    spoil: Callable[[Path], None], tmp_path: Path
) -> None:
    spoil(tmp_path / FILE)
    with pytest.raises(BenchmarkError, match=rf"{FILE}: pixels cannot be kept there .*remove"):
        KeptPixels(tmp_path).keep(Place(Path("b")), SHA, drawn())


def test_pixels_are_kept_in_a_folder_that_has_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(BenchmarkError, match="file: no folder, so no pixels can be kept"):
            KeptPixels(path)
    pixels = KeptPixels(tmp_path / "kept")
    assert "pixels of 10 images are kept: about 10.0 MiB" in pixels.check_room(10, 2.0**20)
    with pytest.raises(BenchmarkError, match=r"pixels of 10 images take about .*choose another"):
        pixels.check_room(10, 1e15)
    pixels.keep(Place(Path("a")), SHA, drawn())
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=3 << 30))
    assert "about 2.0 GiB" in pixels.check_room(3, 2.0**30)
    with pytest.raises(BenchmarkError, match="must stay so"):
        pixels.check_room(4, 2.0**30)


@pytest.mark.parametrize(
    ("height", "width", "planes"),
    [(-2, -3, bytes(18)), (1.5, 2, bytes(9)), ("a", 10**12, b"a"), (b"ab", 10**13, b"x")],
)
def test_rows_that_nobody_kept_are_no_pixels(
    height: Any, width: int, planes: bytes, tmp_path: Path
) -> None:
    pixels, place = KeptPixels(tmp_path), Place(Path("a"))
    pixels.keep(place, SHA, drawn())
    key = kept._key(place, SHA)
    row = (height, width, kept._sum(key, height, width, planes), planes)
    connection = sqlite3.connect(tmp_path / FILE)
    connection.execute("UPDATE pixels SET height=?, width=?, sum=?, planes=?", row)
    connection.commit()
    connection.close()
    assert pixels.read(place, SHA) is None


def test_threads_share_one_file(tmp_path: Path) -> None:
    pixels = KeptPixels(tmp_path)

    def both(number: int) -> bool:
        place = Place(Path("a"), number % 20)
        if (found := pixels.read(place, SHA)) is None:
            pixels.keep(place, SHA, drawn(number % 20))
            found = pixels.read(place, SHA)
        return found is not None and np.array_equal(found, drawn(number % 20))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(both, range(200)))


class Data(NamedTuple):
    manifest: Path
    recipe: str


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    folder = tmp_path_factory.mktemp("data")
    return Data(write_dataset(folder / "data", count=4), write_recipe(folder))


def refuse(*_: Any) -> None:
    raise AssertionError("a file was decoded")


@pytest.fixture(scope="module")
def sources(
    data: Data, tmp_path_factory: pytest.TempPathFactory
) -> tuple[ImageSource, ImageSource, Path]:
    """A source that keeps nothing, one that has kept all of its images, and where."""
    folder = tmp_path_factory.mktemp("kept")
    table = pd.read_csv(data.manifest).rename(columns={"path": "sample_id"})
    samples, roots = table.assign(dataset="data", problem=""), {"data": data.manifest.parent}
    plain = ImageSource(samples, roots)
    keeping = ImageSource(samples, roots, pixels=KeptPixels(folder))
    assert "pixels of 48 images are kept: about" in keeping.check_room()
    assert plain.check_room() == ""
    for row in range(48):
        keeping.array(row)
    return plain, keeping, folder


def test_a_second_pass_opens_no_file(
    sources: tuple[ImageSource, ImageSource, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, keeping, _ = sources
    expected = [plain.array(row) for row in range(48)]
    monkeypatch.setattr(OpenFile, "picture", refuse)
    for each in (keeping, keeping.abroad(2), pickle.loads(pickle.dumps(keeping))):
        for row in range(48):
            np.testing.assert_array_equal(each.array(row), expected[row])
    with pytest.raises(AssertionError, match="a file was decoded"):
        plain.array(0)


def test_a_run_on_kept_pixels_is_the_same_to_the_byte(
    data: Data,
    sources: tuple[ImageSource, ImageSource, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wanted, progress = study(data.recipe, protocol="everything"), Noting()
    options: dict[str, Any] = {"study": wanted, "device": "cpu", "threads": 1}
    outs = [tmp_path / name / "run" for name in ("plain", "kept")]
    run(data.manifest, data.recipe, outs[0], progress, **options)
    monkeypatch.setattr(OpenFile, "picture", refuse)
    run(data.manifest, data.recipe, outs[1], progress, pixels=sources[2], **options)
    assert hashes(outs[0]) == hashes(outs[1])
    weights = [{file_hash(path) for path in out.parent.rglob("*.safetensors")} for out in outs]
    assert weights[0] == weights[1] != set()
    assert sum("pixels of 48 images are kept" in note for note in progress.notes) == 1


def test_a_run_without_room_for_pixels_begins_nothing(
    data: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1 << 20))
    wanted = study(data.recipe, protocol="everything")
    with pytest.raises(BenchmarkError, match="choose another folder, or keep none"):
        run(data.manifest, data.recipe, tmp_path / "run", study=wanted, pixels=tmp_path / "kept")
    assert not (tmp_path / "run" / "run.json").exists()


def test_what_keeping_spares_is_measured_on_the_same_pixels(data: Data) -> None:
    rows = kept_pixels(data.manifest, 6, 1, side=32)
    assert [row["from"] for row in rows] == ["decoded", "kept"] * 2
    assert all(row["ms an image"] > 0 and row["kB an image on disk"] > 0 for row in rows)
