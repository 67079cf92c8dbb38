"""Tables, figures and pages made from records, without torch or the images.

What stands in ``__all__`` is loaded when it is first asked for: an import of one module stays
light. ``build_report`` is the function of ``leaderboard.report``, whose name the module has here.
"""

from typing import TYPE_CHECKING, Any

from protocols.lazy import load_public

if TYPE_CHECKING:
    from leaderboard.errors import LeaderboardError
    from leaderboard.figures.cost import write_costs
    from leaderboard.report import report as build_report
    from leaderboard.tables.folds import folds_tables
    from leaderboard.view import views

__all__ = ["LeaderboardError", "build_report", "folds_tables", "views", "write_costs"]
_HOMES = {
    "LeaderboardError": "leaderboard.errors:LeaderboardError",
    "build_report": "leaderboard.report:report",
    "folds_tables": "leaderboard.tables.folds:folds_tables",
    "views": "leaderboard.view:views",
    "write_costs": "leaderboard.figures.cost:write_costs",
}


def __getattr__(name: str) -> Any:
    """Load one of ``__all__``."""
    return load_public(__name__, _HOMES, name)


def __dir__() -> list[str]:
    """Name all before they are loaded, for completion and ``help``."""
    return sorted({*globals(), *__all__})
