"""DeeperForensics-1.0: eleven versions of one thousand forgeries, and the actors' own videos."""

from collections.abc import Sequence
from pathlib import Path

from benchmark.data.adapters import Published, Row
from benchmark.data.layouts.records import plain_path, read_lines
from benchmark.data.layouts.rules import FAKE, KEPT, REAL, Lists, Rule, Tree, dataset

_SPLITS = {"train.txt": "train", "val.txt": "val", "test.txt": "test"}


def _lists(files: Sequence[Path]) -> Lists | None:
    """Read the splits: one line stands for a video in all its versions."""
    rows: dict[str, Row] = {}
    for file in files:
        for line in read_lines(file):
            stem = plain_path(line).rpartition("/")[2].partition(".")[0]
            rows[stem] = {"split": _SPLITS[file.name]}
    if not rows:
        return None
    return Lists(
        rows=rows,
        key=lambda found: f"{found.parts['target']}_{found.parts['actor']}",
        what="lists/splits",
    )


_TREE = Tree(
    rules=(
        Rule(
            pattern=rf"manipulated_videos/(?P<version>[^/]+)/{KEPT}(?P<target>\d+)_(?P<actor>[MW]\d+)",
            columns=FAKE
            | {"generator": "DF-1.0", "version": "{version}", "identity": "{actor}"}
            | {"source": "FF++", "pair": "{target}_{actor}", "target": "{target}"},
            of={"forgery": lambda _: "FS", "family": lambda _: "autoencoder"},
        ),
        Rule(
            pattern=r"source_videos/(?:[^/]+/)*?(?P<actor>[MW]\d+)[_/](?P<video>.+)",
            columns=REAL | {"source": "DF-1.0 actors", "identity": "{actor}"},
            listed=False,
        ),
    ),
    list_names=tuple(_SPLITS),
    lists=_lists,
    wanted="train.txt, val.txt and test.txt are not in the folder; lay them there",
)

ADAPTER = dataset(
    "deeperforensics",
    "DeeperForensics-1.0",
    _TREE,
    layout="manipulated_videos/VERSION/[frames/]TARGET_ACTOR, source_videos/ACTOR/..., "
    "lists/splits/{train,val,test}.txt",
    forged="what lies in manipulated_videos; the real targets are those of FaceForensics++",
    licence="research only, by the authors' terms of use",
    obtain="ask the authors with their form",
    published=(
        Published("train", "DF-1.0", 703 * 11),
        Published("val", "DF-1.0", 96 * 11),
        Published("test", "DF-1.0", 201 * 11),
    ),
)
