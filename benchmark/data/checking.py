"""Are the images there, whole, and what the manifest says? And what is in the dataset?"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from benchmark.data.duplicates import twins
from benchmark.data.images import (
    FRAME,
    Decoded,
    OpenFile,
    Place,
    check_file,
    cut,
    decode_bytes,
    frames_of,
    locate,
    read_image_bytes,
)
from benchmark.data.manifest import Manifest
from benchmark.data.sweep import sweep
from benchmark.errors import ImageError
from results.files import file_hash
from results.statistics.clusters import KEPT_TOGETHER

_WORDS = {"real": "real", "fake": "forged"}

# A sample's facts; the order of the columns of ``check``'s table.
CHECKED_FACTS = ("problem", "sha256", "width", "height", "format", "bytes")


class SampleFacts(NamedTuple):
    """What one file holds.

    Attributes:
        problem: "" if the image can be used; else ``missing``, ``unreadable: ...``,
            ``content differs ...`` or another reason of an ``ImageError``. It names no folder, so
            it is the same wherever the dataset lies.
        sha256: Of the file's bytes as it lies there, "" if it cannot be read.
        width: Pixels, upright; 0 with a problem that kept it from being decoded.
        height: Likewise.
        format: JPEG, PNG, WEBP, BMP, TIFF or video; "" likewise.
        bytes: The file's size.
    """

    problem: str
    sha256: str = ""
    width: int = 0
    height: int = 0
    format: str = ""
    bytes: int = 0


def check(
    manifest: Manifest,
    rows: pd.DataFrame | None = None,
    *,
    workers: int | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> pd.DataFrame:
    """Read, hash and fully decode every image, once; a video is read once for all its frames.

    Args:
        manifest: Whose images.
        rows: Some of its samples; all if left out.
        workers: Threads; 0: the caller's alone; None: as many as there are cores, 16 at most.
        on_progress: Called with the number of images done, once an image.

    Returns:
        A table indexed by ``sample_id`` in the order of ``rows``, with the columns of ``FACTS``
        (see ``Facts``). Nothing is replaced or left out: a bad image is a row with a problem.
    """
    samples = manifest.samples if rows is None else rows
    ids = [str(sample_id) for sample_id in samples["sample_id"]]
    stated = [str(digest) for digest in samples["sha256"]]
    numbers = count(1)
    facts = sweep(
        ids,
        lambda place, file: file.examine(ids[place], stated[place]),
        opened=lambda: _Examined(manifest.root),
        workers=workers,
        on_progress=lambda: on_progress(next(numbers)) if on_progress is not None else None,
    )
    return pd.DataFrame(facts, index=pd.Index(ids, name="sample_id"), columns=list(CHECKED_FACTS))


class _Content(NamedTuple):
    """What a file holds: its hash, its size, and the bytes themselves unless it is a video."""

    sha256: str
    size: int
    data: bytes


class _Examined(OpenFile):
    """A file whose samples are examined: it is hashed once, and each picture decoded once."""

    def __init__(self, root: Path) -> None:
        super().__init__(frames_of)
        self._root = root
        self._content: _Content | None = None
        self._decoded_still: Decoded | None = None

    def examine(self, sample_id: str, stated: str) -> SampleFacts:
        """Examine a sample.

        Args:
            sample_id: The sample.
            stated: The sha256 its file must have; "" if none is known.
        """
        try:
            place = locate(self._root, sample_id)
            if not place.path.exists():
                return SampleFacts("missing")
            content = self._content = self._content or _content(place)
        except ImageError as error:
            return SampleFacts(error.reason)
        difference = _difference(content.sha256, stated)
        try:
            decoded = self._decoded(place, content)
            height, width = cut(decoded.pixels, place).shape[:2]
        except ImageError as error:
            return SampleFacts(difference or error.reason, content.sha256, bytes=content.size)
        return SampleFacts(difference, content.sha256, width, height, decoded.format, content.size)

    def _decoded(self, place: Place, content: _Content) -> Decoded:
        """Decode the picture that a sample is a part of."""
        if place.frame is not None:
            return Decoded(self.picture(place), "video")
        if self._decoded_still is None:
            self._decoded_still = decode_bytes(content.data, place.name)
        return self._decoded_still


def _content(place: Place) -> _Content:
    """Read and hash a file; a video, which may be large, piece by piece.

    Raises:
        ImageError: It cannot be read.
    """
    path = place.path
    if place.frame is None:
        data = read_image_bytes(place)
        return _Content(hashlib.sha256(data).hexdigest(), len(data), data)
    size = check_file(path)
    try:
        return _Content(file_hash(path), size, b"")
    except OSError as error:
        raise ImageError(str(path), f"unreadable: {error.strerror}") from error


def _difference(digest: str, stated: str) -> str:
    """Say that the content is not the one the manifest names, "" if it is."""
    if stated in ("", digest):
        return ""
    return f"content differs from the manifest's sha256 ({digest[:12]}, not {stated[:12]})"


@dataclass(frozen=True, kw_only=True)
class Overview:
    """What a dataset holds, for ``data show``.

    Attributes:
        counts: One row a (split, label, forgery, family, generator, source): ``images``.
        videos: Number of groups that hold frames of one video or more than one image.
        warnings: Sentences: what crosses splits, classes that are missing in a split.
    """

    counts: pd.DataFrame
    videos: int
    warnings: tuple[str, ...]


def overview(samples: pd.DataFrame) -> Overview:
    """Count a dataset's samples and look for what would make its results mean less."""
    keys = ["split", "label", "forgery", "family", "generator", "source"]
    counts = samples.groupby(keys, sort=True).size().rename("images").reset_index()
    sizes = samples["group"].value_counts()
    frames = samples.loc[samples["sample_id"].str.contains(FRAME, regex=False), "group"]
    videos = len(set(sizes.index[sizes > 1]) | set(frames))
    same = [f"{each.sentence()}: results mean less" for each in twins(samples)]
    warnings = [*same, *_crossing(samples), *_lacking(samples)]
    return Overview(counts=counts, videos=videos, warnings=tuple(warnings))


def summary(facts: pd.DataFrame) -> Mapping[str, pd.Series]:
    """Count what ``check`` found, good images only: ``format`` and ``size`` (width x height)."""
    good = facts[facts["problem"] == ""]
    size = good["width"].astype(str) + " x " + good["height"].astype(str)
    return {"format": good["format"].value_counts(), "size": size.value_counts()}


def _crossing(samples: pd.DataFrame) -> list[str]:
    """Warn of groups, identities and pairs that stand in more than one split.

    An identity is a person within one source: two sources may both call someone ``001``.
    """
    warnings = []
    for name in KEPT_TOGETHER:
        known = samples[samples[name] != ""]
        keys = ["source", name] if name == "identity" else [name]
        splits = known.groupby(keys)["split"].nunique()
        crossing = splits[splits > 1]
        if len(crossing):
            first = crossing.index[0]
            first = " of ".join(reversed(first)) if isinstance(first, tuple) else first
            warnings.append(
                f"{len(crossing)} of {len(splits)} values of '{name}' stand in more than one split "
                f"('{first}' first): a detector may recognise them"
            )
    return warnings


def _lacking(samples: pd.DataFrame) -> list[str]:
    """Warn of splits without images of a class: nothing can be trained or measured there."""
    there = set(zip(samples["split"], samples["label"], strict=True))
    lacking = []
    for split in ("train", "val", "test"):
        absent = [word for label, word in _WORDS.items() if (split, label) not in there]
        if absent:
            what = f"{absent[0]} images" if len(absent) == 1 else "images"
            lacking.append(f"split '{split}' has no {what}")
    if not lacking:
        return []
    use = (
        "tested on, not trained with"
        if (("test", "real") in there and ("test", "fake") in there)
        else "neither trained with nor tested on as it is"
    )
    return [f"{', '.join(lacking)}: it can be {use}; {SPLIT_REMEDY}"]


SPLIT_REMEDY = (
    "give it some with 'forgerybench data split FILE --shares 0.7,0.1,0.2 -o NEW.csv' or "
    "'forgerybench data fold'"
)
