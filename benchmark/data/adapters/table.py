"""Images with a table of one's own, whose columns are called anything."""

from collections.abc import Mapping
from pathlib import Path

from benchmark.data.adapters import Adapter, Described, Options, Row
from benchmark.data.adapters.folders.layout import label_of
from benchmark.data.layouts.records import plain_path, read_records
from benchmark.data.naming import video_name
from benchmark.data.rows import Rows
from benchmark.data.shares import shared_out
from benchmark.data.tree import is_video, list_images
from benchmark.data.words import LABEL_WORDS, SPLIT_WORDS
from benchmark.errors import ManifestError
from protocols.samples import OPTIONAL, REQUIRED

_COLUMNS = (*REQUIRED[1:], *OPTIONAL)
_MEASURED = ("sha256", "width", "height")


def read_listed(folder: Path, options: Options) -> Described:
    """Read a table, its columns called as ``options.columns`` says.

    Columns that are not mapped are taken if they have a name of ours, and left out if not. Values
    of ``label`` are ``real``, ``fake`` or a class of ``options.labels``: 0 and 1 are not guessed.

    Raises:
        ManifestError: There is no table, a column or class is unknown, or a row names no file.
    """
    if options.table is None:
        raise ManifestError(f"{folder}: name the table of its images with --table")
    records = read_records(options.table)
    if not records:
        raise ManifestError(f"{options.table}: the table has no rows, only the header")
    columns = _columns(list(records[0]), options.columns, options.table)
    listing = list_images(folder, videos=True, links=options.links)
    there = {*listing.images, *listing.videos}
    rows, missing, unknown = Rows(_COLUMNS), [], dict[str, str]()
    for record in records:
        path = _path(record[columns["path"]], there)
        if path is None:
            missing.append(plain_path(record[columns["path"]]))
            continue
        if path in rows:
            raise ManifestError(f"{options.table}: '{path}' stands there twice")
        row = {name: record[column].strip() for name, column in columns.items() if name != "path"}
        if not label_of(row["label"], options.labels):
            unknown[row["label"]] = path
        rows.put(path, _filled(row, path, options))
    if unknown:
        raise ManifestError(
            f"{options.table}: say what its labels {', '.join(sorted(unknown)[:10])} mean, each "
            f"with --label VALUE=real or fake (known are {', '.join(LABEL_WORDS)})"
        )
    if not len(rows):
        raise ManifestError(f"{options.table}: none of its files is in {folder}: '{missing[0]}'")
    notes = _share(rows, options)
    unnamed = len(there) - len(rows)
    return Described(
        rows=rows,
        ignored={
            **listing.ignored,
            **({"file the table does not name": unnamed} if unnamed else {}),
        },
        notes=notes,
        missing=tuple(missing),
        unreadable=listing.unreadable,
    )


def _columns(there: list[str], mapped: Mapping[str, str], table: Path) -> dict[str, str]:
    """Give the column of the table for each of ours."""
    columns = {name: name for name in ("path", *_COLUMNS) if name in there} | dict(mapped)
    for name, column in columns.items():
        if column not in there:
            raise ManifestError(
                f"{table}: column '{column}' is missing; there are {', '.join(there)}"
            )
        if name in _MEASURED:
            raise ManifestError(f"{table}: '{name}' is measured; map no column to it")
    for name in ("path", "label"):
        if name not in columns:
            raise ManifestError(
                f"{table}: which column is '{name}'? Say --column {name}=ITS-NAME; there are "
                f"{', '.join(there)}"
            )
    columns.pop("sha256", None)
    return columns


def _path(stated: str, there: set[str]) -> str | None:
    """Find a file here, by its path or the end of it."""
    parts = plain_path(stated).split("/")
    ends = ("/".join(parts[cut:]) for cut in range(len(parts)))
    return next((end for end in ends if end in there), None)


def _filled(row: Row, path: str, options: Options) -> Row:
    """Fill what a row may leave out."""
    row["label"] = label_of(row["label"], options.labels)
    row["split"] = SPLIT_WORDS.get(row.get("split", "").lower(), row.get("split", ""))
    is_real = row["label"] == "real"
    row["generator"] = row.get("generator") or ("camera" if is_real else "unknown")
    for name in ("forgery", "family"):
        stated = getattr(options, name)
        if isinstance(stated, Mapping):
            stated = stated.get(row["generator"])
        row[name] = "real" if is_real else row.get(name) or stated or "unknown"
    if isinstance(options.source, str):
        row["source"] = options.source
    if is_video(path) and not row.get("group"):
        row["group"] = video_name(path)
    return row


def _share(rows: Rows, options: Options) -> tuple[str, ...]:
    """Give a split to what has none."""
    without = [path for path, split in zip(rows, rows.column("split"), strict=True) if not split]
    if not without:
        return ()
    chosen = {path: rows[path] for path in without}
    shared = shared_out(chosen, options.splits) if options.splits else ["test"] * len(without)
    for path, split in zip(without, shared, strict=True):
        rows.put(path, rows[path] | {"split": split})
    how = "shared out by --splits" if options.splits else "taken for test"
    return (f"{len(without)} rows of the table state no split: {how}",)


ADAPTER = Adapter(
    name="table",
    title="Images with a table of one's own",
    layout="any folder, and --table FILE with --column path=ITS-NAME --column label=ITS-NAME",
    options=frozenset({"table", "columns", "labels", "splits", "source", "forgery", "family"}),
    read=read_listed,
    forged="values of the label column that --label calls fake",
)
