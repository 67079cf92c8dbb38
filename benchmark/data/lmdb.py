"""Images in LMDB, as DeepfakeBench keeps them, written out as files under their keys."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import ModuleType

from benchmark.data.images import MAX_BYTES
from benchmark.data.layouts.records import plain_path
from benchmark.data.tree import IMAGE_SUFFIXES
from benchmark.errors import BenchmarkError
from protocols.text import printable
from results.errors import ResultError
from results.files import atomic_write, check_regular

DATABASE = "data.mdb"


@dataclass(frozen=True)
class UnpackedDatabase:
    """What was written.

    Attributes:
        images: How many.
        problems: Entries that are no image or have no path of a file: key -> why.
        others: Suffix -> how many entries are of another kind, such as landmarks.
    """

    images: int
    problems: Mapping[str, str]
    others: Mapping[str, int]


def unpack_database(
    source: Path, out: Path, *, on_progress: Callable[[], None] = lambda: None
) -> UnpackedDatabase:
    """Write the images of an LMDB folder as files whose paths are the keys.

    One entry at a time is in memory. A file that is there with the same bytes stays.

    Args:
        source: The folder of ``data.mdb``; it is read, never written or locked.
        out: The folder of the files.
        on_progress: Called after each entry.

    Raises:
        BenchmarkError: The package ``lmdb`` is missing, or the database is damaged or holds no
            image.
    """
    problems, others, images = dict[str, str](), dict[str, int](), 0
    for key, value in _entries(source):
        name = printable(key)
        suffix = PurePosixPath(name).suffix.lower()
        if suffix not in IMAGE_SUFFIXES:
            others[suffix or "no suffix"] = others.get(suffix or "no suffix", 0) + 1
        else:
            try:
                _write(out, key, bytes(value))
                images += 1
            except BenchmarkError as error:
                problems[name] = str(error)
        on_progress()
    if not images:
        first = " ".join(next(iter(problems.items()), ("", "it has no entry of an image")))
        raise BenchmarkError(f"{source / DATABASE}: no image in it; {first}")
    return UnpackedDatabase(images, problems, others)


def _write(out: Path, key: str, data: bytes) -> None:
    """Write an image under its key, which must stay in the folder."""
    path = plain_path(key)
    if path != printable(path) or ".." in PurePosixPath(path).parts:
        raise BenchmarkError("its key leads out of the folder or is no path of a file")
    if not data:
        raise BenchmarkError("no bytes of an image")
    if len(data) > MAX_BYTES:
        raise BenchmarkError(f"{len(data)} bytes, more than the {MAX_BYTES} an image may have")
    target = out / path
    if not target.parent.resolve().is_relative_to(out.resolve()):
        raise BenchmarkError("a link in the folder leads out of it")
    try:
        if not (target.is_file() and target.read_bytes() == data):
            target.parent.mkdir(parents=True, exist_ok=True)
            atomic_write(target, data)
    except (OSError, ResultError) as error:
        raise BenchmarkError(f"cannot be written: {error}") from error


def _entries(source: Path) -> Iterator[tuple[str, memoryview]]:
    """Give keys and values, one after the other."""
    lmdb = _library()
    file = source / DATABASE
    try:
        size = check_regular(file)
        with lmdb.open(
            str(source), readonly=True, lock=False, create=False, readahead=False
        ) as environment:
            # The file is mapped into memory: a page behind its end would end the process.
            if (environment.info()["last_pgno"] + 1) * environment.stat()["psize"] > size:
                raise BenchmarkError(f"{file}: cut short")
            with environment.begin(buffers=True) as transaction:
                for key, value in transaction.cursor():
                    yield bytes(key).decode("utf-8", "backslashreplace"), value
    except (lmdb.Error, ResultError) as error:
        raise BenchmarkError(f"{file}: cannot be read as LMDB: {error}") from error


def _library() -> ModuleType:
    """Load the package, which is an extra."""
    try:
        import lmdb
    except ImportError as error:
        raise BenchmarkError(
            "LMDB files are read by the package lmdb: pip install 'forgerybench[lmdb]'"
        ) from error
    found: ModuleType = lmdb
    return found
