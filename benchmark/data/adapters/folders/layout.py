"""What the folders above an image say of it: its split, label, generator and source.

Read are trees such as ``real/x.png`` with ``fake/StyleGAN/x.png``, ``train/fake/x.png``,
``BigGAN/val/nature/x.png`` (GenImage) and ``progan/0_real/x.png`` (ForenSynths). Nothing is
guessed: a folder is a label only if it is one of the known words or the user says so.
"""

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

from benchmark.errors import ManifestError

LABEL_WORDS = {
    "real": "real",
    "0_real": "real",
    "nature": "real",
    "fake": "fake",
    "1_fake": "fake",
    "ai": "fake",
}
SPLIT_WORDS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
    "eval": "test",
    "evaluation": "test",
}


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


def place(path: str, labels: Mapping[str, str], *, videos: bool = False) -> FolderPlace:
    """Read one image's folders.

    The folder under the label is a forgery's generator (a real image's source); without one, the
    folder above the label is. The folder above the label is the source of both.

    Args:
        path: The image, relative to the dataset's folder, with ``/``.
        labels: The user's own classes: folder name -> real or fake. They go before known words.
        videos: Whether each innermost folder holds the frames of one video.

    Raises:
        ManifestError: The folders name two splits, or both labels.
    """
    folders = list(PurePosixPath(path).parts[:-1])
    group = ""
    if videos and folders and label_of(folders[-1], labels) == "" and not _split(folders[-1]):
        group = "/".join(folders)
        folders.pop()
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
    above = [name for i, name in enumerate(folders[:here]) if i not in skipped]
    below = [name for i, name in enumerate(folders) if i > here and i not in skipped]
    # A class of the user's own, such as ``stylegan``, names the generator as well as the label.
    own = [] if folders[here].lower() in LABEL_WORDS else [folders[here]]
    label = label_of(folders[here], labels)
    if label == "real":
        return FolderPlace(split, label, "camera", _first(above, below, own), group)
    return FolderPlace(split, label, _first(below, own, above), _first(above), group)


def label_of(name: str, labels: Mapping[str, str]) -> str:
    """Give the label that a class stands for, "" if it is not known."""
    return labels.get(name) or LABEL_WORDS.get(name.lower(), "")


def _split(name: str) -> str:
    """Give the split that a folder stands for, "" if it is none."""
    return SPLIT_WORDS.get(name.lower(), "")


def _first(*choices: Sequence[str]) -> str:
    """Give the first name there is, else ``unknown``."""
    return next((names[0] for names in choices if names), "unknown")
