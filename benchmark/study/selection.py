"""Which detectors ``all`` stands for."""

from collections.abc import Sequence

from detectors.cards import CARDS

ALL = "all"


def without_downloads(size: str) -> tuple[list[str], list[str]]:
    """Tell which detectors ``all`` stands for: those that are trained, with nothing downloaded.

    Returns:
        Their names in the order of the catalog, and the names of those left out because this size
        of theirs starts from published weights. At ``tiny`` all start from random ones.
    """
    trained = [card for card in CARDS.values() if card.fit != "none" and not card.sanity]
    left_out = [c.name for c in trained if size == "base" and c.pretraining != "none"]
    return [card.name for card in trained if card.name not in left_out], left_out


def without_own_recipe() -> list[str]:
    """Name the detectors that have no track ``own``: nothing says how they are trained."""
    return [c.name for c in CARDS.values() if c.fit == "gradient" and c.own_recipe is None]


def spelt_out(names: Sequence[str], size: str, track: str | None = None) -> list[str]:
    """Put what ``all`` stands for in its place.

    Args:
        names: Of detectors, ``all`` among them or not.
        size: What needs a download at this size is left out.
        track: ``own`` leaves out what has none; None: no matter, a recipe is named.
    """
    left_out = without_own_recipe() if track == "own" else []
    everyone = [name for name in without_downloads(size)[0] if name not in left_out]
    lists = [everyone if name == ALL else [name] for name in names]
    return [name for some in lists for name in some]


def left_out_notes(names: Sequence[str], size: str, track: str | None = None) -> dict[str, str]:
    """Say which detectors ``all`` does not stand for: why, and their names; none if not asked."""
    if ALL not in names:
        return {}
    heavy = without_downloads(size)[1]
    lacking = [name for name in without_own_recipe() if name not in heavy]
    found = {
        f"that start from published weights at size {size}; name them to download": heavy,
        "without a track 'own', since nothing says how they are trained": (
            lacking if track == "own" else []
        ),
    }
    told = {f"all leaves out {len(some)} {why}": some for why, some in found.items() if some}
    return {why: ", ".join(some) for why, some in told.items()}
