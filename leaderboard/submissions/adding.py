"""Adding an accepted submission to the entries of a board."""

import tempfile
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from leaderboard.board.records import append_entries
from leaderboard.board.schema import BoardEntry
from leaderboard.submissions.checking import judge_archive
from leaderboard.submissions.keeper import Keeper
from leaderboard.submissions.verdicts import CheckedSubmission


@dataclass(frozen=True, kw_only=True)
class AddedSubmission:
    """What became of a submission.

    Attributes:
        checked: The verdicts.
        added: Files of the entries that were added.
        same: Entries that were there and say just the same.
    """

    checked: CheckedSubmission
    added: tuple[Path, ...] = ()
    same: tuple[BoardEntry, ...] = ()


def add_submission(
    archive: str | Path,
    keeper: str | Path,
    entries: str | Path,
    day: date,
    *,
    reason: str = "",
    signers: str | Path | None = None,
) -> AddedSubmission:
    """Check a submission and, if every rule is kept, append its entries; keep its scores too.

    Args:
        archive: The zip file.
        keeper: The keeper's folder.
        entries: The folder of entries.
        day: Today, for counting looks at hidden labels.
        reason: Why an entry that is there is corrected: its next version is added.
        signers: File of allowed signers; a signature is then required.

    Raises:
        LeaderboardError: An entry is there, says something else, and no reason is given.
    """
    held = Keeper(keeper)
    with tempfile.TemporaryDirectory() as temporary:
        checked = judge_archive(archive, held, Path(temporary), day, signers=signers)
        if not checked.is_accepted:
            return AddedSubmission(checked=checked)
        added, same = append_entries(Path(entries), checked.entries, reason=reason)
        held.accept(checked.entries[0].entry, checked.scores)
    return AddedSubmission(checked=checked, added=tuple(added), same=tuple(same))
