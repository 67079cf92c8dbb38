"""The archive of a submission: written the same for the same run, opened as the work of a stranger.

Only files of these names are in it, each once: ``submission.json``, ``run.json``,
``models/<id>.json``, ``scores/<id>.parquet`` and ``records/<protocol>/<id>.json``.
"""

import errno
import lzma
import os
import re
import stat
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path

from leaderboard.errors import LeaderboardError
from protocols.text import printable
from results.errors import ResultError
from results.files import atomic_write, check_regular
from results.schema import MODEL_ID

_MOST_FILES = 2_000
_MOST_BYTES = 2 << 30  # unpacked, of all files together
_MOST_JSON = 16 << 20
_MOST_RATIO = 200
_NAME = re.compile(
    rf"submission\.json|run\.json|models/{MODEL_ID}\.json|scores/{MODEL_ID}\.parquet"
    rf"|records/[a-z0-9][a-z0-9-]*/{MODEL_ID}\.json"
)
_EPOCH = (1980, 1, 1, 0, 0, 0)
_CHUNK = 1 << 20
# What a broken archive makes of each of its compressions, and of names that are no text.
_BROKEN = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, RuntimeError, OSError, ValueError,
    OverflowError,
)  # fmt: skip


class ArchiveError(LeaderboardError):
    """An archive is not what a submission is; ``rule`` says which rule it breaks."""

    def __init__(self, rule: str, message: str) -> None:
        super().__init__(message)
        self.rule = rule


def write_archive(path: Path, folder: Path, names: Iterable[str]) -> None:
    """Pack files of a folder: equal files give equal bytes.

    Args:
        path: The archive; it is replaced whole.
        folder: Where the files lie.
        names: Their places within, as an archive may hold them.
    """
    temporary = folder / ".archive.zip"
    with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(names):
            about = zipfile.ZipInfo(name, _EPOCH)
            about.compress_type = zipfile.ZIP_DEFLATED
            about.external_attr = (stat.S_IFREG | 0o644) << 16
            with (folder / name).open("rb") as source, archive.open(about, "w") as target:
                while part := source.read(_CHUNK):
                    target.write(part)
    atomic_write(path, temporary.read_bytes())
    temporary.unlink()


def read_archive(path: Path, folder: Path) -> list[str]:
    """Unpack a submission into an empty folder.

    Nothing is written outside of it, nothing but plain files of the known names, and no more
    bytes than the archive says and is allowed.

    Returns:
        The names of its files.

    Raises:
        ArchiveError: It breaks a rule; what was written before stays in ``folder``.
    """
    try:
        check_regular(path)  # a device is read without end, a pipe waited for
    except ResultError as error:
        if not path.exists() and not path.is_symlink():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path)) from error
        raise ArchiveError("archive-readable", str(error)) from error
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            _check_members(members)
            for member in members:
                _unpack(archive, member, folder)
            return [member.filename for member in members]
    except _BROKEN as error:
        raise ArchiveError("archive-readable", f"it is no whole zip file: {error}") from error


def _check_members(members: list[zipfile.ZipInfo]) -> None:
    """Hold an archive's table of contents to the rules, before anything is unpacked."""
    if len(members) > _MOST_FILES:
        raise ArchiveError("archive-size", f"{len(members)} files, more than {_MOST_FILES:,}")
    total = sum(member.file_size for member in members)
    if total > _MOST_BYTES:
        raise ArchiveError("archive-size", f"{total:,} bytes unpacked, more than {_MOST_BYTES:,}")
    met: set[str] = set()
    for member in members:
        name = printable(member.filename)[:120]
        kind = stat.S_IFMT(member.external_attr >> 16)
        if kind not in (0, stat.S_IFREG):
            raise ArchiveError("archive-links", f"'{name}' is no plain file")
        if not _NAME.fullmatch(member.filename):
            rule = "archive-names" if _leads_away(member.filename) else "archive-contents"
            raise ArchiveError(rule, f"'{name}' has no place in a submission")
        if member.filename.casefold() in met:
            raise ArchiveError("archive-names", f"'{name}' stands there twice")
        met.add(member.filename.casefold())
        if member.flag_bits & 1:
            raise ArchiveError("archive-readable", f"'{name}' is encrypted")
        if name.endswith(".json") and member.file_size > _MOST_JSON:
            raise ArchiveError("archive-size", f"'{name}' is of {member.file_size:,} bytes")
        if member.file_size > _MOST_RATIO * max(member.compress_size, _CHUNK // _MOST_RATIO):
            raise ArchiveError("archive-size", f"'{name}' unpacks to {member.file_size:,} bytes")


def _leads_away(name: str) -> bool:
    """Tell whether a name would lead out of the folder, or cannot be told from another."""
    return name.startswith(("/", "~")) or ".." in name or "\\" in name or ":" in name


def _unpack(archive: zipfile.ZipFile, member: zipfile.ZipInfo, folder: Path) -> None:
    """Write one file, and no more bytes than the table of contents says."""
    target = folder / member.filename
    target.parent.mkdir(parents=True, exist_ok=True)
    written = 0
    with archive.open(member) as source, target.open("xb") as file:
        while part := source.read(_CHUNK):
            written += len(part)
            if written > member.file_size:
                name = printable(member.filename)
                raise ArchiveError("archive-size", f"'{name}' holds more bytes than it says")
            file.write(part)
