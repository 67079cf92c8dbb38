"""Are the images there, whole, and what the manifest says? And what is in the dataset?"""

import hashlib
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from benchmark.data.images import (
    FRAME,
    Place,
    check_file,
    cut,
    decode,
    decode_bytes,
    locate,
    read_bytes,
)
from benchmark.data.manifest import Manifest
from benchmark.errors import ImageError
from results.files import file_hash
from results.statistics.clusters import KEPT_TOGETHER

_WORDS = {"real": "real", "fake": "forged"}

# A sample's facts; the order of the columns of ``check``'s table.
FACTS = ("problem", "sha256", "width", "height", "format", "bytes")


class Facts(NamedTuple):
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
    workers: int = 2,
    on_progress: Callable[[int], None] | None = None,
) -> pd.DataFrame:
    """Read, hash and fully decode every image, once.

    Args:
        manifest: Whose images.
        rows: Some of its samples; all if left out.
        workers: Threads.
        on_progress: Called with the number of images done, once an image, in their order.

    Returns:
        A table indexed by ``sample_id`` in the order of ``rows``, with the columns of ``FACTS``
        (see ``Facts``). Nothing is replaced or left out: a bad image is a row with a problem.
    """
    samples = manifest.samples if rows is None else rows
    ids = [str(sample_id) for sample_id in samples["sample_id"]]
    stated = [str(digest) for digest in samples["sha256"]]
    facts = []
    pool = ThreadPoolExecutor(max_workers=max(1, workers))
    try:
        done = pool.map(lambda pair: examine(manifest.root, *pair), zip(ids, stated, strict=True))
        for count, fact in enumerate(done, start=1):
            facts.append(fact)
            if on_progress is not None:
                on_progress(count)
    finally:
        pool.shutdown(cancel_futures=True)  # an interrupt must not wait for every image
    return pd.DataFrame(facts, index=pd.Index(ids, name="sample_id"), columns=list(FACTS))


def examine(root: Path, sample_id: str, stated: str = "") -> Facts:
    """Read one sample's file once: its content hash, and what it holds.

    Args:
        root: The manifest's root.
        sample_id: The sample.
        stated: The sha256 its content must have; "" if none is known.
    """
    try:
        place = locate(root, sample_id)
        path = place.path
        if not path.exists():
            return Facts("missing")
        if place.frame is not None:
            return _examine_frame(place, stated)
        data = read_bytes(path)
    except ImageError as error:
        return Facts(error.reason)
    digest = hashlib.sha256(data).hexdigest()
    try:
        decoded = decode_bytes(data, str(path))
        height, width = cut(decoded.pixels, place).shape[:2]
    except ImageError as error:
        return Facts(_difference(digest, stated) or error.reason, digest, bytes=len(data))
    problem = _difference(digest, stated)
    return Facts(problem, digest, width, height, decoded.format, len(data))


def _examine_frame(place: Place, stated: str) -> Facts:
    """Do what ``examine`` does for one frame of a video; the hash is of the whole video file."""
    path = place.path
    size = check_file(path)
    try:
        digest = file_hash(path)
    except OSError as error:
        return Facts(f"unreadable: {error.strerror}", bytes=size)
    try:
        height, width = cut(decode(path, place.frame), place).shape[:2]
    except ImageError as error:
        return Facts(_difference(digest, stated) or error.reason, digest, bytes=size)
    return Facts(_difference(digest, stated), digest, width, height, "video", size)


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
    warnings = [*_crossing(samples), *_lacking(samples)]
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
    "give it some with 'forgerybench data index --splits 0.7,0.1,0.2' or 'forgerybench data fold'"
)
