"""ForenSynths, and all that lies like it: UnivFD's diffusion models, ArenaBench's tests."""

from collections.abc import Mapping

from benchmark.data.layouts.rules import Tree, dataset, real_and_fake

_NAMES = {
    "progan": "ProGAN",
    "stylegan": "StyleGAN",
    "stylegan2": "StyleGAN2",
    "biggan": "BigGAN",
    "cyclegan": "CycleGAN",
    "stargan": "StarGAN",
    "gaugan": "GauGAN",
    "crn": "CRN",
    "imle": "IMLE",
    "seeingdark": "SITD",
    "san": "SAN",
    "deepfake": "Deepfakes",
    "whichfaceisreal": "whichfaceisreal",
}
_GANS = ("ProGAN", "StyleGAN", "StyleGAN2", "BigGAN", "CycleGAN", "StarGAN", "GauGAN")
# Of ProGAN, the training images are 20 classes of LSUN, without a folder of their own.
_PARTS = r"(?:(?P<split>train|val|test)/)?(?:(?P<folder>[^/]+)/)??(?:(?P<class>[^/]+)/)?"


def _generator(parts: Mapping[str, str]) -> str:
    """Give the generator whose folder this is."""
    trained_on = parts["split"].lower() in ("train", "val")
    folder = parts["folder"] or parts["class"]
    if trained_on and folder.lower() not in _NAMES:
        return "ProGAN"
    return _NAMES.get(folder.lower(), folder)


def _split(parts: Mapping[str, str]) -> str:
    return parts["split"].lower() or "test"


_TREE = Tree(
    rules=real_and_fake(_PARTS, ("0_real", "1_fake"), "/[^/]+", generator=_generator, split=_split),
    kinds={
        **dict.fromkeys(_GANS, ("unknown", "GAN")),
        "Deepfakes": ("FS", "autoencoder"),
        "whichfaceisreal": ("EFS", "GAN"),
    },
)

ADAPTER = dataset(
    "forensynths",
    "ForenSynths, UnivFD",
    _TREE,
    layout="[{train,val,test}/]GENERATOR/[CLASS/]{0_real,1_fake}/...",
    forged="what lies in 1_fake",
    licence="that of each set of images; see the authors' page",
    obtain="from the authors' page",
)
