"""Which sample a row of somebody's file is about: by its path, however much of it is given."""

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Sequence

AMBIGUOUS = -2
UNMATCHED = -1
_DRIVE = re.compile(r"^[A-Za-z]:")
_BOX = re.compile(r"&?xywh=[0-9,]+")


class Matcher:
    """Finds names among known ones; a longer or shorter path of the same end is the same name."""

    def __init__(self, names: Sequence[str]) -> None:
        """Know some names; a name that two of them have once they are normalised is ambiguous."""
        self._known: dict[str, int] = {}
        for number, name in enumerate(names):
            for shown in dict.fromkeys((normalised(name), _without_box(normalised(name)))):
                held = self._known.setdefault(shown, number)
                if held != number:
                    self._known[shown] = AMBIGUOUS
        self._backwards: list[tuple[str, int]] | None = None

    def find(self, name: str) -> int:
        """Give the place of a name, ``UNMATCHED`` or ``AMBIGUOUS``.

        It is the name itself, else the known one that the path ends in, else the only known one
        that ends in the path.
        """
        wanted = normalised(name)
        if not wanted:
            return UNMATCHED
        parts = wanted.split("/")
        for start in range(len(parts)):
            found = self._known.get("/".join(parts[start:]))
            if found is not None:
                return found
        return self._ending(wanted)

    def _ending(self, wanted: str) -> int:
        """Find the only known name that ends in a path."""
        if self._backwards is None:  # only a file that needs it pays for it
            self._backwards = sorted((f"{name[::-1]}/", at) for name, at in self._known.items())
        start = f"{wanted[::-1]}/"
        first = bisect_left(self._backwards, (start, UNMATCHED))
        found = set()
        for name, at in self._backwards[first:]:
            if not name.startswith(start):
                break
            found.add(at)
            if len(found) > 1:
                return AMBIGUOUS
        return found.pop() if found else UNMATCHED


def normalised(name: str) -> str:
    """Write a path in one way: slashes, no drive, no '.' or doubled slash, composed letters."""
    plain = unicodedata.normalize("NFC", name.strip()).replace("\\", "/")
    parts = _DRIVE.sub("", plain).split("/")
    return "/".join(part for part in parts if part not in ("", "."))


def _without_box(name: str) -> str:
    """Leave out where the face of a sample is: others' files do not say it."""
    path, hash_, rest = name.partition("#")
    kept = _BOX.sub("", rest)
    return f"{path}#{kept}" if hash_ and kept else path
