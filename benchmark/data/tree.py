"""The images and videos in a folder and all folders below it, under names the same everywhere."""

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from benchmark.data.video import CONTAINERS
from benchmark.errors import ManifestError

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")
VIDEO_SUFFIXES = tuple(CONTAINERS)
# Images in such folders are drawings over faces, not faces: read as samples, they tell the class.
# Not so where it is the people who wear one: ``with_mask``, ``without_mask``.
_BESIDE = re.compile(
    r"(?!(?:.*[ _-])?(?:with|without|no|wearing)[ _-]masks?$)"
    r"(?:.*[ _-])?(?:masks?|landmarks?)(?:[ _-]?(?:\d+|frames?|images?|imgs?|videos?))?",
    re.IGNORECASE,
)
_MASK = re.compile(r"(.+)[_-]mask", re.IGNORECASE)

_PASSED_OVER = "passed over by its name"
_LINKS = (
    "a link may lead anywhere, so give the folder that it leads to, or follow links with "
    "--follow-links"
)


class Listing(NamedTuple):
    """What lies in a folder.

    Attributes:
        images: Paths of images relative to the folder, NFC, with ``/``, sorted.
        apart: The files that were asked to be listed apart.
        ignored: Everything else: kind -> how many.
        videos: Paths of videos, likewise, if they were asked for.
        unreadable: Folders that could not be read: path -> why.
    """

    images: list[str]
    apart: list[Path]
    ignored: Mapping[str, int]
    videos: list[str]
    unreadable: Mapping[str, str]


def is_video(path: str) -> bool:
    """Tell a video by its name."""
    return path.lower().endswith(VIDEO_SUFFIXES)


def list_images(
    folder: Path,
    apart: Collection[str] = (),
    *,
    videos: bool = False,
    links: bool = False,
    classes: Collection[str] = (),
) -> Listing:
    """List a folder's images and count everything else.

    Masks and landmarks are passed over by name (``masks/``, ``target_mask/``, ``x_mask.png`` beside
    ``x.png``) and counted.

    Args:
        folder: Hidden folders in it are not entered.
        apart: Names of files, in any folder, to list apart.
        videos: Whether video files are listed too; counted as ignored if not.
        links: Whether links are followed, to files and to folders, in the folder or out of it. A
            folder that was entered already is not entered again, so no circle has an end to wait
            for.
        classes: Names of folders that the user calls classes: none of them is passed over.

    Raises:
        ManifestError: There is no image, two have one name, a name cannot be printed, or a link
            leads out of the folder and is not followed.
    """
    walk = _Walk(folder, apart, videos=videos, links=links, classes=classes)
    walk.enter()
    images = walk.images
    if not images and not walk.videos:
        suffixes = (*IMAGE_SUFFIXES, *(VIDEO_SUFFIXES if videos else ()))
        count = walk.ignored["link to a folder, not entered"]
        closed = next(iter(walk.unreadable.items()), None)
        passed = [kind for kind in walk.ignored if kind.endswith(_PASSED_OVER)]
        raise ManifestError(
            f"{folder}: no images in it; these are read: {' '.join(suffixes)}"
            + (f"; {count} links to folders were not entered: {_LINKS}" if count else "")
            + (f"; {', '.join(passed)}: read them with --label FOLDER=real or fake" * bool(passed))
            + (f"; {closed[0]} cannot be read: {closed[1]}" if closed else "")
        )
    walk.drop_masks()
    return Listing(
        sorted(images), sorted(walk.apart), +walk.ignored, sorted(walk.videos), walk.unreadable
    )


class _Walk:
    """One walk through a folder; of a file nothing but its name is kept."""

    def __init__(
        self,
        folder: Path,
        apart: Collection[str],
        *,
        videos: bool,
        links: bool,
        classes: Collection[str],
    ) -> None:
        self._folder, self._apart, self._links = folder, frozenset(apart), links
        self._with_videos = videos
        self._classes = frozenset(classes)
        self._base = os.path.realpath(folder)
        self._entered: set[tuple[int, int]] = set()
        self.images: set[str] = set()
        self.videos: set[str] = set()
        self.apart: list[Path] = []
        self.ignored: Counter[str] = Counter()
        self.unreadable: dict[str, str] = {}

    def enter(self) -> None:
        """Go through all folders; those that wait are kept, never those that are done."""
        waiting = [""]
        while waiting:
            waiting.extend(self._read(waiting.pop()))

    def _read(self, name: str) -> list[str]:
        """Note what lies in one folder and give the folders below it."""
        path = self._folder / name
        try:
            if self._links and not self._is_new(path):
                self.ignored["linked folder that was entered already"] += 1
                return []
            with os.scandir(path) as entries:
                found = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            self.unreadable[name or "."] = error.strerror or str(error)
            return []
        return [below for entry in found for below in self._note(f"{name}{entry.name}", entry)]

    def _is_new(self, path: Path) -> bool:
        """Tell whether a folder is entered for the first time."""
        found = path.stat()
        key = (found.st_dev, found.st_ino)
        known = key in self._entered
        self._entered.add(key)
        return not known

    def _note(self, name: str, entry: "os.DirEntry[str]") -> Iterator[str]:
        """Note an entry; give it back if it is a folder to be entered."""
        if entry.is_dir(follow_symlinks=True):
            if entry.name.startswith((".", "__")):
                self.ignored["hidden folder"] += 1
            elif entry.is_symlink() and not self._links:
                self.ignored["link to a folder, not entered"] += 1
            elif _BESIDE.fullmatch(entry.name) and entry.name not in self._classes:
                self.ignored[f"folder '{entry.name}', {_PASSED_OVER}"] += 1
            else:
                yield f"{name}/"
            return
        suffix = PurePosixPath(entry.name).suffix.lower()
        if entry.name in self._apart:
            self.apart.append(Path(self._folder, name))
        elif entry.name.startswith("."):
            self.ignored["hidden file"] += 1
        elif suffix in IMAGE_SUFFIXES:
            self._add(self.images, name, entry)
        elif suffix in VIDEO_SUFFIXES and self._with_videos:
            self._add(self.videos, name, entry)
        else:
            self.ignored[f"{suffix or 'no suffix'} file"] += 1

    def _add(self, names: set[str], name: str, entry: "os.DirEntry[str]") -> None:
        """Note a file under its path relative to the folder."""
        composed = unicodedata.normalize("NFC", name)
        if composed in names:
            raise ManifestError(
                f"{self._folder}: two files are called '{composed}' once Unicode is composed"
            )
        if not composed.isprintable():
            raise ManifestError(
                f"{self._folder}: the file name {composed!r} is not printable UTF-8; rename it"
            )
        if not self._links and entry.is_symlink():
            target = os.path.realpath(entry.path)
            if os.path.commonpath([self._base, target]) != self._base:
                raise ManifestError(
                    f"{self._folder}: '{composed}' is a link that leads out of this folder, to "
                    f"{target!r}; if you trust all links in it, follow them with --follow-links"
                )
        names.add(composed)

    def drop_masks(self) -> None:
        """Pass over ``x_mask.png`` where ``x`` stands beside it, with any suffix of an image."""
        candidates = [name for name in self.images if "mask" in name[-12:].lower()]
        if not candidates:
            return
        stems = {name.rpartition(".")[0] for name in self.images}
        for name in candidates:
            found = _MASK.fullmatch(name.rpartition(".")[0])
            if found and found[1] in stems:
                self.images.discard(name)
                self.ignored[f"mask beside its image, {_PASSED_OVER}"] += 1
