"""What libraries take to decode a JPEG of a face, and how far two threads get with each.

A library that let go of Python's lock all of the time would be twice as fast in two threads on two
cores. Pixels are compared with those that the benchmark decodes: other ones would be other scores.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torchvision.io import ImageReadMode, decode_image

from benchmark.data.images import decode_bytes
from performance.around_networks import chosen
from performance.measuring import Row, on_the_wall, own_seconds, paired

Decoder = Callable[[bytes], npt.NDArray[np.uint8]]


def _opencv(data: bytes) -> npt.NDArray[np.uint8]:
    found = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
    return np.asarray(found, dtype=np.uint8)


def _torchvision(data: bytes) -> npt.NDArray[np.uint8]:
    pixels = decode_image(torch.frombuffer(bytearray(data), dtype=torch.uint8), ImageReadMode.RGB)
    found: npt.NDArray[np.uint8] = pixels.permute(1, 2, 0).numpy()
    return found


def _ours(data: bytes) -> npt.NDArray[np.uint8]:
    return decode_bytes(data, "a face").pixels


DECODERS: dict[str, Decoder] = {
    "Pillow, as the benchmark reads": _ours,
    "OpenCV": _opencv,
    "torchvision.io": _torchvision,
}


def decoders(manifest: Path, images: int, rounds: int) -> list[Row]:
    """Time each library by the process's own time, and two threads against one by the wall's."""
    samples, root = chosen(manifest, images)
    files = [(root / name).read_bytes() for name in samples["sample_id"]]
    cpu = torch.device("cpu")
    calls = {name: partial(_alone, decoder, files) for name, decoder in DECODERS.items()}
    own = paired(calls, rounds, cpu, timed=own_seconds)
    found: list[Row] = []
    for name, decoder in DECODERS.items():
        both = {
            "one": partial(_in_threads, decoder, files, 1),
            "two": partial(_in_threads, decoder, files, 2),
        }
        told = paired(both, rounds, cpu, timed=on_the_wall)
        same = sum(np.array_equal(decoder(data), _ours(data)) for data in files)
        found.append(
            {
                "decoder": name,
                "ms an image": 1000 * own[name]["seconds"] / len(files),
                "times as fast": own[name]["ratio"],
                "two threads, times one": told["two"]["ratio"],
                "images with the same pixels": same / len(files),
            }
        )
    return found


def _alone(decoder: Decoder, files: list[bytes]) -> None:
    for data in files:
        decoder(data)


def _in_threads(decoder: Decoder, files: list[bytes], threads: int) -> None:
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(decoder, files))
