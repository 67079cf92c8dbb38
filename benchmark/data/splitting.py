"""New splits of a dataset that part nothing which hangs together."""

from collections import Counter
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmark.data.audit.likeness import alike
from benchmark.data.audit.measuring import Measures
from benchmark.data.facts import write_facts
from benchmark.data.manifest import Manifest, check_target, from_columns, write_manifest
from benchmark.data.roots import stated_root
from benchmark.data.shares import Shares, check_shares
from benchmark.errors import ManifestError
from protocols.samples import SPLITS
from results.statistics.clusters import clusters

Places = npt.NDArray[np.int64]


def divided(
    samples: pd.DataFrame, shares: Shares, *, seed: int = 0, measures: Measures | None = None
) -> pd.DataFrame:
    """Give samples new splits.

    Samples hang together that share a group, a person of one source, a pair or their content, or
    through a third one; with ``measures`` also those that look the same. Each such set goes to the
    split that lacks its sources and generators most, the largest first, so that each split has all
    of them in the shares that are asked for as nearly as can be.

    Args:
        samples: Validated samples of one dataset.
        shares: Of train, val and test; they sum to 1.
        seed: Orders sets of one size.
        measures: Of the samples, in their order.

    Returns:
        A new table, ``split`` replaced; the same for equal tables, shares and seeds.

    Raises:
        ManifestError: The shares are none, or there are fewer sets than splits.
    """
    check_shares(shares)
    sets = tied_together(samples, measures)
    wanted = [k for k in range(len(SPLITS)) if shares[k] > 0]
    if sets.max(initial=-1) + 1 < len(wanted):
        raise ManifestError(
            f"all {len(samples)} samples are {sets.max(initial=-1) + 1} sets that hang together by "
            f"person, video and pair: {len(wanted)} splits need as many"
        )
    strata = pd.factorize(samples["source"] + "\x1f" + samples["generator"])[0]
    chosen = _assigned(sets, strata.astype(np.int64), shares, wanted, seed)
    return samples.assign(split=np.array(SPLITS, dtype=object)[chosen[sets]])


def tied_together(samples: pd.DataFrame, measures: Measures | None = None) -> Places:
    """Number the sets of samples that hang together, shape (n,)."""
    sets = clusters(samples)
    if measures is None:
        return sets
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    pairs = sets[alike(measures)]
    size = int(sets.max(initial=-1)) + 1
    graph = coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(size, size))
    joint = connected_components(graph, directed=False)[1]
    numbers: Places = joint[sets].astype(np.int64)
    return numbers


def _assigned(sets: Places, strata: Places, shares: Shares, wanted: list[int], seed: int) -> Places:
    """Give each set its split."""
    counts = Counter(zip(sets.tolist(), strata.tolist(), strict=True))
    of_set: dict[int, list[tuple[int, int]]] = {}
    for (number, stratum), count in counts.items():
        of_set.setdefault(number, []).append((stratum, count))
    sizes = np.bincount(sets)
    order = np.random.default_rng(seed).permutation(len(sizes))
    order = order[np.argsort(-sizes[order], kind="stable")]
    total = np.bincount(strata).tolist()
    # What each split lacks of each stratum, as a share of what it is to have.
    lacks = {k: [shares[k] * n for n in total] for k in wanted}
    goals = {k: [max(shares[k] * n, 1e-9) for n in total] for k in wanted}
    chosen = np.zeros(len(sizes), np.int64)
    for number in order.tolist():
        parts = of_set[number]
        best = max(
            wanted, key=lambda k: sum(count * lacks[k][s] / goals[k][s] for s, count in parts)
        )
        for stratum, count in parts:
            lacks[best][stratum] -= count
        chosen[number] = best
    return chosen


def split_manifest(
    manifest: Manifest,
    out: Path,
    shares: Shares,
    *,
    seed: int = 0,
    measures: Measures | None = None,
) -> Manifest:
    """Write a manifest of the same images with new splits.

    Args:
        manifest: Its own splits play no part.
        out: A .csv or .parquet file that is not there yet; elsewhere, the .json file beside it
            states the folder of the images.
        shares: Of train, val and test.
        seed: Orders sets of one size.
        measures: Of its samples, in their order: what looks the same stays together.

    Raises:
        ManifestError: As ``divided``; or the file is there, or cannot be written.
    """
    check_target(out)
    table = divided(manifest.samples, shares, seed=seed, measures=measures)
    return write_changed(manifest, table, out)


def write_changed(manifest: Manifest, samples: pd.DataFrame, out: Path) -> Manifest:
    """Write changed rows of a manifest as another one of the same images.

    Args:
        manifest: What they are of.
        samples: Its samples or some of them, with values of their own.
        out: A file that is not there yet.

    Raises:
        ManifestError: It cannot be written.
    """
    table = samples.rename(columns={"sample_id": "path"})
    columns = {str(name): table[name].astype(str).tolist() for name in table.columns}
    root = stated_root(Path(manifest.root), out)
    pictures = manifest.facts.pictures
    if pictures is not None:  # a relative one starts from the manifest's own folder
        pictures = stated_root(manifest.path.parent / pictures, out) or "."
    facts = manifest.facts.model_copy(update={"root": root, "pictures": pictures})
    written = from_columns(columns, out, facts=facts)
    write_facts(out, facts)
    write_manifest(columns, out)
    return written
