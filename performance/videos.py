"""Videos, checked and scored: one pass over each file, against a reader that goes frame by frame.

The plain reader does for each frame what must be done for it alone: hash the whole file, decode
from its first frame to the one that is meant, prepare it. Both go through all frames twice, once to
check them and once to score them. Networks are left out on both sides.
"""

import io
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import av
import numpy as np
import pandas as pd
import torch
from PIL import Image, ImageFilter

from benchmark.data.images import MAX_PIXELS, image_tensor
from benchmark.data.manifest import read_manifest
from benchmark.data.video import decoding
from benchmark.progress import Progress
from benchmark.study.samples import verified_samples
from performance.around_networks import Answering, scored
from performance.measuring import Call, Row, own_seconds, paired
from protocols.conditions import CLEAN
from results.files import file_hash

# As long as the clips of FaceForensics++, about.
WIDTH, HEIGHT, LENGTH = 320, 240, 384


def videos(clips: int, frames: int, rounds: int) -> list[Row]:
    """Compare checking and scoring with the plain reader, by the process's own time."""
    with drawn(clips, frames) as manifest:
        opened: dict[str, str] = {}
        ways: dict[str, Call] = {
            name: partial(_counting, name, call, manifest, opened)
            for name, call in (
                ("frame by frame", frame_by_frame),
                ("check and score", checked_and_scored),
            )
        }
        told = paired(ways, rounds, torch.device("cpu"), timed=own_seconds)
        return [
            {
                "way": way,
                "clips": clips,
                "frames a clip": frames,
                "seconds": each["seconds"],
                "times as fast": each["ratio"],
                "bar": 8 if way == "check and score" else None,
                "times a file is opened": opened[way],
            }
            for way, each in told.items()
        ]


@contextmanager
def drawn(clips: int, frames: int) -> Iterator[Path]:
    """Write H.264 clips of 384 moving frames, and the manifest of some frames of each."""
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as name:
        for clip in range(clips):
            _write(Path(name, f"clip{clip}.mp4"), rng)
        numbers = np.linspace(0, LENGTH - 1, frames).astype(int)
        rows = [(clip, number) for clip in range(clips) for number in numbers]
        fake = [clip % 2 == 1 for clip, _ in rows]
        pd.DataFrame(
            {
                "path": [f"clip{clip}.mp4" for clip, _ in rows],
                "frame": [number for _, number in rows],
                "label": np.where(fake, "fake", "real"),
                "forgery": np.where(fake, "FS", "real"),
                "family": np.where(fake, "graphics", "real"),
                "generator": np.where(fake, "one", "camera"),
                "split": "test",
                "source": "one",
                "group": [f"clip{clip}.mp4" for clip, _ in rows],
            }
        ).to_csv(Path(name, "manifest.csv"), index=False)
        yield Path(name, "manifest.csv")


def _write(path: Path, rng: np.random.Generator) -> None:
    """Write a clip: a picture with the spectrum of photographs, roughly, that moves."""
    noise = Image.fromarray(rng.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8))
    picture = np.asarray(noise.filter(ImageFilter.GaussianBlur(3)))
    data = io.BytesIO()
    with av.open(data, "w", format="mp4") as file:
        stream = file.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number in range(LENGTH):
            moved = np.ascontiguousarray(np.roll(picture, number, axis=1))
            file.mux(stream.encode(av.VideoFrame.from_ndarray(moved, format="rgb24")))
        file.mux(stream.encode(None))
    path.write_bytes(data.getvalue())


def frame_by_frame(manifest: Path) -> None:
    """Hash the file and decode up to the frame, for each frame, to check it and to score it."""
    read_one = read_manifest(manifest)
    transform = Answering(untrained=True).transform
    for is_scored in (False, True):
        for sample_id in read_one.samples["sample_id"]:
            name, _, number = sample_id.partition("#frame=")
            path = read_one.root / name
            file_hash(path)
            with decoding(path, max_pixels=MAX_PIXELS) as clip:
                pixels = clip.at(int(number))
            if is_scored:
                transform(image_tensor(pixels))


def checked_and_scored(manifest: Path) -> None:
    """Check and score the frames as a run does."""
    read_one = read_manifest(manifest)
    samples = verified_samples({"data": read_one}, allow_missing=False, progress=Progress())
    scored(samples, read_one.root, {"zeros": Answering(untrained=True)}, [CLEAN])


def _counting(
    name: str, call: Callable[[Path], None], manifest: Path, opened: dict[str, str]
) -> None:
    """Do one way's work, and count how often it opens each file."""
    counts: Counter[str] = Counter()
    plain_open = av.open

    def counting(path: str, *args: Any, **options: Any) -> object:
        counts[path] += 1
        return plain_open(path, *args, **options)

    with patch.object(av, "open", counting):
        call(manifest)
    least, most = min(counts.values()), max(counts.values())
    opened[name] = str(least) if least == most else f"{least} to {most}"
