"""The images in a folder and all folders below it, under names that are the same everywhere."""

import os
import unicodedata
from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import NamedTuple

from benchmark.errors import ManifestError

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")

_LINKS = "a link may lead anywhere, so give the folder that it leads to, or copy that here"


class Listing(NamedTuple):
    """What lies in a folder.

    Attributes:
        images: Paths of images relative to the folder, NFC, with ``/``, sorted.
        apart: The files that were asked to be listed apart.
        ignored: Everything else: kind -> how many.
    """

    images: list[str]
    apart: list[Path]
    ignored: Mapping[str, int]


def list_images(folder: Path, apart: Collection[str] = ()) -> Listing:
    """List a folder's images and count everything else.

    Args:
        folder: Links and hidden folders in it are not entered.
        apart: Names of files, in any folder, to list apart.

    Raises:
        ManifestError: There is no image, two have one name, or a name cannot be printed.
    """
    images: dict[str, Path] = {}
    found: list[Path] = []
    ignored: Counter[str] = Counter()
    links = 0
    for top, below, names in os.walk(folder):
        ignored["linked or hidden folder"] += sum(
            _is_passed_over(Path(top, name)) for name in below
        )
        links += sum(Path(top, name).is_symlink() for name in below)
        below[:] = sorted(name for name in below if not _is_passed_over(Path(top, name)))
        for path in (Path(top, name) for name in sorted(names)):
            if path.name in apart:
                found.append(path)
            elif path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith("."):
                _add(images, path, folder)
            else:
                ignored[f"{path.suffix.lower() or 'no suffix'} file"] += 1
    if not images:
        raise ManifestError(
            f"{folder}: no images in it; these are read: {' '.join(IMAGE_SUFFIXES)}"
            + (f"; {links} links to folders were not entered: {_LINKS}" if links else "")
        )
    return Listing(sorted(images), found, +ignored)


def _is_passed_over(path: Path) -> bool:
    """Tell a folder that is not entered: a link (it may lead anywhere), hidden, or a leftover."""
    return path.is_symlink() or path.name.startswith((".", "__"))


def _add(images: dict[str, Path], path: Path, folder: Path) -> None:
    """Note an image under its path relative to ``folder``."""
    name = unicodedata.normalize("NFC", path.relative_to(folder).as_posix())
    if name in images:
        raise ManifestError(f"{path}: the same name as {images[name]} once Unicode is composed")
    if not name.isprintable():
        raise ManifestError(f"{folder}: the file name {name!r} is not printable UTF-8; rename it")
    images[name] = path
