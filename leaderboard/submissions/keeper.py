"""The keeper's folder: labels and samples that no submitter can change, and what was accepted.

keeper.json                  protocols, datasets, whether labels are hidden, looks a day
samples.parquet              every sample with its label
ids.csv                      what submitters see where labels are hidden
looks.csv                    who was told numbers, and on which day
accepted/<entry>/*.parquet   scores of accepted entries, by training set's model
reruns/                      what scoring entries again from their weights found
"""

import csv
import io
from datetime import date
from pathlib import Path

import pandas as pd

from leaderboard.board.records import read_form
from leaderboard.errors import LeaderboardError
from leaderboard.submissions.schema import KeeperFacts
from protocols import Protocol
from protocols.reading import parse
from results.faults import checked_contents
from results.files import atomic_write, csv_table, json_text
from results.store import read_samples, write_samples

_FACTS, _IDS, _LOOKS, _ACCEPTED = "keeper.json", "ids.csv", "looks.csv", "accepted"
_RERUNS = "reruns"


class Keeper:
    """A keeper's folder, as it is read.

    Attributes:
        facts: What the board takes.
        protocols: Its protocols by name.
    """

    def __init__(self, folder: str | Path) -> None:
        """Read it.

        Raises:
            LeaderboardError: It is no keeper's folder.
        """
        self.folder = Path(folder)
        if not (self.folder / _FACTS).is_file():
            raise LeaderboardError(
                f"{folder}: no keeper's folder, it has no {_FACTS}; make one: "
                "forgerybench board keep"
            )
        self.facts = read_form(self.folder / _FACTS, KeeperFacts)
        where = f"{self.folder / _FACTS}, a protocol"
        stated = [parse(Protocol, raw, where) for raw in self.facts.protocols]
        self.protocols: dict[str, Protocol] = {each.name: each for each in stated}

    def samples(self) -> pd.DataFrame:
        """Read the samples with their labels."""
        return read_samples(self.folder)

    def accepted(self) -> list[Path]:
        """List the score files of accepted entries."""
        return sorted((self.folder / _ACCEPTED).glob("*/*.parquet"))

    def accept(self, entry: str, files: dict[str, Path]) -> None:
        """Keep an accepted entry's scores, by the name of their file."""
        for name, path in files.items():
            target = self.folder / _ACCEPTED / entry / f"{name}.parquet"
            if not target.exists():
                atomic_write(target, path.read_bytes())

    @property
    def reruns(self) -> Path:
        """The folder of reruns: the keeper alone writes there."""
        return self.folder / _RERUNS

    def looks(self, submitter: str, day: date) -> int:
        """Count how often a submitter was told numbers on a day."""
        path = self.folder / _LOOKS
        if not path.is_file():
            return 0
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file))
        return sum(row == [submitter, day.isoformat()] for row in rows)

    def count_look(self, submitter: str, day: date) -> None:
        """Take down that a submitter was told numbers."""
        path = self.folder / _LOOKS
        old = path.read_text(encoding="utf-8") if path.is_file() else ""
        line = io.StringIO()
        csv.writer(line, lineterminator="\n").writerow([submitter, day.isoformat()])
        atomic_write(path, old + line.getvalue())


def make_keeper(
    run: str | Path, folder: str | Path, *, hidden_labels: bool = False, looks: int | None = None
) -> Path:
    """Make a keeper's folder of the protocols and samples of a run.

    Args:
        run: The run's folder; entries need the training sets that it has. Its models and scores
            are not used.
        folder: The new folder.
        hidden_labels: Whether submitters have never seen the test labels.
        looks: How often a submitter may be told numbers a day.

    Raises:
        LeaderboardError: The folder is there and not empty.
        ResultError: A file of the run is missing or wrong, or the run is not what it was sealed as.
    """
    folder = Path(folder)
    if folder.exists() and any(folder.iterdir()):
        raise LeaderboardError(f"{folder}: is not empty; a keeper's folder is made anew")
    contents = checked_contents(run)
    facts, samples = contents.facts, contents.samples
    trainings: dict[str, set[str]] = {}
    for entry in facts.entries:
        trainings.setdefault(entry.protocol, set()).add(entry.training)
    kept = KeeperFacts(
        protocols=facts.protocols,
        data=facts.data,
        unbound=facts.unbound,
        trainings={protocol: sorted(names) for protocol, names in trainings.items()},
        hidden_labels=hidden_labels,
        looks_a_day=looks,
    )
    write_samples(folder, samples)
    tested = samples[samples["split"] == "test"]
    atomic_write(folder / _IDS, csv_table(tested[["dataset", "sample_id"]]))
    text = json_text(kept.model_dump(mode="json", by_alias=True), _FACTS)
    atomic_write(folder / _FACTS, text)
    return folder
