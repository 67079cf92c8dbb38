"""Halves are rounded as decimals, whatever bit their float ends with."""

import pytest

from leaderboard.tables.cells import interval_text
from results.rounding import rounded, signed


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.3625, "0.363"),  # its float is below the half
        (0.9925, "0.993"),  # above it
        (0.0005, "0.001"),
        (0.36249999999999993, "0.363"),  # 0.3625 by another order of additions
        (0.3624999, "0.362"),
        (-0.3625, "-0.363"),
        (0.0, "0.000"),
        (1.0, "1.000"),
        (36.0425, "36.043"),
        (1e-9, "0.000"),
    ],
)
def test_a_half_is_rounded_up_as_a_decimal(number: float, text: str) -> None:
    assert rounded(number) == text


def test_every_half_of_four_digits_is_rounded_up() -> None:
    for thousandth in range(1000):
        assert rounded((10 * thousandth + 5) / 10000) == f"{(thousandth + 1) / 1000:.3f}"


def test_differences_have_a_sign_and_other_numbers_of_digits_are_given() -> None:
    assert signed(0.0125) == "+0.013"
    assert signed(-0.0125) == "\N{MINUS SIGN}0.013"
    assert signed(-0.0125, minus="-") == "-0.013"
    assert signed(-0.25, 1) == "\N{MINUS SIGN}0.3"
    assert rounded(0.125, 2) == "0.13"
    assert rounded(12.5, 0) == "13"
    assert interval_text(0.3625, 0.9925) == "0.363\N{EN DASH}0.993"
