"""What is known of a submission while it is checked: a verdict a rule, and what it comes to."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from leaderboard.board.schema import BoardEntry
from leaderboard.submissions.keeper import Keeper
from leaderboard.submissions.schema import Submission
from leaderboard.submissions.signing import Signer


@dataclass(frozen=True)
class RuleVerdict:
    """What a rule says: ``faults`` is empty where it is kept."""

    rule: str
    faults: tuple[str, ...] = ()


@dataclass
class CheckedSubmission:
    """A submission that was checked.

    Attributes:
        verdicts: In the order of the rules; after the first broken group no more are tried.
        entries: What it comes to; empty where a rule is broken.
        submission: What it says of itself, where that could be read.
        scores: Files of its scores by model, within ``folder``.
        keeper: Whose labels count.
        day: Today.
        signer: Who signed it, where that was looked at.
        counts_looks: Whether its submitter is told, so that looks at hidden labels are counted.
    """

    folder: Path
    keeper: Keeper
    day: date
    verdicts: list[RuleVerdict] = field(default_factory=list)
    entries: list[BoardEntry] = field(default_factory=list)
    submission: Submission | None = None
    scores: dict[str, Path] = field(default_factory=dict)
    signer: Signer | None = None
    counts_looks: bool = True

    @property
    def is_accepted(self) -> bool:
        """Whether every rule is kept."""
        return not any(verdict.faults for verdict in self.verdicts)

    def add(self, rule: str, faults: Iterable[str]) -> bool:
        """Take a verdict down; tell whether the rule is kept."""
        found = tuple(faults)
        self.verdicts.append(RuleVerdict(rule, found))
        return not found


def told_of(error: Exception, folder: Path) -> str:
    """Give an error's sentence without the folder that was worked in."""
    return str(error).replace(f"{folder}/", "").replace(str(folder), "the submission")
