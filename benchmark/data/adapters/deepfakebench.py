"""DeepfakeBench's preprocessed frames and its JSON files, which say what each frame is."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from benchmark.data.adapters import Adapter, Described, Options, Row
from benchmark.data.layouts.masks import MASK, OF_FRAMES, Masks
from benchmark.data.layouts.records import plain_path
from benchmark.data.lmdb import DATABASE
from benchmark.data.naming import tie
from benchmark.data.rows import Rows
from benchmark.data.tree import list_images
from benchmark.errors import ManifestError
from protocols.files import FileError, read_json
from protocols.samples import OPTIONAL, REQUIRED

_MOST_BYTES = 1 << 30
_REAL = re.compile(r".*[-_]real", re.IGNORECASE)
_FAKE = re.compile(r"(?P<name>.+?)[-_]fake[AB]?|FF-(?P<method>SH|F2F|DF|FS|NT|FH)", re.IGNORECASE)
# DeepfakeBench's labels -> the names that protocols use.
_METHODS = {
    "DF": ("Deepfakes", "FS", "autoencoder"),
    "F2F": ("Face2Face", "FR", "graphics"),
    "FS": ("FaceSwap", "FS", "graphics"),
    "NT": ("NeuralTextures", "FR", "GAN"),
    "SH": ("FaceShifter", "FS", "GAN"),
    "FH": ("FaceShifter", "FS", "GAN"),
}
_SOURCES = {
    "FaceForensics++": "FF++",
    "FaceShifter": "FF++",
    "DeepFakeDetection": "DFD",
    **{f"FF-{method}": "FF++" for method in _METHODS},
}
_COMPRESSIONS = ("raw", "c0", "c23", "c40")
_SPLITS = ("test", "val", "train")  # one that stands in several is taken for the first


class _Video(NamedTuple):
    """A video of a JSON file."""

    dataset: str
    label: str
    split: str
    compression: str
    name: str
    frames: list[str]


def _read(folder: Path, options: Options) -> Described:
    """Read the JSON files in the folder, or the one of ``options.table``, and find their frames.

    Raises:
        ManifestError: There is none, one is damaged, or none of its frames is here.
    """
    database = next(folder.rglob(DATABASE), None)
    if database is not None:
        raise ManifestError(
            f"{database}: frames in LMDB become files first: 'forgerybench data unpack "
            f"{database.parent} FRAMES', then index that folder with --table FILE.json"
        )
    listing = list_images(folder, links=options.links)
    there = set(listing.images)
    files = [options.table] if options.table else sorted(folder.rglob("*.json"))
    if not files:
        raise ManifestError(
            f"{folder}: no JSON file of DeepfakeBench in it; name one with --table, or index the "
            "dataset that was preprocessed by its own name"
        )
    reading = _Reading(there, Masks(folder, (OF_FRAMES,)))
    for file in files:
        for video in _videos(file):
            reading.take(video, file)
    if not len(reading.rows):
        raise ManifestError(
            f"{folder}: no frame that {files[0].name} names is here; first: "
            f"'{next(iter(reading.missing), '')}'"
        )
    notes = list(tie(reading.rows))
    if reading.several:
        notes.append(
            f"{reading.several} frames stand in several splits, as all of DeepFakeDetection does: "
            "taken for test, else val"
        )
    unnamed = len(there) - len(there & reading.rows.keys())
    return Described(
        rows=reading.rows,
        ignored={**listing.ignored, **({"image that no JSON names": unnamed} if unnamed else {})},
        notes=tuple(notes),
        missing=tuple(sorted(reading.missing)),
        unreadable=listing.unreadable,
    )


class _Reading:
    """Videos of JSON files, found among the files that are here."""

    def __init__(self, there: set[str], masks: Masks) -> None:
        self._there, self._masks = there, masks
        self._begin: dict[str, str] = {}  # beginning of stated paths -> what stands here for it
        self.rows = Rows((*REQUIRED[1:], *OPTIONAL))
        self.missing: set[str] = set()
        self.several = 0

    def take(self, video: _Video, file: Path) -> None:
        """Note the frames of a video that are here."""
        row = _row(video, file)
        for frame in video.frames:
            path = self._find(plain_path(frame))
            if path is None:
                self.missing.add(plain_path(frame))
                continue
            known = self.rows.get(path)
            if known and known["label"] != row["label"]:
                raise ManifestError(f"{file}: '{path}' is {row['label']}, elsewhere it is not")
            if known and known["split"] != row["split"]:
                self.several += 1
                split = min(known["split"], row["split"], key=_SPLITS.index)
                self.rows.put(path, known | row | {"split": split})
                continue
            mask = self._masks.of(path) if row["label"] == "fake" else ""
            self.rows.put(path, row | ({MASK: mask} if mask else {}))

    def _find(self, stated: str) -> str | None:
        """Find a frame here: its path may begin with folders of another machine, or lack some."""
        for old, new in self._begin.items():
            if stated.startswith(old) and new + stated[len(old) :] in self._there:
                return new + stated[len(old) :]
        parts = stated.split("/")
        for cut in range(len(parts)):
            path = "/".join(parts[cut:])
            if path in self._there:
                self._begin[stated[: len(stated) - len(path)]] = ""
                return path
        return None


def _videos(file: Path) -> Iterator[_Video]:
    """Give the videos of a JSON file."""
    try:
        content = read_json(file, _MOST_BYTES)
    except FileError as error:
        raise ManifestError(f"{file}: {error.reason}") from error
    for dataset, labels in _items(content, file):
        for label, splits in _items(labels, file):
            for split, videos in _items(splits, file):
                yield from _of_split(_Video(dataset, label, split, "", "", []), videos, file)


def _of_split(above: _Video, videos: Any, file: Path) -> Iterator[_Video]:
    """Give the videos of a split; those of FF++ stand under their compression."""
    for name, video in _items(videos, file):
        below = isinstance(video, Mapping) and "frames" not in video
        if below and not above.compression and name in _COMPRESSIONS:
            yield from _of_split(above._replace(compression=name), video, file)
            continue
        frames = video.get("frames") if isinstance(video, Mapping) else None
        if not isinstance(frames, list) or not all(isinstance(frame, str) for frame in frames):
            raise ManifestError(f"{file}: video '{name}' has no list of frames")
        label = str(video.get("label", above.label))
        yield above._replace(label=label, name=name, frames=frames)


def _items(value: Any, file: Path) -> Iterator[tuple[str, Any]]:
    """Give what an object holds."""
    if not isinstance(value, Mapping):
        raise ManifestError(
            f"{file}: is not {{DATASET: {{LABEL: {{split: {{VIDEO: ...}}}}}}}}, as DeepfakeBench "
            "writes it; name its files with --table"
        )
    yield from value.items()


def _row(video: _Video, file: Path) -> Row:
    """Say what a video is."""
    if video.split not in _SPLITS:
        raise ManifestError(f"{file}: '{video.split}' is no split; there are train, val and test")
    row = {"split": video.split, "source": _SOURCES.get(video.dataset, video.dataset)}
    row["group"] = "/".join(
        part for part in (video.dataset, video.label, video.compression, video.name) if part
    )
    if video.compression:
        row["compression"] = video.compression
    if _REAL.fullmatch(video.label):
        return row | dict.fromkeys(("label", "forgery", "family"), "real") | {"generator": "camera"}
    found = _FAKE.fullmatch(video.label)
    if not found:
        raise ManifestError(f"{file}: label '{video.label}' is neither real nor fake")
    name, forgery, family = (
        _METHODS[found["method"].upper()]
        if found["method"]
        else (str(found["name"]), "unknown", "unknown")
    )
    return row | {"label": "fake", "generator": name, "forgery": forgery, "family": family}


ADAPTER = Adapter(
    name="deepfakebench",
    title="Frames as DeepfakeBench preprocesses them",
    layout="rgb/DATASET/.../frames/VIDEO/N.png and its JSON files, there or by --table",
    options=frozenset({"table"}),
    read=_read,
    forged="labels other than ..._real; by its label table 1",
    licence="that of each dataset",
    obtain="preprocess each dataset with DeepfakeBench, or take its frames; LMDB: data unpack",
)
