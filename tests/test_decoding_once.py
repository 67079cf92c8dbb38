"""What is read through the loader: each file is opened once, and each picture decoded once."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from benchmark.data import images as images_module
from benchmark.data import video as video_module
from benchmark.data.checking import CHECKED_FACTS, check
from benchmark.data.images import (
    MAX_PIXELS,
    cut,
    decode,
    decode_bytes,
    locate,
    read,
    read_image_bytes,
)
from benchmark.data.manifest import Manifest, read_manifest
from benchmark.data.source import ImageSource, Sample, WantedImage, nbytes
from benchmark.data.video import CONTAINERS, Frames, decoding
from benchmark.errors import ImageError
from benchmark.study.samples import stated_samples
from detectors.transform import Transform
from tests.conftest import draw

Pixels = NDArray[np.uint8]
MakeManifest = Callable[..., Path]
WORKERS = [0, 1, 4]


def write_video(path: Path, count: int = 30) -> None:
    """Write frames that differ, with B-frames where the container takes H.264."""
    wide = draw(48, 64 + 2 * count, seed=len(path.name))
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as file:
        stream = file.add_stream("mpeg4" if path.suffix == ".avi" else "h264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for n in range(count):
            pixels = np.ascontiguousarray(wide[:, 2 * n : 2 * n + 64])
            file.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        file.mux(stream.encode())


def plain_frame(path: Path, number: int) -> Pixels:
    """Decode one frame by decoding the file from its beginning, and nothing else."""
    with av.open(str(path), format=CONTAINERS[path.suffix]) as file:
        for count, frame in enumerate(file.decode(video=0)):
            if count == number:
                return np.asarray(frame.to_ndarray(format="rgb24"), dtype=np.uint8)
    raise AssertionError(number)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi"])
def test_one_pass_gives_the_frames_that_are_decoded_one_by_one(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"v{suffix}"
    write_video(path)
    numbers = [0, 1, 7, 7, 8, 20, 29]
    with decoding(path, max_pixels=MAX_PIXELS) as frames:
        for number in numbers:
            found = frames.at(number)
            np.testing.assert_array_equal(found, plain_frame(path, number))
            np.testing.assert_array_equal(found, decode(path, number))
        for number in (30, 31):
            with pytest.raises(ImageError, match=f"there is no frame {number}; there are 30, cou"):
                frames.at(number)
        with pytest.raises(ValueError, match="frame 3 was passed: 30 are decoded"):
            frames.at(3)


def test_frames_before_the_damage_are_whole_and_all_behind_it_are_told() -> None:
    def coming() -> Iterator[Callable[[], Pixels]]:
        yield lambda: draw(seed=0)
        yield lambda: draw(seed=1)
        raise av.error.InvalidDataError(1, "Invalid data found")

    frames = Frames(Path("v.mp4"), coming())
    np.testing.assert_array_equal(frames.at(0), draw(seed=0))
    np.testing.assert_array_equal(frames.at(1), draw(seed=1))
    for number in (2, 3):
        with pytest.raises(ImageError, match=r"v\.mp4: unreadable: Invalid data found"):
            frames.at(number)
    np.testing.assert_array_equal(frames.at(1), draw(seed=1))


class Counted:
    """Counts what is opened and decoded in this module's tests."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.videos, self.frames, self.stills = Counter[str](), 0, Counter[str]()
        opened, to_pixels, from_bytes = av.open, video_module.pixels_of, images_module.decode_bytes

        def open_video(name: str, format: str) -> object:  # noqa: A002 - PyAV's own name
            self.videos[Path(name).name] += 1
            return opened(name, format=format)

        def pixels_of(frame: av.VideoFrame) -> Pixels:
            self.frames += 1
            return to_pixels(frame)

        def bytes_decoded(data: bytes, where: str) -> images_module.Decoded:
            self.stills[Path(where).name] += 1
            return from_bytes(data, where)

        patch.setattr(av, "open", open_video)
        patch.setattr(video_module, "pixels_of", pixels_of)
        patch.setattr(images_module, "decode_bytes", bytes_decoded)
        patch.setattr("benchmark.data.checking.decode_bytes", bytes_decoded)


@pytest.fixture
def mixed(tmp_path: Path, make_manifest: MakeManifest) -> Manifest:
    """Two videos and two still images, whole and in boxes, some of them bad."""
    write_video(tmp_path / "v.mp4")
    write_video(tmp_path / "w.mkv", 12)
    for name in ("a.png", "b.png"):
        Image.fromarray(draw(48, 64, seed=len(name))).save(tmp_path / name)
    rows = [{"path": "v.mp4", "frame": str(n), "box": box} for n in (20, 3, 11) for box in BOXES]
    rows += [{"path": "w.mkv", "frame": str(n)} for n in (11, 5, 12, 40)]
    rows += [{"path": "a.png", "box": box} for box in BOXES]
    rows += [{"path": "b.png", "sha256": "0" * 64}, {"path": "c.png"}]
    return read_manifest(make_manifest(rows))


BOXES = ["4 6 30 20", "0 0 64 48", "40 40 30 30"]  # the last leaves the picture


def plain_facts(manifest: Manifest, sample_id: str, stated: str) -> tuple[object, ...]:
    """Examine one sample with nothing kept, as every sample was once."""
    place = locate(manifest.root, sample_id)
    if not place.path.exists():
        return ("missing", "", 0, 0, "", 0)
    data = read_image_bytes(place)
    digest = hashlib.sha256(data).hexdigest()
    differs = f"content differs from the manifest's sha256 ({digest[:12]}, not {stated[:12]})"
    problem = differs if stated not in ("", digest) else ""
    try:
        if place.frame is None:
            pixels, kind = decode_bytes(data, str(place.path))
        else:
            pixels, kind = decode(place.path, place.frame), "video"
        height, width = cut(pixels, place).shape[:2]
    except ImageError as error:
        return (problem or error.reason, digest, 0, 0, "", len(data))
    return (problem, digest, width, height, kind, len(data))


@pytest.mark.parametrize("workers", WORKERS)
def test_a_check_opens_hashes_and_decodes_once_what_it_told_one_by_one(
    mixed: Manifest, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    samples = mixed.samples.sample(frac=1, random_state=1)  # in any order
    expected = [
        plain_facts(mixed, sample_id, stated)
        for sample_id, stated in zip(samples["sample_id"], samples["sha256"], strict=True)
    ]
    counted, hashed = Counted(monkeypatch), Counter[str]()
    digest_of = hashlib.file_digest
    monkeypatch.setattr(
        hashlib,
        "file_digest",
        lambda file, kind: hashed.update([Path(file.name).name]) or digest_of(file, kind),
    )
    steps: list[int] = []
    facts = check(mixed, samples, workers=workers, on_progress=steps.append)
    assert list(facts.index) == samples["sample_id"].tolist()
    assert list(facts.itertuples(index=False, name=None)) == expected
    assert list(facts.columns) == list(CHECKED_FACTS)
    assert steps == list(range(1, len(samples) + 1))
    assert facts.loc["w.mkv#frame=40", "problem"] == (
        "there is no frame 40; there are 12, counted from 0"
    )
    assert counted.videos == hashed == {"v.mp4": 1, "w.mkv": 1}
    assert counted.frames == 3 + 2  # each once, whatever the boxes cut from it
    assert counted.stills == {"a.png": 1, "b.png": 1}


def source_of(manifest: Manifest) -> ImageSource:
    samples = stated_samples({"data": manifest}).assign(problem="")
    return ImageSource(samples, {"data": manifest.root})


def good_rows(source: ImageSource) -> list[int]:
    """List the samples that can be read and are those of the manifest."""
    bad = ("40,40,30,30", "=12", "=40", "b.png", "c.png")
    return [row for row, name in enumerate(source.ids) if not name.endswith(bad)]


@pytest.mark.parametrize("workers", WORKERS)
def test_samples_of_a_file_are_decoded_together_over_a_batch_and_those_ahead(
    mixed: Manifest, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    source = source_of(mixed)
    rows = np.random.default_rng(0).permutation(good_rows(source)).tolist()
    batches = [rows[start : start + 3] for start in range(0, len(rows), 3)]
    expected = [[read(mixed.root, source.ids[row]) for row in batch] for batch in batches]
    counted = Counted(monkeypatch)
    wanted = ([WantedImage(row, Sample.array) for row in batch] for batch in batches)
    found = source.load(wanted, workers=workers, size=nbytes, ahead=len(batches))
    for batch, pixels in zip(expected, found, strict=True):
        for one, other in zip(batch, pixels, strict=True):
            np.testing.assert_array_equal(one, other)
    assert counted.videos == {"v.mp4": 1, "w.mkv": 1}
    assert counted.frames == 3 + 2
    assert counted.stills == {"a.png": 1}


def test_what_is_kept_opens_no_file(mixed: Manifest, monkeypatch: pytest.MonkeyPatch) -> None:
    source, transform = source_of(mixed), Transform(16)
    rows = good_rows(source)

    def prepared() -> list[torch.Tensor]:
        wanted = [WantedImage(row, lambda s: source.prepared(s, transform)) for row in rows]
        ((*found,),) = source.load([wanted], workers=0, size=nbytes)
        return found

    first = prepared()
    counted = Counted(monkeypatch)
    again = prepared()
    assert all(one is other for one, other in zip(first, again, strict=True))
    assert not counted.videos
    assert not counted.stills


def test_a_box_holds_no_more_memory_than_its_own(mixed: Manifest) -> None:
    whole = np.zeros((48, 64, 3), dtype=np.uint8)
    place = locate(mixed.root, "a.png#xywh=0,4,64,10")
    assert cut(whole, place).base is None
