"""What the names of videos say: which forgeries were made of which originals."""

import re
from collections.abc import Iterable

from benchmark.data.rows import Rows

# Deepfakes 000_003 is video 000 with the face of 003; Celeb-DF's id0_id1_0000 is recording 0000 of
# person id0 with the face of id1.
_OF_TWO = re.compile(r"([^_]+)_([^_]+)")
_OF_THREE = re.compile(r"(id\d+)_id\d+_(\d+)")


class Ties:
    """Names that hang together, directly or through a third one."""

    def __init__(self) -> None:
        """Tie nothing."""
        self._above: dict[str, str] = {}

    def tie(self, names: Iterable[str]) -> None:
        """Have names hang together."""
        first, *others = (self.first(name) for name in names)
        for other in others:
            low, high = min(first, other), max(first, other)
            if low != high:
                self._above[high] = low
            first = low

    def first(self, name: str) -> str:
        """Give the first, in the order of text, of all names that hang together with ``name``."""
        path = []
        while (above := self._above.get(name, name)) != name:
            path.append(name)
            name = above
        for each in path:  # so that the next way is short
            self._above[each] = name
        return name


def made_of(originals: frozenset[str], forged: Iterable[str]) -> dict[str, str]:
    """Tie forged videos to the originals that their names are made of.

    Args:
        originals: Names of real videos.
        forged: Names of forged ones.

    Returns:
        Each name that is tied to another -> the first of all that hang together. Names that say
        nothing are not in it. In FaceForensics++ the originals 000 and 003 and their swaps both
        ways are one set.
    """
    ties, tied = Ties(), set[str]()
    for name in forged:
        parts = _parts(name, originals)
        if parts:
            ties.tie((*parts, name))
            tied |= {*parts, name}
    return {name: ties.first(name) for name in tied}


def _parts(name: str, originals: frozenset[str]) -> tuple[str, ...]:
    """Give the originals that a forged video's name is made of; none if it does not say."""
    if found := _OF_THREE.fullmatch(name):
        original = f"{found[1]}_{found[2]}"
        return (original,) if original in originals else ()
    found = _OF_TWO.fullmatch(name)
    if found and (found[1] in originals or found[2] in originals):
        # The other may be absent here, and still tie two forgeries of it.
        return found[1], found[2]
    return ()


def tie(rows: Rows) -> tuple[str, ...]:
    """Give forged videos and the originals that their names are made of one ``pair``.

    Args:
        rows: With ``label``, ``group`` and ``pair``; a pair that is stated stays.

    Returns:
        What was done, as one sentence, if anything.
    """
    named: dict[str, set[str]] = {"real": set(), "fake": set()}
    groups = [group or path for path, group in zip(rows, rows.column("group"), strict=True)]
    own = {group: group.rpartition("/")[2].partition(".")[0] for group in groups}
    for group, label in zip(groups, rows.column("label"), strict=True):
        named[label].add(own[group])
    tied = made_of(frozenset(named["real"]), sorted(named["fake"]))
    if not tied:
        return ()
    for path, group in zip(list(rows), groups, strict=True):
        row = rows[path]
        if own[group] in tied and not row["pair"]:
            rows.put(path, row | {"pair": tied[own[group]]})
    forged = tied.keys() & named["fake"]
    return (
        f"{len(forged)} names of forgeries are made of those of originals ('{min(forged)}'): "
        "column 'pair' keeps them together",
    )


def video_name(path: str) -> str:
    """Give the full identity of a video: its path without suffix and ``videos`` or ``frames``.

    So a video has one name, whether it lies there as a file or as the frames of it.
    """
    *folders, name = path.split("/")
    kept = [folder for folder in folders if folder.lower() not in ("videos", "frames")]
    return "/".join((*kept, name.rpartition(".")[0]))
