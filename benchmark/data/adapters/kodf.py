"""KoDF: Korean faces, swapped and reenacted."""

from benchmark.data.adapters import Published
from benchmark.data.layouts.rules import FAKE, REAL, Rule, Tree, dataset

# The number in a forged video's name.
_METHODS = {"1": "dfl", "2": "dffs", "3": "fsgan", "4": "fo", "5": "audio-driven"}
_PERSON = r"(?:[0-9a-f]{20}|\d{6})"

_TREE = Tree(
    rules=(
        Rule(
            pattern=rf"(?P<actor>{_PERSON})_(?P<take>\d{{3}})",
            columns=REAL | {"identity": "{actor}"},
        ),
        Rule(
            pattern=rf"(?P<target>{_PERSON})_(?P<donor>{_PERSON})_(?P<code>[1-5])_(?P<take>\d+)",
            columns=FAKE | {"identity": "{target}", "donor": "{donor}"},
            of={"generator": lambda parts: _METHODS[parts["code"]]},
        ),
    ),
    kinds={
        "dfl": ("FS", "autoencoder"),
        "dffs": ("FS", "autoencoder"),
        "fsgan": ("FS", "GAN"),
        "fo": ("FR", "GAN"),
        "audio-driven": ("FR", "GAN"),
    },
    columns={"source": "KoDF"},
)

ADAPTER = dataset(
    "kodf",
    "KoDF",
    _TREE,
    layout=".../{ACTOR_TAKE,TARGET_DONOR_CODE_TAKE}.mp4; folders may be in any Unicode form",
    forged="names of four parts; the third is the method",
    licence="research only, by the terms of AI-Hub",
    obtain="with an account at AI-Hub, from Korea",
    published=(Published("", "camera", 62_166), Published("", "", 175_776)),
)
