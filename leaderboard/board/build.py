"""A board as a folder of files: pages and downloads, from runs and entries."""

import io
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from leaderboard.board.entries import run_entries
from leaderboard.board.pages import DOWNLOADS, Pages
from leaderboard.board.payload import headlines
from leaderboard.board.ranking import slices
from leaderboard.board.records import check_data, check_versions, newest, read_entries, read_entry
from leaderboard.board.reported import outlines, reported_entries
from leaderboard.board.schema import BoardEntry
from leaderboard.board.seeds import join_seeds
from leaderboard.errors import LeaderboardError
from results.files import atomic_write, csv_table, json_text
from results.literature import Literature
from results.rounding import rounded

MARK = ".forgerybench-board"
_SAID = ("entry", "version", "title", "state", "protocol", "protocol_version", "seed", "size")
_OF_CELL = (
    "training",
    "test",
    "role",
    "condition",
    "level",
    "seen",
    "headline",
    "n_real",
    "n_fake",
)


def gather(sources: Sequence[str | Path]) -> list[BoardEntry]:
    """Read the entries that some sources hold.

    Args:
        sources: Each the folder of a run, a folder of entries, or the file of an entry.

    Returns:
        All versions, in the order of the sources.

    Raises:
        LeaderboardError: A source is none of the three, or two sources hold one entry.
        ResultError: A file of a run is missing or wrong.
    """
    found: list[BoardEntry] = []
    for source in map(Path, sources):
        if (source / "run.json").is_file():
            found += run_entries(source)
        elif source.is_dir():
            found += read_entries(source)
        elif source.is_file():
            found.append(read_entry(source))
        else:
            raise LeaderboardError(
                f"{source}: name the folder of a run, a folder of entries, or an entry's file"
            )
    met: dict[str, BoardEntry] = {}
    for entry in found:
        if entry.file in met:
            raise LeaderboardError(
                f"{entry.file}: two sources hold this entry; name one of them, or add the second "
                "as a new version"
            )
        met[entry.file] = entry
    check_versions(found)
    check_data(newest(found))
    return found


def with_reported(entries: Sequence[BoardEntry], literature: Literature | None) -> list[BoardEntry]:
    """Add what papers report in the cells of some entries and of the shipped protocols."""
    if literature is None:
        return list(entries)
    there = {entry.protocol for entry in entries}
    bare = [outline for outline in outlines(literature) if outline.protocol not in there]
    return [*entries, *reported_entries(literature, [*entries, *bare])]


def build_board(
    entries: Sequence[BoardEntry],
    site: str | Path,
    *,
    name: str = "Face forgery detection",
) -> Path:
    """Write a board, in place of an earlier one.

    Args:
        entries: All versions.
        site: The folder; one that is there must be a board or empty.
        name: The board's heading.

    Returns:
        The front page.

    Raises:
        LeaderboardError: The folder holds something else, or there is no entry.
    """
    site = Path(site)
    if site.exists() and (
        not site.is_dir() or (any(site.iterdir()) and not (site / MARK).exists())
    ):
        raise LeaderboardError(f"{site}: holds something that is no board; name another folder")
    if not entries:
        raise LeaderboardError("no run and no entry is given")
    site.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=f".{site.name}-", dir=site.parent))
    try:
        (made / MARK).write_text("made by forgerybench board build; replaced by the next one\n")
        for place, text in Pages(name, entries).all():
            (made / place).parent.mkdir(exist_ok=True)
            (made / place).write_text(text, encoding="utf-8")
        _write_downloads(made, entries)
        _write_badges(made, entries)
        made.chmod(0o755)
        if site.exists():
            shutil.rmtree(site)
        made.rename(site)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return site / "index.html"


def _write_downloads(folder: Path, entries: Sequence[BoardEntry]) -> None:
    """Write all numbers for other tools."""
    table = pd.DataFrame(list(_rows(entries)))
    raw = [
        entry.model_dump(mode="json", by_alias=True, exclude={"cells": {"__all__": {"replicates"}}})
        for entry in entries
    ]
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pandas(table, preserve_index=False), buffer, compression="zstd")
    contents: list[str | bytes] = [
        json_text(raw, str(folder)), csv_table(table), buffer.getvalue()
    ]  # fmt: skip
    for file, content in zip(DOWNLOADS, contents, strict=True):
        atomic_write(folder / file, content)


def _write_badges(folder: Path, entries: Sequence[BoardEntry]) -> None:
    """Write for each entry what a badge of shields.io shows: its mean, and how it is known."""
    for found in headlines(slices(join_seeds(newest(entries)))):
        for row in found.rows:
            mean = "no mean" if row.mean is None else rounded(row.mean)
            told = {
                "schemaVersion": 1,
                "label": f"ForgeryBench {found.protocol}",
                "message": f"{found.metric} {mean}, {row.entry.state}",
                "color": "blue" if row.entry.is_measured else "lightgrey",
            }
            name = f"{row.entry.entry}-{found.protocol}-v{found.version}.json"
            atomic_write(folder / "badges" / name, json_text(told, name))


def _rows(entries: Sequence[BoardEntry]) -> Iterator[dict[str, Any]]:
    """Give a row a number."""
    for entry in entries:
        of_entry = {name: getattr(entry, name) for name in _SAID}
        for cell in entry.cells:
            of_cell = {name: getattr(cell, name) for name in _OF_CELL}
            for metric, number in cell.metrics.items():
                yield {**of_entry, **of_cell, "metric": metric, **number.model_dump()}
