"""Checksums of a folder's files, beside them: what was written is what is read, or is named."""

import json
from pathlib import Path

from results.files import atomic_write, file_hash

CHECKSUMS = "checksums.json"


def write_checksums(folder: Path) -> None:
    """Write the sha256 of every file in ``folder`` and below, by its place there."""
    atomic_write(folder / CHECKSUMS, json.dumps(_found(folder), indent=1, sort_keys=True) + "\n")


def broken(folder: Path) -> str | None:
    """Say what of ``folder`` is not as ``write_checksums`` found it, or None."""
    try:
        stated = json.loads((folder / CHECKSUMS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return f"{folder / CHECKSUMS} cannot be read"
    found = _found(folder)
    if not isinstance(stated, dict) or stated == found:
        return None if stated == found else f"{folder / CHECKSUMS} is no list of checksums"
    for name in sorted(stated.keys() | found.keys()):
        if name not in found:
            return f"{folder / name} is missing"
        if name not in stated:
            return f"{folder / name} was added"
        if found[name] != stated[name]:
            return f"{folder / name} was changed"
    return None


def _found(folder: Path) -> dict[str, str]:
    """Hash the files that are there."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        path.relative_to(folder).as_posix(): file_hash(path)
        for path in paths
        if path != folder / CHECKSUMS
    }
