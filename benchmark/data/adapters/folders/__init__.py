"""Any folder of images and videos: its folders say what they are, or an image folder's metadata.

Split, label, generator and source are read from the folders (``layout.place``). In a Hugging Face
image folder with ``metadata.csv``, ``.jsonl`` or ``.parquet``, the columns of that table go before
the folders, columns that are no part of the schema become subgroups, and images it does not name
are ignored, as ``datasets`` does, and counted. Labels are never guessed, and a table that calls
real what its folder calls fake is refused.

Of the options, ``labels`` are classes (a folder's name, or a value of the metadata's ``label``)
beside those that are known: ``real``, ``0_real``, ``nature``, ``fake``, ``1_fake`` and ``ai``.
``splits`` are for images that stand in no split. What hangs together (a video, a person, a pair, a
forgery and the originals that its name is made of) goes where the sha256 of its first name falls,
so it stays there when images are added. Left out, all is test.
"""

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from shlex import quote

from benchmark.data.adapters import (
    Adapter,
    ByGenerator,
    Described,
    Options,
    Row,
    load_adapter,
)
from benchmark.data.adapters.folders.layout import FolderPlace, class_of, label_of, place
from benchmark.data.adapters.folders.metadata import METADATA, read_metadata
from benchmark.data.naming import tie, video_name
from benchmark.data.rows import Rows
from benchmark.data.shares import shared_out
from benchmark.data.tree import is_video, list_images
from benchmark.data.words import LABEL_WORDS, SPLIT_WORDS, TELLING_FOLDERS
from benchmark.errors import ManifestError
from protocols.samples import OPTIONAL, REQUIRED

# Columns that metadata may not bring: they are found out, or made from the path.
RESERVED = ("path", "frame", "box", "sample_id", "width", "height")
_COLUMNS = (*REQUIRED[1:], *OPTIONAL)
# More generators than any dataset of the field has: they are something else.
_MOST_GENERATORS = 100


def _read(folder: Path, options: Options) -> Described:
    """Read what folders and metadata say of the images.

    Raises:
        ManifestError: An image has no label, options, metadata or folders contradict each other,
            or the metadata cannot be read.
    """
    listing = list_images(
        folder, apart=METADATA, videos=True, links=options.links, classes=options.labels
    )
    rows = _placed([*listing.images, *listing.videos], options)
    unnamed: Mapping[str, int] = {}
    if listing.apart:
        metadata = read_metadata(folder, listing.apart)
        unnamed = _merge(rows, metadata, folder, options.labels)
    _fill_labels(rows, options.labels, folder)
    _refuse_many_generators(rows, options, folder)
    notes = tie(rows)
    _fill_splits(rows, options.splits, folder)
    _fill_taxonomy(rows, "forgery", options.forgery or "unknown")
    _fill_taxonomy(rows, "family", options.family or "unknown")
    _fill_source(rows, options.source)
    return Described(
        rows=rows,
        ignored={**listing.ignored, **unnamed},
        notes=notes,
        unreadable=listing.unreadable,
    )


def _placed(paths: list[str], options: Options) -> Rows:
    """Start the rows with what folders say; those of one folder are asked once."""
    rows, known = Rows(_COLUMNS), dict[str, Row]()
    for path in paths:
        if is_video(path):
            row = _row(place(path, options.labels, videos=False))
            row["group"] = video_name(path)
        else:
            above = path.rpartition("/")[0]
            if above not in known:
                known[above] = _row(place(path, options.labels, videos=options.videos))
            row = known[above]
        rows.put(path, row)
    return rows


def _row(where: FolderPlace) -> Row:
    """Start an image's row with what its folders say."""
    row = {"split": where.split, "label": where.label, "generator": where.generator}
    return row | {"source": where.source, "group": where.group}


def _merge(
    rows: Rows, metadata: Mapping[str, Row], folder: Path, labels: Mapping[str, str]
) -> Counter[str]:
    """Put the metadata's values over the folders' and drop what it does not name."""
    for path, values in metadata.items():
        if path not in rows:
            raise ManifestError(f"{folder}: the metadata name '{path}', which is no image there")
        taken = sorted(set(values) & set(RESERVED))
        if taken:
            raise ManifestError(
                f"{folder}: the metadata may have no column '{taken[0]}'; rename it"
            )
        row = rows[path]
        _refuse_contradiction(path, row, values, labels, folder)
        row |= {name: value for name, value in values.items() if value or name not in _COLUMNS}
        row["split"] = SPLIT_WORDS.get(row["split"].lower(), row["split"])
        rows.put(path, row)
    unnamed = [path for path in rows if path not in metadata]
    for path in unnamed:
        rows.drop(path)
    if not rows:
        raise ManifestError(f"{folder}: the metadata name no image")
    return Counter({"image the metadata do not name": len(unnamed)} if unnamed else {})


def _refuse_contradiction(
    path: str, row: Row, values: Row, labels: Mapping[str, str], folder: Path
) -> None:
    """Raise ManifestError where metadata and a known folder word say two things."""
    said = {
        "label": label_of(values.get("label", ""), labels),
        "split": SPLIT_WORDS.get(values.get("split", "").lower(), ""),
    }
    for name, value in said.items():
        if value and row[name] and value != row[name]:
            meant = f" ('{values[name]}')" if values[name] != value else ""
            raise ManifestError(
                f"{folder}: the metadata say that '{path}' is {value}{meant}, its folders say "
                f"{row[name]}; mend the one that is wrong, or the --label that reads it"
            )


def _fill_labels(rows: Rows, labels: Mapping[str, str], folder: Path) -> None:
    """Turn every class into real or fake, or say which classes there are."""
    unknown = dict[str, str]()
    for path, name in zip(rows, rows.column("label"), strict=True):
        if not label_of(name, labels):
            unknown.setdefault(name or class_of(path), path)

    def labelled(row: Row) -> Row:
        # Metadata may bring a class of its own; the folders' label is real or fake already.
        row["label"] = label_of(row["label"], labels)
        if row["label"] == "real" and row["generator"] == "unknown":
            row["generator"] = "camera"
        return row

    if not unknown:
        rows.change(labelled)
        return
    names = sorted(unknown)
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    option = f"--label {quote(f'{names[0]}=real')}"
    raise ManifestError(
        f"{folder}: {_known_dataset(rows, folder)}nothing says whether '{unknown[names[0]]}' is "
        f"real or fake; label the classes {', '.join(names[:10])}{more}, each with {option} or "
        f"fake (known are {', '.join(LABEL_WORDS)})"
    )


def _known_dataset(rows: Rows, folder: Path) -> str:
    """Point to the adapter of the dataset that a folder without labels looks like, if any."""
    # With the folder's own name: it may be the dataset's part that tells.
    there = {part for path in rows for part in PurePosixPath(folder.name, path).parts[:-1]}
    for pattern, name in TELLING_FOLDERS.items():
        marks = sorted(part for part in there if re.fullmatch(pattern, part))
        if marks:
            return (
                f"'{marks[0]}' looks like {load_adapter(name).title}: index it with 'forgerybench "
                f"data index {name} {quote(str(folder))}'; if it is another dataset, "
            )
    return ""


def _refuse_many_generators(rows: Rows, options: Options, folder: Path) -> None:
    """Refuse folders that are taken for generators and are videos, most likely."""
    generators = set(rows.column("generator"))
    if options.videos is None and len(generators) > _MOST_GENERATORS:
        raise ManifestError(
            f"{folder}: {len(generators)} generators, such as '{min(generators)}'; say --videos if "
            "each innermost folder holds the frames of one video, else --no-videos"
        )


def _fill_splits(rows: Rows, splits: tuple[float, float, float] | None, folder: Path) -> None:
    """Give every image a split: as its folders say, by shares, or test."""
    without = [path for path, split in zip(rows, rows.column("split"), strict=True) if not split]
    if without and len(without) < len(rows):
        raise ManifestError(
            f"{folder}: {len(without)} of {len(rows)} images stand in no split ('{without[0]}' "
            "first), the others in one; move them"
        )
    if splits is not None and not without:
        raise ManifestError(f"{folder}: its images stand in splits already; ask for no shares")
    if not without:
        return
    shared = shared_out(rows, splits) if splits else ["test"] * len(rows)
    for path, split in zip(without, shared, strict=True):
        rows.put(path, rows[path] | {"split": split})


def _fill_taxonomy(rows: Rows, column: str, stated: ByGenerator) -> None:
    """Fill ``forgery`` or ``family`` where no metadata did: real, as stated, or unknown."""
    _check_generators(rows, set(stated) if isinstance(stated, Mapping) else set())

    def filled(row: Row) -> Row:
        fake = stated if isinstance(stated, str) else stated.get(row["generator"], "unknown")
        row[column] = row[column] or ("real" if row["label"] == "real" else fake)
        return row

    rows.change(filled)


def _fill_source(rows: Rows, source: ByGenerator | None) -> None:
    """Put the stated source in the place of the folders'; real images are of ``camera``."""
    if source is None:
        return
    if isinstance(source, Mapping):
        _check_generators(rows, set(source), with_real=True)

    def filled(row: Row) -> Row:
        if isinstance(source, str):
            row["source"] = source
        else:
            row["source"] = source.get(row["generator"], row["source"])
        return row

    rows.change(filled)


def _check_generators(rows: Rows, named: set[str], *, with_real: bool = False) -> None:
    """Refuse a generator that no forged image has, or no image at all."""
    if not named:
        return
    each = zip(rows.column("generator"), rows.column("label"), strict=True)
    generators = {generator for generator, label in each if with_real or label == "fake"}
    missing = sorted(named - generators)
    if missing:
        raise ManifestError(
            f"no generator is called '{missing[0]}'; there are {', '.join(sorted(generators))}"
        )


ADAPTER = Adapter(
    name="folders",
    title="Any folder of images or videos",
    layout="[{train,val,test}/]{real,fake}/[GENERATOR/]..., or a Hugging Face image folder",
    options=frozenset({"labels", "forgery", "family", "source", "splits", "videos"}),
    read=_read,
)
