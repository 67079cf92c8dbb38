"""Images that lie in tables become files, byte for byte."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from typer.testing import CliRunner

from benchmark.cli.app import app
from benchmark.data.indexing import index_folder
from benchmark.data.unpacking import unpack
from benchmark.errors import BenchmarkError
from tests.conftest import draw


def encoded(seed: int, form: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(draw(16, 16, seed)).save(buffer, format=form)
    return buffer.getvalue()


def parquet(path: Path, images: list[object], **columns: list[object]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"image": images, **columns}), path)
    return path


def row(seed: int, form: str = "PNG") -> dict[str, object]:
    return {"bytes": encoded(seed, form), "path": "../../etc/evil.png"}


def test_openfake_as_released_becomes_a_manifest(tmp_path: Path) -> None:
    parquet(
        tmp_path / "core" / "train-0.parquet",
        [row(0), row(1, "JPEG"), row(2, "WEBP")],
        label=["fake", "real", "fake"],
        model=["sdxl", "laion", "=cmd()"],
        prompt=["a, b", None, "c"],
        release_date=["2024", None, "2025"],
        tags=[["x"], ["y"], []],
    )
    out = tmp_path / "out"
    done = CliRunner().invoke(app, ["data", "unpack", str(tmp_path / "core"), str(out)])
    assert done.exit_code == 0, done.output
    assert "Left out, since no table holds them: tags" in done.stdout
    assert (out / "images/0000/00000001.jpg").read_bytes() == encoded(1, "JPEG")
    assert sorted(path.suffix for path in out.rglob("*.*") if path.is_file()) == [
        *(".csv", ".jpg", ".png", ".webp"),
    ]
    samples = index_folder(out, adapter="openfake").manifest.samples.set_index("sample_id")
    assert samples.loc["images/0000/00000000.png", "generator"] == "sdxl"
    assert samples.loc["images/0000/00000001.jpg", "label"] == "real"
    assert samples.loc["images/0000/00000002.webp", "generator"] == "'=cmd()"
    assert not list(tmp_path.parent.rglob("evil.png"))


def test_rows_without_an_image_are_named(tmp_path: Path) -> None:
    file = parquet(
        tmp_path / "a.parquet",
        [{"bytes": b"", "path": "x"}, row(0), {"bytes": b"GIF89a...", "path": "x"}],
        label=["fake", "real", "fake"],
    )
    done = CliRunner().invoke(app, ["data", "unpack", str(file), str(tmp_path / "out")])
    assert done.exit_code == 1
    assert "a.parquet, row 1: no bytes of an image" in done.stderr
    assert "a.parquet, row 3: not a JPEG, PNG" in done.stderr
    assert "(1 images)" in done.stdout


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda path: path.write_bytes(b"PAR1 nothing"), "cannot be read as Parquet"),
        (lambda path: parquet(path, [1, 2]), r"no image in column 'image'; a\.parquet, row 1"),
        (
            lambda path: pq.write_table(pa.table({"picture": ["x"]}), path),
            "column 'image' is missing; there are picture; name the images' with --image",
        ),
    ],
)
def test_what_cannot_be_unpacked_is_told_and_leaves_no_table(
    make: Callable[[Path], object], sentence: str, tmp_path: Path
) -> None:
    make(tmp_path / "a.parquet")
    with pytest.raises(BenchmarkError, match=sentence):
        unpack(str(tmp_path / "a.parquet"), tmp_path / "out")
    assert not list(tmp_path.rglob("*.csv"))
    with pytest.raises(BenchmarkError, match="no Parquet file in it"):
        unpack(str(tmp_path / "out"), tmp_path / "other")


def test_it_goes_on_where_it_stopped(tmp_path: Path) -> None:
    file = parquet(tmp_path / "a.parquet", [row(0), row(1)], label=["fake", "real"])
    done: list[int] = []

    def stop() -> None:
        done.append(1)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        unpack(str(file), tmp_path / "out", on_progress=stop)
    first = tmp_path / "out" / "images" / "0000" / "00000000.png"
    before = first.stat().st_mtime_ns
    found = unpack(str(file), tmp_path / "out")
    assert (found.images, first.stat().st_mtime_ns) == (2, before)
    assert list(pd.read_csv(found.table)["label"]) == ["fake", "real"]
    with pytest.raises(BenchmarkError, match="there is a table already"):
        unpack(str(file), tmp_path / "out")


def test_a_dataset_of_the_hub_is_streamed(tmp_path: Path, make_image: Callable[..., Path]) -> None:
    for seed, label in enumerate(("fake", "real")):
        make_image(tmp_path / "set" / "train" / label / "a.png", seed=seed)
    found = unpack(f"hub:{tmp_path / 'set'}", tmp_path / "out")
    assert found.images == 2
    files = {path.read_bytes() for path in (tmp_path / "out" / "images").rglob("*.png")}
    assert files == {path.read_bytes() for path in (tmp_path / "set").rglob("*.png")}
    assert set(pd.read_csv(found.table)["label"]) == {"fake", "real"}
    with pytest.raises(BenchmarkError, match="column 'picture' is missing; there are image"):
        unpack(f"hub:{tmp_path / 'set'}", tmp_path / "other", image="picture")


def test_a_large_folder_that_is_named_like_a_dataset_of_the_hub_is_not_searched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmark.data.unpacking._MOST_SEARCHED", 20)
    for number in range(21):
        (tmp_path / "set" / str(number % 3)).mkdir(parents=True, exist_ok=True)
        (tmp_path / "set" / str(number % 3) / str(number)).touch()
    with pytest.raises(BenchmarkError, match=r"set: is a folder with more than 20 files, which"):
        unpack(f"hub:{tmp_path / 'set'}", tmp_path / "out")
    assert not (tmp_path / "out" / "metadata.csv").exists()


def test_a_dataset_of_the_hub_is_taken_at_a_stated_revision(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import datasets

    asked: list[tuple[str, Any]] = []

    def load(name: str, **options: Any) -> Any:
        asked.append((name, options.get("revision")))
        raise OSError("not today")

    monkeypatch.setattr(datasets, "load_dataset", load)
    for name in ("owner/name@0123abc", "owner/name"):
        with pytest.raises(BenchmarkError, match="not today"):
            unpack(f"hub:{name}", tmp_path / "out")
    assert asked == [("owner/name", "0123abc"), ("owner/name", None)]
    for name in ("owner/name@", "@0123abc"):
        with pytest.raises(BenchmarkError, match=r"names no dataset: write hub:OWNER/NAME\[@REV"):
            unpack(f"hub:{name}", tmp_path / "out")
