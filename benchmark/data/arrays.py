"""Arrays of strangers: npz files and pickles, of which no name is ever looked up.

NumPy's own readers trust what a file says of itself: a header may ask for any amount of memory,
and the functions that a pickled array names (``ndarray``, ``dtype``) make objects of its bytes,
which is enough to run code. Here the bytes are taken, and the arrays are made by us.
"""

import io
import math
import pickle
import pickletools
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmark.errors import BenchmarkError
from protocols.files import read_bytes
from protocols.text import printable
from results.files import check_regular
from results.parquet import MOST_COLUMNS

MOST_BYTES = 1 << 30
MOST_VALUES = 50_000_000  # of a file: each becomes a text
_MOST_TUPLES = 10_000  # nested more deeply, they are more than the stack holds
_NUMBERS = re.compile(r"b1|[iu][1248]|f[248]")
_KINDS = "biufUS"
_OPCODES = {
    "PROTO", "FRAME", "STOP", "MARK", "POP", "POP_MARK", "NONE", "NEWTRUE", "NEWFALSE", "INT",
    "BININT", "BININT1", "BININT2", "LONG", "LONG1", "FLOAT", "BINFLOAT", "UNICODE",
    "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINSTRING", "SHORT_BINSTRING",
    "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "EMPTY_LIST", "LIST", "APPEND", "APPENDS",
    "EMPTY_DICT", "DICT", "SETITEM", "SETITEMS", "EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2",
    "TUPLE3", "GLOBAL", "STACK_GLOBAL", "REDUCE", "BUILD", "MEMOIZE", "PUT", "BINPUT",
    "LONG_BINPUT", "GET", "BINGET", "LONG_BINGET",
}  # fmt: skip
_PUTS = ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE")
Array = npt.NDArray[Any]


def read_npz(path: Path) -> dict[str, Array]:
    """Read the arrays of an npz file that have one or two dimensions; others are left out.

    Raises:
        BenchmarkError: It is broken, holds something else than numbers and texts, a name twice, or
            more than ``MOST_BYTES`` or ``MOST_VALUES``.
        ResultError: It is no regular file.
    """
    check_regular(path)
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            _check_members(members)
            found = {each.filename: _array(archive, each) for each in members}
    except Exception as error:  # a broken archive may raise anything of four compressions
        raise BenchmarkError(f"{path}: cannot be read as npz ({_reason(error)})") from error
    arrays = {
        name.removesuffix(".npy"): each for name, each in found.items() if each.ndim in (1, 2)
    }
    columns = sum(each.shape[1] if each.ndim == 2 else 1 for each in arrays.values())
    if columns > MOST_COLUMNS:
        raise BenchmarkError(f"{path}: {columns} columns; at most {MOST_COLUMNS} are read")
    values = sum(each.size for each in arrays.values())
    if values > MOST_VALUES:
        raise BenchmarkError(f"{path}: {values:,} values; at most {MOST_VALUES:,} are read")
    return arrays


def _check_members(members: list[zipfile.ZipInfo]) -> None:
    """Raise ValueError for a table of contents that no npz file has."""
    if sum(each.file_size for each in members) > MOST_BYTES:
        raise ValueError(f"larger than {MOST_BYTES >> 20} MiB when unpacked")
    if len(members) > MOST_COLUMNS:
        raise ValueError(f"{len(members)} arrays; at most {MOST_COLUMNS} are read")
    names = [each.filename for each in members]
    for each in members:
        shown = printable(each.filename)[:120]
        if names.count(each.filename) > 1:
            raise ValueError(f"'{shown}' stands there twice")
        if not each.filename.endswith(".npy"):
            raise ValueError(f"'{shown}' is no array: its name does not end in .npy")


def _array(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Array:
    """Make an array of a member's bytes, of which there are as many as its header says."""
    with archive.open(member) as file:
        data = io.BytesIO(file.read(MOST_BYTES))
    shown = printable(member.filename)[:120]
    version = np.lib.format.read_magic(data)
    readers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    if version not in readers:
        raise ValueError(f"'{shown}' is of version {version} of NumPy's format")
    shape, by_column, dtype = readers[version](data)
    if dtype.hasobject:
        raise ValueError(f"'{shown}' holds Python objects, which could run code")
    if dtype.kind not in _KINDS:
        raise ValueError(f"'{shown}' holds {dtype}; numbers and texts can be read")
    return _of_bytes(data.read(), dtype, shape, by_column=by_column)


def _of_bytes(data: bytes, dtype: Any, shape: tuple[int, ...], *, by_column: bool) -> Array:
    """Make an array; raise ValueError unless shape and bytes fit each other."""
    sizes = all(type(each) is int and each >= 0 for each in shape)
    if not sizes or math.prod(shape) * dtype.itemsize != len(data):
        raise ValueError(f"{len(data)} bytes for an array of {dtype} of another shape")
    if not dtype.itemsize:  # texts that are all empty, as many as it likes
        raise ValueError("an array of empty texts")
    flat: Array = np.frombuffer(data, dtype=dtype)
    return flat.reshape(shape, order="F" if by_column else "C")


def read_pickle(path: Path) -> dict[str, Any]:
    """Read a dictionary of numbers, texts, lists and arrays of numbers out of a pickle.

    Returns:
        As pickled; arrays are of numbers.

    Raises:
        BenchmarkError: It is broken, no dictionary, or holds or names anything else.
        FileError: It is no regular file.
    """
    data = read_bytes(path, MOST_BYTES)
    try:
        _check_opcodes(data)
        found = _Plain(io.BytesIO(data)).load()
    except Exception as error:  # a broken pickle may raise anything, and names no code here
        raise BenchmarkError(f"{path}: cannot be read as arrays: {_reason(error)}") from error
    if not isinstance(found, dict):
        raise BenchmarkError(f"{path}: holds no dictionary")
    held = {
        name: each.values if isinstance(each, _Array) else each
        for name, each in found.items()
        if isinstance(name, str)
    }
    if any(isinstance(found[name], _Array) and each is None for name, each in held.items()):
        raise BenchmarkError(f"{path}: cannot be read as arrays: one has no values")
    return held


def _check_opcodes(data: bytes) -> None:
    """Raise UnpicklingError for what plain data has no need of.

    The unpickler itself makes room for as many objects as a file says it remembers, and fails
    where tuples lie in tuples without end.
    """
    puts = tuples = 0
    for opcode, argument, _ in pickletools.genops(data):
        if opcode.name not in _OPCODES:
            raise pickle.UnpicklingError(f"it is no plain data ({opcode.name})")
        tuples += opcode.name.startswith("TUPLE")
        if tuples > _MOST_TUPLES:
            raise pickle.UnpicklingError(f"it has more than {_MOST_TUPLES:,} tuples")
        if opcode.name in _PUTS:
            puts += 1
            if isinstance(argument, int) and argument > puts:
                raise pickle.UnpicklingError(f"it remembers {argument} objects, and has {puts}")


class _Plain(pickle.Unpickler):
    """Reads a pickle of arrays and nothing else: what it names is never looked up."""

    def find_class(self, module: str, name: str) -> "_Maker":
        """Give our own stand-in of what arrays are made with."""
        make = _MAKERS.get((module.replace("._core.", ".core."), name))
        if make is None:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which could run code")
        return _Maker(make)


class _Maker:
    """A function as a pickle is given it: nothing of it outlasts the pickle."""

    __slots__ = ("_make",)

    def __init__(self, make: Callable[..., Any]) -> None:
        self._make = make

    def __call__(self, *arguments: Any) -> Any:
        """Make what a pickle asks for."""
        return self._make(*arguments)


class _Type:
    """A kind of number, as a pickle describes it."""

    __slots__ = ("value",)

    def __init__(self, code: Any, *_: Any) -> None:
        if not (isinstance(code, str) and _NUMBERS.fullmatch(code)):
            raise pickle.UnpicklingError(f"it holds an array of {str(code)[:20]}, not of numbers")
        self.value = np.dtype(code)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        order = state[1]
        if order not in ("<", ">", "|", "="):
            raise pickle.UnpicklingError("a kind of number has no order of bytes")
        self.value = self.value.newbyteorder(order)


class _Array:
    """An array, as a pickle describes it."""

    __slots__ = ("values",)

    def __init__(self, *_: Any) -> None:
        self.values: Array | None = None

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, kind, by_column, data = state
        self.values = _numbers(kind, data, shape, by_column=by_column is True)


def _numbers(kind: Any, data: Any, shape: Any, *, by_column: bool = False) -> Array:
    """Make an array of numbers of what a pickle says."""
    if not (isinstance(kind, _Type) and type(data) is bytes and type(shape) is tuple):
        raise pickle.UnpicklingError("an array is not made of its bytes")
    return _of_bytes(data, kind.value, shape, by_column=by_column)


def _scalar(kind: Any, data: Any) -> Any:
    """Make a number of its bytes."""
    return _numbers(kind, data, (1,))[0].item()


def _encoded(text: Any, encoding: Any) -> bytes:
    """Make bytes of a text, as pickles of old protocols have them."""
    if not isinstance(text, str) or encoding != "latin1":
        raise pickle.UnpicklingError("bytes are not written in latin1")
    return text.encode("latin1")


def _refused(*_: Any) -> None:
    """Make nothing."""
    raise pickle.UnpicklingError("it makes an array of nothing")


_MAKERS: dict[tuple[str, str], Callable[..., Any]] = {
    ("numpy", "ndarray"): _refused,  # only named, as the kind of what _reconstruct makes
    ("numpy", "dtype"): _Type,
    ("numpy.core.multiarray", "_reconstruct"): _Array,
    ("numpy.core.multiarray", "scalar"): _scalar,
    ("_codecs", "encode"): _encoded,
}


def _reason(error: Exception) -> str:
    """Give an error's text in one line."""
    return " ".join(str(error).split()) or type(error).__name__
