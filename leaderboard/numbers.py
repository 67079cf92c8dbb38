"""How large numbers are written."""

_UNITS = ((1e12, " T"), (1e9, " G"), (1e6, " M"), (1e3, " k"))


def with_unit(number: float) -> str:
    """Write a number above 0 with three digits and a unit: 27,977 is ``28.0 k``, 769 is ``769``."""
    for unit, letter in _UNITS:
        if number >= 0.9995 * unit:
            return f"{_three(number / unit)}{letter}"
    return f"{number:.0f}" if number == int(number) else _three(number)


def _three(number: float) -> str:
    """Write a number below 1000 with three digits, those after the point kept."""
    return f"{number:.{0 if number >= 99.95 else 1 if number >= 9.995 else 2}f}"
