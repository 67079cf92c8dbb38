"""Files that appear whole or not at all, and what they hold."""

import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from protocols import files
from protocols.errors import ProtocolError
from protocols.text import check_file_name, printable
from results.errors import ResultError

if TYPE_CHECKING:
    import pandas as pd

_PERMISSIONS = 0o666


def atomic_write(path: str | Path, content: bytes | str) -> None:
    """Write a file under a temporary name in its folder, then rename it into place.

    Args:
        path: Where it goes; its folder is made if it is not there.
        content: Bytes, or text that is written as UTF-8 with its own line ends.

    Raises:
        ResultError: A folder of this name is there.
        OSError: It cannot be written; the error names the file itself.
    """
    path = Path(path)
    if path.is_dir():
        raise ResultError(f"{path}: a folder; name a file")
    # Half a character, as of a file name that is not UTF-8, loses nothing that stands beside it.
    data = content.encode("utf-8", "backslashreplace") if isinstance(content, str) else content
    try:
        _write(path, data)
    except OSError as error:  # a full disk names no file, a closed folder a temporary one
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error


def refuse_existing(*paths: str | Path, force: bool = False) -> None:
    """Refuse to write over a file, before anything is computed.

    Args:
        paths: What would be written.
        force: Whether it may be replaced.

    Raises:
        ResultError: One is there.
    """
    there = next((path for path in paths if Path(path).exists()), None)
    if there is not None and not force:
        raise ResultError(
            f"{there} exists already: choose another file, or replace it with --force"
        )


def _write(path: Path, data: bytes) -> None:
    """Write beside ``path``, then rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes private files; a run is read by others, as the umask allows.
        mask = os.umask(0)
        os.umask(mask)
        Path(temporary).chmod(_PERMISSIONS & ~mask)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def file_hash(path: str | Path) -> str:
    """Give the sha256 of a file's bytes, in hexadecimal.

    Raises:
        OSError: It cannot be read.
    """
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def json_text(value: Any, where: str) -> str:
    """Give the one JSON text of ``value``: sorted keys, no NaN, a newline at the end.

    Args:
        value: What ``json`` can write.
        where: What an error calls it: its file.

    Raises:
        ResultError: A NaN or an infinity stands in it, or something JSON has no form for.
    """
    try:
        text = json.dumps(value, sort_keys=True, allow_nan=False, indent=1, ensure_ascii=False)
    except (TypeError, ValueError) as error:
        raise ResultError(f"{where}: cannot be written as JSON ({error})") from error
    return text + "\n"


def read_json(path: str | Path) -> Any:
    """Read a JSON file, strictly: no key twice, no NaN, nothing endless.

    Raises:
        ResultError: It is not there, no file, or not JSON.
    """
    try:
        return files.read_json(Path(path))
    except files.FileError as error:
        raise ResultError(str(error)) from error


def check_regular(path: str | Path) -> int:
    """Give the size in bytes of a regular file: a pipe would be waited for without end.

    Raises:
        ResultError: It is not there, or something else: a folder, a pipe, a device.
    """
    try:
        return files.check_regular(Path(path))
    except files.FileError as error:
        raise ResultError(str(error)) from error


def csv_text(value: str) -> str:
    """Give a text for a cell of a CSV file that is read in a spreadsheet.

    Signs that cannot be seen are spelt out; before what a spreadsheet would take for a formula
    (it begins with ``=``, ``+``, ``-`` or ``@``) stands an apostrophe. A number stays a number.
    """
    shown = printable(value, keep="\n")
    if not shown.startswith(("=", "+", "-", "@")):
        return shown
    try:
        float(shown)
    except ValueError:
        return f"'{shown}"
    return shown


def csv_table(table: "pd.DataFrame") -> str:
    """Write a table as CSV: texts as ``csv_text``, floats at full precision, missing values empty.

    Args:
        table: Its index is left out.
    """
    texts = {
        name: column.map(lambda value: csv_text(value) if isinstance(value, str) else value)
        for name, column in table.items()
        if column.dtype.kind == "O"
    }
    shown = table.assign(**{str(name): column for name, column in texts.items()})
    shown.columns = [csv_text(str(name)) for name in table.columns]
    text: str = shown.to_csv(index=False, lineterminator="\n")
    return text


def own_file(folder: str | Path, name: str, ending: str) -> Path:
    """Give the file in ``folder`` that is named for something, whatever that is called.

    Raises:
        ResultError: The name would lead elsewhere, or cannot name a file.
    """
    try:
        return Path(folder) / f"{check_file_name(name, f'{folder}:')}{ending}"
    except ProtocolError as error:
        raise ResultError(str(error)) from error
