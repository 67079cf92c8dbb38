"""FakeAVCeleb v1.2: pictures and sound are forged or not, each for itself."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmark.data.adapters import Published, Row
from benchmark.data.layouts.records import plain_path, read_records
from benchmark.data.layouts.rules import FAKE, REAL, Lists, Matched, Rule, Tree, dataset

_PLACE = r"(?P<race>[^/]+)/(?P<gender>men|women)/(?P<person>id\d+)/(?P<video>[^/]+)"
_COLUMNS = {"identity": "{person}", "pair": "{person}", "race": "{race}", "gender": "{gender}"}


def _audio(parts: Mapping[str, str]) -> str:
    return "fake" if parts["audio"].lower() == "fakeaudio" else "real"


def _lists(files: Sequence[Path]) -> Lists | None:
    """Read which method made a video; 22 files have two rows, of which the last holds."""
    rows: dict[str, Row] = {}
    for file in files:
        for record in read_records(file):
            # The folder's column has no name, and begins with another folder than the release.
            folder = plain_path(record.get("", ""))
            name = record.get("path") or record.get("filename") or ""
            stem = f"{folder}/{name}".rpartition(".")[0]
            method = record.get("method", "")
            row = {} if method in ("", "real") else {"generator": method}
            rows["/".join(stem.split("/")[-5:]).lower()] = row
    return Lists(rows=rows, key=_key, what="meta_data.csv") if rows else None


def _key(found: Matched) -> str:
    return "/".join(found.unit.split("/")[-5:]).lower()


_TREE = Tree(
    rules=(
        Rule(
            pattern=rf"RealVideo-(?P<audio>RealAudio|FakeAudio)/{_PLACE}",
            columns=REAL | _COLUMNS,
            of={"audio_label": _audio},
        ),
        Rule(
            pattern=rf"FakeVideo-(?P<audio>RealAudio|FakeAudio)/{_PLACE}",
            columns=FAKE | _COLUMNS,
            of={"audio_label": _audio},
        ),
    ),
    list_names=("meta_data.csv",),
    lists=_lists,
    kinds={
        "faceswap": ("FS", "autoencoder"),
        "fsgan": ("FS", "GAN"),
        "wav2lip": ("FR", "GAN"),
        "faceswap-wav2lip": ("FS", "unknown"),
        "fsgan-wav2lip": ("FS", "GAN"),
    },
    columns={"source": "FakeAVCeleb"},
    lists_split=False,
)

ADAPTER = dataset(
    "fakeavceleb",
    "FakeAVCeleb v1.2",
    _TREE,
    layout="{Real,Fake}Video-{Real,Fake}Audio/RACE/{men,women}/ID/VIDEO.mp4, meta_data.csv",
    forged="FakeVideo-...; a real video with forged sound is real, its audio_label is fake",
    licence="research only, by the authors' terms of use",
    obtain="ask the authors with their form",
    published=(Published("", "all", 21_544),),
)
