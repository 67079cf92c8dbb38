"""From a dataset on disk to its manifest: what an adapter reads, measured and written."""

import csv
import io
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmark.data.adapters import Adapter, ByGenerator, Options, Row, load_adapter
from benchmark.data.checking import check
from benchmark.data.facts import read_dataset_facts
from benchmark.data.manifest import Manifest, from_columns
from benchmark.errors import ManifestError
from protocols.samples import OPTIONAL, REQUIRED
from results.files import atomic_write

NAME = "manifest.csv"
INDEX_COLUMNS = ("path", *REQUIRED[1:], *OPTIONAL, "width", "height")


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
    adapter: str = "folders",
    labels: Mapping[str, str] | None = None,
    forgery: ByGenerator | None = None,
    family: ByGenerator | None = None,
    source: ByGenerator | None = None,
    splits: tuple[float, float, float] | None = None,
    videos: bool = False,
    workers: int = 2,
    on_progress: Callable[[int], None] | None = None,
) -> Indexed:
    """Write ``manifest.csv`` for a dataset that lies in a folder.

    Args:
        folder: The dataset.
        adapter: How it lies there: one of ``adapter_names()``, which says what is read.
        labels: Class -> real or fake.
        forgery: Of all forged images, or by generator; EFS, AM, FS, FR or unknown.
        family: Likewise; GAN, diffusion, autoencoder, graphics or unknown.
        source: Where all images come from, or the forged ones by generator: which real images a
            forgery was made from, or is to be compared with.
        splits: Shares of train, val and test.
        videos: Whether each innermost folder holds the frames of one video, which is its group.
        workers: Threads that decode.
        on_progress: Called with the number of images decoded.

    Raises:
        UnknownNameError: There is no such adapter.
        ManifestError: The adapter does not take an argument or the folder, an argument is wrong,
            or there is a manifest already.
    """
    folder = Path(folder)
    options = Options(
        labels=labels or {},
        forgery=forgery,
        family=family,
        source=source,
        splits=splits,
        videos=videos,
    )
    chosen = load_adapter(adapter)
    target = folder / NAME
    _check(chosen, options, target)
    described = chosen.read(folder, options)
    rows = {path: dict(row) for path, row in described.rows.items()}
    facts = read_dataset_facts(target)
    # Validated before an image is decoded.
    problems = _measure(rows, from_columns(_columns(rows), target), workers, on_progress)
    columns = _columns(rows)
    manifest = from_columns(columns, target, facts=facts)
    _write_csv(columns, target)
    ignored = dict(sorted(described.ignored.items()))
    return Indexed(manifest=manifest, problems=problems, ignored=ignored)


def _check(adapter: Adapter, options: Options, target: Path) -> None:
    """Refuse what cannot be indexed before looking at any file."""
    for name in options.stated:
        if name not in adapter.options:
            taken = ", ".join(sorted(adapter.options)) or "no option"
            raise ManifestError(f"adapter '{adapter.name}' takes no {name}; it takes {taken}")
    if not target.parent.is_dir():
        raise ManifestError(f"{target.parent}: there is no such folder")
    if target.exists():
        raise ManifestError(f"{target}: there is a manifest already; move it away first")
    try:
        with tempfile.TemporaryFile(dir=target.parent):
            pass
    except OSError as error:
        raise ManifestError(
            f"{target}: cannot be written ({error.strerror}), and a manifest lies beside its "
            "images: copy them to a folder of yours first"
        ) from error


def _measure(
    rows: Mapping[str, Row],
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
            rows[str(path)].update(
                {name: str(fact[name]) for name in ("sha256", "width", "height")}
            )
    return problems


def _columns(rows: Mapping[str, Row]) -> dict[str, list[str]]:
    """Turn rows into columns: the schema's, then the user's own in order of appearance."""
    names = dict.fromkeys(INDEX_COLUMNS[1:]) | dict.fromkeys(
        name for row in rows.values() for name in row
    )
    columns = {name: [row.get(name, "") for row in rows.values()] for name in names}
    return {"path": list(rows), **columns}


def _write_csv(columns: Mapping[str, list[str]], target: Path) -> None:
    """Write a CSV file whole or not at all."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    try:
        atomic_write(target, text.getvalue())
    except OSError as error:
        raise ManifestError(f"{target}: cannot be written: {error.strerror}") from error
