"""How training seeds vary: one variance for all detectors of a table.

The variance of two or three values is itself a matter of luck: a detector whose two seeds happen to
agree would look sure. Pooled over detectors it has degrees of freedom enough to be relied on.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from results.metrics.checking import Floats


class SeedSpread(NamedTuple):
    """The variance of a metric between training seeds of one detector, pooled over detectors.

    Attributes:
        variance: Of the value of one seed.
        freedom: Degrees of freedom: detectors x (seeds - 1).
    """

    variance: float
    freedom: int


def seed_spread(values: Iterable[Floats]) -> SeedSpread | None:
    """Pool the variance between seeds over detectors, as if all varied alike.

    What gives one value with every seed (a detector that nothing is drawn for) has no part in it:
    it would make the others look surer than they are.

    Args:
        values: Of each detector the metric of its seeds, shape (s,); of one seed it tells nothing.

    Returns:
        None where no detector has two seeds that differ.
    """
    varying = [each for each in values if len(each) > 1 and np.ptp(each) > 0]
    freedom = sum(len(each) - 1 for each in varying)
    if not freedom:
        return None
    squares = sum(float(((each - each.mean()) ** 2).sum()) for each in varying)
    return SeedSpread(squares / freedom, freedom)
