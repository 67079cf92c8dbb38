"""The preview of the Deepfake Detection Challenge."""

from collections.abc import Sequence
from pathlib import Path

from benchmark.data.adapters import Published, Row
from benchmark.data.layouts.records import plain_path, read_records
from benchmark.data.layouts.rules import FAKE, REAL, Lists, Matched, Rule, Tree, dataset
from benchmark.errors import ManifestError


def _lists(files: Sequence[Path]) -> Lists | None:
    """Read dataset.json: path -> label and set."""
    rows: dict[str, Row] = {}
    for file in files:
        for record in read_records(file):
            if record.get("set") not in ("train", "test") or record.get("label") not in (
                "real",
                "fake",
            ):
                raise ManifestError(f"{file}: '{record.get('')}' needs a label and a set")
            key = _key(plain_path(record[""]).rpartition(".")[0])
            rows[key] = {"label": record["label"], "split": record["set"]}
    return Lists(rows=rows, key=_listed, what="dataset.json") if rows else None


def _listed(found: Matched) -> str:
    return _key(found.unit)


def _key(unit: str) -> str:
    """Give a video's method and stem: stems repeat between the methods."""
    folders = unit.split("/")
    methods = [name for name in folders if name.startswith(("method_", "original_"))]
    return f"{methods[0] if methods else ''}/{folders[-1]}"


_TREE = Tree(
    rules=(
        Rule(
            pattern=r"original_videos/(?:.*/)?(?P<person>\d+)_(?P<take>[^/_]+)_(?P<count>\d+)",
            columns=REAL | {"identity": "{person}", "pair": "{person}_{take}_{count}"},
        ),
        Rule(
            pattern=r"method_(?P<method>[AB])/(?:.*/)?"
            r"(?P<donor>\d+)_(?P<target>\d+)_(?P<take>[^/_]+)_(?P<count>\d+)",
            columns=FAKE
            | {"generator": "DFDCP-{method}", "identity": "{target}", "donor": "{donor}"}
            | {"pair": "{target}_{take}_{count}"},
            of={"forgery": lambda _: "FS"},
        ),
    ),
    list_names=("dataset.json",),
    lists=_lists,
    columns={"source": "DFDCP"},
    wanted="dataset.json is not in the folder; lay it there for the official train and test",
)

ADAPTER = dataset(
    "dfdcp",
    "Deepfake Detection Challenge, preview",
    _TREE,
    layout="{original_videos,method_A,method_B}/.../VIDEO, dataset.json",
    forged="what lies in method_A and method_B; fake in dataset.json",
    licence="research only, by the terms of the challenge",
    obtain="with an account at the challenge's site",
    published=(Published("", "camera", 1131), Published("", "", 4119)),
)
