"""The tables of a run, in the order of its page: all that a report has to know of them.

A new table is a module that builds it, a line here, and a test.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from leaderboard.tables.ablation import ablation_tables
from leaderboard.tables.attacks import attack_tables
from leaderboard.tables.literature import literature_tables
from leaderboard.tables.matrix import transposed_tables
from leaderboard.tables.metrics import metric_tables
from leaderboard.tables.other_metrics import other_metrics_tables
from leaderboard.tables.pairs import pair_tables
from leaderboard.tables.ranks import ranks_tables
from leaderboard.tables.run_cost import run_cost_tables
from leaderboard.tables.seeds import seeds_tables
from leaderboard.tables.subgroups import subgroup_tables
from leaderboard.tables.summary import summary_tables
from leaderboard.tables.table import Table
from leaderboard.tables.test_sets import test_set_tables
from leaderboard.tables.thresholds import pooled_auc_tables
from leaderboard.tables.worst import worst_tables
from leaderboard.view import Context, ProtocolView

TablePlace = Literal["summary", "shown", "folded", "file"]


@dataclass(frozen=True)
class TableEntry:
    """A table of every protocol that it applies to, or several of one kind.

    Attributes:
        name: What it is called here.
        build: Builds it; nothing where the run lacks what it is made of.
        place: Where it stands on the page. ``summary``: above all protocols; ``shown``: with its
            protocol; ``folded``: with its protocol, folded away; ``file``: beside the page only.
        applies: Whether the protocol and the study ask for it.
    """

    name: str
    build: Callable[[Context], Iterable[Table]]
    place: TablePlace
    applies: Callable[[Context], bool] = lambda _: True

    def place_of(self, table: Table, view: ProtocolView) -> TablePlace:
        """Place one of its tables: what is not of headline metric and level is folded away."""
        if self.place == "shown" and (table.metric, table.level) != (view.metric, view.level):
            return "folded"
        return self.place


TABLES = (
    TableEntry("summary", summary_tables, "summary"),
    TableEntry(
        "ablation",
        ablation_tables,
        "shown",
        applies=lambda context: context.contents.facts.reference in context.view.detectors,
    ),
    TableEntry(
        "ranks",
        ranks_tables,
        "shown",
        applies=lambda context: len(context.view.detectors) > 1,
    ),
    TableEntry("worst test sets", worst_tables, "shown"),
    TableEntry(
        "training seeds",
        seeds_tables,
        "shown",
        applies=lambda context: len({who.seed for who in context.view.contenders}) > 1,
    ),
    TableEntry("matrices and damage", metric_tables, "shown"),
    TableEntry(
        "attack success",
        attack_tables,
        "shown",
        applies=lambda context: any(each.is_attack for each in context.view.damaged),
    ),
    TableEntry("published numbers", literature_tables, "shown"),
    TableEntry(
        "other metrics",
        other_metrics_tables,
        "shown",
        applies=lambda context: context.view.base.name == "clean",
    ),
    TableEntry(
        "accuracy and AUC",
        pair_tables,
        "folded",
        applies=lambda context: context.view.is_matrix,
    ),
    TableEntry("costs", run_cost_tables, "shown"),
    TableEntry("AUC of all sets together", pooled_auc_tables, "folded"),
    TableEntry("a further test set", test_set_tables, "folded"),
    TableEntry("worst subgroups", subgroup_tables, "folded"),
    TableEntry(
        "transposed matrices",
        transposed_tables,
        "file",
        applies=lambda context: context.view.is_matrix,
    ),
)
