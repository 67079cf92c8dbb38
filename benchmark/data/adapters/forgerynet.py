"""ForgeryNet, the images: the method is the number of the folder, never the class of 16."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from benchmark.data.adapters import Row
from benchmark.data.layouts.records import plain_path, read_lines
from benchmark.data.layouts.rules import Lists, Rule, Tree, dataset
from benchmark.errors import ManifestError

_METHODS = {
    "1": ("FaceShifter", "FS", "GAN"),
    "2": ("FSGAN", "FS", "GAN"),
    "3": ("DeepFakes", "FS", "autoencoder"),
    "4": ("BlendFace", "FS", "graphics"),
    "5": ("MMReplacement", "FS", "graphics"),
    "6": ("DeepFakes-StarGAN-Stack", "FS", "unknown"),
    "7": ("TalkingHead", "FR", "GAN"),
    "8": ("ATVG-Net", "FR", "GAN"),
    "9": ("StarGAN-BlendFace-Stack", "FS", "unknown"),
    "10": ("FOMM", "FR", "GAN"),
    "11": ("StyleGAN2", "AM", "GAN"),
    "12": ("MaskGAN", "AM", "GAN"),
    "13": ("StarGAN2", "AM", "GAN"),
    "14": ("SC-FEGAN", "AM", "GAN"),
    "15": ("DiscoFaceGAN", "AM", "GAN"),
}


def _lists(files: Sequence[Path]) -> Lists | None:
    """Read image_list.txt: path, then whether it is forged, then two finer classes."""
    rows: dict[str, Row] = {}
    for file in files:
        for line in read_lines(file):
            path, *classes = line.rsplit(" ", 3)
            if len(classes) != 3 or classes[0] not in ("0", "1"):
                raise ManifestError(f"{file}: '{line[:60]}' is not PATH BINARY TRIPLE CLASS")
            key = plain_path(path).rpartition(".")[0].lower()
            rows[key] = {"label": "fake" if classes[0] == "1" else "real"}
    if not rows:
        return None
    return Lists(rows=rows, key=lambda found: found.parts["name"].lower(), what="image_list.txt")


def _of(place: int) -> Callable[[Mapping[str, str]], str]:
    """Give what tells of a folder's number a part of the method."""
    return lambda parts: _METHODS.get(parts["number"], ("", "", ""))[place]


def _split(parts: Mapping[str, str]) -> str:
    """Take val for the test, whose labels were never released."""
    return "train" if parts["name"].lower().startswith("train") else "test"


_TREE = Tree(
    rules=(
        Rule(
            pattern=r"(?P<name>(?:train|val)_[^/]+/(?P<number>\d+)/.+)",
            of={"generator": _of(0), "forgery": _of(1), "family": _of(2), "split": _split},
            images=True,
        ),
    ),
    list_names=("image_list.txt",),
    lists=_lists,
    only_listed=True,
    columns={"source": "ForgeryNet"},
)

ADAPTER = dataset(
    "forgerynet",
    "ForgeryNet, images",
    _TREE,
    layout="{train,val}_release/NUMBER/..., image_list.txt; val is taken for the test, whose "
    "labels were not released",
    forged="1 in the first class of image_list.txt; the folder's number is the method",
    licence="research only, by the authors' terms of use",
    obtain="ask the authors with their form",
)
