"""GenImage: eight generators, each beside its own real images of ImageNet."""

from collections.abc import Mapping

from benchmark.data.layouts.rules import Tree, dataset, real_and_fake

# Name of the folder (or of the archive's) -> the paper's.
_NAMES = {
    "sdv4": "SD v1.4",
    "v_1_4": "SD v1.4",
    "sdv5": "SD v1.5",
    "v_1_5": "SD v1.5",
    "midjourney": "Midjourney",
    "adm": "ADM",
    "glide": "GLIDE",
    "wukong": "Wukong",
    "vqdm": "VQDM",
    "biggan": "BigGAN",
}


def _generator(parts: Mapping[str, str]) -> str:
    """Give the paper's name of the generator whose folder this is."""
    folder = parts["folder"].lower()
    return next((name for end, name in _NAMES.items() if folder.endswith(end)), parts["folder"])


def _split(parts: Mapping[str, str]) -> str:
    """Take val for the test, as the paper does."""
    return {"val": "test"}.get(parts["split"].lower(), "train")


_TREE = Tree(
    rules=real_and_fake(
        "(?P<folder>[^/]+)/(?P<split>train|val)/",
        ("nature", "ai"),
        "/(?:.*/)?[^/]+",
        generator=_generator,
        split=_split,
    ),
    kinds={
        **dict.fromkeys(_NAMES.values(), ("unknown", "diffusion")),
        "BigGAN": ("unknown", "GAN"),
    },
)

ADAPTER = dataset(
    "genimage",
    "GenImage",
    _TREE,
    layout="GENERATOR/[imagenet_.../]{train,val}/{ai,nature}/...; val is taken for the test",
    forged="what lies in ai; by the alphabet ai would be class 0",
    licence="CC BY-NC-SA 4.0, with ImageNet's terms for the real images",
    obtain="from the authors' page; join and unpack the parts of each generator",
)
