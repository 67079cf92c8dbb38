"""The scores of one model of a run, found by sample and condition."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from results.errors import ResultError
from results.store import content_hash, read_scores, scores_path

# Between parts of a key; no name has it.
SEPARATOR = "\x1f"


class ModelScores:
    """The logits of one model, by condition and position in the samples table.

    Attributes:
        hash: ``content_hash`` of the file's table.
    """

    def __init__(self, run: Path, model: str, samples: pd.DataFrame, positions: pd.Index) -> None:
        """Read and index the scores of ``model``.

        Raises:
            ResultError: The file is missing or wrong, or scores a sample that the run lacks.
        """
        self._path = scores_path(run, model)
        self._samples = samples
        table = read_scores(run, model)
        self.hash = content_hash(table)
        at = positions.get_indexer(pd.Index(sample_keys(table)))
        if (at < 0).any():
            row = table.iloc[int((at < 0).argmax())]
            raise ResultError(
                f"{self._path}: scores '{row['sample_id']}' ({row['dataset']}), which is not in "
                "samples.parquet"
            )
        self._logits: dict[str, npt.NDArray[np.float32]] = {}
        self._nothing = np.full(len(samples), np.nan, np.float32)
        values = table["logit"].to_numpy()
        conditions, names = pd.factorize(table["condition"])
        for code, name in enumerate(names):
            column = np.full(len(samples), np.nan, dtype=np.float32)
            here = conditions == code
            column[at[here]] = values[here]
            self._logits[str(name)] = column

    def n_missing(self, condition: str, rows: npt.NDArray[np.int64]) -> int:
        """Count the samples that were not scored under a condition."""
        return int(np.isnan(self._logits.get(condition, self._nothing)[rows]).sum())

    def logits(self, condition: str, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """Give the logits of samples under a condition.

        Args:
            condition: Key of the condition.
            rows: Positions in the samples table, shape (n,).

        Returns:
            float32, shape (n,), in the order of ``rows``.

        Raises:
            ResultError: One of them was not scored.
        """
        logits = self._logits.get(condition, self._nothing)[rows]
        missing = np.isnan(logits)
        if missing.any():
            sample = self._samples.iloc[rows[int(missing.argmax())]]
            raise ResultError(
                f"{self._path}: {int(missing.sum())} of {len(rows)} scores are missing under "
                f"condition {condition}, first '{sample['sample_id']}' ({sample['dataset']}); "
                "score the rest: the same forgerybench run again"
            )
        return logits


def sample_keys(table: pd.DataFrame) -> "pd.Series[str]":
    """Name each row's sample by dataset and id."""
    return table["dataset"] + SEPARATOR + table["sample_id"]
