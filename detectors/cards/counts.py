"""What the detectors of the catalog are made of, in numbers, counted once so that listing is light.

``python -m detectors.counting`` writes the numbers; a test holds them to the networks.
"""

import json
from functools import cache
from importlib.resources import files
from typing import NamedTuple

COUNTS_FILE = "counts.json"


class NetworkCounts(NamedTuple):
    """The numbers of a detector at a size.

    Attributes:
        parameters: All that it has in training; an estimator's coefficients are some too.
        trained: Those that gradient steps change.
        input_size: Side of its input in pixels.
        flops: Floating-point operations of scoring one image, a multiply-add as two.
    """

    parameters: int
    trained: int
    input_size: int
    flops: int


@cache
def counts() -> dict[str, dict[str, NetworkCounts]]:
    """Read the numbers of every detector, by name and by size (``tiny``, ``base``)."""
    text = (files("detectors.cards") / COUNTS_FILE).read_text(encoding="utf-8")
    return {
        name: {size: NetworkCounts(**numbers) for size, numbers in sizes.items()}
        for name, sizes in json.loads(text).items()
    }
