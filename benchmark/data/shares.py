"""Shares of a dataset that part nothing which hangs together."""

import hashlib
from collections.abc import Mapping

import pandas as pd

from benchmark.errors import ManifestError
from results.statistics.clusters import clusters

Shares = tuple[float, float, float]
_ROUNDING = 1e-9


def check_shares(shares: Shares) -> None:
    """Raise ManifestError unless shares are none below 0 and sum to 1; a NaN does neither."""
    if not (min(shares) >= 0 and abs(sum(shares) - 1) <= _ROUNDING):
        raise ManifestError(f"the shares of train, val and test must sum to 1, got {shares}")


def split_of(name: str, shares: Shares) -> str:
    """Say where a name goes: its sha256, as a fraction of 1, falls into a share.

    Args:
        name: Of a group, or of the first of all that hang together.
        shares: Of train, val and test.
    """
    fraction = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") / 2**64
    if fraction < shares[0]:
        return "train"
    return "val" if fraction < shares[0] + shares[1] else "test"


def shared_out(rows: Mapping[str, Mapping[str, str]], shares: Shares) -> list[str]:
    """Give each sample a split; what hangs together is not parted.

    Samples hang together that share a group, a person of one source, or a pair, or through a third
    one. All go where the first of their names, in the order of text, falls: groups that stand alone
    do not move when others are added.

    Args:
        rows: Sample id -> its columns ``group``, ``identity``, ``pair`` and ``source``.
        shares: Of train, val and test.
    """
    table = pd.DataFrame(
        [
            (row.get("group") or sample_id, *(row.get(name, "") for name in _TIES))
            for sample_id, row in rows.items()
        ],
        columns=["group", *_TIES],
    )
    table["sha256"] = ""
    first = table["group"].groupby(clusters(table)).transform("min")
    names = {name: split_of(name, shares) for name in first.unique()}
    return [names[name] for name in first]


_TIES = ("identity", "pair", "source")
