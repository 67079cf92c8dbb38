"""Files from anywhere, read strictly: regular ones of a bounded size, as text or as JSON."""

import json
import math
import re
import stat
from collections import Counter
from pathlib import Path
from typing import Any

from protocols.errors import ProtocolError
from protocols.text import printable

_MOST_BYTES = 64 << 20
MOST_DEPTH = 100
MOST_DIGITS = 40  # of a whole number: it still fits a float

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


class FileError(ProtocolError):
    """A file cannot be read, or does not hold what it should.

    Attributes:
        reason: What is wrong, without the file's name.
        missing: Whether there is no such file.
    """

    def __init__(self, path: Path | str, reason: str, *, missing: bool = False) -> None:
        """Say what is wrong with the file ``path``."""
        super().__init__(f"{printable(str(path))}: {printable(reason)}")
        self.reason = reason
        self.missing = missing


def check_regular(path: Path) -> int:
    """Give the size in bytes of a regular file; a pipe would be waited for without end.

    Raises:
        FileError: It is not there, or something else: a folder, a pipe, a device.
    """
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise FileError(path, "there is no such file", missing=True) from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise FileError(path, f"cannot be read: {reason}") from error
    if not stat.S_ISREG(found.st_mode):
        kind = next((name for test, name in _KINDS if test(found.st_mode)), "no regular file")
        raise FileError(path, f"{kind}; name a file")
    return found.st_size


def read_bytes(path: Path, most: int = _MOST_BYTES) -> bytes:
    """Read a regular file whole.

    Args:
        path: The file; a link is followed.
        most: How many bytes it may have.

    Raises:
        FileError: It is none, cannot be read, or is larger.
    """
    size = min(check_regular(path), most)
    try:
        with path.open("rb") as file:
            data = file.read(size + 1)  # room is taken for as many bytes as are asked for
            while len(data) <= most and (more := file.read(1 << 16)):
                data += more
    except OSError as error:
        raise FileError(path, f"cannot be read: {error.strerror}") from error
    if len(data) > most:
        limit = f"{most >> 20} MiB" if most >> 20 else f"{most >> 10} KiB"
        raise FileError(path, f"larger than {limit}, which no file of this kind is")
    return data


def read_text(path: Path, most: int = _MOST_BYTES) -> str:
    """Read a regular file as UTF-8; a mark of byte order at its start is no part of the text.

    Raises:
        FileError: As ``read_bytes``; or it is not UTF-8.
    """
    try:
        return read_bytes(path, most).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FileError(path, f"not UTF-8 text (byte {error.start}); save it as UTF-8") from error


def read_json(path: Path, most: int = _MOST_BYTES) -> Any:
    """Read a JSON file as the standard has it.

    Raises:
        FileError: As ``read_text``; or it is not JSON, a key stands in an object twice, a number is
            none (NaN) or without bounds, or it is nested too deeply.
    """
    text = read_text(path, most)
    try:
        return parse_json(text)
    except ValueError as error:
        raise FileError(path, f"not JSON ({error})") from error


def parse_json(text: str) -> Any:
    """Read JSON text as ``read_json`` does.

    Raises:
        ValueError: It is not such JSON; the message says why.
    """
    try:
        value = json.loads(
            text,
            object_pairs_hook=_once,
            parse_int=whole_number,
            parse_float=_finite,
            parse_constant=_no_number,
        )
    except RecursionError as error:
        raise ValueError(_DEEP) from error
    _check_depth(value)
    if "\\ud" in text.lower():
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            raise ValueError("half a character (\\ud800 to \\udfff alone) stands in it") from error
    return value


def whole_number(digits: str) -> int:
    """Read a whole number of at most ``MOST_DIGITS`` digits.

    Raises:
        ValueError: It has more.
    """
    if len(digits) > MOST_DIGITS:
        raise ValueError(f"a number of {len(digits)} digits; {MOST_DIGITS} at most are read")
    return int(digits)


def plain_number(text: str) -> float:
    """Read a number written as tables of numbers have it: digits, a point, an exponent; or NaN.

    Python's own reader also takes ``0.1_0`` and the digits of other scripts, which no other
    program would read as the same number.

    Raises:
        ValueError: It is no such number.
    """
    if not _PLAIN.fullmatch(text.strip(" ")):
        raise ValueError(f"'{printable(text)[:MOST_DIGITS]}' is no number")
    return float(text)


# Its parts share no sign, so that a long text is read in one pass.
_PLAIN = re.compile(
    r"[+-]?(?:(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:e[+-]?[0-9]+)?|nan|inf|infinity)", re.IGNORECASE
)
_DEEP = f"nested too deeply: more than {MOST_DEPTH} levels"


def _check_depth(value: object) -> None:
    """Raise ValueError for what is nested so deeply that others' code would fail on it."""
    level, depth = [value], 0
    while level := [each for each in level if isinstance(each, dict | list)]:
        depth += 1
        if depth > MOST_DEPTH:
            raise ValueError(_DEEP)
        level = [
            child for each in level for child in (each.values() if isinstance(each, dict) else each)
        ]


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object of keys that differ."""
    made = dict(pairs)
    if len(made) < len(pairs):
        counts = Counter(name for name, _ in pairs)
        twice = next(name for name, count in counts.items() if count > 1)
        raise ValueError(f"the key '{twice}' stands there twice")
    return made


def _finite(digits: str) -> float:
    """Read a number with a point or an exponent."""
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(f"the number {digits[:MOST_DIGITS]} is too large")
    return number


def _no_number(name: str) -> float:
    """Refuse NaN and infinities, which JSON does not have."""
    raise ValueError(f"{name} is no number of JSON")
