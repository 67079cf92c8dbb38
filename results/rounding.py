"""Numbers as they are printed: halves rounded up as decimals, not by the last bit of a float.

0.3625 has no exact float, so that plain formatting rounds it down and 0.9925 up. And what is
0.3625 by one order of additions may be 0.36249999999999993 by another: twelve digits count.
"""

from decimal import ROUND_HALF_UP, Decimal


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
