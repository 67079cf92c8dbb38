"""From a dataset on disk to its manifest: what an adapter reads, measured and written."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import pandas as pd

from benchmark.data.adapters import Adapter, Described, Options, Row, load_adapter
from benchmark.data.checking import check
from benchmark.data.duplicates import Twins, twins
from benchmark.data.facts import DatasetFacts, read_dataset_facts, write_facts
from benchmark.data.frames import FRAMES, Periods, chosen_frames, thinned
from benchmark.data.manifest import Manifest, check_target, from_columns, write_manifest
from benchmark.data.published import Count, held_against
from benchmark.data.roots import LinkedRoot, stated_root
from benchmark.data.rows import Rows
from benchmark.data.tree import is_video
from benchmark.errors import ImageError, ManifestError
from protocols.files import parse_json
from protocols.samples import OPTIONAL, REQUIRED
from protocols.text import printable

NAME = "manifest.csv"
INDEX_COLUMNS = ("path", *REQUIRED[1:], *OPTIONAL, "width", "height")
_MEASURED = ("sha256", "width", "height")


@dataclass(frozen=True, kw_only=True)
class Found:
    """What an adapter found, before an image is read.

    Attributes:
        adapter: Which.
        counts: One row a (split, label, generator, source): ``images`` and ``groups``.
        published: What was published of each kind, and how much of it is here.
        ignored: What is in the folder and not in the manifest: kind -> how many.
        notes: Sentences that the user must read.
        missing: What the dataset's own lists name and is not here.
        unreadable: Folders that could not be read: path -> why.
    """

    adapter: Adapter
    counts: pd.DataFrame
    published: tuple[Count, ...]
    ignored: Mapping[str, int]
    notes: tuple[str, ...]
    missing: tuple[str, ...]
    unreadable: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Indexed:
    """What indexing a folder gave.

    Attributes:
        manifest: The manifest, as written.
        problems: Images in it that cannot be used (and so have no sha256): sample id -> why.
        ignored: What is in the folder and not in the manifest: kind -> how many.
        twins: Same bytes that are real and fake, or stand in two splits.
        unreadable: Folders that could not be read: path -> why.
    """

    manifest: Manifest
    problems: Mapping[str, str]
    ignored: Mapping[str, int]
    twins: tuple[Twins, ...] = ()
    unreadable: Mapping[str, str] = field(default_factory=dict)


def index_folder(
    folder: Path,
    *,
    adapter: str = "folders",
    out: Path | None = None,
    workers: int | None = None,
    on_found: Callable[[Found], None] | None = None,
    on_progress: Callable[[int], None] | None = None,
    **options: object,
) -> Indexed:
    """Write the manifest of a dataset that lies in a folder.

    Args:
        folder: The dataset.
        adapter: How it lies there: one of ``adapter_names()``, which says what is read.
        out: The .csv or .parquet file to write; left out, ``manifest.csv`` in the folder. Written
            elsewhere, the .json file beside it states the folder.
        workers: Threads that decode; None: as many as there are cores, 16 at most.
        on_found: Called with what was found, before an image is decoded.
        on_progress: Called with the number of images decoded.
        **options: The fields of ``Options``; None is as good as left out.

    Raises:
        UnknownNameError: There is no such adapter.
        ManifestError: The adapter does not take an argument or the folder, an argument is wrong,
            there is a manifest already, or it could not be written.
    """
    folder = Path(folder)
    target = folder / NAME if out is None else Path(out)
    stated = Options(**{k: v for k, v in options.items() if v is not None})  # type: ignore[arg-type]
    chosen = load_adapter(adapter)
    check_options(chosen, stated, folder)
    facts = _facts(folder, target, links=stated.links)
    root = LinkedRoot(folder) if stated.links else folder
    described, rows = describe_folder(chosen, folder, stated, workers)
    columns = _columns(rows)
    validated = from_columns(dict(columns), target, facts=facts)  # before an image is decoded
    if on_found is not None:
        on_found(_found(chosen, described, rows, validated.samples))
    described_manifest = Manifest(
        path=target, root=root, name=validated.name, samples=validated.samples, facts=facts
    )
    measured = check(described_manifest, workers=workers, on_progress=on_progress)
    _fill(columns, measured)
    manifest = from_columns(dict(columns), target, facts=facts)
    if facts.root is not None or facts.links:
        write_facts(target, facts)
    write_manifest(columns, target)
    bad = measured.loc[measured["problem"] != "", "problem"]
    return Indexed(
        manifest=manifest,
        problems={str(sample_id): str(problem) for sample_id, problem in bad.items()},
        ignored=dict(sorted(described.ignored.items())),
        twins=tuple(twins(manifest.samples)),
        unreadable=described.unreadable,
    )


def describe_folder(
    adapter: Adapter, folder: Path, options: Options, workers: int | None = None
) -> tuple[Described, Rows]:
    """Read what a dataset's folder says, each video by its frames.

    Raises:
        ManifestError: The folder is not as the adapter says.
    """
    described = adapter.read(folder, options)
    root = LinkedRoot(folder) if options.links else folder
    rows = only_rows(described.rows, options.only, folder)
    return described, _with_frames(rows, root, options.frames, workers)


def check_options(adapter: Adapter, options: Options, folder: Path) -> None:
    """Refuse what cannot be indexed before looking at any file."""
    for name in options.stated:
        if name not in adapter.options:
            taken = ", ".join(sorted(adapter.options)) or "no option"
            raise ManifestError(f"adapter '{adapter.name}' takes no {name}; it takes {taken}")
    if not folder.is_dir():
        raise ManifestError(f"{folder}: there is no such folder")


def _facts(folder: Path, target: Path, *, links: bool) -> DatasetFacts:
    """Give the facts to stand beside a manifest, after a look at whether it can be written."""
    check_target(target)
    facts = read_dataset_facts(target)
    root = stated_root(folder, target)
    if facts.root not in (None, root):
        raise ManifestError(
            f"{target.with_suffix('.json')}: states that the images lie in {facts.root}, not in "
            f"{root or 'its own folder'}; correct or remove it"
        )
    return facts.model_copy(update={"root": root, "links": links or facts.links})


def only_rows(rows: Mapping[str, Row], only: Mapping[str, str], folder: Path) -> Mapping[str, Row]:
    """Leave the rows whose columns have the values that are asked for."""
    kept = rows
    for name, value in only.items():
        there = sorted({row.get(name, "") for row in map(kept.__getitem__, kept)})
        if value not in there:
            raise ManifestError(
                f"{folder}: no '{name}' is '{value}'; there are {', '.join(there[:20]) or 'none'}"
            )
        kept = _rows(kept, [key for key in kept if kept[key].get(name, "") == value])
    return kept


def _with_frames(
    rows: Mapping[str, Row], root: Path, frames: int | None, workers: int | None
) -> Rows:
    """Put the chosen frames of each video in its place."""
    whole = [sample_id for sample_id in rows if is_video(sample_id)]
    if frames is None and not whole:
        return rows if isinstance(rows, Rows) else _rows(rows, list(rows))
    kept = list(rows)
    if frames is not None:
        kept = _thinned(rows, frames)
    found = _rows(rows, [sample_id for sample_id in kept if not is_video(sample_id)])
    periods = [_periods(rows[video], video) for video in whole]
    chosen = chosen_frames(root, whole, frames or FRAMES, periods, workers=workers)
    for video, times in zip(whole, chosen, strict=True):
        row = rows[video]
        if isinstance(times, ImageError):  # the check will name it, and why
            found.put(f"{video}#frame=0", row)
            continue
        for number, seconds in times:
            found.put(f"{video}#frame={number}", {**row, "time": f"{float(seconds):.6f}"})
    return found


def _periods(row: Row, video: str) -> Periods:
    """Read when a video is forged, where only parts of it are."""
    text = row.get("fake_periods", "")
    if not text:
        return ()
    try:
        return tuple((_second(begin), _second(end)) for begin, end in _forward(parse_json(text)))
    except (ValueError, TypeError) as error:
        raise ManifestError(
            f"'{video}': its fake_periods are '{printable(text[:60])}', not [[BEGIN, END], ...] in "
            "seconds from 0, none ending before it begins"
        ) from error


def _forward(periods: Iterable[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    """Give periods; raise ValueError for one that ends before it begins, or begins before 0."""
    for begin, end in periods:
        if not 0 <= begin <= end:
            raise ValueError(begin, end)
        yield begin, end


def _second(value: float) -> Fraction:
    """Read a number as it is written; a text that would be a huge one is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(value)
    return Fraction(str(value))


def _rows(rows: Mapping[str, Row], kept: list[str]) -> Rows:
    """Copy some rows."""
    found = Rows(INDEX_COLUMNS[1:-2])
    for sample_id in kept:
        found.put(sample_id, rows[sample_id])
    return found


def _thinned(rows: Mapping[str, Row], frames: int) -> list[str]:
    """Choose among the frames of videos that lie there as files; other images stay."""
    groups: dict[str, list[str]] = {}
    for sample_id in rows:
        group = "" if is_video(sample_id) else rows[sample_id].get("group", "")
        groups.setdefault(group, []).append(sample_id)
    alone = groups.pop("", [])
    return [*alone, *(name for names in groups.values() for name in thinned(names, frames))]


def _found(adapter: Adapter, described: Described, rows: Rows, samples: pd.DataFrame) -> Found:
    """Count what an adapter found."""
    keys = ["split", "label", "generator", "source"]
    grouped = samples.groupby(keys, sort=True)["group"]
    counts = grouped.agg(images="size", groups="nunique").reset_index()
    return Found(
        adapter=adapter,
        counts=counts,
        published=tuple(held_against(adapter.published, rows)),
        ignored=dict(sorted(Counter(described.ignored).items())),
        notes=(*described.notes, *_alike(samples)),
        missing=described.missing,
        unreadable=described.unreadable,
    )


def _alike(samples: pd.DataFrame) -> Iterator[str]:
    """Say which names differ in case alone: one in two spellings counts as two."""
    for column in ("generator", "source"):
        spelt: dict[str, list[str]] = {}
        for name in sorted(samples[column].unique()):
            spelt.setdefault(name.casefold(), []).append(name)
        for names in spelt.values():
            if len(names) > 1:
                each = " and ".join(f"'{name}'" for name in names)
                yield f"the {column}s {each} differ in case alone: they are kept apart"


def _columns(rows: Rows) -> dict[str, list[str]]:
    """Turn rows into columns: the schema's, then the user's own in order of appearance."""
    ids = list(rows)
    columns: dict[str, list[str]] = {"path": ids}
    if any("#frame=" in sample_id for sample_id in ids):
        parts = [sample_id.partition("#frame=") for sample_id in ids]
        columns = {"path": [p[0] for p in parts], "frame": [p[2] for p in parts]}
    names = dict.fromkeys((*INDEX_COLUMNS[1:-2], *rows.names))
    for name in names:
        columns[name] = rows.column(name) if name in rows.names else [""] * len(ids)
    return columns


def _fill(columns: dict[str, list[str]], measured: pd.DataFrame) -> None:
    """Put in what was measured.

    The row of a bad image keeps what its metadata said, so every later check names it again.
    """
    frames = columns.get("frame", [""] * len(columns["path"]))
    ids = [f"{p}#frame={f}" if f else p for p, f in zip(columns["path"], frames, strict=True)]
    facts = measured.reindex(ids)
    good = (facts["problem"] == "").to_numpy()
    for name in _MEASURED:
        stated = columns.get(name, [""] * len(ids))
        found = facts[name].astype(str)
        columns[name] = [
            new if ok else old for ok, new, old in zip(good, found, stated, strict=True)
        ]
