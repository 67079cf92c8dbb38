"""Any folder of images: its folders say what they are, or the metadata of an image folder.

Split, label, generator and source are read from the folders (``layout.place``). In a Hugging Face
image folder with ``metadata.csv``, ``.jsonl`` or ``.parquet``, the columns of that table go before
the folders, columns that are no part of the schema become subgroups, and images it does not name
are ignored, as ``datasets`` does, and counted. Labels are never guessed.

Of the options, ``labels`` are classes (a folder's name, or a value of the metadata's ``label``)
beside those that are known: ``real``, ``0_real``, ``nature``, ``fake``, ``1_fake`` and ``ai``.
``splits`` are for images that stand in no split: a group goes where the sha256 of its name falls,
so it stays there when images are added. Left out, all is test.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from shlex import quote

from benchmark.data.adapters import Adapter, ByGenerator, Described, Options, Row
from benchmark.data.adapters.folders.layout import (
    LABEL_WORDS,
    SPLIT_WORDS,
    FolderPlace,
    label_of,
    place,
)
from benchmark.data.adapters.folders.metadata import METADATA, read_metadata
from benchmark.data.tree import list_images
from benchmark.errors import ManifestError
from protocols.samples import OPTIONAL, REQUIRED

# Columns that metadata may not bring: they are found out, or made from the path.
RESERVED = ("path", "frame", "box", "sample_id", "width", "height")
_COLUMNS = (*REQUIRED[1:], *OPTIONAL)


def read(folder: Path, options: Options) -> Described:
    """Read what folders and metadata say of the images.

    Raises:
        ManifestError: An image has no label, options or folders contradict each other, or the
            metadata cannot be read.
    """
    paths, metadata, ignored = list_images(folder, apart=METADATA)
    rows = {path: _row(place(path, options.labels, videos=options.videos)) for path in paths}
    unnamed: Mapping[str, int] = {}
    if metadata:
        unnamed = _merge(rows, read_metadata(folder, metadata), folder)
    _fill_labels(rows, options.labels, folder)
    _fill_splits(rows, options.splits, folder)
    _fill_taxonomy(rows, "forgery", options.forgery or "unknown")
    _fill_taxonomy(rows, "family", options.family or "unknown")
    _fill_source(rows, options.source)
    return Described(rows=rows, ignored={**ignored, **unnamed})


def _row(where: FolderPlace) -> Row:
    """Start an image's row with what its folders say."""
    row = dict.fromkeys(_COLUMNS, "")
    row |= {"split": where.split, "label": where.label, "generator": where.generator}
    return row | {"source": where.source, "group": where.group}


def _merge(rows: dict[str, Row], metadata: Mapping[str, Row], folder: Path) -> Counter[str]:
    """Put the metadata's values over the folders' and drop what it does not name."""
    for path, values in metadata.items():
        if path not in rows:
            raise ManifestError(f"{folder}: the metadata name '{path}', which is no image there")
        taken = sorted(set(values) & set(RESERVED))
        if taken:
            raise ManifestError(
                f"{folder}: the metadata may have no column '{taken[0]}'; rename it"
            )
        rows[path] |= {
            name: value for name, value in values.items() if value or name not in _COLUMNS
        }
        rows[path]["split"] = SPLIT_WORDS.get(rows[path]["split"].lower(), rows[path]["split"])
    unnamed = [path for path in rows if path not in metadata]
    for path in unnamed:
        del rows[path]
    if not rows:
        raise ManifestError(f"{folder}: the metadata name no image")
    return Counter({"image the metadata do not name": len(unnamed)} if unnamed else {})


def _fill_labels(rows: dict[str, Row], labels: Mapping[str, str], folder: Path) -> None:
    """Turn every class into real or fake, or say which classes there are."""
    unknown = {}
    for path, row in rows.items():
        # Metadata may bring a class of its own; the folders' label is real or fake already.
        label = label_of(row["label"], labels)
        if not label:
            unknown[row["label"] or PurePosixPath(path).parent.name or "."] = path
        elif label == "real" and row["generator"] == "unknown":
            row["generator"] = "camera"
        row["label"] = label
    if not unknown:
        return
    names = sorted(unknown)
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    option = f"--label {quote(f'{names[0]}=real')}"
    raise ManifestError(
        f"{folder}: nothing says whether '{unknown[names[0]]}' is real or fake; label the classes "
        f"{', '.join(names[:10])}{more}, each with {option} or fake "
        f"(known are {', '.join(LABEL_WORDS)})"
    )


def _fill_splits(
    rows: dict[str, Row], splits: tuple[float, float, float] | None, folder: Path
) -> None:
    """Give every image a split: as its folders say, by shares, or test."""
    without = [path for path, row in rows.items() if not row["split"]]
    if without and len(without) < len(rows):
        raise ManifestError(
            f"{folder}: {len(without)} of {len(rows)} images stand in no split ('{without[0]}' "
            "first), the others in one; move them"
        )
    if splits is not None and not without:
        raise ManifestError(f"{folder}: its images stand in splits already; ask for no shares")
    for path in without:
        rows[path]["split"] = split_of(rows[path]["group"] or path, splits) if splits else "test"


def split_of(group: str, splits: tuple[float, float, float]) -> str:
    """Say where a group goes: its name's sha256, as a fraction of 1, falls into a share."""
    fraction = int.from_bytes(hashlib.sha256(group.encode()).digest()[:8], "big") / 2**64
    if fraction < splits[0]:
        return "train"
    return "val" if fraction < splits[0] + splits[1] else "test"


def _fill_taxonomy(rows: dict[str, Row], column: str, stated: ByGenerator) -> None:
    """Fill ``forgery`` or ``family`` where no metadata did: real, as stated, or unknown."""
    _check_generators(rows, set(stated) if isinstance(stated, Mapping) else set())
    for row in rows.values():
        fake = stated if isinstance(stated, str) else stated.get(row["generator"], "unknown")
        row[column] = row[column] or ("real" if row["label"] == "real" else fake)


def _fill_source(rows: dict[str, Row], source: ByGenerator | None) -> None:
    """Put the stated source in the place of the folders'."""
    if isinstance(source, Mapping):
        _check_generators(rows, set(source))
    for row in rows.values():
        if isinstance(source, str):
            row["source"] = source
        elif source and row["label"] == "fake":
            row["source"] = source.get(row["generator"], row["source"])


def _check_generators(rows: dict[str, Row], named: set[str]) -> None:
    """Refuse a generator that no forged image has."""
    generators = {row["generator"] for row in rows.values() if row["label"] == "fake"}
    missing = sorted(named - generators)
    if missing:
        raise ManifestError(
            f"no generator is called '{missing[0]}'; there are {', '.join(sorted(generators))}"
        )


ADAPTER = Adapter(
    name="folders",
    title="Any folder of images",
    layout="[{train,val,test}/]{real,fake}/[GENERATOR/]..., or a Hugging Face image folder",
    options=frozenset({"labels", "forgery", "family", "source", "splits", "videos"}),
    read=read,
)
