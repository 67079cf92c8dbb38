"""Videos of which parts are forged: tables that say when, and in picture or sound."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from benchmark.data.adapters import Row
from benchmark.data.layouts.records import Record, plain_path, read_records
from benchmark.data.layouts.rules import Lists
from benchmark.errors import ManifestError


def partial_lists(
    files: Sequence[Path],
    *,
    periods: str,
    visual: Callable[[Record], bool],
    audio: Callable[[Record], bool],
    split: Callable[[Path, Record], str],
    what: str,
    within: Callable[[Path], str] = lambda _: "",
    notes: tuple[str, ...] = (),
) -> Lists:
    """Read the tables of a dataset of partly forged videos, found by ``split`` and ``video``.

    A table is a list of objects, whose ``file`` is the video's path.

    Args:
        files: Its tables.
        periods: The column of times, [[begin, end], ...] in seconds, in which it is forged.
        visual: Whether the picture is forged.
        audio: Whether the sound is.
        split: Of a video, by its table too.
        what: What the tables are called.
        within: The folder that a table's paths start from.
        notes: What is to be known of them.

    Raises:
        ManifestError: A table is damaged.
    """
    rows: dict[str, Row] = {}
    for file in files:
        rows |= _partial_rows(
            file,
            periods=periods,
            visual=visual,
            audio=audio,
            split=partial(split, file),
            within=within(file),
        )
    return Lists(
        rows=rows,
        key=lambda found: f"{found.parts['split']}/{found.parts['video']}".lower(),
        what=what,
        notes=notes,
    )


def _partial_rows(
    file: Path,
    *,
    periods: str,
    visual: Callable[[Record], bool],
    audio: Callable[[Record], bool],
    split: Callable[[Record], str],
    within: str = "",
) -> dict[str, Row]:
    """Read one table.

    Args:
        file: The table.
        periods: The column of times, [[begin, end], ...] in seconds, in which it is forged.
        visual: Whether the picture is forged.
        audio: Whether the sound is.
        split: Of the video.
        within: The folder that paths start from.

    Returns:
        Path without suffix, in lower case -> ``label`` of the picture, ``audio_label``, ``split``,
        ``pair`` (the original's path) and, of a forged picture, ``fake_periods``.

    Raises:
        ManifestError: The table is damaged.
    """
    rows: dict[str, Row] = {}
    for record in read_records(file):
        try:
            name = plain_path(record["file"])
            fake = visual(record)
            key = f"{within}/{name}" if within and not name.startswith(f"{within}/") else name
            key = key.rpartition(".")[0].lower()
            original = plain_path(record.get("original", "")).rpartition(".")[0].lower()
            rows[key] = {
                "label": "fake" if fake else "real",
                "audio_label": "fake" if audio(record) else "real",
                "split": split(record),
                "pair": original or key,
                "fake_periods": record.get(periods, "") if fake else "",
            }
        except KeyError as error:
            raise ManifestError(f"{file}: a row has no {error}") from error
    return rows
