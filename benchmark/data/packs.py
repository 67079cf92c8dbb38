"""Packed datasets: image files kept whole in Parquet shards, each read from its place there.

A shard's image column is stored plainly and uncompressed, so the bytes of an image file lie in it
as they are. Readers of Parquet take the rows in groups; the loader, which wants one image of any
row, takes these bytes alone, and no shard has to be trusted as Parquet.
"""

import re
from collections.abc import Mapping
from pathlib import Path, PosixPath
from typing import Annotated, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from benchmark.errors import ImageError, ManifestError
from protocols.errors import ProtocolError
from protocols.files import read_json
from protocols.reading import parse
from protocols.text import printable
from results.errors import ResultError
from results.parquet import read_table

SEAL = "forgerybench-pack.json"
INDEX = "index.parquet"
MANIFEST = "manifest.parquet"
_SHARD = re.compile(r"data/(train|val|test)-\d{5}-of-\d{5}\.parquet")
INDEX_SCHEMA = pa.schema(
    {"path": pa.string(), "shard": pa.string(), "offset": pa.int64(), "bytes": pa.int64()}
)
_Hash = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Span(NamedTuple):
    """Where an image's file lies in a shard.

    Attributes:
        name: The file's path, as it was packed.
        offset: Of its first byte.
        size: Its bytes.
    """

    name: str
    offset: int
    size: int


class SealedShard(BaseModel):
    """What a shard was when it was packed."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    sha256: _Hash
    bytes: int = Field(gt=0)
    images: int = Field(gt=0)


class PackSeal(BaseModel):
    """What a pack was when it was made: the file ``forgerybench-pack.json`` of its folder.

    Attributes:
        format: Of the pack; a change of what a file means is a new one.
        shards: By their paths.
        index: sha256 of ``index.parquet``, which says where in the shards each image lies.
        manifest: sha256 of ``manifest.parquet``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    format: Literal[1]
    shards: dict[str, SealedShard] = Field(min_length=1)
    index: _Hash
    manifest: _Hash


class PackIndex(NamedTuple):
    """Where each image of a pack lies: 24 bytes and its name each.

    Attributes:
        rows: Path as packed -> its place in the arrays.
        shards: The shards' paths.
        shard: int64 (n,), places in ``shards``.
        offset: int64 (n,).
        size: int64 (n,).
    """

    rows: Mapping[str, int]
    shards: list[str]
    shard: npt.NDArray[np.int64]
    offset: npt.NDArray[np.int64]
    size: npt.NDArray[np.int64]


class PackedRoot(PosixPath):
    """A root whose images lie in the shards of a pack.

    Attributes:
        index: Where each lies.
        links: Whether links are followed out of it: its user has said so.
    """

    index: PackIndex
    links: bool

    def find(self, name: str) -> tuple[Path, Span]:
        """Give the shard that an image lies in, and where.

        Raises:
            ImageError: The pack has no such image, or the shard is a link that leaves it.
        """
        row = self.index.rows.get(name)
        if row is None:
            raise ImageError(str(self / name), "missing")
        path = Path(self, self.index.shards[self.index.shard[row]])
        if not (self.links or path.resolve().is_relative_to(Path(self).resolve())):
            raise ImageError(str(path), "leads out of the manifest's folder")
        return path, Span(name, int(self.index.offset[row]), int(self.index.size[row]))


def is_pack(folder: Path) -> bool:
    """Tell whether a folder is a pack."""
    return (folder / SEAL).exists()


def open_pack(folder: Path, *, links: bool) -> PackedRoot:
    """Read where the images of a pack lie.

    Raises:
        ManifestError: Its seal or its index is damaged, or says what no pack does.
    """
    root = PackedRoot(folder)
    root.index, root.links = read_index(folder, read_seal(folder)), links
    return root


def read_seal(folder: Path) -> PackSeal:
    """Read what a pack was when it was made.

    Raises:
        ManifestError: It is damaged, or names a shard that no pack has.
    """
    path = folder / SEAL
    try:
        seal = parse(PackSeal, read_json(path), str(path))
    except ProtocolError as error:
        raise ManifestError(
            f"{error}; it makes its folder a pack: rename it if it is not"
        ) from error
    for name in seal.shards:
        if not _SHARD.fullmatch(name):
            raise ManifestError(
                f"{path}: '{printable(name)}' is no shard's name, such as "
                "data/test-00000-of-00001.parquet"
            )
    return seal


def read_index(folder: Path, seal: PackSeal) -> PackIndex:
    """Read where in its shards the images of a pack lie.

    Raises:
        ManifestError: It is damaged, or names what is not sealed.
    """
    path = folder / INDEX
    try:
        table = read_table(path)
    except ResultError as error:
        raise ManifestError(str(error)) from error
    wanted = dict(zip(INDEX_SCHEMA.names, INDEX_SCHEMA.types, strict=True))
    if dict(zip(table.column_names, table.schema.types, strict=True)) != wanted:
        raise ManifestError(
            f"{path}: its columns are not {', '.join(f'{n} ({t})' for n, t in wanted.items())}"
        )
    if any(column.null_count for column in table.columns):
        raise ManifestError(f"{path}: a value is missing")
    shards = list(seal.shards)
    known = {name: number for number, name in enumerate(shards)}
    stated = table["shard"].combine_chunks().dictionary_encode()
    for name in stated.dictionary.to_pylist():
        if name not in known:
            raise ManifestError(f"{path}: '{printable(name)}' is no shard that {SEAL} names")
    numbers = np.array([known[name] for name in stated.dictionary.to_pylist()], np.int64)
    offset, size = (table[name].to_numpy() for name in ("offset", "bytes"))
    rows = {name: row for row, name in enumerate(table["path"].to_pylist())}
    if len(rows) < len(table):
        raise ManifestError(f"{path}: {len(table) - len(rows)} paths stand there twice")
    if (offset < 0).any() or (size < 1).any():
        raise ManifestError(f"{path}: an image begins before its shard does, or has no bytes")
    return PackIndex(rows, shards, numbers[stated.indices.to_numpy()], offset, size)


def read_span(path: Path, span: Span) -> bytes:
    """Read an image's file out of a shard.

    Raises:
        ImageError: The shard is missing, no regular file, cut short or unreadable.
    """
    where = f"{path}, {span.name}"
    if not path.exists():
        raise ImageError(where, "missing, as its shard is")
    if not path.is_file():  # a pipe would be waited for without end
        raise ImageError(where, "not a file")
    try:
        with path.open("rb", buffering=0) as file:
            if span.offset + span.size > path.stat().st_size:
                raise ImageError(where, "unreadable: its shard is cut short")
            file.seek(span.offset)
            return file.read(span.size)
    except OSError as error:
        raise ImageError(where, f"unreadable: {error.strerror}") from error
