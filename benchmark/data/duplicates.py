"""Files of the same bytes that a manifest calls two things."""

from typing import NamedTuple

import pandas as pd

from benchmark.data.images import file_of


class Twins(NamedTuple):
    """Two files of the same bytes between which a manifest makes a difference.

    Attributes:
        column: In which: ``label`` or ``split``.
        first: A sample of one of them.
        second: A sample of the other.
        values: What the column says of them.
        number: How many further pairs of values and contents there are, this one included.
    """

    column: str
    first: str
    second: str
    values: tuple[str, str]
    number: int

    def sentence(self) -> str:
        """Say it in one line."""
        more = f" ({self.number - 1} more such contents)" if self.number > 1 else ""
        return (
            f"'{self.first}' and '{self.second}' are the same bytes, and '{self.column}' is "
            f"{self.values[0]} and {self.values[1]}{more}"
        )


def twins(samples: pd.DataFrame) -> list[Twins]:
    """Find files of the same bytes that are real and fake, or that stand in two splits.

    Frames of one video, which share its bytes, are no twins.

    Args:
        samples: With ``sample_id``, ``sha256``, ``label`` and ``split``; what has no sha256 is left
            out.

    Returns:
        At most one for each column: the first in the order of ids, and how many there are.
    """
    known = samples.loc[samples["sha256"] != "", ["sample_id", "sha256", "label", "split"]]
    known = known[known["sha256"].duplicated(keep=False)].sort_values("sample_id", kind="stable")
    known = known.assign(file=known["sample_id"].map(file_of))
    found = []
    for column in ("label", "split"):
        each = known.drop_duplicates(["sha256", column, "file"])
        several = each.groupby("sha256")[[column, "file"]].transform("nunique")
        crossing = each[(several[column] > 1) & (several["file"] > 1)]
        if crossing.empty:
            continue
        content = crossing.iloc[0]["sha256"]
        here = crossing[crossing["sha256"] == content]
        first = here.iloc[0]
        second = here[(here[column] != first[column])].iloc[0]
        found.append(
            Twins(
                column,
                str(first["sample_id"]),
                str(second["sample_id"]),
                (str(first[column]), str(second[column])),
                int(crossing["sha256"].nunique()),
            )
        )
    return found
