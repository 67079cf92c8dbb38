"""A smaller copy of a dataset: every image as a JPEG of one quality, and no larger than a side."""

import hashlib
import io
import shutil
import tempfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pandas as pd
from PIL import Image

from benchmark.data.facts import write_facts
from benchmark.data.images import OpenFile, cut, locate
from benchmark.data.manifest import Manifest, from_columns
from benchmark.data.sweep import still_or_video, sweep
from benchmark.errors import BenchmarkError
from protocols.samples import fingerprint
from results.files import atomic_write, json_text, read_json

_PASSPORT = "reencoded.json"
_RESAMPLING = Image.Resampling.LANCZOS


def reencode(
    manifest: Manifest,
    out: Path,
    *,
    side: int = 256,
    quality: int = 90,
    workers: int | None = None,
    on_progress: Callable[[], None] = lambda: None,
) -> Path:
    """Copy a dataset as JPEG; what was done stands in ``reencoded.json`` beside the manifest.

    An image whose longer side exceeds ``side`` is reduced to it with a Lanczos filter; none is
    enlarged. All of them, real and forged, go through one encoder at one quality, without chroma
    subsampling. It is another dataset than the original: traces of compression and resolution are
    weaker, and its numbers are its own.

    Args:
        manifest: Its images are read whole; columns and facts stay, with new paths and hashes.
        out: The folder to make. A copy that is complete and of the same data and settings is left.
        side: Longest side, in pixels.
        quality: JPEG quality from 1 to 95.
        workers: Threads; None: as many as there are cores, 16 at most.
        on_progress: Called after each image.

    Returns:
        The copy's manifest.

    Raises:
        BenchmarkError: ``out`` holds something else, or a setting is out of range.
        ImageError: An image cannot be read.
        SamplesError: The manifest has no content hashes, so the data has no name.
    """
    if side < 1 or not 1 <= quality <= 95:
        raise BenchmarkError(f"side {side}, quality {quality}: from 1 pixel, and 1 to 95")
    passport = _passport(manifest, side, quality)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        _refuse_other(out, passport)
        write_facts(out / "manifest.csv", manifest.facts.of_copy())
        return out / "manifest.csv"
    out.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        table = _copy(
            manifest, draft, side=side, quality=quality, workers=workers, on_progress=on_progress
        )
        from_columns({str(c): table[c].tolist() for c in table.columns}, draft / "manifest.csv")
        table.to_csv(draft / "manifest.csv", index=False, lineterminator="\n")
        write_facts(draft / "manifest.csv", manifest.facts.of_copy())
        atomic_write(draft / _PASSPORT, json_text(passport, _PASSPORT))
        draft.chmod(0o755)
        draft.replace(out)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return out / "manifest.csv"


def _passport(manifest: Manifest, side: int, quality: int) -> dict[str, object]:
    """Say of what data and by what settings a copy is made."""
    return {
        "fingerprint": fingerprint(manifest.samples),
        "side": side,
        "quality": quality,
        "subsampling": "4:4:4",
        "resampling": _RESAMPLING.name.lower(),
        "pillow": version("pillow"),
    }


def _refuse_other(out: Path, passport: dict[str, object]) -> None:
    """Raise BenchmarkError unless a folder holds the copy that is asked for."""
    if not (out / _PASSPORT).is_file():
        raise BenchmarkError(f"{out}: holds something else; choose another folder or remove it")
    found = read_json(out / _PASSPORT)
    # The copy may be used where another version of the encoder is installed.
    differing = [key for key in passport if key != "pillow" and found.get(key) != passport[key]]
    if differing:
        key = differing[0]
        raise BenchmarkError(
            f"{out}: holds a copy of {key} {found.get(key)}, not {passport[key]}; choose another "
            "folder or remove it"
        )


def _copy(
    manifest: Manifest,
    folder: Path,
    *,
    side: int,
    quality: int,
    workers: int | None,
    on_progress: Callable[[], None],
) -> pd.DataFrame:
    """Write the images; give the copy's manifest."""
    table = manifest.samples.rename(columns={"sample_id": "path"})
    ids = [str(sample_id) for sample_id in table["path"]]

    def one(place: int, file: OpenFile) -> tuple[str, str, str, str]:
        sample_id = ids[place]
        where = locate(manifest.root, sample_id)
        image = Image.fromarray(cut(file.picture(where), where))
        image.thumbnail((side, side), _RESAMPLING, reducing_gap=None)
        buffer = io.BytesIO()
        image.save(buffer, format="JPEG", quality=quality, subsampling=0)
        target = f"{sample_id}.jpg" if not sample_id.lower().endswith(".jpg") else sample_id
        target = target.replace("#", "-")
        (folder / target).parent.mkdir(parents=True, exist_ok=True)
        (folder / target).write_bytes(buffer.getvalue())
        digest = hashlib.sha256(buffer.getvalue()).hexdigest()
        return target, digest, str(image.width), str(image.height)

    done = sweep(ids, one, opened=still_or_video, workers=workers, on_progress=on_progress)
    table["path"], table["sha256"], table["width"], table["height"] = zip(*done, strict=True)
    return table
