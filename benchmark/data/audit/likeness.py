"""Pictures that look the same though their bytes differ."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from benchmark.data.audit.measuring import Measures

_Places = npt.NDArray[np.int64]

# Of 64 bits: re-encoded and scaled copies differ in 0 to 6.
MOST_BITS = 7
_BANDS = 4  # prints that differ in at most 7 bits differ in at most one of some 16 of 64
# Of the 16 x 16 pictures: two photographs of one person in one pose stay below.
_LEAST_CORRELATION = 0.985
_PIECE = 2048
_PAIRS = 1 << 20  # that are looked at together


def alike(measures: Measures, sides: _Places | None = None) -> _Places:
    """Find pairs of images that look the same.

    Prints that differ in at most 7 bits are candidates; the pictures at 16 x 16 must then agree.
    Each of several images with one print and one side stands for all of them.

    Args:
        measures: Of n images.
        sides: (n,) If given, only pairs of images on different sides are looked for.

    Returns:
        (m, 2) places, the lower one first, sorted.
    """
    usable = np.flatnonzero(~measures.flat)
    side = np.zeros(len(measures.flat), np.int64) if sides is None else sides
    keys = np.stack([measures.prints[usable].view(np.int64), side[usable]])
    _, first, of = np.unique(keys, axis=1, return_index=True, return_inverse=True)
    kept = usable[np.sort(first)]
    found = [_of_band(measures, kept, side, band, sides is not None) for band in range(_BANDS)]
    if sides is None:  # images of one print tie all of them together
        firsts = usable[first][np.asarray(of).reshape(-1)]
        same = np.stack([np.minimum(firsts, usable), np.maximum(firsts, usable)], axis=1)
        same = same[same[:, 0] != same[:, 1]]
        found.append(same[_agree(measures, same)])
    pairs = np.unique(np.concatenate(found), axis=0)
    return pairs.astype(np.int64)


def _of_band(measures: Measures, kept: _Places, side: _Places, band: int, across: bool) -> _Places:
    """Find the pairs that differ in at most one bit of a band."""
    prints = measures.prints[kept]
    codes = ((prints >> np.uint64(16 * band)) & np.uint64(0xFFFF)).astype(np.int64)
    order = np.argsort(codes, kind="stable")
    ordered = codes[order]
    found = [np.empty((0, 2), np.int64)]
    for flip in (0, *(1 << bit for bit in range(16))):
        begins = np.searchsorted(ordered, codes ^ flip, "left")
        counts = np.searchsorted(ordered, codes ^ flip, "right") - begins
        for piece in _pieces(counts):
            one = np.repeat(piece, counts[piece])
            step = np.arange(len(one)) - np.repeat(
                np.cumsum(counts[piece]) - counts[piece], counts[piece]
            )
            other = order[begins[one] + step]
            wanted = one < other
            if across:
                wanted &= side[kept[one]] != side[kept[other]]
            one, other = one[wanted], other[wanted]
            near = np.bitwise_count(prints[one] ^ prints[other]) <= MOST_BITS
            pairs = np.stack([kept[one[near]], kept[other[near]]], axis=1)
            found.append(pairs[_agree(measures, pairs)])
    return np.concatenate(found)


def _pieces(counts: _Places) -> Iterator[_Places]:
    """Cut the places into pieces that have about a million partners together."""
    ends = np.cumsum(counts) // _PAIRS
    yield from np.split(np.arange(len(counts)), np.flatnonzero(np.diff(ends)) + 1)


def _agree(measures: Measures, pairs: _Places) -> npt.NDArray[np.bool_]:
    """Tell which pairs agree at 16 x 16, whatever their brightness and contrast."""
    agree = np.zeros(len(pairs), np.bool_)
    for begin in range(0, len(pairs), _PIECE):
        one, other = (_standard(measures.thumbs[pairs[begin : begin + _PIECE, k]]) for k in (0, 1))
        agree[begin : begin + _PIECE] = (one * other).mean(axis=1) >= _LEAST_CORRELATION
    return agree


def _standard(thumbs: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Give pictures mean 0 and variance 1."""
    values = thumbs.astype(np.float32)
    values -= values.mean(axis=1, keepdims=True)
    scaled: npt.NDArray[np.float32] = values / values.std(axis=1, keepdims=True)
    return scaled
