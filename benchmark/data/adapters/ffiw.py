"""FFIW-10K: several people in a picture, some of them forged."""

from benchmark.data.adapters import Published
from benchmark.data.layouts.rules import FAKE, KEPT, REAL, Rule, Tree, dataset

_WHERE = rf"(?P<split>train|val|test)/{KEPT}(?P<video>[^/]+)"
_SPLIT = {"split": "{split}"}

_TREE = Tree(
    rules=(
        Rule(pattern=f"source/{_WHERE}", columns=REAL | _SPLIT),
        Rule(pattern=f"target/{_WHERE}", columns=FAKE | _SPLIT | {"generator": "FFIW"}),
    ),
    kinds={"FFIW": ("FS", "unknown")},
    columns={"source": "FFIW"},
    masks=((r"(^|/)target/", r"\1target_mask/"),),
)

ADAPTER = dataset(
    "ffiw",
    "FFIW-10K",
    _TREE,
    layout="{source,target,target_mask}/{train,val,test}/[{videos,frames}/]VIDEO",
    forged="what lies in target; source is real, with the same names",
    licence="research only, by the authors' terms of use",
    obtain="ask the authors with their form",
    published=tuple(
        Published(split, generator, number)
        for generator in ("camera", "FFIW")
        for split, number in (("train", 8000), ("val", 250), ("test", 1738))
    ),
)
