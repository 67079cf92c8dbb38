"""The logits of one model as they are looked up: by condition and sample, without their names."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from results.errors import ResultError
from results.store import read_coded_scores, read_model, score_hash, scores_path

# Between parts of a key; no name has it.
SEPARATOR = "\x1f"


class _Logits(NamedTuple):
    """The scores of some samples: ascending positions in the samples table, and their logits."""

    rows: npt.NDArray[np.int32]
    logits: npt.NDArray[np.float32]


class ModelScores:
    """The logits of one model, by condition and position in the samples table.

    They take 8 bytes a score, whatever the size of the samples table.

    Attributes:
        hash: ``score_hash`` of the file's table.
        nbytes: Bytes of the scores in memory.
    """

    def __init__(
        self, run: str | Path, model: str, samples: pd.DataFrame, positions: pd.Index
    ) -> None:
        """Read and index the scores of ``model``.

        Raises:
            ResultError: The file is missing or wrong, or scores a sample that the run lacks.
        """
        self._path = scores_path(run, model)
        self._samples = samples
        table = read_coded_scores(run, model)
        # What is stated was compared as the scores were read.
        self.hash = read_model(run, model).scores or score_hash(table)
        at = _places(table, positions)
        if (at < 0).any():
            row = table.iloc[int((at < 0).argmax())]
            raise ResultError(
                f"{self._path}: scores '{row['sample_id']}' ({row['dataset']}), which is not in "
                "samples.parquet"
            )
        values, conditions = table["logit"].to_numpy(), table["condition"].cat
        names = conditions.categories
        # As it is written, a file of one dataset is in this order already.
        keys = conditions.codes.to_numpy(np.int64) * len(samples) + at
        ordered = np.argsort(keys, kind="stable")
        bounds = np.searchsorted(keys[ordered], np.arange(len(names) + 1) * len(samples))
        self._logits: dict[str, _Logits] = {}
        for name, start, stop in zip(names, bounds[:-1], bounds[1:], strict=True):
            here = ordered[start:stop]
            self._logits[str(name)] = _Logits(at[here].astype(np.int32), values[here])
        self.nbytes = 8 * len(table)

    def n_missing(self, condition: str, rows: npt.NDArray[np.int64]) -> int:
        """Count the samples that were not scored under a condition."""
        return int(np.isnan(self._found(condition, rows)).sum())

    def _found(self, condition: str, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """Give the logits of samples, shape (n,); NaN where there is none."""
        known = self._logits.get(condition)
        if known is None:
            return np.full(len(rows), np.nan, np.float32)
        places = np.minimum(np.searchsorted(known.rows, rows), len(known.rows) - 1)
        return np.where(known.rows[places] == rows, known.logits[places], np.float32(np.nan))

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
        logits = self._found(condition, rows)
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


def _places(table: pd.DataFrame, positions: pd.Index) -> npt.NDArray[np.int64]:
    """Find the position of each row's sample, -1 if there is none.

    A sample is looked up once, however many conditions it has scores under.
    """
    datasets, ids = table["dataset"].cat, table["sample_id"].cat
    many = max(len(ids.categories), 1)
    pairs, distinct = pd.factorize(datasets.codes.to_numpy(np.int64) * many + ids.codes)
    named = {
        "dataset": datasets.categories.take(distinct // many),
        "sample_id": ids.categories.take(distinct % many),
    }
    found: npt.NDArray[np.int64] = positions.get_indexer(pd.Index(sample_keys(pd.DataFrame(named))))
    return found[pairs]
