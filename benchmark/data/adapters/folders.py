"""From a folder of images to a manifest."""

import csv
import hashlib
import os
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from shlex import quote

from benchmark.data.adapters.layout import LABEL_WORDS, SPLIT_WORDS, Place, label_of, place
from benchmark.data.adapters.metadata import METADATA, read_metadata
from benchmark.data.checking import check
from benchmark.data.facts import read_facts
from benchmark.data.manifest import Manifest, from_columns
from benchmark.errors import ManifestError
from protocols.samples import FAMILIES, FORGERIES, LABELS, OPTIONAL, REQUIRED

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")
NAME = "manifest.csv"
COLUMNS = ("path", *REQUIRED[1:], *OPTIONAL, "width", "height")
# Columns that metadata may not bring: they are found out, or made from the path.
RESERVED = ("path", "frame", "sample_id", "width", "height")

ByGenerator = str | Mapping[str, str]
Row = dict[str, str]


@dataclass(frozen=True, kw_only=True)
class Indexed:
    """What indexing a folder gave.

    Attributes:
        manifest: The manifest, as written.
        problems: Images in it that cannot be used (and so have no sha256): sample id -> why.
        ignored: What is in the folder and not in the manifest: kind -> how many.
    """

    manifest: Manifest
    problems: Mapping[str, str]
    ignored: Mapping[str, int]


def index_folder(
    folder: Path,
    *,
    labels: Mapping[str, str] | None = None,
    forgery: ByGenerator = "unknown",
    family: ByGenerator = "unknown",
    source: ByGenerator | None = None,
    splits: tuple[float, float, float] | None = None,
    videos: bool = False,
    workers: int = 2,
    on_progress: Callable[[int], None] | None = None,
) -> Indexed:
    """Write ``manifest.csv`` for a folder of images.

    Split, label, generator and source are read from the folders (``layout.place``). In a Hugging
    Face image folder with ``metadata.csv``, ``.jsonl`` or ``.parquet``, the columns of that table
    go before the folders, columns that are no part of the schema become subgroups, and images it
    does not name are ignored, as ``datasets`` does, and counted. Labels are never guessed.

    Args:
        folder: The dataset.
        labels: Class (a folder's name, or a value of the metadata's ``label``) -> real or fake.
            ``real``, ``0_real``, ``nature``, ``fake``, ``1_fake`` and ``ai`` are known.
        forgery: Of all forged images, or by generator; EFS, AM, FS, FR or unknown.
        family: Likewise; GAN, diffusion, autoencoder, graphics or unknown.
        source: Where all images come from, or the forged ones by generator: which real images a
            forgery was made from, or is to be compared with. Left out, the folders say.
        splits: Shares of train, val and test, if no folder says: a group goes where the sha256 of
            its name falls, so it stays there when images are added. Left out, all is test.
        videos: Whether each innermost folder holds the frames of one video, which is its group.
        workers: Threads that decode.
        on_progress: Called with the number of images decoded.

    Raises:
        ManifestError: There is a manifest already, an image has no label, the arguments or
            folders contradict each other, or the metadata cannot be read.
    """
    folder = Path(folder)
    labels = dict(labels or {})
    _check_arguments(folder, labels, forgery, family, splits)
    paths, metadata, ignored = _find(folder)
    rows = {path: _row(place(path, labels, videos=videos)) for path in paths}
    if metadata:
        ignored |= _merge(rows, read_metadata(folder, metadata), folder)
    _fill_labels(rows, labels, folder)
    _fill_splits(rows, splits, folder)
    _fill_taxonomy(rows, "forgery", forgery)
    _fill_taxonomy(rows, "family", family)
    _fill_source(rows, source)
    target = folder / NAME
    facts = read_facts(target)
    described = from_columns(_columns(rows), target)  # validated before an image is decoded
    problems = _measure(rows, described, workers, on_progress)
    columns = _columns(rows)
    manifest = from_columns(columns, target, facts=facts)
    _write_csv(columns, target)
    return Indexed(manifest=manifest, problems=problems, ignored=dict(sorted(ignored.items())))


def _check_arguments(
    folder: Path,
    labels: Mapping[str, str],
    forgery: ByGenerator,
    family: ByGenerator,
    splits: tuple[float, float, float] | None,
) -> None:
    """Refuse what cannot be indexed before looking at any file."""
    for name, label in labels.items():
        if label not in LABELS:
            raise ManifestError(f"class '{name}' is '{label}', not one of {', '.join(LABELS)}")
    if splits is not None and (min(splits) < 0 or abs(sum(splits) - 1) > 1e-9):
        raise ManifestError(f"the shares of train, val and test must sum to 1, got {splits}")
    for column, stated, choices in (
        ("forgery", forgery, FORGERIES),
        ("family", family, FAMILIES),
    ):
        _check_taxonomy(column, stated, choices)
    if not folder.is_dir():
        raise ManifestError(f"{folder}: there is no such folder")
    if (folder / NAME).exists():
        raise ManifestError(f"{folder / NAME}: there is a manifest already; move it away first")


def _check_taxonomy(column: str, stated: ByGenerator, choices: tuple[str, ...]) -> None:
    """Refuse a forgery or family that there is not."""
    for value in stated.values() if isinstance(stated, Mapping) else [stated]:
        if value not in choices or value == "real":
            fakes = ", ".join(choice for choice in choices if choice != "real")
            raise ManifestError(f"'{column}' is '{value}', not one of {fakes}")


def _find(folder: Path) -> tuple[list[str], list[Path], Counter[str]]:
    """List a folder's images (NFC, sorted), its metadata files, and count everything else."""
    images: dict[str, Path] = {}
    metadata: list[Path] = []
    ignored: Counter[str] = Counter()
    for top, below, names in os.walk(folder):
        ignored["linked or hidden folder"] += sum(
            _is_passed_over(Path(top, name)) for name in below
        )
        below[:] = sorted(name for name in below if not _is_passed_over(Path(top, name)))
        for path in (Path(top, name) for name in sorted(names)):
            if path.name in METADATA:
                metadata.append(path)
            elif path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith("."):
                _add(images, path, folder)
            else:
                ignored[f"{path.suffix.lower() or 'no suffix'} file"] += 1
    if not images:
        raise ManifestError(
            f"{folder}: no images in it; these are read: {' '.join(IMAGE_SUFFIXES)}"
        )
    return sorted(images), metadata, +ignored


def _is_passed_over(path: Path) -> bool:
    """Tell a folder that is not entered: a link (it may lead anywhere), hidden, or a leftover."""
    return path.is_symlink() or path.name.startswith((".", "__"))


def _add(images: dict[str, Path], path: Path, folder: Path) -> None:
    """Note an image under its path relative to ``folder``."""
    name = unicodedata.normalize("NFC", path.relative_to(folder).as_posix())
    if name in images:
        raise ManifestError(f"{path}: the same name as {images[name]} once Unicode is composed")
    if not name.isprintable():
        raise ManifestError(f"{folder}: the file name {name!r} is not printable UTF-8; rename it")
    images[name] = path


def _row(where: Place) -> Row:
    """Start an image's row with what its folders say."""
    row = dict.fromkeys(COLUMNS[1:], "")
    row |= {"split": where.split, "label": where.label, "generator": where.generator}
    return row | {"source": where.source, "group": where.group}


def _merge(rows: dict[str, Row], metadata: Mapping[str, Row], folder: Path) -> Counter[str]:
    """Put the metadata's values over the folders' and drop what it does not name."""
    for path, values in metadata.items():
        if path not in rows:
            raise ManifestError(f"{folder}: the metadata name '{path}', which is no image there")
        taken = sorted(set(values) & set(RESERVED))
        if taken:
            raise ManifestError(
                f"{folder}: the metadata may have no column '{taken[0]}'; rename it"
            )
        rows[path] |= {
            name: value for name, value in values.items() if value or name not in COLUMNS
        }
        rows[path]["split"] = SPLIT_WORDS.get(rows[path]["split"].lower(), rows[path]["split"])
    unnamed = [path for path in rows if path not in metadata]
    for path in unnamed:
        del rows[path]
    if not rows:
        raise ManifestError(f"{folder}: the metadata name no image")
    return Counter({"image the metadata do not name": len(unnamed)} if unnamed else {})


def _fill_labels(rows: dict[str, Row], labels: Mapping[str, str], folder: Path) -> None:
    """Turn every class into real or fake, or say which classes there are."""
    unknown = {}
    for path, row in rows.items():
        # Metadata may bring a class of its own; the folders' label is real or fake already.
        label = label_of(row["label"], labels)
        if not label:
            unknown[row["label"] or PurePosixPath(path).parent.name or "."] = path
        elif label == "real" and row["generator"] == "unknown":
            row["generator"] = "camera"
        row["label"] = label
    if not unknown:
        return
    names = sorted(unknown)
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    option = f"--label {quote(f'{names[0]}=real')}"
    raise ManifestError(
        f"{folder}: nothing says whether '{unknown[names[0]]}' is real or fake; label the classes "
        f"{', '.join(names[:10])}{more}, each with {option} or fake "
        f"(known are {', '.join(LABEL_WORDS)})"
    )


def _fill_splits(
    rows: dict[str, Row], splits: tuple[float, float, float] | None, folder: Path
) -> None:
    """Give every image a split: as its folders say, by shares, or test."""
    without = [path for path, row in rows.items() if not row["split"]]
    if without and len(without) < len(rows):
        raise ManifestError(
            f"{folder}: {len(without)} of {len(rows)} images stand in no split ('{without[0]}' "
            "first), the others in one; move them"
        )
    if splits is not None and not without:
        raise ManifestError(f"{folder}: its images stand in splits already; ask for no shares")
    for path in without:
        rows[path]["split"] = split_of(rows[path]["group"] or path, splits) if splits else "test"


def split_of(group: str, splits: tuple[float, float, float]) -> str:
    """Say where a group goes: its name's sha256, as a fraction of 1, falls into a share."""
    fraction = int.from_bytes(hashlib.sha256(group.encode()).digest()[:8], "big") / 2**64
    if fraction < splits[0]:
        return "train"
    return "val" if fraction < splits[0] + splits[1] else "test"


def _fill_taxonomy(rows: dict[str, Row], column: str, stated: ByGenerator) -> None:
    """Fill ``forgery`` or ``family`` where no metadata did: real, as stated, or unknown."""
    _check_generators(rows, set(stated) if isinstance(stated, Mapping) else set())
    for row in rows.values():
        fake = stated if isinstance(stated, str) else stated.get(row["generator"], "unknown")
        row[column] = row[column] or ("real" if row["label"] == "real" else fake)


def _fill_source(rows: dict[str, Row], source: ByGenerator | None) -> None:
    """Put the stated source in the place of the folders'."""
    if isinstance(source, Mapping):
        _check_generators(rows, set(source))
    for row in rows.values():
        if isinstance(source, str):
            row["source"] = source
        elif source and row["label"] == "fake":
            row["source"] = source.get(row["generator"], row["source"])


def _check_generators(rows: dict[str, Row], named: set[str]) -> None:
    """Refuse a generator that no forged image has."""
    generators = {row["generator"] for row in rows.values() if row["label"] == "fake"}
    missing = sorted(named - generators)
    if missing:
        raise ManifestError(
            f"no generator is called '{missing[0]}'; there are {', '.join(sorted(generators))}"
        )


def _measure(
    rows: dict[str, Row],
    described: Manifest,
    workers: int,
    on_progress: Callable[[int], None] | None,
) -> dict[str, str]:
    """Decode every image, note hash and size in its row, and give the problems by sample id.

    The row of a bad image keeps what its metadata said, so every later check names it again.
    """
    facts = check(described, workers=workers, on_progress=on_progress)
    problems = {}
    for path, fact in facts.to_dict("index").items():
        if fact["problem"]:
            problems[str(path)] = str(fact["problem"])
        else:
            rows[str(path)] |= {name: str(fact[name]) for name in ("sha256", "width", "height")}
    return problems


def _columns(rows: Mapping[str, Row]) -> dict[str, list[str]]:
    """Turn rows into columns: the schema's, then the user's own in order of appearance."""
    names = dict.fromkeys(COLUMNS[1:]) | dict.fromkeys(
        name for row in rows.values() for name in row
    )
    columns = {name: [row.get(name, "") for row in rows.values()] for name in names}
    return {"path": list(rows), **columns}


def _write_csv(columns: Mapping[str, list[str]], target: Path) -> None:
    """Write a CSV file whole or not at all."""
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with temporary.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(columns)
            writer.writerows(zip(*columns.values(), strict=True))
        temporary.replace(target)
    except OSError as error:
        raise ManifestError(f"{target}: cannot be written: {error.strerror}") from error
    finally:
        temporary.unlink(missing_ok=True)
