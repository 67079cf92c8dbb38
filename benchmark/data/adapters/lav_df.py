"""LAV-DF: parts of a video are forged, in picture, sound or both."""

from collections.abc import Sequence
from pathlib import Path

from benchmark.data.adapters import Published
from benchmark.data.layouts.partial import partial_lists
from benchmark.data.layouts.rules import Lists, Rule, Tree, dataset

_SPLITS = {"train": "train", "dev": "val", "test": "test"}


def _lists(files: Sequence[Path]) -> Lists | None:
    """Read metadata.json; metadata.min.json says the same, shorter."""
    return partial_lists(
        files,
        periods="fake_periods",
        visual=lambda record: record.get("modify_video") == "true",
        audio=lambda record: record.get("modify_audio") == "true",
        split=lambda _, record: _SPLITS.get(record.get("split", ""), ""),
        what="metadata.json",
    )


_TREE = Tree(
    rules=(Rule(pattern=r"(?P<split>train|dev|test)/(?P<video>[^/]+)"),),
    list_names=("metadata.json", "metadata.min.json"),
    lists=_lists,
    only_listed=True,
    columns={"source": "LAV-DF", "generator": "LAV-DF"},
    kinds={"LAV-DF": ("FR", "GAN")},
)

ADAPTER = dataset(
    "lav-df",
    "LAV-DF",
    _TREE,
    layout="{train,dev,test}/N.mp4, metadata.json; dev is val",
    forged="modify_video; frames are taken from fake_periods, since the others of a forged video "
    "are real; modify_audio alone is real, with audio_label fake",
    licence="research only, by the authors' terms of use",
    obtain="ask the authors with their form",
    published=(
        Published("train", "all", 78_703),
        Published("val", "all", 31_501),
        Published("test", "all", 26_100),
    ),
)
