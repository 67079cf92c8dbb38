"""Which samples hang together: the unit of folds and of intervals."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from results.metrics.checking import Bools, Counts

# A person, a video or a pair on both sides of a split lets a detector recognise it.
KEPT_TOGETHER = ("group", "identity", "pair")
# A manifest's own column: the person or video whose face was put into a forged sample.
DONOR = "donor"
# One set of more than this share of a dataset leaves too few others to tell how samples vary.
LARGEST_SHARE = 0.05
_SEPARATOR = "\x1f"


class ClusterWays(NamedTuple):
    """By what samples are one observation; each int64 (n,), numbered in order of appearance.

    Attributes:
        target: By ``clusters``: what a sample shows, or was made from. Where the donors of a
            dataset tie it into many small sets, these sets.
        donor: By whose face was put in; what has no donor is its own, so that its number is that
            of its target. None where the targets say it all.
        both: By target and donor together; None with ``donor``.
    """

    target: Counts
    donor: Counts | None
    both: Counts | None

    def counted(self, part: Bools | Counts) -> int:
        """Count the clusters of some samples by the way that has fewer of them.

        Args:
            part: A mask (n,) or positions of samples.
        """
        ways = [way for way in (self.target, self.donor) if way is not None]
        return min(count_clusters(way[part]) for way in ways)

    def at(self, rows: Counts) -> "ClusterWays":
        """Give the clusters of some samples by their positions, shape (m,) each."""
        donor, both = (None if way is None else way[rows] for way in (self.donor, self.both))
        return ClusterWays(self.target[rows], donor, both)

    def of(self, part: Bools | Counts) -> Counts:
        """Give all clusters that samples are in, by either way, each by a number of its own."""
        if self.donor is None:
            return self.target[part]
        first = int(self.target.max()) + 1
        return np.unique(np.concatenate([self.target[part], self.donor[part] + first]))


def count_clusters(clusters: Counts) -> int:
    """Count the distinct clusters of some samples, shape (n,)."""
    return len(np.unique(clusters))


def clusters(samples: pd.DataFrame) -> Counts:
    """Number the connected sets of samples: what is one observation, however many images it has.

    Samples are connected that share a group, a person within one source, a pair, or their content,
    or through a third one. A donor connects nothing (``cluster_ways``). All but content is told
    apart by dataset where there is a column ``dataset``.

    Args:
        samples: A samples table.

    Returns:
        int64 (n,), in the order in which the sets appear.
    """
    n = len(samples)
    ties, offset = [], n
    for name in (*KEPT_TOGETHER, "sha256"):
        known = np.flatnonzero((samples[name] != "").to_numpy())
        codes, distinct = pd.factorize(_values(samples, name))
        ties.append(np.stack([known, codes + offset]))
        offset += len(distinct)
    rows, columns = np.concatenate(ties, axis=1)
    return _connected(rows, columns, offset)[:n]


def cluster_ways(samples: pd.DataFrame) -> ClusterWays:
    """Number what is one observation by target, and by donor where the manifest names donors.

    A face swap is of two: in FaceForensics++ the swap 953_974 shows the video 953 with the face of
    974. Where tying donors leaves many small sets, as there the pairs that were swapped with each
    other, they are tied, dataset by dataset. Where everybody is swapped with everybody, as in
    Celeb-DF, one set would be left: there targets and donors are two ways of clustering.

    Args:
        samples: A samples table. Its column ``donor``, if there is one, names the person, video or
            pair whose face was put in: a value of ``identity``, ``group`` or ``pair`` of real
            samples of the dataset, or of none of them; "" where there is none.
    """
    target = clusters(samples)
    if DONOR not in samples.columns or not (samples[DONOR] != "").any():
        return ClusterWays(target, None, None)
    donor = _donors(samples, target)
    number = int(target.max()) + 1
    tied = _connected(target, donor + number, number + int(donor.max()) + 1)[target]
    dataset = pd.factorize(samples["dataset"])[0] if "dataset" in samples.columns else target * 0
    for one in np.unique(dataset):
        here = dataset == one
        if np.bincount(tied[here]).max() <= LARGEST_SHARE * here.sum():
            # Numbers of sets must not meet those of targets or donors of other datasets.
            target[here] = donor[here] = tied[here] + number + len(samples)
    if np.array_equal(target, donor):
        return ClusterWays(_numbered(target), None, None)
    both = _numbered(target * (int(donor.max()) + 1) + donor)
    return ClusterWays(_numbered(target), _numbered(donor), both)


def _donors(samples: pd.DataFrame, target: Counts) -> Counts:
    """Give each sample the cluster of its donor, or its own where it has none, shape (n,)."""
    found = target.copy()
    named = np.flatnonzero((samples[DONOR] != "").to_numpy())
    dataset = samples["dataset"] if "dataset" in samples.columns else pd.Series("", samples.index)
    prefix = dataset + _SEPARATOR
    real = (samples["label"] == "real").to_numpy()
    known: dict[str, int] = {}
    for name in ("pair", "group", "identity"):
        there = real & (samples[name] != "").to_numpy()
        known |= dict(zip((prefix + samples[name])[there], target[there].tolist(), strict=True))
    names = (prefix + samples[DONOR]).iloc[named]
    # Who stands in no real sample is somebody too.
    unknown = {each: None for each in names if each not in known}
    first = int(target.max()) + 1
    known |= {each: first + number for number, each in enumerate(unknown)}
    found[named] = [known[each] for each in names]
    return found


def _connected(rows: Counts, columns: Counts, number: int) -> Counts:
    """Number the connected sets of ``number`` nodes by the edges between rows and columns."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    graph = coo_matrix((np.ones(len(rows)), (rows, columns)), shape=(number, number))
    return _numbered(connected_components(graph, directed=False)[1])


def _numbered(values: Counts) -> Counts:
    """Number values in the order in which they appear."""
    numbers: Counts = pd.factorize(values)[0].astype(np.int64)
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
