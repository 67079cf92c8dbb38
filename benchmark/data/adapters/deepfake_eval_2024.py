"""Deepfake-Eval-2024: images and videos that people reported in 2024."""

from collections.abc import Sequence
from pathlib import Path

from benchmark.data.adapters import Published, Row
from benchmark.data.layouts.records import column_of, read_records
from benchmark.data.layouts.rules import Lists, Rule, Tree, dataset

_LABELS = {"fake": "fake", "real": "real"}
_SPLITS = {"train": "train", "test": "test"}
_TABLES = ("image-metadata-publish.csv", "video-metadata-publish.csv")


def _lists(files: Sequence[Path]) -> Lists | None:
    """Read the tables; rows that are damaged or neither real nor fake are counted."""
    rows: dict[str, Row] = {}
    left_out = 0
    for file in files:
        records = read_records(file)
        name, truth, part = (
            column_of(records, (n,), file) for n in ("Filename", "Ground Truth", "Finetuning Set")
        )
        kind = file.name.partition("-")[0]
        for record in records:
            label = _LABELS.get(record[truth].strip().lower())
            if label is None or record[name].startswith("#"):
                left_out += 1
                continue
            split = _SPLITS.get(record[part].strip().lower(), "")
            rows[f"{kind}-data/{record[name].strip()}"] = {"label": label, "split": split}
    notes = (
        (f"{left_out} rows of its tables have no file name, or are neither real nor fake",)
        if left_out
        else ()
    )
    return Lists(
        rows=rows,
        key=lambda found: "/".join(found.path.split("/")[-2:]),
        what="its tables",
        notes=notes,
    )


_TREE = Tree(
    rules=(
        Rule(
            pattern=r"image-data/(?P<name>[^/]+)",
            columns={"generator": "in the wild"},
            images=True,
        ),
        Rule(pattern=r"video-data/(?P<name>[^/]+)", columns={"generator": "in the wild"}),
    ),
    list_names=_TABLES,
    lists=_lists,
    only_listed=True,
    columns={"source": "Deepfake-Eval-2024"},
)

ADAPTER = dataset(
    "deepfake-eval-2024",
    "Deepfake-Eval-2024",
    _TREE,
    layout="{image,video}-data/FILE, {image,video}-metadata-publish.csv",
    forged="Fake in 'Ground Truth'",
    licence="CC BY-SA 4.0, gated",
    obtain="from the Hub, after its form",
    published=(Published("", "all", 1975, "images"),),
)
