"""DiffusionFace: faces by eleven diffusion models in five ways."""

from collections.abc import Mapping

from benchmark.data.layouts.rules import FAKE, REAL, Rule, Tree, dataset

# How a face was made, as folders are called -> forgery.
_WAYS = {
    "unconditional": "EFS",
    "uncond": "EFS",
    "text2img": "EFS",
    "t2i": "EFS",
    "img2img": "EFS",
    "i2i": "EFS",
    "inpaint": "AM",
    "inpainting": "AM",
    "swap": "FS",
    "faceswap": "FS",
    "diffswap": "FS",
}
_SPLITS = ("train", "val", "test")


def _split(parts: Mapping[str, str]) -> str:
    """Give the split of whichever folder says one."""
    return next((part for part in parts["path"].lower().split("/") if part in _SPLITS), "")


_TREE = Tree(
    rules=(
        Rule(
            pattern=rf"(?P<way>{'|'.join(_WAYS)})/(?:(?:{'|'.join(_SPLITS)})/)?"
            r"(?:(?P<model>[^/]+)/)?.+",
            columns=FAKE,
            of={
                "generator": lambda parts: parts["model"] or parts["way"],
                "forgery": lambda parts: _WAYS[parts["way"].lower()],
                "family": lambda _: "diffusion",
                "split": _split,
            },
            images=True,
        ),
        Rule(pattern=r"real/.+", columns=REAL, of={"split": _split}, images=True),
    ),
    columns={"source": "DiffusionFace"},
)

ADAPTER = dataset(
    "diffusionface",
    "DiffusionFace",
    _TREE,
    layout="{real,unconditional,text2img,img2img,inpaint,swap}/[{train,val,test}/][MODEL/]...: the "
    "authors state no tree, so lay the archives' folders under these names",
    forged="all but what lies in real",
    licence="research only, by the authors' terms of use",
    obtain="Zenodo, records 10865300 and 10865065",
)
