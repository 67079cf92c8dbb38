"""FaceForensics++ with FaceShifter and DeepFakeDetection: the authors' tree, or DeepfakeBench's."""

from collections.abc import Sequence
from pathlib import Path

from benchmark.data.adapters import Published, Row
from benchmark.data.layouts.masks import OF_FRAMES
from benchmark.data.layouts.rules import FAKE, REAL, Lists, Rule, Tree, dataset
from benchmark.errors import ManifestError
from protocols.files import FileError, read_json

_SPLITS = {"train.json": "train", "val.json": "val", "test.json": "test"}
_KEPT = "(?P<compression>raw|c0|c23|c40)/(?:videos|frames)"
_COMPRESSION = {"compression": "{compression}"}
METHODS = ("Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures", "FaceShifter")


def _lists(files: Sequence[Path]) -> Lists | None:
    """Read the official splits: lists of pairs of originals."""
    rows: dict[str, Row] = {}
    for file in files:
        split = _SPLITS[file.name]
        try:
            pairs = read_json(file)
        except FileError as error:
            raise ManifestError(f"{file}: {error.reason}") from error
        if not isinstance(pairs, list) or not all(_is_pair(pair) for pair in pairs):
            raise ManifestError(f'{file}: must be a list of pairs like ["953", "974"]')
        for one, other in pairs:
            for name in (one, other):
                if rows.get(name, {}).get("split", split) != split:
                    raise ManifestError(f"{file}: video {name} stands in two splits")
                rows[name] = {"split": split, "pair": min(one, other)}
    if not rows:
        return None
    return Lists(rows=rows, key=lambda found: found.parts["target"], what="the official split")


def _is_pair(pair: object) -> bool:
    return isinstance(pair, list) and len(pair) == 2 and all(isinstance(p, str) for p in pair)


_TREE = Tree(
    rules=(
        Rule(
            pattern=rf"original_sequences/youtube/{_KEPT}/(?P<target>\d{{3}})",
            columns=REAL | _COMPRESSION | {"identity": "{target}"},
            names=("{target}",),
        ),
        Rule(
            pattern=rf"manipulated_sequences/(?P<method>{'|'.join(METHODS)})/{_KEPT}/"
            r"(?P<target>\d{3})_(?P<donor>\d{3})",
            columns=FAKE
            | _COMPRESSION
            | {"generator": "{method}", "identity": "{target}", "donor": "{donor}"},
            names=("{target}", "{donor}"),
        ),
        Rule(
            pattern=rf"original_sequences/actors/{_KEPT}/(?P<actor>\d+)__(?P<scene>[^/]+)",
            columns=REAL
            | _COMPRESSION
            | {"source": "DFD", "identity": "{actor}", "pair": "{actor}__{scene}"},
            listed=False,
        ),
        Rule(
            pattern=rf"manipulated_sequences/DeepFakeDetection/{_KEPT}/"
            r"(?P<target>\d+)_(?P<donor>\d+)__(?P<scene>[^/]+)__[^/_]+",
            columns=FAKE
            | _COMPRESSION
            | {
                "source": "DFD",
                "generator": "DeepFakeDetection",
                "identity": "{target}",
                "donor": "{donor}",
                "pair": "{target}__{scene}",
            },
            listed=False,
        ),
    ),
    list_names=tuple(_SPLITS),
    lists=_lists,
    kinds={
        "Deepfakes": ("FS", "autoencoder"),
        "Face2Face": ("FR", "graphics"),
        "FaceSwap": ("FS", "graphics"),
        "NeuralTextures": ("FR", "GAN"),
        "FaceShifter": ("FS", "GAN"),
        "DeepFakeDetection": ("FS", "autoencoder"),
    },
    columns={"source": "FF++"},
    # As the authors lay masks of videos, and DeepfakeBench those of frames.
    masks=((r"/(?:raw|c23|c40)/videos/", "/masks/videos/"), OF_FRAMES),
    wanted="train.json, val.json and test.json of the authors are not in the folder; lay them "
    "there for the official 720 / 140 / 140",
)

ADAPTER = dataset(
    "faceforensics",
    "FaceForensics++, FaceShifter, DeepFakeDetection",
    _TREE,
    layout="{original,manipulated}_sequences/METHOD/{raw,c23,c40}/{videos,frames}/VIDEO, and "
    "{train,val,test}.json",
    forged="what lies in manipulated_sequences",
    licence="research only, by the authors' terms of use",
    obtain="ask the authors with their form; their script downloads it, their repository has the "
    "splits",
    published=(
        *(
            Published(split, generator, number)
            for generator in ("camera", *METHODS)
            for split, number in (("train", 720), ("val", 140), ("test", 140))
        ),
        Published("", "DeepFakeDetection", 3068),
    ),
)
