"""What the folders above an image say of it: its split, label, generator and source.

Read are trees such as ``real/x.png`` with ``fake/StyleGAN/x.png``, ``train/fake/x.png``,
``BigGAN/val/nature/x.png`` (GenImage) and ``progan/0_real/x.png`` (ForenSynths). Nothing is
guessed: a folder is a label only if it is one of the known words or the user says so. Folders that
say how images are kept (``frames``, ``c23``) or whose domain they are of (``ff``) are no generator,
and neither is one with the name of a video (``000_003``).
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

from benchmark.data.tree import is_video
from benchmark.data.words import LABEL_WORDS, SPLIT_WORDS
from benchmark.errors import ManifestError

# How images are kept: neither a generator nor a source.
_KEPT_IN = frozenset(
    (
        *("frames", "frame", "32_frames", "videos", "video", "images", "image", "imgs", "img"),
        *("faces", "face", "crops", "cropped_faces", "face_crops", "rgb", "png", "jpg", "jpeg"),
        *("data", "dataset", "datasets", "raw", "c0", "c23", "c40", "hq", "lq", "aligned"),
    )
)
_SIZE = re.compile(r"(?:size|res)?[_-]?\d+(?:x\d+|px)|(?:size|res)[_-]?\d+", re.IGNORECASE)
# Whose faces a forgery was made on: a source, never a generator.
_DOMAINS = frozenset(
    ("ff", "ff++", "ffpp", "faceforensics", "faceforensics++", "cdf", "celebdf", "celeb-df")
)
# Below such a folder each folder is one video.
_OF_VIDEOS = ("frames", "32_frames")
_VIDEO_NAME = re.compile(r"(?:id|vid|video|clip)?[_-]?\d+(?:[_-]+(?:id)?\d+)*", re.IGNORECASE)


class FolderPlace(NamedTuple):
    """What an image's folders say.

    Attributes:
        split: train, val, test; "" if no folder says.
        label: real, fake; "" if no folder says.
        generator: ``camera`` for real images; ``unknown`` if no folder says.
        source: The dataset the image comes from; ``unknown`` if no folder says.
        group: The video whose frame it is; "" if folders are no videos.
    """

    split: str
    label: str
    generator: str
    source: str
    group: str


def place(path: str, labels: Mapping[str, str], *, videos: bool | None = None) -> FolderPlace:
    """Read one image's folders.

    The folder under the label is a forgery's generator (a real image's source); without one, the
    folder above the label is. The folder above the label is the source of both. The folders below
    one called ``frames`` are videos, whatever is said.

    Args:
        path: The image, relative to the dataset's folder, with ``/``.
        labels: The user's own classes: folder name -> real or fake. They go before known words.
        videos: Whether each innermost folder holds the frames of one video. None: nobody said.

    Raises:
        ManifestError: The folders name two splits, or both labels, or one looks like a video and
            nobody said whether it is.
    """
    folders = list(PurePosixPath(path).parts[:-1])
    folders, group = _without_video(folders, labels, videos)
    at_split = [i for i, name in enumerate(folders) if _split(name) and not label_of(name, labels)]
    at_label = [i for i, name in enumerate(folders) if label_of(name, labels)]
    if len(at_split) > 1:
        raise ManifestError(f"{path}: its folders name two splits; keep one")
    if len({label_of(folders[i], labels) for i in at_label}) > 1:
        raise ManifestError(f"{path}: its folders say both real and fake; keep one")
    split = _split(folders[at_split[0]]) if at_split else ""
    if not at_label:
        return FolderPlace(split, "", "unknown", "unknown", group)
    here = at_label[0]
    skipped = {*at_split, *at_label}
    numbered = [i for i, name in enumerate(folders) if _has_name_of_video(name)]
    if videos is None and (odd := [i for i in numbered if i not in skipped]):
        raise ManifestError(
            f"{path}: folder '{folders[odd[0]]}' has the name of a video, not of a generator; say "
            "--videos if each innermost folder holds the frames of one video, else --no-videos"
        )
    skipped |= set(numbered)
    above = [name for i, name in enumerate(folders[:here]) if i not in skipped]
    below = [name for i, name in enumerate(folders) if i > here and i not in skipped]
    # A class of the user's own, such as ``stylegan``, names the generator as well as the label.
    own = [] if folders[here].lower() in LABEL_WORDS else [folders[here]]
    label = label_of(folders[here], labels)
    domains = [name for name in (*above, *below) if name.lower() in _DOMAINS]
    above, below = _named(above), _named(below)
    if label == "real":
        return FolderPlace(split, label, "camera", _first(above, below, domains, own), group)
    return FolderPlace(split, label, _first(below, own, above), _first(above, domains), group)


def _without_video(
    folders: list[str], labels: Mapping[str, str], videos: bool | None
) -> tuple[list[str], str]:
    """Part the folders that name a video from those above them.

    Returns:
        The folders above, and the video: the whole path but for folders that say how it is kept,
        so that a video and its frames have one name.
    """
    lower = [name.lower() for name in folders]
    if videos is False:
        return folders, ""
    after = max((lower.index(word) + 1 for word in _OF_VIDEOS if word in lower), default=0)
    if 0 < after < len(folders) and _is_video(folders, after, labels, videos):
        return [*folders[: after - 1], *folders[after:-1]], "/".join(
            (*folders[: after - 1], *folders[after:])
        )
    innermost = len(folders)
    while innermost and lower[innermost - 1] in _KEPT_IN and not label_of(lower[innermost - 1], {}):
        innermost -= 1  # VIDEO/frames/0.png
    name = folders[innermost - 1] if innermost else ""
    if not videos or not name or label_of(name, labels) or _split(name):
        return folders, ""
    stem = name.rpartition(".")[0] if is_video(name) else name
    return folders[: innermost - 1], "/".join((*folders[: innermost - 1], stem))


def _is_video(
    folders: Sequence[str], after: int, labels: Mapping[str, str], videos: bool | None
) -> bool:
    """Tell whether the innermost folder below ``frames`` is a video, and not a method.

    Raises:
        ManifestError: It could be both.
    """
    name, others = folders[-1], folders[: after - 1]
    if label_of(name, labels) or _split(name):
        return False
    if videos or _has_name_of_video(name):
        return True
    methods = [each for each in (*others, *folders[after:-1]) if each.lower() not in LABEL_WORDS]
    if [each for each in _named(methods) if not _split(each)]:
        return True
    raise ManifestError(
        f"{'/'.join(folders)}: '{name}' may be a video or a method; say --videos if each innermost "
        "folder holds the frames of one video, else --no-videos"
    )


def _has_name_of_video(name: str) -> bool:
    """Tell whether a folder is called as videos are: ``000_003``, ``id0_0000``, ``abc.mp4``."""
    return _VIDEO_NAME.fullmatch(name) is not None or is_video(name)


def _named(folders: Sequence[str]) -> list[str]:
    """Leave the folders that can be a generator's or a dataset's name."""
    return [
        name
        for name in folders
        if name.lower() not in _KEPT_IN | _DOMAINS and not _SIZE.fullmatch(name)
    ]


def class_of(path: str) -> str:
    """Name the folder that may be an image's class; "." if it lies in none.

    It is the innermost that is no video and no way of keeping images; if all are, the innermost.
    """
    folders = PurePosixPath(path).parts[:-1]
    telling = [name for name in _named(folders) if not _has_name_of_video(name)]
    return next(reversed(telling or folders), ".")


def label_of(name: str, labels: Mapping[str, str]) -> str:
    """Give the label that a class stands for, "" if it is not known."""
    return labels.get(name) or LABEL_WORDS.get(name.lower(), "")


def _split(name: str) -> str:
    """Give the split that a folder stands for, "" if it is none."""
    return SPLIT_WORDS.get(name.lower(), "")


def _first(*choices: Sequence[str]) -> str:
    """Give the first name there is, else ``unknown``."""
    return next((names[0] for names in choices if names), "unknown")
