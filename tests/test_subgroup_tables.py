"""The worst subgroup and the gap, with intervals that hold for all groups at once."""

import re
from pathlib import Path

import numpy as np

from leaderboard.tables.subgroups import subgroup_tables
from leaderboard.tables.table import Table
from tests.fake_run import Generator, contexts, fake_samples, make_run


def table_of(folder: Path, column: list[str]) -> Table:
    samples = fake_samples([Generator("G", "EFS", "GAN", "s", 240)], {"s": 240})
    samples["skin"] = np.resize(column, len(samples))
    samples["donor"] = ""  # no subgroup, though a column of one's own
    run = make_run(folder, samples=samples, protocols=["robustness-basic"], detectors=["mfclip"])
    (context,) = contexts(run)
    (table,) = subgroup_tables(context)
    return table


def test_the_worst_group_and_the_gap_have_intervals(tmp_path: Path) -> None:
    table = table_of(tmp_path, ["a", "b", "c"])
    assert table.columns == ("skin: worst", "skin: gap")
    worst, gap = table.sections[0].rows[0][1]
    group, clusters, interval = worst.detail.split("; ")
    assert re.fullmatch(r"[abc], \d\d+ \+ \d\d+", group)
    assert re.fullmatch(r"\d\d \+ \d\d clusters", clusters)
    low, high = (float(end) for end in interval.split("\N{EN DASH}"))
    assert worst.raw is not None
    assert low < worst.raw < high
    # All groups are alike: the gap is luck, and its interval says that it may be.
    assert gap.detail.startswith("0.000\N{EN DASH}")
    assert gap.raw is not None
    assert gap.raw < float(gap.detail.split("\N{EN DASH}")[1])
    assert "a gap whose range begins at 0 may be luck alone" in " ".join(table.notes)


def test_a_group_of_few_clusters_leaves_the_numbers_without_interval(tmp_path: Path) -> None:
    table = table_of(tmp_path, ["a"] * 230 + ["b"] * 10)
    worst, gap = table.sections[0].rows[0][1]
    assert "of a class are 3 independent clusters; an interval needs 5" in worst.title
    assert gap.detail == ""
    assert gap.raw is not None
