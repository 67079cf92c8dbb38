"""The Deepfake Detection Challenge: parts of training videos, and the public test."""

from collections.abc import Sequence
from pathlib import Path

from benchmark.data.adapters import Published, Row
from benchmark.data.layouts.records import column_of, read_records
from benchmark.data.layouts.rules import Lists, Rule, Tree, dataset
from benchmark.errors import ManifestError

_TABLES = ("metadata.json", "labels.csv", "testing_metadata.json")
_LABELS = {"fake": "fake", "1": "fake", "real": "real", "0": "real"}


def _lists(files: Sequence[Path]) -> Lists | None:
    """Read the tables: ids of ten letters are unique over all parts."""
    rows: dict[str, Row] = {}
    for file in files:
        for record in read_records(file):
            name = record.get("") or record[column_of([record], ("filename", "file"), file)]
            word = record.get("label") or record.get("is_fake") or ""
            label = _LABELS.get(word.lower())
            if label is None:
                raise ManifestError(f"{file}: '{name}' has label '{word}', not REAL, FAKE, 0 or 1")
            stem = name.rpartition("/")[2].partition(".")[0]
            original = record.get("original", "").partition(".")[0]
            split = "train" if file.name == "metadata.json" else "test"
            row = {"label": label, "split": split, "pair": original or stem}
            if rows.setdefault(stem, row)["label"] != label:
                raise ManifestError(f"{file}: '{name}' is {label}, and not so in another table")
    return Lists(
        rows=rows, key=lambda found: found.parts["video"], what="metadata.json or labels.csv"
    )


_TREE = Tree(
    rules=(
        Rule(
            pattern=r"(?P<video>[a-z]{10})",
            columns={"generator": "DFDC"},
            of={"forgery": lambda _: "FS"},
        ),
    ),
    list_names=_TABLES,
    lists=_lists,
    only_listed=True,
    columns={"source": "DFDC"},
)

ADAPTER = dataset(
    "dfdc",
    "Deepfake Detection Challenge",
    _TREE,
    layout="test/{labels.csv,[{videos,frames}/]VIDEO}, "
    "train/dfdc_train_part_N/{metadata.json,VIDEO}",
    forged="FAKE in metadata.json, 1 in labels.csv",
    licence="research only, by the terms of the challenge",
    obtain="with an account at the challenge's site",
    published=(Published("test", "camera", 2500), Published("test", "DFDC", 2500)),
)
