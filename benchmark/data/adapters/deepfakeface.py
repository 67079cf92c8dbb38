"""DeepFakeFace: three forgeries of each photograph of one set, with the same names."""

from benchmark.data.adapters import Published
from benchmark.data.layouts.rules import FAKE, REAL, Rule, Tree, dataset

_KINDS = {
    "inpainting": ("AM", "diffusion"),
    "insight": ("FS", "unknown"),
    "text2img": ("EFS", "diffusion"),
}

_TREE = Tree(
    rules=(
        Rule(
            pattern=r"wiki/(?P<pair>.+)",
            columns=REAL | {"pair": "{pair}"},
            images=True,
            listed=False,
        ),
        Rule(
            pattern=rf"(?P<method>{'|'.join(_KINDS)})/(?P<pair>.+)",
            columns=FAKE | {"pair": "{pair}"},
            of={"generator": lambda parts: parts["method"].lower()},
            images=True,
            listed=False,
        ),
    ),
    kinds=_KINDS,
    columns={"source": "IMDB-WIKI"},
)

ADAPTER = dataset(
    "deepfakeface",
    "DeepFakeFace",
    _TREE,
    layout="{wiki,inpainting,insight,text2img}/..., the same paths in all four",
    forged="all but what lies in wiki",
    licence="that of the dataset's page on the Hub",
    obtain="from the Hub; unpack the four archives side by side",
    published=tuple(
        Published("", generator, 30_000, "images") for generator in ("camera", *_KINDS)
    ),
)
