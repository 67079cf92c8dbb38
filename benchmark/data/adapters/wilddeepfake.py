"""WildDeepfake: sequences of faces from the internet."""

from benchmark.data.adapters import Published
from benchmark.data.layouts.rules import FAKE, REAL, Rule, Tree, dataset


def _rule(label: str) -> Rule:
    kind = REAL if label == "real" else FAKE | {"generator": "WildDeepfake"}
    return Rule(
        pattern=rf"{label}_(?P<split>train|test)/(?:[^/]+/)*?(?P<shard>\d+)/(?:{label}/)?"
        r"(?P<sequence>\d+)",
        columns=kind | {"split": "{split}"},
    )


_TREE = Tree(
    rules=(_rule("real"), _rule("fake")),
    kinds={"WildDeepfake": ("unknown", "unknown")},
    columns={"source": "WildDeepfake"},
)

ADAPTER = dataset(
    "wilddeepfake",
    "WildDeepfake",
    _TREE,
    layout="{real,fake}_{train,test}/SHARD/[{real,fake}/]SEQUENCE/FRAME.png; unpack N.tar.gz, "
    "which are plain tar, with tar xf",
    forged="what lies in fake_train and fake_test",
    licence="research only, by the authors' terms of use",
    obtain="ask the authors with their form",
    published=(
        Published("train", "camera", 3409),
        Published("train", "WildDeepfake", 3099),
        Published("test", "camera", 396),
        Published("test", "WildDeepfake", 410),
    ),
)
