"""Which samples hang together: the unit of folds and of intervals."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from results.errors import ResultError
from results.metrics.checking import Counts

# A person, a video or a pair on both sides of a split lets a detector recognise it.
KEPT_TOGETHER = ("group", "identity", "pair")
_SEPARATOR = "\x1f"


def clusters(samples: pd.DataFrame, sources: Sequence[str] = ()) -> Counts:
    """Number the connected sets of samples: what is one observation, however many images it has.

    Samples are connected that share a group, a person within one source, a pair, or their content,
    or through a third one. In FaceForensics++ the originals 953 and 974 and all their swaps are one
    set. All but content is told apart by dataset where there is a column ``dataset``.

    Args:
        samples: A samples table.
        sources: Columns of one's own that name the source videos of a fake, as ``group`` does
            those of real ones. An empty value names none.

    Returns:
        int64 (n,), in the order in which the sets appear.

    Raises:
        ResultError: A column is missing.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    for name in sources:
        if name not in samples.columns:
            there = ", ".join(map(str, samples.columns))
            raise ResultError(f"there is no column '{name}' of source videos; there are {there}")
    n = len(samples)
    ties, offset = [], n
    for names in (("group", *sources), *((name,) for name in KEPT_TOGETHER[1:]), ("sha256",)):
        known = np.concatenate([np.flatnonzero((samples[name] != "").to_numpy()) for name in names])
        values = np.concatenate([_values(samples, name) for name in names])
        codes, distinct = pd.factorize(values)
        ties.append(np.stack([known, codes + offset]))
        offset += len(distinct)
    rows, columns = np.concatenate(ties, axis=1)
    graph = coo_matrix((np.ones(len(rows)), (rows, columns)), shape=(offset, offset))
    labels = connected_components(graph, directed=False)[1][:n]
    numbers: Counts = pd.factorize(labels)[0].astype(np.int64)
    return numbers


def _values(samples: pd.DataFrame, name: str) -> "np.ndarray[tuple[int], np.dtype[np.object_]]":
    """Give the known values of a column, told apart by what they are unique within."""
    known = samples[samples[name] != ""]
    values = known[name]
    if name == "identity":
        values = known["source"] + _SEPARATOR + values
    if name != "sha256" and "dataset" in samples.columns:
        values = known["dataset"] + _SEPARATOR + values
    return values.to_numpy(dtype=object)
