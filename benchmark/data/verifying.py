"""A copy of a dataset held against what was published of it, by names alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmark.data.adapters import Adapter, Options, load_adapter
from benchmark.data.indexing import check_options, only_rows
from benchmark.data.published import Count, held_against
from benchmark.errors import ManifestError


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


def verify(folder: Path, adapter: str, **options: object) -> Verified:
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
