"""Data and runs on object stores, read through fsspec: s3://, gs://, hf://, az://, memory://.

What is fetched is what the user has named: a manifest or run by its address, and images below the
folder of that manifest. No file, whoever wrote it, makes anything be fetched from elsewhere. Copies
are kept in a cache of a bounded size under the version (ETag, or size and time) that the store
states, so that a file that was replaced there is fetched again by the next process.
"""

import hashlib
import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PosixPath, PurePosixPath
from threading import Lock
from typing import Any

from benchmark.data.packs import SEAL
from benchmark.environment import home
from benchmark.errors import BenchmarkError, ImageError, ManifestError
from detectors.fetching import is_offline

SCHEMES = ("s3", "gs", "hf", "az", "memory")
CACHE_BYTES = "FORGERYBENCH_REMOTE_BYTES"
_DEFAULT_BYTES = 50 << 30
# A path has lost one of the two strokes of an address.
_ADDRESS = re.compile(rf"({'|'.join(SCHEMES)}):/+([^:]+)")
_OF_A_RUN = re.compile(
    r"(run|host)\.json|samples\.parquet|models/[^/]+\.json|scores/[^/]+\.parquet|"
    r"records/[^/]+/[^/]+\.json"
)
_UNVERSIONED = ("size", "mtime", "LastModified", "last_modified", "created", "updated")
_ETAGS = ("ETag", "etag", "md5Hash", "blob_id", "content_md5")


def address_of(path: str | Path) -> str | None:
    """Give the address that a text or path is meant as, or None where it is a local path."""
    found = _ADDRESS.fullmatch(str(path))
    return None if found is None or Path(path).exists() else f"{found[1]}://{found[2]}"


def refuse_address(path: Path, option: str) -> None:
    """Refuse to write to an address: a run wants locks, and files that appear whole or not at all.

    A path that has lost a stroke of ``s3://`` would be a local folder called ``s3:``.

    Raises:
        BenchmarkError: It is one.
    """
    first = path.parts[0] if path.parts else ""
    if re.fullmatch(r"[A-Za-z][\w+.-]+:", first) and not Path(first).exists():
        told = f"{first}//{'/'.join(path.parts[1:])}"
        raise BenchmarkError(
            f"{option} {told}: is written to a folder of this machine or a shared disk; copy a "
            f"finished run with: forgerybench publish RUN {told}"
        )


class RemoteRoot(PosixPath):
    """The root of a dataset whose images lie below an address: each is fetched when it is read.

    Attributes:
        address: The folder, as the user has named it.
    """

    address: str

    def find(self, name: str) -> Path:
        """Give the local copy of an image.

        Raises:
            ImageError: There is none of that name, or it cannot be fetched.
        """
        if ".." in PurePosixPath(name).parts or name.startswith("/"):
            raise ImageError(f"{self.address}/{name}", "leads out of the manifest's folder")
        try:
            return _copy(f"{self.address}/{name}", PurePosixPath(name))
        except FileNotFoundError as error:
            raise ImageError(f"{self.address}/{name}", "missing") from error
        except BenchmarkError as error:
            reason = str(error).removeprefix(f"{self.address}/{name}: ")
            raise ImageError(f"{self.address}/{name}", reason) from error

    def __reduce__(self) -> tuple[Any, ...]:
        """Keep the address in another process."""
        return remote_root, (str(self), self.address)


def remote_root(folder: str | Path, address: str) -> RemoteRoot:
    """Make the root that stands for an address."""
    root = RemoteRoot(folder)
    root.address = address
    return root


# Folders of manifests that this process was told to fetch, and where each comes from.
_ROOTS: dict[Path, str] = {}


def local_manifest(manifest: str | Path) -> Path:
    """Give a manifest's file: its copy, if it is an address; its images are fetched as needed.

    Raises:
        ManifestError: It is not there, or is a pack's.
        BenchmarkError: It cannot be fetched, or nothing may be.
    """
    address = address_of(manifest)
    if address is None:
        return Path(manifest)
    folder, _, name = address.rpartition("/")
    stem, _, _ = name.rpartition(".")
    if not _exists(address):
        raise ManifestError(f"{address}: there is no such file")
    files = [name, *([f"{stem}.json"] if _exists(f"{folder}/{stem}.json") else [])]
    if _exists(f"{folder}/{SEAL}"):
        raise ManifestError(
            f"{address}: lies in a pack, whose shards are read from their place: copy the folder"
        )
    copy = _copies(folder, files, address)
    _ROOTS[copy] = folder
    return copy / name


def address_of_root(manifest: Path) -> str | None:
    """Give where the images of a manifest come from that this process has fetched."""
    return _ROOTS.get(manifest.parent)


def local_run(run: str | Path) -> Path:
    """Give a run's folder: a copy of what a run is read from, if it is an address.

    The copy is whole or not at all, and another one where a file of the run has changed since.

    Raises:
        BenchmarkError: There is no run, it cannot be fetched, or nothing may be.
    """
    address = address_of(run)
    if address is None:
        return Path(run)
    address = address.rstrip("/")
    with telling_store(address):
        filesystem, path = open_store(address)
        below = [name[len(path) :].strip("/") for name in filesystem.find(path)]
    files = sorted(name for name in below if _OF_A_RUN.fullmatch(name))
    if "run.json" not in files:
        raise BenchmarkError(f"{address}: holds no run (run.json)")
    return _copies(address, files, address)


def _copies(folder: str, files: list[str], named: str) -> Path:
    """Copy some files of a folder together, unless they are there at the same versions."""
    try:
        versions = {name: _version(f"{folder}/{name}") for name in files}
    except FileNotFoundError as error:
        raise ManifestError(f"{named}: there is no such file") from error
    digest = _digest(json.dumps(versions, sort_keys=True))
    above = _cache(folder) / f"files-{digest}"
    target = above / (PurePosixPath(folder).name or "data")
    if target.is_dir():
        return target
    above.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=above, prefix=".") as name:
        draft = Path(name) / target.name
        for file in files:
            _fetch(f"{folder}/{file}", draft / file)
        with suppress(OSError):  # another process was faster: its copy is the same
            draft.rename(target)
    return target


class _Known:
    """What this process knows of the cache."""

    lock = Lock()
    copies: dict[str, Path] = {}  # noqa: RUF012 - one for the process
    held: int | None = None  # bytes


def _copy(address: str, name: PurePosixPath) -> Path:
    """Give the local copy of a file; of one that was looked up before, nothing is asked again.

    Raises:
        FileNotFoundError: There is none.
        BenchmarkError: It cannot be fetched.
    """
    known = _Known.copies.get(address)
    if known is not None and known.is_file():
        return known
    folder = address.removesuffix(f"/{name}")
    path = _cache(folder) / f"image-{_digest(_version(address))}" / name
    if path.is_file():
        os.utime(path)  # it was used last now
    else:
        _fetch(address, path)
        _make_room(path.stat().st_size)
    _Known.copies[address] = path
    return path


def _fetch(address: str, path: Path) -> None:
    """Copy a file, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=".")
    os.close(handle)
    try:
        with telling_store(address):
            filesystem, remote = open_store(address)
            filesystem.get_file(remote, draft)
        Path(draft).replace(path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise


def _version(address: str) -> str:
    """Give what the store says of a file that changes when it is replaced.

    Raises:
        FileNotFoundError: There is no such file.
    """
    with telling_store(address):
        filesystem, path = open_store(address)
        info = filesystem.info(path)
    if info.get("type") != "file":
        raise FileNotFoundError(address)
    etags = [str(info[key]) for key in _ETAGS if info.get(key)]
    return json.dumps([address, *(etags or [str(info.get(key)) for key in _UNVERSIONED])])


def _exists(address: str) -> bool:
    """Tell whether there is a file at an address."""
    try:
        _version(address)
    except FileNotFoundError:
        return False
    return True


def open_store(address: str) -> tuple[Any, str]:
    """Give the file system of an address and the path there.

    Raises:
        BenchmarkError: Nothing may be fetched, or the package for it is not installed.
    """
    scheme = address.partition(":")[0]
    if is_offline() and scheme != "memory":
        raise BenchmarkError(f"{address}: nothing is fetched, since --offline was given")
    from fsspec.core import url_to_fs

    try:
        filesystem, path = url_to_fs(address)
    except ImportError as error:
        raise BenchmarkError(
            f"{address}: {error}; for s3:// pip install 'forgerybench[remote]'"
        ) from error
    return filesystem, str(path)


@contextmanager
def telling_store(address: str, what: str = "fetched") -> Iterator[None]:
    """Turn what stores raise into one line that names the address; a missing file passes on.

    Args:
        address: What is read or written.
        what: What cannot be done with it then.
    """
    try:
        yield
    except FileNotFoundError:
        raise
    except _failures() as error:
        reason = next(iter(str(error).splitlines()), "") or type(error).__name__
        raise BenchmarkError(f"{address}: cannot be {what} ({reason})") from error


def _failures() -> tuple[type[Exception], ...]:
    """Name what the libraries of stores raise, of those that are loaded."""
    botocore = sys.modules.get("botocore.exceptions")
    more = () if botocore is None else (botocore.BotoCoreError,)
    return (OSError, ValueError, *more)


def _cache(folder: str) -> Path:
    """Give where copies of what lies below an address are kept."""
    return home() / "remote" / _digest(folder)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _make_room(added: int) -> None:
    """Drop the images that were used longest ago once the cache has grown above its bound."""
    most = int(os.environ.get(CACHE_BYTES, _DEFAULT_BYTES))
    with _Known.lock:
        if _Known.held is None:
            _Known.held = sum(path.stat().st_size for path in _images())
        else:
            _Known.held += added
        if _Known.held <= most:
            return
        for path in sorted(_images(), key=lambda each: each.stat().st_mtime_ns)[:-_RECENT]:
            if _Known.held <= most * 0.9:
                break
            _Known.held -= path.stat().st_size
            shutil.rmtree(_top(path))


# What was fetched last may be about to be read: that many files stay in any case.
_RECENT = 64


def _images() -> list[Path]:
    """List the images of the cache that are whole."""
    found = (home() / "remote").glob("*/image-*/**/*")
    return [path for path in found if path.is_file() and not path.name.startswith(".")]


def _top(path: Path) -> Path:
    """Give the folder of a copied image that holds nothing else."""
    return next(each for each in path.parents if each.name.startswith("image-"))
