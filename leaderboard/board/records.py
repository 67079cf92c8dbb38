"""The folder of entries: read strictly, and only ever added to.

A correction is a new version of an entry, with a reason. A file is
``<protocol>-v<protocol version>/<entry>-<version>.json``.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from pydantic import BaseModel, ValidationError

from leaderboard.board.schema import BoardEntry, Replicates
from leaderboard.errors import LeaderboardError
from results.errors import ResultError
from results.files import atomic_write, json_text, own_file, read_json
from results.rounding import PROCESSORS_APART, agree

Form = TypeVar("Form", bound=BaseModel)


def entry_text(entry: BoardEntry) -> str:
    """Give the one text of an entry's file."""
    return json_text(entry.model_dump(mode="json", by_alias=True), entry.file)


def read_form(path: Path, form: type[Form]) -> Form:
    """Read a JSON file of a stated form; the first thing wrong is named.

    Raises:
        LeaderboardError: It is not there, not JSON, or breaks the form.
    """
    try:
        return form.model_validate(read_json(path))
    except ResultError as error:
        raise LeaderboardError(str(error)) from error
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "it"
        raise LeaderboardError(f"{path}: '{key}' is wrong: {first['msg'].lower()}") from error


def read_entry(path: Path) -> BoardEntry:
    """Read an entry.

    Raises:
        LeaderboardError: It is not JSON, breaks the form, or does not lie where its name says.
    """
    entry = read_form(path, BoardEntry)
    keys = [cell.key for cell in entry.cells]
    if len(set(keys)) < len(keys):
        again = next(key for key in keys if keys.count(key) > 1)
        raise LeaderboardError(f"{path}: two cells are of {', '.join(again)}")
    return entry


def read_entries(folder: Path) -> list[BoardEntry]:
    """Read every entry of a folder, all versions, in the order of their files.

    Raises:
        LeaderboardError: There is none; a file is wrong; or versions of an entry are missing.
    """
    paths = sorted(folder.glob("*/*.json"))
    if not paths:
        raise LeaderboardError(f"{folder}: there are no entries (<protocol>/<entry>-<n>.json)")
    found = []
    for path in paths:
        entry = read_entry(path)
        if path.relative_to(folder).as_posix() != entry.file:
            raise LeaderboardError(f"{path}: by what it says it belongs at {folder / entry.file}")
        found.append(entry)
    check_versions(found)
    return found


def check_versions(entries: Sequence[BoardEntry]) -> None:
    """Hold that each entry has its versions from 1 on, each once, corrections with a reason.

    Raises:
        LeaderboardError: It is not so.
    """
    versions: dict[tuple[str, int, str], list[int]] = {}
    for entry in entries:
        versions.setdefault(entry.identity, []).append(entry.version)
        if entry.version > 1 and not entry.reason.strip():
            raise LeaderboardError(f"{entry.file}: a correction says its reason")
    for (protocol, number, name), there in versions.items():
        if sorted(there) != list(range(1, len(there) + 1)):
            told = ", ".join(map(str, sorted(there)))
            raise LeaderboardError(
                f"{protocol}-v{number}/{name}: versions are counted from 1, each once; there are "
                f"{told}"
            )


def check_data(entries: Iterable[BoardEntry]) -> None:
    """Hold that what was measured under a protocol was measured on the same images.

    Columns are named by generators, and ranks are of one table: a mean over other images of the
    same generators would stand among them as if it could be compared.

    Raises:
        LeaderboardError: Two entries of a protocol are of other data.
    """
    known: dict[tuple[str, int, str], tuple[str, BoardEntry]] = {}
    for entry in entries:
        for role, data in entry.data.items():
            if not data.fingerprint:
                continue
            first = known.setdefault(
                (entry.protocol, entry.protocol_version, role), (data.fingerprint, entry)
            )
            if first[0] != data.fingerprint:
                raise LeaderboardError(
                    f"{entry.file}: is measured on {data.n_samples:,} images of {data.name} "
                    f"({data.fingerprint[:12]}) and {first[1].file} on "
                    f"{first[1].data[role].n_samples:,} others ({first[0][:12]}): a board compares "
                    "on the same images; give each dataset a board and a folder of its own"
                )


def newest(entries: Sequence[BoardEntry]) -> list[BoardEntry]:
    """Keep the last version of each entry, in order."""
    last: dict[tuple[str, int, str], BoardEntry] = {}
    for entry in entries:
        known = last.get(entry.identity)
        if known is None or known.version < entry.version:
            last[entry.identity] = entry
    return list(last.values())


def add_entry(folder: Path, entry: BoardEntry) -> Path:
    """Write an entry into a folder of entries; what is there stays as it is.

    Raises:
        LeaderboardError: Its file is there; or it is not the next version of its entry.
    """
    path = own_file(own_file(folder, Path(entry.file).parent.name, ""), Path(entry.file).name, "")
    if path.exists():
        raise LeaderboardError(
            f"{path}: is there already; entries are never changed: add version {entry.version + 1} "
            "with a reason"
        )
    there = read_entries(folder) if any(folder.glob("*/*.json")) else []
    check_versions([*there, entry])
    atomic_write(path, entry_text(entry))
    return path


def append_entries(
    folder: Path, entries: Iterable[BoardEntry], *, reason: str = ""
) -> tuple[list[Path], list[BoardEntry]]:
    """Add entries to a folder; with a reason, those that are there as their next version.

    Args:
        folder: Of entries; made with the first.
        entries: Each at version 1.
        reason: Why entries that are there are corrected; those that say just the same are not.

    Returns:
        The files written, and the entries that are there already and say just the same.

    Raises:
        LeaderboardError: An entry says something else than the one there, and no reason is given;
            or is measured on other images. Nothing is written then.
    """
    entries = list(entries)
    there = newest(read_entries(folder)) if any(folder.glob("*/*.json")) else []
    anew = {each.identity for each in entries}
    check_data([*(each for each in there if each.identity not in anew), *entries])
    known = {each.identity: each for each in there}
    added, same = [], []
    for entry in entries:
        last = known.get(entry.identity)
        if last is None:
            added.append(entry)
            continue
        stands = {"version": last.version, "reason": last.reason}
        if _says_the_same(entry.model_copy(update=stands), last):
            same.append(last)
        elif reason:
            stands = {"version": last.version + 1, "reason": reason}
            added.append(entry.model_copy(update=stands))
        else:
            raise LeaderboardError(
                f"{folder / last.file}: is there already and says something else; entries are "
                "never changed: --reason adds the next version"
            )
    return [add_entry(folder, entry) for entry in added], same


def _says_the_same(one: BoardEntry, other: BoardEntry) -> bool:
    """Tell whether two entries are of the same numbers, maybe computed by another processor.

    A resample at the edge of two steps may be kept as either.
    """
    numbers, resamples = zip(*map(_apart, (one, other)), strict=True)
    if not agree(*numbers) or len(resamples[0]) != len(resamples[1]):
        return False
    for left, right in zip(*resamples, strict=True):
        if (left is None) != (right is None):
            return False
        if left is not None and right is not None:
            step = max(left.high - left.low, right.high - right.low) / 255
            if np.abs(left.values() - right.values()).max() > step + PROCESSORS_APART:
                return False
    return True


def _apart(entry: BoardEntry) -> tuple[BoardEntry, list[Replicates | None]]:
    """Part an entry into all else that it says and its resamples."""
    bare = tuple(cell.model_copy(update={"replicates": None}) for cell in entry.cells)
    return entry.model_copy(update={"cells": bare}), [cell.replicates for cell in entry.cells]
