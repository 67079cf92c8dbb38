"""IDForge v1: forgeries of known persons in picture, sound and text."""

from collections.abc import Mapping

from benchmark.data.layouts.rules import FAKE, REAL, Rule, Tree, dataset

_METHODS = {"infoswap": "FS", "roop": "FS", "simswap": "FS"}


def _audio(parts: Mapping[str, str]) -> str:
    return "fake" if any(word in parts["class"] for word in ("rvc", "tts", "audio")) else "real"


def _method(parts: Mapping[str, str]) -> str:
    """Give the last part of the name, which is the method of a swap; of lips there is one."""
    last = parts["video"].rpartition("_")[2].lower()
    return last if last in _METHODS else "lip-sync" if parts["class"].startswith("lip") else ""


_PLACE = r"(?:.*/)?(?P<video>[^/]+)"
_OF = {"audio_label": _audio}

_TREE = Tree(
    rules=(
        Rule(
            pattern=rf"(?P<split>train|val|test)/(?P<class>pristine|rvc_[^/]+|tts_[^/]+)/{_PLACE}",
            columns=REAL | {"split": "{split}"},
            of=_OF,
        ),
        Rule(
            pattern=rf"(?P<split>train|val|test)/(?P<class>face_[^/]+|lip_[^/]+)/{_PLACE}",
            columns=FAKE | {"split": "{split}"},
            of=_OF | {"generator": _method},
        ),
        Rule(pattern=rf"(?P<class>pristine|rvc_[^/]+|tts_[^/]+)/{_PLACE}", columns=REAL, of=_OF),
        Rule(
            pattern=rf"(?P<class>face_[^/]+|lip_[^/]+)/{_PLACE}",
            columns=FAKE,
            of=_OF | {"generator": _method},
        ),
    ),
    list_names=("train.csv", "val.csv", "test.csv"),
    lists=None,
    kinds={name: (forgery, "unknown") for name, forgery in _METHODS.items()}
    | {"lip-sync": ("FR", "unknown")},
    columns={"source": "IDForge"},
)

ADAPTER = dataset(
    "idforge",
    "IDForge v1",
    _TREE,
    layout="[{train,val,test}/]CLASS/.../VIDEO, {train,val,test}.csv",
    forged="face_... and lip_...; rvc_ and tts_ alone are real, with audio_label fake",
    licence="research only, by the authors' terms of use",
    obtain="ask the authors with their form",
)
