"""Adding an accepted submission to the entries of a board."""

import tempfile
from datetime import date
from pathlib import Path

from leaderboard.board.records import add_entry, read_entries
from leaderboard.submissions.checking import judge_archive
from leaderboard.submissions.keeper import Keeper
from leaderboard.submissions.verdicts import CheckedSubmission


def add_submission(
    archive: str | Path, keeper: str | Path, entries: str | Path, day: date, *, reason: str = ""
) -> tuple[CheckedSubmission, list[Path]]:
    """Check a submission and, if every rule is kept, append its entries; keep its scores too.

    Args:
        archive: The zip file.
        keeper: The keeper's folder.
        entries: The folder of entries.
        day: Today, for counting looks at hidden labels.
        reason: Why an entry that is there is corrected: its next version is added.

    Returns:
        What was checked, and the files that were added.

    Raises:
        LeaderboardError: An entry is there already and no reason is given.
    """
    folder, held = Path(entries), Keeper(keeper)
    there = read_entries(folder) if folder.is_dir() and any(folder.glob("*/*.json")) else []
    with tempfile.TemporaryDirectory() as temporary:
        checked = judge_archive(archive, held, Path(temporary), day)
        if not checked.is_accepted:
            return checked, []
        added = []
        for entry in checked.entries:
            versions = [
                known.version
                for known in there
                if (known.entry, known.protocol, known.protocol_version)
                == (entry.entry, entry.protocol, entry.protocol_version)
            ]
            if versions and reason:
                corrected = {"version": max(versions) + 1, "reason": reason}
                added.append(add_entry(folder, entry.model_copy(update=corrected)))
            else:
                added.append(add_entry(folder, entry))
        held.accept(checked.entries[0].entry, checked.scores)
    return checked, added
