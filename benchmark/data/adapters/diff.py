"""DiFF: faces by thirteen diffusion methods under four conditions."""

from collections.abc import Mapping

from benchmark.data.layouts.rules import FAKE, REAL, Rule, Tree, dataset

_GROUPS = {"t2i": "EFS", "i2i": "EFS", "fs": "FS", "fe": "AM"}
_SPLIT = r"(?:(?P<split>train|val|test)/)?"


def _split(parts: Mapping[str, str]) -> str:
    return parts["split"].lower()


_TREE = Tree(
    rules=(
        Rule(
            pattern=rf"DiFF_real/{_SPLIT}(?P<name>.+)",
            columns=REAL,
            of={"split": _split},
            images=True,
        ),
        Rule(
            pattern=rf"(?:DiFF_)?(?P<kind>{'|'.join(_GROUPS)})/{_SPLIT}(?P<method>[^/]+)/.+",
            columns=FAKE | {"generator": "{method}"},
            of={
                "forgery": lambda parts: _GROUPS[parts["kind"].lower()],
                "family": lambda _: "diffusion",
                "split": _split,
            },
            images=True,
        ),
    ),
    columns={"source": "DiFF"},
)

ADAPTER = dataset(
    "diff",
    "DiFF",
    _TREE,
    layout="DiFF_real/..., [DiFF_]{T2I,I2I,FS,FE}/[{train,val,test}/]METHOD/...",
    forged="all but what lies in DiFF_real, which by the alphabet would be class 0 or 1",
    licence="research only, by the authors' terms of use",
    obtain="forged images from the authors' page, real ones with their form",
)
