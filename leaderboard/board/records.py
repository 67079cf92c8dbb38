"""The folder of entries: read strictly, and only ever added to.

A correction is a new version of an entry, with a reason. A file is
``<protocol>-v<protocol version>/<entry>-<version>.json``.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from leaderboard.board.schema import BoardEntry
from leaderboard.errors import LeaderboardError
from results.errors import ResultError
from results.files import atomic_write, json_text, own_file, read_json

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
        LeaderboardError: An entry says something else than the one there, and no reason is given.
            Nothing is written then.
    """
    there = newest(read_entries(folder)) if any(folder.glob("*/*.json")) else []
    known = {each.identity: each for each in there}
    added, same = [], []
    for entry in entries:
        last = known.get(entry.identity)
        if last is None:
            added.append(entry)
            continue
        stands = {"version": last.version, "reason": last.reason}
        if entry.model_copy(update=stands) == last:
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
