"""Frames of videos as files: the same pixels, read again without decoding what lies before."""

import hashlib
import io
import os
from collections.abc import Callable, Iterable
from pathlib import Path

from PIL import Image

from benchmark.data.checking import check
from benchmark.data.facts import write_facts
from benchmark.data.images import FRAME, OpenFile, locate, whereabouts
from benchmark.data.manifest import Manifest, check_target, from_columns, write_manifest
from benchmark.data.sweep import still_or_video, sweep
from benchmark.errors import BenchmarkError, ImageError
from protocols.files import read_bytes
from results.files import atomic_write

_NOTE = ".extracting"  # what the frames that lie there are of, while some lack


def extract(
    manifest: Manifest,
    out: Path,
    *,
    workers: int | None = None,
    on_progress: Callable[[], None] = lambda: None,
) -> Path:
    """Write each frame of a manifest as a PNG file, and a manifest of these.

    A frame that is there from an earlier attempt stays: files appear whole or not at all. Boxes
    stay boxes; frames are whole, so the face may be cut out anew.

    Args:
        manifest: Of frames of videos.
        out: The folder, ``VIDEO/NUMBER.png`` in it.
        workers: Threads; None: as many as there are cores, 16 at most.
        on_progress: Called after each sample.

    Returns:
        The new manifest: ``manifest.csv`` in ``out``.

    Raises:
        BenchmarkError: A sample is no frame, or the folder has a manifest already.
        ImageError: A frame cannot be read; what was written stays.
    """
    ids = [str(sample_id) for sample_id in manifest.samples["sample_id"]]
    still = next((each for each in ids if FRAME not in each), None)
    if still is not None:
        raise BenchmarkError(f"'{still}' is no frame of a video: nothing to extract")
    out.mkdir(parents=True, exist_ok=True)
    target = out / "manifest.csv"
    check_target(target)
    begin_folder(out, _NOTE, [str(manifest.root.resolve()), *ids])

    def one(place: int, file: OpenFile) -> None:
        where = locate(manifest.root, ids[place])
        path = out / _name(ids[place])
        if path.is_file():
            return
        buffer = io.BytesIO()
        # Light compression: half the time of Pillow's own choice for a tenth more bytes.
        Image.fromarray(file.picture(where)).save(buffer, format="PNG", compress_level=1)
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(path, buffer.getvalue())

    sweep(ids, one, opened=still_or_video, workers=workers, on_progress=on_progress)
    return _write(manifest, target, workers)


def begin_folder(out: Path, name: str, made_of: Iterable[str]) -> None:
    """Begin a folder, or see that what lies there was begun of the same.

    Args:
        out: The folder.
        name: Of the file in it that says what it is made of; removed when it is complete.
        made_of: What it is made of.

    Raises:
        BenchmarkError: It holds something else, whose files would pass for what is made.
    """
    digest = hashlib.sha256()
    for text in made_of:
        digest.update(f"{text}\n".encode("utf-8", "surrogateescape"))
    stated = digest.hexdigest() + "\n"
    note = out / name
    if not any(out.iterdir()):
        atomic_write(note, stated)
    elif not (note.is_file() and read_bytes(note) == stated.encode()):
        raise BenchmarkError(f"{out}: holds something else; choose another folder or remove it")


def _name(sample_id: str) -> str:
    """Name the file of a frame: VIDEO/NUMBER.png, the number so that text sorts it."""
    (video, _), number = whereabouts(sample_id)
    return f"{video}{os.sep}{number:06d}.png"


def _write(manifest: Manifest, target: Path, workers: int | None) -> Path:
    """Write the manifest of the extracted frames, measured."""
    table = manifest.samples.drop(columns=["sha256", "width", "height"], errors="ignore")
    boxes = [text.partition("xywh=")[2] for text in table["sample_id"]]
    paths = [
        _name(text) + (f"#xywh={box}" if box else "")
        for text, box in zip(table["sample_id"], boxes, strict=True)
    ]
    columns = {str(name): table[name].astype(str).tolist() for name in table.columns}
    columns = {"path": paths} | {k: v for k, v in columns.items() if k != "sample_id"}
    described = from_columns(dict(columns), target)
    facts = check(described, workers=workers)
    bad = facts[facts["problem"] != ""]
    if len(bad):
        raise ImageError(str(bad.index[0]), str(bad["problem"].iloc[0]))
    found = facts.reindex(paths)
    for name in ("sha256", "width", "height"):
        columns[name] = found[name].astype(str).tolist()
    write_facts(target, manifest.facts.of_copy())
    write_manifest(columns, target)
    (target.parent / _NOTE).unlink(missing_ok=True)
    return target
