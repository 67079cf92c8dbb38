"""AI-Face: faces of many sets with skin tone, gender and age."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from benchmark.data.adapters import Row
from benchmark.data.layouts.records import column_of, plain_path, read_records
from benchmark.data.layouts.rules import Lists, Rule, Tree, dataset
from benchmark.errors import ManifestError

_LABELS = {"1": "fake", "0": "real"}
_OWN = {"gender": "Gender", "age": "Age", "skin_tone": "Skin Tone"}
_KINDS = {"gans": ("unknown", "GAN"), "dms": ("unknown", "diffusion")}
_SPLITS = ("train", "val", "test")


def _lists(files: Sequence[Path]) -> Lists | None:
    """Read the tables; a split stands in a table's name."""
    rows: dict[str, Row] = {}
    for file in files:
        records = read_records(file)
        path, target = (column_of(records, (n,), file) for n in ("Image Path", "Target"))
        split = next((word for word in _SPLITS if word in file.stem.lower()), "")
        for record in records:
            if record[target] not in _LABELS:
                raise ManifestError(f"{file}: '{record[path]}' has target '{record[target]}'")
            own = {name: record.get(column, "") for name, column in _OWN.items()}
            key = _key(plain_path(record[path]).rpartition(".")[0])
            rows[key] = {"label": _LABELS[record[target]], "split": split, **own}
    return Lists(rows=rows, key=lambda found: _key(found.parts["path"]), what="its tables")


def _key(path: str) -> str:
    """Give the part of a path that begins at one of the four folders."""
    folders = path.lower().split("/")
    tops = [i for i, name in enumerate(folders) if name in ("deepfakes", "gans", "dms", "real")]
    return "/".join(folders[tops[0] if tops else 0 :])


def _place(name: str) -> Callable[[Mapping[str, str]], str]:
    """Give what tells a column of the folder at the top."""
    place = ("forgery", "family").index(name)
    return lambda parts: _KINDS.get(parts["kind"].lower(), ("unknown", "unknown"))[place]


_TREE = Tree(
    rules=(
        Rule(
            pattern=r"(?P<kind>deepfakes|GANs|DMs|Real)/(?P<set>[^/]+)/.+",
            columns={"generator": "{set}", "source": "{set}"},
            of={name: _place(name) for name in ("forgery", "family")},
            images=True,
        ),
    ),
    list_names=tuple(f"{each}{end}.csv" for each in _SPLITS for end in ("", "_annotations")),
    lists=_lists,
    only_listed=True,
)

ADAPTER = dataset(
    "ai-face",
    "AI-Face",
    _TREE,
    layout="{deepfakes,GANs,DMs,Real}/SET/..., {train,val,test}.csv",
    forged="Target 1",
    licence="research only, by the authors' terms of use",
    obtain="ask the authors with their form",
)
