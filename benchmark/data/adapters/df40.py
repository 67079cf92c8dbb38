"""DF40: forty methods, most on the originals of FaceForensics++ and Celeb-DF."""

from collections.abc import Mapping

from benchmark.data.layouts.rules import FAKE, REAL, Rule, Tree, dataset

# The folders' names -> the names that protocols use; what is not here is called as its folder is.
_ALIASES = {
    "danet": "dagan",
    "one_shot_free": "oneshot",
    "facevid2vid": "fs_vid2vid",
    "inswapper": "inswap",
    "ddim": "ddpm",
    "sd2.1": "sd2.1",
    "whichfaceisreal": "whichisreal",
    "whichisreal": "whichisreal",
    "midjourney": "MidJourney",
    "collabdiff": "CollabDiff",
}
_GROUPS = {
    "FS": "fsgan faceswap simswap inswap blendface uniface mobileswap e4s facedancer deepfacelab",
    "FR": "fomm fs_vid2vid wav2lip mraa oneshot pirender tpsm tpsmm lia dagan sadtalker mcnet "
    "hyperreenact heygen",
    "EFS": "vqgan stylegan2 stylegan3 styleganxl sd2.1 ddpm rddm pixart dit sit MidJourney "
    "whichisreal",
    "AM": "CollabDiff e4e stargan starganv2 styleclip",
}
_FORGERIES = {name: group for group, names in _GROUPS.items() for name in names.split()}
_DIFFUSION = ("sd2.1", "ddpm", "rddm", "pixart", "dit", "sit", "MidJourney", "CollabDiff")
_GANS = ("stylegan2", "stylegan3", "styleganxl", "whichisreal", "stargan", "starganv2")
_DOMAINS = {"ff": "FF++", "cdf": "Celeb-DF-v2"}


def _generator(parts: Mapping[str, str]) -> str:
    folder = parts["method"].lower().replace("-", "")
    return _ALIASES.get(folder, folder)


def _domain(parts: Mapping[str, str]) -> str:
    return _DOMAINS[parts["domain"].lower()]


def _split(parts: Mapping[str, str]) -> str:
    return "train" if parts["part"] else "test"


_PART = r"(?:DF40(?P<part>_train)?/)?(?P<method>[^/]+)"
_VIDEO = r"(?:(?:frames|videos)/)?(?P<video>[^/]+)"

_TREE = Tree(
    rules=(
        Rule(
            pattern=rf"{_PART}/(?P<domain>ff|cdf)/(?:(?:frames|videos)/)?"
            r"(?P<target>\d{3}|id\d+)_(?P<donor>\d{3}|id\d+)(?:_\d+)?",
            columns=FAKE | {"identity": "{target}", "donor": "{donor}"},
            of={"generator": _generator, "source": _domain, "split": _split},
            names=("{target}", "{donor}"),
        ),
        Rule(
            pattern=rf"{_PART}/(?P<domain>ff|cdf)/{_VIDEO}",
            columns=FAKE,
            of={"generator": _generator, "source": _domain, "split": _split},
        ),
        Rule(
            pattern=rf"{_PART}/real/{_VIDEO}",
            columns=REAL,
            of={"source": _generator, "split": _split},
        ),
        Rule(
            pattern=rf"{_PART}/fake/{_VIDEO}",
            columns=FAKE,
            of={"generator": _generator, "source": _generator, "split": _split},
        ),
    ),
    kinds={
        name: (
            forgery,
            "diffusion" if name in _DIFFUSION else "GAN" if name in _GANS else "unknown",
        )
        for name, forgery in _FORGERIES.items()
    },
)

ADAPTER = dataset(
    "df40",
    "DF40",
    _TREE,
    layout="DF40[_train]/METHOD/{ff,cdf}/[frames/]VIDEO, DF40/METHOD/{fake,real}/...",
    forged="all but what lies in real; other real images are those of FaceForensics++ and Celeb-DF",
    licence="CC BY-NC 4.0 by its authors; ask those of the originals too",
    obtain="from the authors' page; the originals from FaceForensics++ and Celeb-DF",
)
