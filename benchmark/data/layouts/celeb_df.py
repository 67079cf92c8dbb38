"""Celeb-DF in its three versions: one layout, one list, which calls real what it marks with 1."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmark.data.adapters import Adapter, Published, Row
from benchmark.data.layouts.records import plain_path, read_lines
from benchmark.data.layouts.rules import FAKE, KEPT, REAL, Lists, Matched, Rule, Tree, dataset
from benchmark.errors import ManifestError

LIST = "List_of_testing_videos.txt"
SWAPS = (
    "Celeb-DF",
    "BlendFace",
    "GHOST",
    "HifiFace",
    "InSwapper",
    "MobileFaceSwap",
    "SimSwap",
    "UniFace",
)
TWINS = (
    "DaGAN",
    "FSRT",
    "HyperReenact",
    "LIA",
    "LivePortrait",
    "MCNET",
    "TPSMM",
)
TALKING = (
    "AniTalker",
    "EchoMimic",
    "EDTalk",
    "FLOAT",
    "IP_LAP",
    "Real3DPortrait",
    "SadTalker",
)
_GROUPS = {"faceswap": "FS", "facereenact": "FR", "talkingface": "FR"}
_ALIASES = {"celeb-df-v2": "Celeb-DF", "celeb-df": "Celeb-DF"}
_FAKE_NAME = r"(?P<target>id\d+)(?:_(?P<donor>id\d+))?_(?P<recording>\d+)(?:_(?P<take>test_[^/]+))?"


def celeb_df(name: str, source: str, *, published: tuple[Published, ...]) -> Adapter:
    """Make the adapter of one version.

    Args:
        name: The adapter's.
        source: What manifests call the version.
        published: Its counts.
    """
    person = {"identity": "{target}", "pair": "{target}_{recording}"}
    tree = Tree(
        rules=(
            Rule(
                pattern=rf"Celeb-real/{KEPT}(?P<target>id\d+)_(?P<recording>\d+)",
                columns=REAL | person,
            ),
            Rule(pattern=rf"YouTube-real/{KEPT}(?P<video>\d+)", columns=REAL),
            Rule(
                pattern=rf"Celeb-synthesis/{KEPT}{_FAKE_NAME}",
                columns=FAKE | person | {"generator": "Celeb-synthesis", "donor": "{donor}"},
                of={"forgery": lambda _: "FS", "family": lambda _: "autoencoder"},
            ),
            Rule(
                pattern=rf"Celeb-synthesis/(?P<kind>{'|'.join(_GROUPS)})/(?P<method>[^/]+)/{KEPT}"
                + _FAKE_NAME,
                columns=FAKE | person | {"donor": "{donor}"},
                of={"generator": _method, "forgery": lambda p: _GROUPS[p["kind"].lower()]},
            ),
        ),
        list_names=(LIST,),
        lists=_lists,
        columns={"source": source},
        wanted=f"{LIST} is not in the folder; lay it there for the official test",
    )
    return dataset(
        name,
        source,
        tree,
        layout="{Celeb-real,YouTube-real,Celeb-synthesis[/GROUP/METHOD]}/[{videos,frames}/]VIDEO, "
        + LIST,
        forged=f"what lies in Celeb-synthesis; {LIST} marks real videos with 1",
        licence="research only, by the authors' terms of use",
        obtain="ask the authors with their form",
        published=published,
    )


def _method(parts: Mapping[str, str]) -> str:
    """Give a method's name as the authors write it."""
    return _ALIASES.get(parts["method"].lower(), parts["method"])


def _lists(files: Sequence[Path]) -> Lists | None:
    """Read the list of testing videos; what it does not name is in no split."""
    rows: dict[str, Row] = {}
    for file in files:
        for line in read_lines(file):
            mark, _, path = line.partition(" ")
            if mark not in ("0", "1") or not path:
                raise ManifestError(
                    f"{file}: '{line[:60]}' is not of the form '1 FOLDER/VIDEO.mp4'"
                )
            label = "real" if mark == "1" else "fake"
            rows[_key(plain_path(path).rpartition(".")[0])] = {"split": "test", "label": label}
    return Lists(rows=rows, key=_listed, what=LIST) if rows else None


def _listed(found: Matched) -> str:
    return _key(found.unit)


def _key(unit: str) -> str:
    """Give the part of a path that names a video: the stem repeats across methods."""
    folders = unit.lower().split("/")
    start = next(
        (i for i, name in enumerate(folders) if name.startswith(("celeb-", "youtube-"))), 0
    )
    kept = [name for name in folders[start:] if name not in ("videos", "frames")]
    return "/".join(_ALIASES.get(name, name).lower() for name in kept)
