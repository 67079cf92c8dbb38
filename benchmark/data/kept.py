"""Decoded pixels kept on disk, so that no later epoch, model or study decodes a file again.

What is kept is what the decoder gave, bit for bit: (h, w, 3) uint8 of the picture, or the part of
it that a sample is, before any encoding, resizing or change. It is known by the sha256 that the
samples table states of the file, by frame and box, and by the versions of the decoders: an image
that was replaced, or another decoder, has pixels of its own.
"""

import hashlib
import shutil
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from threading import local
from typing import Any

import numpy as np

from benchmark.data.images import Pixels, Place
from benchmark.errors import BenchmarkError

FILE = "pixels.sqlite"
_TABLE = (
    "CREATE TABLE IF NOT EXISTS pixels (image BLOB PRIMARY KEY, height INTEGER NOT NULL, "
    "width INTEGER NOT NULL, sum INTEGER NOT NULL, planes BLOB NOT NULL)"
)
_WAIT_SECONDS = 120.0
# Left free for the run itself.
_SPARE_BYTES = 1 << 30
_DECODERS = " ".join(f"{name} {version(name)}" for name in ("pillow", "av"))


class KeptPixels:
    """Pixels in a folder, in one SQLite file; threads and processes of one machine may share it.

    Each image has a checksum: one that was damaged is decoded and kept again.
    """

    def __init__(self, folder: Path | str) -> None:
        """Use ``folder``, which is made with the first image.

        Raises:
            BenchmarkError: Something else is there.
        """
        self.folder = Path(folder)
        above = next(p for p in (self.folder, *self.folder.absolute().parents) if p.exists())
        if not above.is_dir():
            raise BenchmarkError(f"{above}: no folder, so no pixels can be kept in it")
        self._path, self._open, self._free_at = self.folder / FILE, local(), above

    def __reduce__(self) -> tuple[Any, ...]:
        """Let it be sent to another process, which opens the file itself."""
        return KeptPixels, (self.folder.resolve(),)

    def read(self, place: Place, sha256: str) -> Pixels | None:
        """Give the pixels of an image; None where they are not kept, or were damaged.

        Args:
            place: Where the image is; its path is of no matter.
            sha256: Of the file, as it was checked; empty: it is not known, so nothing is kept.

        Raises:
            BenchmarkError: The file cannot be read.
        """
        if not sha256 or (not hasattr(self._open, "connection") and not self._path.exists()):
            return None
        key = _key(place, sha256)
        with self._telling():
            query = "SELECT height, width, sum, planes FROM pixels WHERE image = ?"
            found = self._connection().execute(query, (key,)).fetchone()
        if found is None:
            return None
        height, width, checksum, planes = found
        # SQLite holds a column to no type, and a checksum is no secret.
        numbers = isinstance(height, int) and isinstance(width, int) and min(height, width) > 0
        whole = numbers and isinstance(planes, bytes) and len(planes) == height * width * 3
        if not whole or _sum(key, height, width, planes) != checksum:
            return None
        return np.frombuffer(planes, np.uint8).reshape(height, width, 3).copy()

    def keep(self, place: Place, sha256: str, pixels: Pixels) -> None:
        """Keep the pixels of an image; arguments as ``read``.

        Raises:
            BenchmarkError: The file cannot be written: the disk is full, say.
        """
        if not sha256:
            return
        key, planes = _key(place, sha256), np.ascontiguousarray(pixels).tobytes()
        height, width = pixels.shape[:2]
        row = (key, height, width, _sum(key, height, width, planes), planes)
        with self._telling():
            connection = self._connection()
            with connection:
                connection.execute("INSERT OR REPLACE INTO pixels VALUES (?, ?, ?, ?, ?)", row)

    def check_room(self, count: int, mean_bytes: float) -> str:
        """Say what ``count`` images of a mean size will take beside those that are kept.

        Raises:
            BenchmarkError: There is no room for them.
        """
        kept = 0
        if self._path.exists():
            with self._telling():
                kept = self._connection().execute("SELECT count(*) FROM pixels").fetchone()[0]
        needed = max(0, count - kept) * mean_bytes
        free = shutil.disk_usage(self._free_at).free
        told = f"about {_size(needed)} in {self.folder}, where {_size(free)} are free"
        if needed + _SPARE_BYTES > free:
            raise BenchmarkError(
                f"pixels of {count} images take {told} and {_size(_SPARE_BYTES)} must stay so: "
                "choose another folder, or keep none (without --keep-pixels)"
            )
        return f"pixels of {count} images are kept: {told}"

    def _connection(self) -> sqlite3.Connection:
        """Open the file once a thread."""
        if not hasattr(self._open, "connection"):
            self.folder.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(self._path, timeout=_WAIT_SECONDS)
            connection.execute("PRAGMA page_size=65536")
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")
            connection.execute(_TABLE)
            # A trigger or a view in a file from anywhere would have its own statements run.
            held = connection.execute(
                "SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL"
            ).fetchall()
            if held != [("table", "pixels", _TABLE.replace("IF NOT EXISTS ", ""))]:
                connection.close()
                raise sqlite3.DatabaseError("it holds something else than pixels")
            self._open.connection = connection
        found: sqlite3.Connection = self._open.connection
        return found

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """Turn errors of the file into one line that names it."""
        try:
            yield
        except (OSError, sqlite3.Error) as error:
            raise BenchmarkError(
                f"{self._path}: pixels cannot be kept there ({error}): remove the file, or keep "
                "none (without --keep-pixels)"
            ) from error


def _key(place: Place, sha256: str) -> bytes:
    """Know an image by the content of its file, the part of it, and who decodes it."""
    named = f"{sha256} {place.frame} {place.box and tuple(place.box)} {_DECODERS}"
    return hashlib.blake2b(named.encode(), digest_size=16).digest()


def _sum(key: bytes, height: int, width: int, planes: bytes) -> int:
    return zlib.crc32(planes, zlib.crc32(key + f"{height} {width}".encode()))


def _size(count: float) -> str:
    return f"{count / 2**30:.1f} GiB" if count >= 2**29 else f"{count / 2**20:.1f} MiB"
