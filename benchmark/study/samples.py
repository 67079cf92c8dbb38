"""The samples of a study: as manifests state them, and as they were found when they were read."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from benchmark.data.checking import check
from benchmark.data.manifest import Manifest
from benchmark.errors import BenchmarkError
from benchmark.progress import Progress
from protocols.samples import COLUMNS, fingerprint
from results.schema import Dataset
from results.store import read_samples

MISSING_HASH = "missing"


def stated_samples(manifests: Mapping[str, Manifest]) -> pd.DataFrame:
    """Put the manifests' samples in one table, as they state them, with their role."""
    tables = [m.samples.assign(dataset=role) for role, m in sorted(manifests.items())]
    samples = pd.concat(tables, ignore_index=True)
    own = [name for name in samples.columns if name not in ("dataset", *COLUMNS)]
    samples[own] = samples[own].fillna("").astype(str)
    samples = samples[["dataset", *COLUMNS, *own]]
    return samples.sort_values(["dataset", "sample_id"], kind="stable", ignore_index=True)


def verified_samples(
    manifests: Mapping[str, Manifest], *, allow_missing: bool, progress: Progress
) -> pd.DataFrame:
    """Read, hash and decode every image; add ``problem`` and fill in content hashes.

    Raises:
        BenchmarkError: Files are missing or unreadable, the first ones named, unless
            ``allow_missing``: then each stays in the table with its problem, is selected nowhere,
            and is counted in every cell it would belong to.
    """
    samples = stated_samples(manifests)
    problems, hashes = [], []
    progress.phase("check", len(manifests))
    for role, manifest in sorted(manifests.items()):
        rows = samples[samples["dataset"] == role]
        progress.job(f"reading {manifest.name}", len(rows))
        facts = check(
            manifest,
            rows,
            on_progress=lambda _: progress.advance(),
        )
        progress.finish()
        problems += facts["problem"].tolist()
        hashes += facts["sha256"].tolist()
    samples["problem"] = problems
    bad = samples["problem"] != ""
    if bad.any() and not allow_missing:
        first = samples[bad].head(3)
        named = [f"{s} ({p})" for s, p in zip(first["sample_id"], first["problem"], strict=True)]
        raise BenchmarkError(
            f"{int(bad.sum())} of {len(samples)} images cannot be used: {', '.join(named)}"
            f"{', ...' if bad.sum() > 3 else ''}; mend them, or leave them out with "
            "--allow-missing (each cell then counts them)"
        )
    found = pd.Series(hashes, index=samples.index)
    stated = samples["sha256"].where(samples["sha256"] != "", MISSING_HASH)
    samples["sha256"] = found.where(~bad, stated)
    return samples


def dataset_facts(manifests: Mapping[str, Manifest], samples: pd.DataFrame) -> dict[str, Dataset]:
    """State the bound datasets: name, fingerprint and counts, by role.

    Raises:
        SamplesError: A sample has no content hash.
    """
    found = {}
    for role, manifest in manifests.items():
        rows = samples[samples["dataset"] == role]
        found[role] = Dataset(
            name=manifest.name,
            fingerprint=fingerprint(rows),
            n_samples=len(rows),
            n_missing=int((rows["problem"] != "").sum()),
            synthetic=manifest.facts.synthetic,
        )
    return found


def run_samples(
    out: Path, manifests: Mapping[str, Manifest], allow_missing: bool, progress: Progress
) -> tuple[pd.DataFrame, bool]:
    """Give the samples, and whether their images were read now or when the run began."""
    if (out / "samples.parquet").is_file() and (out / "run.json").is_file():
        before, stated = read_samples(out), stated_samples(manifests)
        known = list(before.drop(columns="problem").columns) == list(stated.columns)
        if known and (allow_missing or not (before["problem"] != "").any()):
            has_hash = stated["sha256"] != ""
            filled = stated.assign(sha256=stated["sha256"].where(has_hash, before["sha256"]))
            if filled.equals(before[filled.columns].astype(filled.dtypes)):
                return before, False
    return verified_samples(manifests, allow_missing=allow_missing, progress=progress), True


def refuse_changed(
    manifests: Mapping[str, Manifest],
    samples: pd.DataFrame,
    allow_missing: bool,
    progress: Progress,
) -> None:
    """Raise BenchmarkError if an image is no longer what it was when the run began."""
    now = verified_samples(manifests, allow_missing=allow_missing, progress=progress)
    same = now["sha256"] == samples["sha256"]
    same &= (now["problem"] == "") == (samples["problem"] == "")
    if not same.all():
        first = now.loc[~same, "sample_id"].iloc[0]
        raise BenchmarkError(
            f"{int((~same).sum())} images have changed since the run began, '{first}' first: "
            "choose another --out"
        )
