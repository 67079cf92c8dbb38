"""Videos of which parts are forged: tables that say when, and in picture or sound."""

from collections.abc import Callable
from pathlib import Path

from benchmark.data.adapters import Row
from benchmark.data.layouts.records import Record, plain_path, read_records
from benchmark.errors import ManifestError


def partial_rows(
    file: Path,
    *,
    path: str,
    periods: str,
    visual: Callable[[Record], bool],
    audio: Callable[[Record], bool],
    split: Callable[[Record], str],
    within: str = "",
) -> dict[str, Row]:
    """Read a table of partly forged videos.

    Args:
        file: A list of objects.
        path: The column of the video's path.
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
            name = plain_path(record[path])
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
