"""Files are read as what they were when they were checked: one that was replaced is refused."""

from functools import lru_cache
from pathlib import Path

from benchmark.errors import ImageError
from results.files import file_hash


def check_content(name: str, found: str, stated: str) -> None:
    """Compare the sha256 of a file's bytes with the stated one; "" states none.

    Raises:
        ImageError: They differ.
    """
    if stated not in ("", found):
        raise ImageError(
            name, f"has changed since it was checked (sha256 {found[:12]}, not {stated[:12]})"
        )


def check_large_content(path: Path, stated: str) -> None:
    """Do the same for a file that is not read whole, a video: it is hashed here.

    Once for as long as it stays the same by size, time and inode.

    Raises:
        ImageError: It cannot be read, or its content differs.
    """
    if not stated:
        return
    try:
        found = path.stat()
        digest = _hashed(path, found.st_size, found.st_mtime_ns, found.st_ino)
    except OSError as error:
        raise ImageError(str(path), f"unreadable: {error.strerror}") from error
    check_content(str(path), digest, stated)


@lru_cache(maxsize=65536)
def _hashed(path: Path, *state: int) -> str:
    """Hash a file; its ``state`` tells it from what stood there before."""
    del state
    return file_hash(path)
