"""UADFV: 49 videos and a forgery of each."""

from benchmark.data.adapters import Published
from benchmark.data.layouts.rules import FAKE, KEPT, REAL, Rule, Tree, dataset

_TREE = Tree(
    rules=(
        Rule(
            pattern=rf"real/{KEPT}(?P<video>\d+)", columns=REAL | {"pair": "{video}"}, listed=False
        ),
        Rule(
            pattern=rf"fake/{KEPT}(?P<video>\d+)(?:_fake)?",
            columns=FAKE | {"generator": "FakeApp", "pair": "{video}"},
            listed=False,
        ),
    ),
    kinds={"FakeApp": ("FS", "autoencoder")},
    columns={"source": "UADFV"},
)

ADAPTER = dataset(
    "uadfv",
    "UADFV",
    _TREE,
    layout="{real,fake}/[frames/]VIDEO",
    forged="what lies in fake",
    licence="research only; ask the authors",
    obtain="ask the authors",
    published=(Published("", "camera", 49), Published("", "FakeApp", 49)),
)
