"""A copy of a dataset held against what was published of it, and a pack against its seal."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmark.data.adapters import Adapter, Options, load_adapter
from benchmark.data.images import file_of
from benchmark.data.indexing import check_options, only_rows
from benchmark.data.manifest import read_manifest
from benchmark.data.packs import (
    INDEX,
    MANIFEST,
    PackSeal,
    Span,
    read_index,
    read_seal,
    read_span,
)
from benchmark.data.published import Count, held_against
from benchmark.errors import ImageError, ManifestError
from results.files import file_hash

_SHOWN = 10


@dataclass(frozen=True, kw_only=True)
class Verified:
    """What holding a copy against its dataset gave.

    Attributes:
        adapter: The dataset.
        counts: Of each kind that was published.
        missing: What the dataset's own lists name and is not here.
        ignored: What is here and no part of it: kind -> how many.
        notes: Sentences that the user must read.
        unreadable: Folders that could not be read: path -> why.
    """

    adapter: Adapter
    counts: tuple[Count, ...]
    missing: tuple[str, ...]
    ignored: Mapping[str, int]
    notes: tuple[str, ...]
    unreadable: Mapping[str, str]

    @property
    def coverage(self) -> float:
        """The least share of any kind that is here: 1 where nothing lacks, at most 1."""
        return min(
            (min(each.found / each.published.number, 1.0) for each in self.counts), default=1.0
        )


def verify_copy(folder: Path, adapter: str, **options: object) -> Verified:
    """Hold the folder of a dataset against its published counts and lists; no file is read.

    Args:
        folder: The dataset.
        adapter: Its adapter's name.
        **options: The fields of ``Options``; None is as good as left out.

    Raises:
        UnknownNameError: There is no such adapter.
        ManifestError: The folder is not as the adapter says, or nothing was published that a copy
            could be held against.
    """
    folder = Path(folder)
    chosen = load_adapter(adapter)
    stated = Options(**{k: v for k, v in options.items() if v is not None})  # type: ignore[arg-type]
    check_options(chosen, stated, folder)
    described = chosen.read(folder, stated)
    if not chosen.published and not described.missing:
        raise ManifestError(
            f"adapter '{adapter}' knows no published counts, and the folder has no lists to hold "
            "it against; count it with 'forgerybench data index'"
        )
    rows = only_rows(described.rows, stated.only, folder)
    return Verified(
        adapter=chosen,
        counts=tuple(held_against(chosen.published, rows)),
        missing=described.missing,
        ignored=described.ignored,
        notes=described.notes,
        unreadable=described.unreadable,
    )


@dataclass(frozen=True, kw_only=True)
class VerifiedPack:
    """What holding a pack against its seal gave.

    Attributes:
        images: How many the seal says it has.
        damaged: Files that are not what was sealed: path in the pack -> what is wrong.
        missing: Files that are not there -> how many images they hold.
        extra: Files among the shards that nothing names.
    """

    images: int
    damaged: Mapping[str, str]
    missing: Mapping[str, int]
    extra: tuple[str, ...]


def verify_pack(folder: Path, *, on_progress: Callable[[], None] = lambda: None) -> VerifiedPack:
    """Hash all files of a pack, and name the images of a shard that are not what they were.

    Args:
        folder: The pack.
        on_progress: Called after each shard.

    Raises:
        ManifestError: Its seal is damaged.
    """
    seal = read_seal(folder)
    damaged, missing = dict[str, str](), dict[str, int]()
    tables = {INDEX: seal.index, MANIFEST: seal.manifest}
    for name, digest in tables.items():
        path = folder / name
        if not path.is_file():
            missing[name] = 0
        elif file_hash(path) != digest:
            damaged[name] = "is not what was sealed"
    for name, shard in seal.shards.items():
        path = folder / name
        if not path.is_file():
            missing[name] = shard.images
        elif path.stat().st_size != shard.bytes or file_hash(path) != shard.sha256:
            readable = not tables.keys() & {*damaged, *missing}
            damaged[name] = (
                _bad_images(folder, name, seal) if readable else "is not what was sealed"
            )
        on_progress()
    there = sorted(f"data/{path.name}" for path in (folder / "data").glob("*"))
    return VerifiedPack(
        images=sum(shard.images for shard in seal.shards.values()),
        damaged=damaged,
        missing=missing,
        extra=tuple(name for name in there if name not in seal.shards),
    )


def _bad_images(folder: Path, name: str, seal: PackSeal) -> str:
    """Say which images of a damaged shard are damaged themselves."""
    index = read_index(folder, seal)
    samples = read_manifest(folder / MANIFEST).samples
    stated = dict(zip(samples["sample_id"].map(file_of), samples["sha256"], strict=True))
    number = index.shards.index(name)
    bad = []
    for path, row in index.rows.items():
        if index.shard[row] != number:
            continue
        span = Span(path, int(index.offset[row]), int(index.size[row]))
        try:
            data = read_span(folder / name, span)
        except ImageError:
            bad.append(path)
            continue
        if hashlib.sha256(data).hexdigest() != stated[path]:
            bad.append(path)
    if not bad:
        return "is not what was sealed, though all of its images are"
    more = f" and {len(bad) - _SHOWN} more" if len(bad) > _SHOWN else ""
    return f"{len(bad)} of its {seal.shards[name].images} images: {', '.join(bad[:_SHOWN])}{more}"
