"""Metadata of Hugging Face image folders, read by ``datasets`` itself: it defines their meaning."""

import csv
import tempfile
from pathlib import Path, PurePosixPath
from typing import Any

from benchmark.errors import ManifestError
from results.files import check_regular

METADATA = ("metadata.csv", "metadata.jsonl", "metadata.parquet")


def read_metadata(folder: Path, files: list[Path]) -> dict[str, dict[str, str]]:
    """Read what the ``metadata`` files in a folder say of its images.

    Values of CSV files are read as text, so that ``007`` stays itself; JSON Lines and Parquet have
    types of their own. As ``datasets`` reads CSV, ``NA``, ``null`` and the like are no value.

    Args:
        folder: The image folder.
        files: Its metadata files, all of one kind and with the same columns.

    Returns:
        For each image that is named, by its path relative to ``folder``, the columns but
        ``file_name``; a missing value is "".

    Raises:
        ResultError: One of them is no regular file.
        ManifestError: ``datasets`` cannot read them; its reason is given.
    """
    for file in files:
        check_regular(file)
    found: dict[str, dict[str, str]] = {}
    for row in _rows(folder, files):
        path = _relative(row.pop("image"), folder)
        if path in found:
            raise ManifestError(f"{folder}: the metadata name '{path}' twice")
        found[path] = {name: _text(value, folder) for name, value in row.items()}
    return found


def _rows(folder: Path, files: list[Path]) -> list[dict[str, Any]]:
    """Load the folder with the ``imagefolder`` builder, images undecoded and nothing kept."""
    import datasets

    quiet = datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        with tempfile.TemporaryDirectory() as cache:
            loaded = datasets.load_dataset(
                "imagefolder",
                data_dir=str(folder.resolve()),
                data_files={"images": "**"},  # else it would guess splits from the files' names
                drop_labels=False,
                features=_features(files),
                split="images",
                cache_dir=cache,
                keep_in_memory=True,
            )
            return list(_undecoded(loaded))
    except (datasets.exceptions.DatasetsError, OSError, ValueError, TypeError) as error:
        cause = error.__cause__ or error
        reason = " ".join(str(cause).split())
        raise ManifestError(f"{folder}: the metadata cannot be read: {reason}") from error
    finally:
        if not quiet:
            datasets.enable_progress_bars()


def _features(files: list[Path]) -> Any:
    """Declare every column of CSV metadata as text; None lets typed files keep their types."""
    import datasets

    if files[0].suffix != ".csv":
        return None
    with files[0].open(encoding="utf-8-sig", newline="") as file:
        try:
            header = next(csv.reader(file), [])
        except (UnicodeDecodeError, csv.Error) as error:
            raise ManifestError(f"{files[0]}: the header cannot be read: {error}") from error
    if "file_name" not in header:
        hint = "" if len(header) != 1 else "; a table of semicolons is read by adapter 'table'"
        raise ManifestError(f"{files[0]}: column 'file_name' is missing; there are {header}{hint}")
    text = {name: datasets.Value("string") for name in header if name != "file_name"}
    return datasets.Features({"image": datasets.Image(decode=False), **text})


def _undecoded(loaded: Any) -> Any:
    """Switch the decoding of every image column off: only paths are wanted."""
    import datasets

    for name, feature in loaded.features.items():
        if isinstance(feature, datasets.Image):
            loaded = loaded.cast_column(name, datasets.Image(decode=False))
    return loaded


def _relative(image: dict[str, Any], folder: Path) -> str:
    """Give an image's path relative to ``folder``."""
    path = Path(image["path"])
    base = folder.resolve()
    if not path.is_relative_to(base):
        raise ManifestError(f"{folder}: the metadata name {path}, which lies elsewhere")
    return str(PurePosixPath(path.relative_to(base)))


def _text(value: Any, folder: Path) -> str:
    """Write a metadata value as text; a further image column becomes its path."""
    if value is None:
        return ""
    return _relative(value, folder) if isinstance(value, dict) and "path" in value else str(value)
