"""The tree of preprocessed frames that GenD reads: DATASET/SOURCE/VIDEO/FRAME."""

from collections.abc import Mapping

from benchmark.data.layouts.rules import FAKE, REAL, Rule, Tree, dataset

# GenD calls real whatever has "real" in its name; a method called "unreal" would be real there.
_VIDEO = r"(?P<video>[^/]+)"


def _split(parts: Mapping[str, str]) -> str:
    """Read the split that some sources begin with, as in ``val-fake``."""
    word = parts["source"].lower().partition("-")[0]
    return word if word in ("train", "val", "test") else ""


_TREE = Tree(
    rules=(
        Rule(
            pattern=rf"(?P<dataset>[^/]+)/(?P<source>(?:[^/]*[-_])?real(?:[-_][^/]*)?)/{_VIDEO}",
            columns=REAL | {"source": "{dataset}"},
            of={"split": _split},
            listed=False,
        ),
        Rule(
            pattern=rf"(?P<dataset>[^/]+)/(?P<source>(?:(?!real)[^/])+)/{_VIDEO}",
            columns=FAKE | {"source": "{dataset}", "generator": "{source}"},
            of={"split": _split},
            listed=False,
        ),
    ),
    ties=True,
)

ADAPTER = dataset(
    "gend",
    "Frames as GenD preprocesses them",
    _TREE,
    layout="DATASET/SOURCE/VIDEO/FRAME.png, 'real' a part of the real sources' names",
    forged="sources without 'real' in their name",
    licence="that of each dataset",
    obtain="preprocess each dataset with GenD's scripts; its lists of splits are not read",
)
