"""Packs: a dataset's image files, byte for byte, in a few Parquet shards with their table."""

import hashlib
import mmap
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from benchmark.data.content import check_content
from benchmark.data.extracting import begin_folder
from benchmark.data.facts import DatasetFacts, write_facts
from benchmark.data.images import FRAME, check_file, file_of, locate, read_image_bytes
from benchmark.data.layouts.masks import MASK
from benchmark.data.loader import default_workers, load
from benchmark.data.manifest import Manifest, write_manifest
from benchmark.data.packs import INDEX, INDEX_SCHEMA, MANIFEST, SEAL, PackSeal, SealedShard
from benchmark.errors import BenchmarkError, ImageError
from results.files import atomic_write, file_hash, json_text
from results.parquet import read_table

SHARD_BYTES = 512 << 20
_NOTE = ".packing"  # what the shards that lie there are of, while some lack
_PARTS = ".parts"  # where the images of each finished shard lie
_GROUP_BYTES, _GROUP_ROWS = 32 << 20, 512
_HEAD = 32  # bytes of an image that are looked for in its shard
_SHA256 = "sha256"


@dataclass(frozen=True, kw_only=True)
class Packed:
    """What was packed.

    Attributes:
        manifest: The manifest's file.
        shards: How many.
        images: How many.
        bytes: Of the shards.
        left_out: Columns that name files which are not packed.
    """

    manifest: Path
    shards: int
    images: int
    bytes: int
    left_out: tuple[str, ...]


class _File(NamedTuple):
    """A file that was read for a row."""

    row: int
    data: bytes
    sha256: str


class _Image(NamedTuple):
    """An image that was written: what it is known by in its shard."""

    row: int
    size: int
    head: bytes
    sha256: str


def pack(
    manifest: Manifest,
    out: Path,
    *,
    shard_bytes: int = SHARD_BYTES,
    workers: int | None = None,
    on_progress: Callable[[], None] = lambda: None,
) -> Packed:
    """Write a dataset's images into Parquet shards, and a manifest that every command takes.

    A shard holds one split. A row has the columns of the manifest and ``image``, the file as it is,
    so that ``datasets.load_dataset`` opens the folder as images. Several samples of one picture
    have it each. A shard that is there from an earlier attempt stays: files appear whole or not at
    all, and a shard at a time is looked at, a few images of it in memory.

    Args:
        manifest: Of images; frames of videos are extracted first.
        out: The folder; continued if it is there.
        shard_bytes: Of images, about, in a shard.
        workers: Threads that read; None: as many as there are cores, 16 at most.
        on_progress: Called after each sample.

    Raises:
        BenchmarkError: A sample is a frame, files are missing, or the folder holds something else.
        ImageError: A file cannot be read, or is not what the manifest states.
    """
    samples = manifest.samples.drop(columns=[MASK], errors="ignore")
    ids = samples["sample_id"].tolist()
    video = next((each for each in ids if FRAME in each), None)
    if video is not None:
        raise BenchmarkError(
            f"'{video}' is a frame of a video, and images are packed: write frames as images with "
            "'forgerybench data extract', or faces with 'data crop'"
        )
    out.mkdir(parents=True, exist_ok=True)
    if (out / SEAL).exists() and (out / MANIFEST).exists():
        raise BenchmarkError(f"{out}: there is a pack already; choose another folder")
    sizes = _sizes(manifest, ids)
    plan = _plan(samples["split"].tolist(), sizes, shard_bytes)
    begin_folder(out, _NOTE, _made_of(manifest.root, samples, plan))
    packer = _Packer(manifest.root, samples, out, workers)
    sealed = {
        name: packer.shard(name, rows, on_progress=on_progress) for name, rows in plan.items()
    }
    target = _finish(manifest, samples, out, sealed)
    return Packed(
        manifest=target,
        shards=len(sealed),
        images=len(ids),
        bytes=sum(each.bytes for each in sealed.values()),
        left_out=tuple(name for name in (MASK,) if name in manifest.samples),
    )


def _sizes(manifest: Manifest, ids: Sequence[str]) -> list[int]:
    """Give the bytes of each sample's file.

    Raises:
        BenchmarkError: Some are not there; they are counted and the first is named.
    """
    sizes, bad = list[int](), list[ImageError]()
    for sample_id in ids:
        try:
            place = locate(manifest.root, sample_id)
            sizes.append(check_file(place.path) if place.span is None else place.span.size)
        except ImageError as error:
            bad.append(error)
    if bad:
        more = f" ({len(bad) - 1} more such files)" if len(bad) > 1 else ""
        raise BenchmarkError(
            f"{bad[0]}{more}: a pack is whole; 'forgerybench data check' names them all, and "
            "what cannot be mended is taken out of the manifest"
        )
    return sizes


def _plan(splits: Sequence[str], sizes: Sequence[int], most: int) -> dict[str, list[int]]:
    """Share rows out among shards, split by split, each in the manifest's order."""
    plan: dict[str, list[int]] = {}
    for split in ("train", "val", "test"):
        shards: list[list[int]] = []
        held = most
        for row, size in enumerate(sizes):
            if splits[row] != split:
                continue
            if held + size > most:
                shards.append([])
                held = 0
            shards[-1].append(row)
            held += size
        # So named, the Hub and ``datasets`` take them for the splits that they are.
        count = len(shards)
        plan |= {f"data/{split}-{n:05d}-of-{count:05d}.parquet": s for n, s in enumerate(shards)}
    return plan


def _made_of(root: Path, samples: pd.DataFrame, plan: dict[str, list[int]]) -> Iterator[str]:
    """Give what a pack is made of, as text."""
    yield str(root.resolve())
    yield from (f"{name} {rows}" for name, rows in plan.items())
    yield "\x1f".join(map(str, samples.columns))
    yield from ("\x1f".join(row) for row in samples.itertuples(index=False, name=None))


class _Packer:
    """Writes shards, one after the other."""

    def __init__(self, root: Path, samples: pd.DataFrame, out: Path, workers: int | None) -> None:
        self._root, self._samples, self._out = root, samples, out
        self._workers = default_workers() if workers is None else workers
        self._ids = samples["sample_id"].tolist()
        self._stated = samples[_SHA256].tolist()

    def shard(
        self, name: str, rows: Sequence[int], *, on_progress: Callable[[], None]
    ) -> SealedShard:
        """Write a shard and where its images lie in it, unless both are there."""
        path, part = self._out / name, self._out / _PARTS / Path(name).name
        if not (path.is_file() and part.is_file() and _stated_hash(part) == file_hash(path)):
            part.unlink(missing_ok=True)
            path.parent.mkdir(parents=True, exist_ok=True)
            draft = path.with_name(f".{path.name}")
            try:
                written = self._written(draft, rows, on_progress)
                spans = _spans(draft, written)
                digest = file_hash(draft)
                draft.replace(path)
            finally:
                draft.unlink(missing_ok=True)
            self._keep(part, name, digest, written, spans)
        else:
            for _ in rows:
                on_progress()
        return SealedShard(sha256=_stated_hash(part), bytes=path.stat().st_size, images=len(rows))

    def _written(
        self, draft: Path, rows: Sequence[int], on_progress: Callable[[], None]
    ) -> list[_Image]:
        """Write the rows of a shard, a group of a few MB at a time."""
        written: list[_Image] = []
        schema = _schema(self._samples)
        with pq.ParquetWriter(
            draft,
            schema,
            compression={"image.bytes": "none"} | dict.fromkeys(schema.names[1:], "zstd"),
            use_dictionary=schema.names[1:],
            write_statistics=schema.names[1:],
        ) as writer:
            for group in _groups(self._files(rows)):
                writer.write_table(self._table(schema, group), row_group_size=len(group))
                written += [
                    _Image(each.row, len(each.data), each.data[:_HEAD], each.sha256)
                    for each in group
                ]
                for _ in group:
                    on_progress()
        return written

    def _files(self, rows: Sequence[int]) -> Iterator[_File]:
        """Read files in order, some ahead in threads."""

        def read(row: int) -> _File:
            place = locate(self._root, self._ids[row])
            data = read_image_bytes(place)
            digest = hashlib.sha256(data).hexdigest()
            check_content(place.name, digest, self._stated[row])
            return _File(row, data, digest)

        @contextmanager
        def opened(_: object) -> Iterator[Callable[[int], _File]]:
            yield read

        found = load(
            ([row] for row in rows),
            where=lambda row: (row, 0),
            opened=opened,
            size=lambda file: len(file.data),
            workers=self._workers,
            ahead=2 * self._workers,
            most_bytes=_GROUP_BYTES,
        )
        with closing(found):
            for (file,) in found:
                yield file

    def _table(self, schema: pa.Schema, files: Sequence[_File]) -> pa.Table:
        """Give the rows of some images."""
        rows = self._samples.iloc[[each.row for each in files]]
        columns = {str(name): rows[name].tolist() for name in rows.columns}
        columns[_SHA256] = [each.sha256 for each in files]
        columns["path"] = columns.pop("sample_id")
        names = [Path(file_of(path)).name for path in columns["path"]]
        pictures = [
            {"bytes": each.data, "path": name} for each, name in zip(files, names, strict=True)
        ]
        return pa.table([pictures, *(columns[name] for name in schema.names[1:])], schema=schema)

    def _keep(
        self, part: Path, name: str, digest: str, written: list[_Image], spans: list[int]
    ) -> None:
        """Note where the images of a finished shard lie, and what was read of them."""
        columns = [
            [file_of(self._ids[each.row]) for each in written],
            [name] * len(written),
            spans,
            [each.size for each in written],
        ]
        table = pa.table(columns, schema=INDEX_SCHEMA)
        table = table.append_column("row", pa.array([each.row for each in written]))
        table = table.append_column(_SHA256, pa.array([each.sha256 for each in written]))
        sink = pa.BufferOutputStream()
        pq.write_table(table.append_column("of", pa.array([digest] * len(written))), sink)
        atomic_write(part, sink.getvalue().to_pybytes())


def _schema(samples: pd.DataFrame) -> pa.Schema:
    """Give a shard's columns, with what ``datasets`` reads them as."""
    import datasets

    names = ["path", *(str(name) for name in samples.columns if name not in ("sample_id", "image"))]
    features = {"image": datasets.Image()} | {name: datasets.Value("string") for name in names}
    return datasets.Features(features).arrow_schema


def _groups(files: Iterator[_File]) -> Iterator[list[_File]]:
    """Put files together into groups of a few MB."""
    group: list[_File] = []
    held = 0
    for each in files:
        group.append(each)
        held += len(each.data)
        if held >= _GROUP_BYTES or len(group) == _GROUP_ROWS:
            yield group
            group, held = [], 0
    if group:
        yield group


def _spans(path: Path, images: Sequence[_Image]) -> list[int]:
    """Find where each image begins in a shard that was just written.

    In a plain column, values follow each other, each behind its length in four bytes; now and then
    a page begins between them. So an image is looked for from the end of the one before, and its
    sha256 decides.

    Raises:
        BenchmarkError: One is not there as it is, whatever wrote the column.
    """
    found: list[int] = []
    end = 0
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as shard:
        for image in images:
            mark = image.size.to_bytes(4, "little") + image.head
            begin = shard.find(mark, end)
            while begin >= 0:
                start = begin + 4
                data = memoryview(shard)[start : start + image.size]
                same = hashlib.sha256(data).hexdigest() == image.sha256
                data.release()
                if same:
                    break
                begin = shard.find(mark, begin + 1)
            else:
                raise BenchmarkError(f"{path}: Parquet did not store image {len(found)} plainly")
            found.append(start)
            end = start + image.size
    return found


def _stated_hash(part: Path) -> str:
    """Give the sha256 of the shard that a part of the index is of."""
    return str(pq.read_table(part, columns=["of"]).column(0)[0].as_py())


def _finish(
    manifest: Manifest, samples: pd.DataFrame, out: Path, sealed: dict[str, SealedShard]
) -> Path:
    """Write index, facts, seal and manifest, in this order."""
    parts = [read_table(out / _PARTS / Path(name).name) for name in sealed]
    table = pa.concat_tables(parts)
    hashes = np.empty(len(samples), dtype=object)
    hashes[table["row"].to_numpy()] = table[_SHA256].to_pylist()
    places = table.select(INDEX_SCHEMA.names).to_pandas().drop_duplicates("path")
    index = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pandas(places, INDEX_SCHEMA, preserve_index=False), index)
    atomic_write(out / INDEX, index.getvalue().to_pybytes())
    target, draft = out / MANIFEST, out / f".{MANIFEST}"
    target.unlink(missing_ok=True)  # of an attempt that was stopped before it was sealed
    columns = {
        ("path" if name == "sample_id" else str(name)): samples[name].tolist()
        for name in samples.columns
    }
    write_manifest(columns | {_SHA256: hashes.tolist()}, draft)
    write_facts(target, _facts(manifest, out))
    seal = PackSeal(
        format=1, shards=sealed, index=file_hash(out / INDEX), manifest=file_hash(draft)
    )
    atomic_write(out / SEAL, json_text(seal.model_dump(), SEAL))
    draft.replace(target)
    rmtree(out / _PARTS)
    (out / _NOTE).unlink()
    return target


def _facts(manifest: Manifest, out: Path) -> DatasetFacts:
    """Give the facts of a pack: the same bytes are crops of the same pictures."""
    stated = manifest.facts
    if stated.pictures is None:
        return stated.of_copy()
    folder = manifest.path.parent / stated.pictures
    relative = os.path.relpath(folder.resolve(), out.resolve())
    pictures = stated.pictures if Path(stated.pictures).is_absolute() else relative
    kept = {"pictures": pictures, "picture_links": stated.picture_links}
    return stated.of_copy().model_copy(update=kept)
