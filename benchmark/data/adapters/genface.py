"""GenFace: entire synthesis, attribute manipulation and face swap by GANs and diffusion models."""

from collections.abc import Mapping

from benchmark.data.layouts.rules import FAKE, REAL, Rule, Tree, dataset

# In these folders the file's name begins or ends with the generator.
_BY_NAME = {
    "latentdiffusion": "LatDiff",
    "colladiffusion": "CollDiff",
    "ddpm": "DDPM",
    "fslsd": "FSLSD",
    "faceswapper": "FaceSwapper",
    "lattrans": "LatTrans",
    "latenttransformer": "LatTrans",
    "iafaces": "IAFaces",
}
_BY_FOLDER = {"am/diffusion": "Diffae", "fs/diffusion": "DiffFace", "efs/gan": "StyleGAN3"}
_SPLIT = {"split": "{split}"}
_SOURCES = {"celeba_hq": "CelebA-HQ", "celeba-hq": "CelebA-HQ", "ffhq": "FFHQ"}


def _generator(parts: Mapping[str, str]) -> str:
    """Tell the generator by the folder, or by the beginning or the end of the file's name."""
    folder = f"{parts['kind']}/{parts['family']}".lower()
    if folder in _BY_FOLDER:
        return _BY_FOLDER[folder]
    name = parts["name"].lower()
    return _BY_NAME.get(name.partition("_")[0]) or _BY_NAME.get(name.rpartition("_")[2]) or ""


_TREE = Tree(
    rules=(
        Rule(
            pattern=r"(?P<split>train|val|test)/real/(?P<set>[^/]+)/(?:.*/)?(?P<name>[^/]+)",
            columns=REAL | _SPLIT,
            of={"source": lambda parts: _SOURCES.get(parts["set"].lower(), parts["set"])},
            images=True,
        ),
        Rule(
            pattern=r"(?P<split>train|val|test)/fake/(?P<kind>EFS|AM|FS)/(?P<family>Diffusion|GAN)/"
            r"(?:.*/)?(?P<name>[^/]+)",
            columns=FAKE | _SPLIT,
            of={
                "generator": _generator,
                "forgery": lambda parts: parts["kind"].upper(),
                "family": lambda parts: {"gan": "GAN"}.get(parts["family"].lower(), "diffusion"),
            },
            images=True,
        ),
    ),
)

ADAPTER = dataset(
    "genface",
    "GenFace",
    _TREE,
    layout="{train,val,test}/real/{CelebA_HQ,FFHQ}/..., {train,val,test}/fake/{EFS,AM,FS}/"
    "{Diffusion,GAN}/...",
    forged="what lies in fake; of which photographs, --source GENERATOR=CelebA-HQ says",
    licence="research only; ask the authors",
    obtain="not public: ask the authors",
)
