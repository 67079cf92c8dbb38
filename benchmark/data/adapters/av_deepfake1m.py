"""AV-Deepfake1M: a million videos of which parts are forged, in picture, sound or both."""

from collections.abc import Sequence
from pathlib import Path

from benchmark.data.adapters import Published
from benchmark.data.layouts.partial import partial_lists
from benchmark.data.layouts.rules import Lists, Rule, Tree, dataset

# The labels of the test were never released: as others do, val is taken for it.
_TABLES = {"train_metadata.json": ("train", "train"), "val_metadata.json": ("val", "test")}


def _lists(files: Sequence[Path]) -> Lists | None:
    """Read the tables of train and val."""
    return partial_lists(
        files,
        periods="fake_segments",
        visual=lambda record: record["modify_type"] in ("visual_modified", "both_modified"),
        audio=lambda record: record["modify_type"] in ("audio_modified", "both_modified"),
        split=lambda file, _: _TABLES[file.name][1],
        within=lambda file: _TABLES[file.name][0],
        what="train_metadata.json and val_metadata.json",
        notes=("the labels of its test were not released: val is taken for the test",),
    )


_TREE = Tree(
    rules=(Rule(pattern=r"(?P<split>train|val)/(?P<video>.+)"),),
    list_names=tuple(_TABLES),
    lists=_lists,
    only_listed=True,
    columns={"source": "AV-Deepfake1M", "generator": "AV-Deepfake1M"},
    kinds={"AV-Deepfake1M": ("FR", "unknown")},
)

ADAPTER = dataset(
    "av-deepfake1m",
    "AV-Deepfake1M",
    _TREE,
    layout="{train,val}/.../VIDEO.mp4, {train,val}_metadata.json; val is taken for the test",
    forged="visual_modified and both_modified, in fake_segments; audio_modified alone is real, "
    "with audio_label fake",
    licence="research only, by the authors' terms of use",
    obtain="ask the authors with their form",
    published=(Published("", "all", 1_146_760),),
)
