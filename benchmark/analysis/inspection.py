"""The worst errors of a cell, as a table and, where the images are at hand, as pictures."""

from pathlib import Path
from typing import NamedTuple

import pandas as pd

from benchmark.data.checking import check
from benchmark.data.loader import Rows, default_workers
from benchmark.data.manifest import Manifest
from benchmark.data.originals import picture_roots
from benchmark.errors import BenchmarkError
from benchmark.study.binding import Data, bind
from benchmark.study.resolved import encoding_of
from leaderboard.figures.hardest import ErrorPixels, Errors, contact_sheet, find_cell, hardest
from results.faults import checked_contents
from results.files import atomic_write, csv_table, refuse_existing
from results.run import RunContents

MOST_ERRORS = 16


class Inspected(NamedTuple):
    """What was found.

    Attributes:
        errors: The errors.
        files: What was written.
        unseen: Why errors are shown without their images, or None.
    """

    errors: Errors
    files: tuple[Path, ...]
    unseen: str | None


def inspect(
    run: Path,
    cell: str,
    *,
    detector: str | None = None,
    seed: int | None = None,
    most: int = MOST_ERRORS,
    data: Data | None = None,
    out: Path | None = None,
    force: bool = False,
) -> Inspected:
    """Find the worst errors of a model in a cell, and show them.

    Pictures are as the detector had them, perturbed and encoded, before it resized them. They are
    written to ``out`` alone, never into the run: a report holds no photograph of anyone.

    Args:
        run: The run's folder; nothing in it is changed.
        cell: ``leaderboard.figures.hardest.FORM``.
        detector: As the study calls it; None: the only one.
        seed: Its training seed; None: the only one.
        most: How many errors of each kind at most.
        data: The manifests of its roles, as for ``benchmark.study.run``; None: no pictures.
        out: Folder for ``hardest.csv`` and ``hardest.png``; None: nothing is written.
        force: Replace these two if they are there.

    Raises:
        LeaderboardError, ProtocolError: No such cell or model; what there is is told.
        BenchmarkError: An image is another than the one that was scored.
        ResultError: A file of the run cannot be read, one of ``out`` is there, or the run is not
            what it was sealed as.
    """
    files = [] if out is None else [out / "hardest.csv", out / "hardest.png"]
    refuse_existing(*files, force=force)
    contents = checked_contents(run)
    entry, found = find_cell(contents, cell, detector, seed)
    errors = hardest(contents, entry, found, most)
    unseen = None if data is not None else "without --data"
    images: list[ErrorPixels | str] = []
    if data is not None:
        images = _images(contents, errors, data)
        missing = [image for image in images if isinstance(image, str)]
        if missing:
            unseen = f"{len(missing)} of {len(images)}: {', '.join(dict.fromkeys(missing))}"
    if files:
        atomic_write(files[0], csv_table(errors.table))
        if any(not isinstance(image, str) for image in images):
            atomic_write(files[1], contact_sheet(errors, images).png)
        else:
            del files[1]
    return Inspected(errors, tuple(files), unseen)


def _images(contents: RunContents, errors: Errors, data: Data) -> list[ErrorPixels | str]:
    """Give the image of each error, or why there is none."""
    # They load torch, which a table of errors does without.

    from benchmark.data.source import ImageSource
    from benchmark.scoring.conditions import perturbed

    protocols = [expansion.protocol for expansion in contents.expansions.values()]
    manifests = bind(protocols, data, allow_missing=True)
    samples = contents.samples
    encoding = encoding_of(protocols, samples)
    roots = {role: manifest.root for role, manifest in manifests.items()}
    pictures = picture_roots(manifests)
    source = ImageSource(samples, roots, encoding=encoding, pictures=pictures)
    at = pd.MultiIndex.from_frame(samples[["dataset", "sample_id"]])
    rows = at.get_indexer(pd.MultiIndex.from_frame(errors.table[["dataset", "sample_id"]]))
    problems = _problems(contents, manifests, rows)
    here = [int(row) for row, problem in zip(rows, problems, strict=True) if not problem]
    shown = perturbed(
        errors.cell.condition,
        source,
        here,
        noise_seed=contents.expansions[errors.entry.protocol].protocol.noise_seed,
        workers=default_workers(),
    )
    return [problem or next(shown)[1] for problem in problems]


def _problems(contents: RunContents, manifests: dict[str, Manifest], rows: Rows) -> list[str]:
    """Compare each image with the content hash that the run's fingerprint is over.

    Raises:
        BenchmarkError: One has another content.
    """
    samples = contents.samples.iloc[rows]
    found = {
        role: check(manifest, samples[samples["dataset"] == role])
        for role, manifest in manifests.items()
    }
    problems = []
    known = samples[["dataset", "sample_id", "sha256"]].itertuples(index=False, name=None)
    for role, sample_id, scored in known:
        if role not in manifests:
            problems.append(f"no --data {role}=")
            continue
        now = found[role].loc[sample_id]
        if now["sha256"] not in ("", scored):
            raise BenchmarkError(
                f"{contents.run} was made on other images than these, first '{sample_id}': give "
                "--data as it was"
            )
        problems.append(str(now["problem"]))
    return problems
