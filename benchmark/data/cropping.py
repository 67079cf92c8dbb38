"""A folder of face crops: every face of a manifest cut out, and a manifest that says how.

Work is parted into pieces of whole groups. What came of a piece is written once its crops are, so a
stopped run goes on with the next piece; in the end all pieces become the manifest, in the order of
the pictures whatever the number of threads.
"""

import hashlib
import os
import shutil
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from benchmark.data.cropper import Cropper, pictures_of
from benchmark.data.crops import Crop, CroppedPicture, CropSettings, LeftOut
from benchmark.data.faces import load_face_detector
from benchmark.data.faces.recipes import load_crop_recipe
from benchmark.data.facts import write_facts
from benchmark.data.loader import FILES_AHEAD, default_workers, load
from benchmark.data.manifest import Manifest, from_columns, read_manifest, write_manifest
from benchmark.errors import BenchmarkError
from benchmark.progress import Progress
from results.files import atomic_write, csv_table, json_text, read_json

PASSPORT, LEFT_OUT = "crop.json", "left-out.csv"
_PARTS = ".parts"
_PIECE = 32  # pictures at least: a stop loses so many a thread
MOST_CSV_ROWS = 100_000
# What is in the picture's folder and not in that of crops.
_NOT_KEPT = ("mask",)
KEYS = ["split", "label", "generator", "source"]


@dataclass(frozen=True, kw_only=True)
class Cropped:
    """What came of cutting a manifest's faces out.

    Attributes:
        manifest: The manifest of crops.
        counts: A row a (split, label, generator, source), with numbers of ``pictures``, of those
            ``left out``, with ``no face``, with ``several`` faces and of ``crops`` that leave their
            picture (``outside``).
        left_out: The file that lists the pictures without a crop, and why.
    """

    manifest: Path
    counts: pd.DataFrame
    left_out: Path


class _Piece(NamedTuple):
    """Whole groups that are done together."""

    number: int
    groups: list[list[int]]

    @property
    def pictures(self) -> int:
        """How many there are."""
        return sum(map(len, self.groups))


def crop(
    manifest: Manifest,
    out: Path,
    settings: CropSettings,
    *,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Cropped:
    """Cut the faces of a manifest's pictures and frames out, into a folder with its own manifest.

    Args:
        manifest: Pictures, frames of videos, or boxes in them: then the face there is taken. Its
            column ``mask``, if there is one, names a picture or video, relative to the manifest,
            that is white where the sample was changed.
        out: The folder to make; a stopped one of the same settings and data goes on.
        settings: How.
        workers: Threads; None: one a core. They move no byte.
        progress: Whom to tell.

    Raises:
        BenchmarkError: ``out`` holds something else, a setting is wrong, no face is found at all,
            or something is met that the settings refuse.
        FaceError: The detector cannot be loaded.
        ImageError: A picture cannot be read, and ``settings`` do not allow it.
    """
    progress = progress or Progress()
    if "crop_of" in manifest.samples:
        raise BenchmarkError(f"{manifest.path}: holds crops already; give the pictures' manifest")
    passport = _passport(manifest, settings)
    pieces = list(_pieces(manifest))
    finished = _begin(out, passport)
    if finished is None:
        _carry_out(manifest, out, settings, pieces, workers=workers, progress=progress)
        finished = _finish(manifest, out, passport, pieces)
    left_out = pd.read_csv(out / LEFT_OUT, dtype=str, keep_default_na=False)
    counts = _counts(read_manifest(finished).samples, left_out)
    return Cropped(manifest=finished, counts=counts, left_out=out / LEFT_OUT)


def _passport(manifest: Manifest, settings: CropSettings) -> dict[str, object]:
    """Say what a folder of crops is made of and how."""
    digest = hashlib.sha256()
    table = manifest.samples
    digest.update("\x1f".join(map(str, table.columns)).encode())
    for column in table.columns:
        for value in table[column]:
            digest.update(value.encode() + b"\x1e")
    return {
        "format": 1,
        "recipe": load_crop_recipe(settings.recipe).key,
        "detector": load_face_detector(settings.detector, settings.weights).name,
        "several": settings.several,
        "no_face": settings.no_face,
        "outside": settings.outside,
        "side": settings.side,
        "confidence": settings.confidence,
        "allow_missing": settings.allow_missing,
        "pictures": digest.hexdigest(),
        "opencv": version("opencv-python-headless"),
    }


def _begin(out: Path, passport: dict[str, object]) -> Path | None:
    """Make the folder, or find what is there: the finished manifest, or None to go on.

    Raises:
        BenchmarkError: It holds something else.
    """
    if not out.exists() or (out.is_dir() and {each.name for each in out.iterdir()} <= {LEFT_OUT}):
        atomic_write(out / PASSPORT, json_text(passport, PASSPORT))
        return None
    if not (out / PASSPORT).is_file():
        raise BenchmarkError(f"{out}: holds something else; choose another folder or remove it")
    finished = next((path for path in _manifests(out) if path.is_file()), None)
    found = read_json(out / PASSPORT)
    if not isinstance(found, dict):
        raise BenchmarkError(
            f"{out / PASSPORT}: states nothing of crops; choose another folder or remove it"
        )
    for key, value in passport.items():
        if found.get(key) != value and not (finished and key == "opencv"):
            raise BenchmarkError(
                f"{out}: holds crops of {key} {found.get(key)}, not {value}; choose another folder "
                "or remove it"
            )
    return finished


def _manifests(out: Path) -> tuple[Path, Path]:
    """Name the manifest of a folder of crops: of few, and of many."""
    return out / "manifest.csv", out / "manifest.parquet"


def _pieces(manifest: Manifest) -> Iterator[_Piece]:
    """Part a manifest into pieces of whole groups, in its order."""
    groups: dict[str, list[int]] = {}
    for place, group in enumerate(manifest.samples["group"]):
        groups.setdefault(group, []).append(place)
    number, waiting = 0, list[list[int]]()
    for places in groups.values():
        waiting.append(places)
        if sum(map(len, waiting)) >= _PIECE:
            yield _Piece(number, waiting)
            number, waiting = number + 1, []
    if waiting:
        yield _Piece(number, waiting)


def _part(out: Path, piece: _Piece) -> Path:
    """Name the file that says what came of a piece."""
    return out / _PARTS / f"{piece.number:07d}.json"


def _carry_out(
    manifest: Manifest,
    out: Path,
    settings: CropSettings,
    pieces: Sequence[_Piece],
    *,
    workers: int | None,
    progress: Progress,
) -> None:
    """Do the pieces that are not done."""
    own, asked = threading.local(), pictures_of(manifest)

    def done(piece: _Piece) -> int:
        if not hasattr(own, "cropper"):
            detector = load_face_detector(settings.detector, settings.weights)
            own.cropper = Cropper(asked, out, settings, detector)
        found = [each for group in piece.groups for each in own.cropper.group(group)]
        atomic_write(_part(out, piece), json_text(found, PASSPORT))
        return piece.pictures

    left = [piece for piece in pieces if not _part(out, piece).is_file()]
    total = sum(piece.pictures for piece in pieces)
    progress.phase("crop", 1)
    progress.job(
        f"cutting faces out of {manifest.name}",
        total,
        total - sum(piece.pictures for piece in left),
    )
    with _one_thread_each():
        worked = load(
            ([piece] for piece in left),
            where=lambda piece: (piece.number, 0),
            opened=lambda _: nullcontext(done),
            size=lambda _: 0,
            workers=default_workers() if workers is None else workers,
            ahead=FILES_AHEAD,
        )
        with closing(worked):
            for (pictures,) in worked:
                progress.advance(pictures)
    progress.finish()


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Let OpenCV compute in the threads that are there, without others of its own."""
    import cv2

    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


def _read_parts(out: Path, pieces: Iterable[_Piece]) -> Iterator[CroppedPicture]:
    """Read what came of every picture."""
    for piece in pieces:
        for place, crops, left_out in read_json(_part(out, piece)):
            yield CroppedPicture(
                place,
                [Crop(*each) for each in crops],
                None if left_out is None else LeftOut(*left_out),
            )


def _finish(
    manifest: Manifest, out: Path, passport: dict[str, object], pieces: Sequence[_Piece]
) -> Path:
    """Write the list of what was left out and the manifest; the pieces are removed."""
    places: list[int] = []
    columns: dict[str, list[str]] = {name: [] for name in Crop._fields}
    left: list[tuple[int, LeftOut]] = []
    for done in _read_parts(out, pieces):
        places += [done.place] * len(done.crops)
        for name, values in zip(columns, zip(*done.crops, strict=True), strict=False):
            columns[name] += values
        if done.left_out is not None:
            left.append((done.place, done.left_out))
    listed = manifest.samples.iloc[[place for place, _ in left]][["sample_id", *KEYS]]
    listed = listed.assign(
        reason=[each.reason for _, each in left],
        faces_found=[each.faces_found for _, each in left],
    )
    atomic_write(out / LEFT_OUT, csv_table(listed))
    if not places:
        # What was tried must not stand in the way of another detector or confidence.
        shutil.rmtree(out / _PARTS)
        (out / PASSPORT).unlink()
        raise BenchmarkError(
            f"{manifest.path}: no face was cut out of any of its {len(left)} pictures; "
            f"{out / LEFT_OUT} says why"
        )
    dropped = {"sample_id", *Crop._fields, *_NOT_KEPT}
    kept = [name for name in manifest.samples.columns if name not in dropped]
    source = manifest.samples[kept].iloc[places].reset_index(drop=True)
    table = pd.concat([pd.DataFrame(columns, dtype=str), source], axis=1)
    table["crop_recipe"] = str(passport["recipe"])
    table["face_detector"] = str(passport["detector"])
    csv, parquet = _manifests(out)
    target = csv if len(table) <= MOST_CSV_ROWS else parquet
    pictures = os.path.relpath(manifest.root.resolve(), out.resolve())
    stated = {"pictures": pictures, "picture_links": manifest.facts.links}
    facts = manifest.facts.of_copy().model_copy(update=stated)
    made = {str(name): table[name].tolist() for name in table}
    from_columns(dict(made), target, facts=facts)
    write_facts(target, facts)
    write_manifest(made, target)
    shutil.rmtree(out / _PARTS)
    return target


def _counts(crops: pd.DataFrame, left_out: pd.DataFrame) -> pd.DataFrame:
    """Count pictures and faces by split, class and source."""
    one = crops.drop_duplicates("crop_of")
    pictures = pd.concat([one[[*KEYS, "faces_found"]], left_out[[*KEYS, "faces_found"]]])
    facts = {
        "pictures": pictures,
        "no face": left_out[left_out["faces_found"] == "0"],
        "several": pictures[~pictures["faces_found"].isin(["", "0", "1"])],
        "left out": left_out,
        "crops": crops,
        "outside": crops[crops["crop_outside"].astype(float) > 0],
    }
    counted = {name: rows.groupby(KEYS).size() for name, rows in facts.items()}
    return pd.DataFrame(counted).fillna(0).astype(int).sort_index().reset_index()
