"""Numbers as they are printed: halves rounded up as decimals, not by the last bit of a float.

0.3625 has no exact float, so that plain formatting rounds it down and 0.9925 up. And what is
0.3625 by one order of additions may be 0.36249999999999993 by another: twelve digits count.
"""

from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal
from math import isclose
from typing import Any

from pydantic import BaseModel

# So far two processors may compute one number apart: their matrix kernels add in another order. The
# published runs, recomputed with AVX-512 instead of AVX2, differ by 1e-15 at most.
PROCESSORS_APART = 1e-9


def agree(one: Any, other: Any) -> bool:
    """Tell whether two values say the same, numbers in them to within ``PROCESSORS_APART``.

    Args:
        one: A number, text, model of pydantic, or mappings, lists and tuples of these.
        other: What it is compared with.
    """
    if isinstance(one, BaseModel) and isinstance(other, BaseModel):
        return type(one) is type(other) and agree(dict(one), dict(other))
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(agree(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(agree, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return isclose(one, other, rel_tol=PROCESSORS_APART, abs_tol=PROCESSORS_APART)
    return type(one) is type(other) and bool(one == other)


def rounded(number: float, digits: int = 3) -> str:
    """Write a finite number with some digits after the point.

    It is taken at twelve significant digits and a half is rounded away from 0: 0.3625 is
    ``0.363``, and -0.3625 is ``-0.363``.

    Args:
        number: Finite.
        digits: How many, at least 0.
    """
    unit = Decimal(1).scaleb(-digits)
    return str(Decimal(f"{number:.12g}").quantize(unit, rounding=ROUND_HALF_UP))


def signed(number: float, digits: int = 3, *, minus: str = "\N{MINUS SIGN}") -> str:
    """Write a difference with its sign, rounded as by ``rounded``."""
    text = rounded(number, digits)
    return text.replace("-", minus) if text.startswith("-") else f"+{text}"
