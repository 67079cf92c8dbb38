"""Files of strangers in a dataset: one behaviour on every way in, and each names the file."""

import os
import struct
import unicodedata
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pandas as pd
import pytest
from PIL import Image
from typer.testing import CliRunner

from benchmark.cli.app import app
from benchmark.data.audit.measuring import measure
from benchmark.data.checking import check
from benchmark.data.images import read
from benchmark.data.indexing import index_folder
from benchmark.data.manifest import read_manifest
from benchmark.data.reencoding import reencode
from benchmark.errors import BenchmarkError, ImageError, ManifestError
from tests.conftest import draw


def png_of(width: int, height: int) -> bytes:
    """A PNG file whose header promises so many pixels."""

    def chunk(name: bytes, data: bytes) -> bytes:
        head = struct.pack(">I", len(data)) + name + data
        return head + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(1000)))
        + chunk(b"IEND", b"")
    )


def still(path: Path, form: str) -> None:
    Image.fromarray(draw(seed=5)).save(path, format=form)


def animation(path: Path) -> None:
    first, second = (Image.fromarray(draw(seed=seed)) for seed in (6, 7))
    first.save(path, format="PNG", save_all=True, append_images=[second])


def cut_short(path: Path) -> None:
    still(path, "PNG")
    path.write_bytes(path.read_bytes()[:-400])


def heic(path: Path) -> None:
    path.write_bytes(b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic" + bytes(64))


def jxl(path: Path) -> None:
    path.write_bytes(b"\x00\x00\x00\x0cJXL \r\n\x87\n" + bytes(64))


def video_by_name(path: Path) -> None:
    path.write_bytes(b"\x00\x00\x00\x18ftypmp42" + bytes(64))


HOSTILE: dict[str, tuple[Callable[[Path], object], str]] = {
    "empty": (lambda path: path.write_bytes(b""), "the file is empty"),
    "text": (lambda path: path.write_text("no image"), "unreadable: not a JPEG, PNG"),
    "cut": (cut_short, "unreadable: "),
    "bomb": (lambda path: path.write_bytes(png_of(60_000, 60_000)), "decompression bomb"),
    "wide": (lambda path: path.write_bytes(png_of(2**31 - 1, 1)), "decompression bomb"),
    "none": (lambda path: path.write_bytes(png_of(0, 7)), "unreadable: "),
    "animation": (animation, "2 images in one file; a sample is one"),
    "gif": (lambda path: still(path, "GIF"), "TIFF image but GIF"),
    "avif": (lambda path: still(path, "AVIF"), "TIFF image but AVIF"),
    "jpeg2000": (lambda path: still(path, "JPEG2000"), "TIFF image but JPEG 2000"),
    "heic": (heic, "TIFF image but HEIC"),
    "jxl": (jxl, "TIFF image but JPEG XL"),
    "video": (video_by_name, "TIFF image but a video"),
    "pipe": (os.mkfifo, "not a file"),
    "circle": (lambda path: path.symlink_to(path.name), "missing"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_named_the_same_on_every_way_in(name: str, tmp_path: Path) -> None:
    make, said = HOSTILE[name]
    for label in ("real", "fake"):
        (tmp_path / label).mkdir()
    Image.fromarray(draw(seed=1)).save(tmp_path / "real" / "good.png")
    try:
        make(tmp_path / "fake" / "bad.png")
    except (KeyError, OSError) as error:
        pytest.skip(f"cannot be made here: {error}")
    if name == "circle":  # a link is refused as such, before it would be a missing file
        (tmp_path / "fake" / "bad.png").unlink()
        (tmp_path / "fake" / "bad.png").symlink_to("gone.png")
    indexed = index_folder(tmp_path)
    assert list(indexed.problems) == ["fake/bad.png"]
    reason = indexed.problems["fake/bad.png"]
    assert said in reason
    assert "\n" not in reason
    manifest = read_manifest(tmp_path / "manifest.csv")
    assert check(manifest)["problem"].to_dict() == {"fake/bad.png": reason, "real/good.png": ""}
    assert dict(zip(manifest.samples["sample_id"], measure(manifest).problems, strict=True)) == {
        "fake/bad.png": reason,
        "real/good.png": "",
    }
    with pytest.raises(ImageError) as caught:
        read(manifest.root, "fake/bad.png")
    assert caught.value.reason == reason
    told = CliRunner().invoke(app, ["data", "check", str(manifest.path)])
    assert told.exit_code == 1
    assert f"fake/bad.png: {reason}"[:60] in told.stderr
    hashed = read_manifest(with_hashes(manifest.path))
    with pytest.raises(BenchmarkError, match=r"fake/bad\.png"):
        reencode(hashed, tmp_path / "copy")


def with_hashes(manifest: Path) -> Path:
    """Write a manifest that states some hash of every file."""
    table = pd.read_csv(manifest, dtype=str, keep_default_na=False)
    table["sha256"] = [digest or "0" * 64 for digest in table["sha256"]]
    table.to_csv(manifest.with_name("hashed.csv"), index=False)
    return manifest.with_name("hashed.csv")


def test_a_device_is_no_image(tmp_path: Path) -> None:
    for label in ("real", "fake"):
        (tmp_path / label).mkdir()
    Image.fromarray(draw(seed=1)).save(tmp_path / "real" / "good.png")
    (tmp_path / "fake" / "zero.png").symlink_to("/dev/zero")
    with pytest.raises(ManifestError, match=r"'fake/zero\.png' is a link that leads out of this"):
        index_folder(tmp_path)
    indexed = index_folder(tmp_path, links=True)
    assert indexed.problems == {"fake/zero.png": "not a file"}


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_names_in_any_unicode_form_and_very_long_ones_are_read(
    form: Literal["NFC", "NFD"], tmp_path: Path
) -> None:
    name = unicodedata.normalize(form, "Zoë_" + "x" * 180)
    for seed, label in enumerate(("real", "fake")):
        (tmp_path / label).mkdir()
        Image.fromarray(draw(seed=seed)).save(tmp_path / label / f"{name}.png")
    assert not index_folder(tmp_path).problems
    assert not check(read_manifest(tmp_path / "manifest.csv"))["problem"].any()


def test_a_name_with_a_backslash_is_told(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    Image.fromarray(draw()).save(tmp_path / "real" / "a\\b.png")
    with pytest.raises(ManifestError, match="the path must be relative, with /"):
        index_folder(tmp_path)


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGBA", "CMYK", "I;16", "1"])
def test_every_mode_with_a_stated_range_is_one_picture_everywhere(
    mode: str, tmp_path: Path
) -> None:
    suffix = "jpg" if mode == "CMYK" else "png"
    for seed, label in enumerate(("real", "fake")):
        (tmp_path / label).mkdir()
        image = Image.fromarray(draw(seed=seed))
        image = image.convert("L").convert(mode) if mode == "I;16" else image.convert(mode)
        image.save(tmp_path / label / f"a.{suffix}")
    indexed = index_folder(tmp_path)
    assert not indexed.problems
    assert set(indexed.manifest.samples["width"]) == {"64"}
    assert not [problem for problem in measure(indexed.manifest).problems if problem]


HEAD = "path,label,forgery,family,generator,split"
WINDOWS = [f"{HEAD}", "real/a.png,real,real,real,camera,test", "b.png,fake,EFS,GAN,G,test"]


@pytest.mark.parametrize("sign", [",", ";", "\t"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_manifest_of_any_spreadsheet_is_read(
    sign: str, mark: bytes, end: str, tmp_path: Path
) -> None:
    text = end.join(WINDOWS).replace(",", sign) + end
    (tmp_path / "m.csv").write_bytes(mark + text.encode())
    samples = read_manifest(tmp_path / "m.csv").samples
    assert samples["sample_id"].tolist() == ["b.png", "real/a.png"]
    assert samples["generator"].tolist() == ["G", "camera"]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("a\\b.png,real,real,real,camera,test", "row 2: paths are relative, with /; 'forgerybench"),
        ("C:/a.png,real,real,real,camera,test", "row 2: paths are relative, with /; 'forgerybench"),
        ("a.png,1,,,G,test", "labels 0 and 1 is forged is not guessed: .* --label 1=fake --label"),
    ],
)
def test_a_manifest_from_windows_is_told_what_reads_it(row: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_bytes(f"{HEAD}\r\n{row}\r\n".encode("utf-8-sig"))
    with pytest.raises(ManifestError, match=said) as caught:
        read_manifest(tmp_path / "m.csv")
    assert "\n" not in str(caught.value)


def test_the_command_that_is_told_reads_a_table_of_windows(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    for seed, name in enumerate(("a", "b")):
        Image.fromarray(draw(seed=seed)).save(tmp_path / "sub" / f"{name}.png")
    text = "path;label;generator;split\r\nC:\\sub\\a.png;0;;test\r\n.\\sub\\b.png;1;G;test\r\n"
    (tmp_path / "m.csv").write_bytes(text.encode("utf-8-sig"))
    command = ["data", "index", "table", str(tmp_path), "--table", str(tmp_path / "m.csv"), "-o"]
    options = [str(tmp_path / "new.csv"), "--label", "1=fake", "--label", "0=real"]
    done = CliRunner().invoke(app, [*command, *options])
    assert done.exit_code == 0, done.output
    samples = read_manifest(tmp_path / "new.csv").samples.set_index("sample_id")
    assert samples["label"].to_dict() == {"sub/a.png": "real", "sub/b.png": "fake"}
