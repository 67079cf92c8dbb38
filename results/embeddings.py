"""Embeddings of a run: ``embeddings/<model id>.parquet``, one vector an image."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from results.errors import ResultError
from results.files import own_file
from results.parquet import read_columns
from results.store import write_parquet

FOLDER = "embeddings"
EMBEDDING_SCHEMA = pa.schema(
    [("dataset", pa.string()), ("sample_id", pa.string()), ("features", pa.list_(pa.float32()))]
)


def write_embeddings(
    run: str | Path, model: str, samples: pd.DataFrame, features: npt.NDArray[np.float32]
) -> None:
    """Write the features of some samples.

    Args:
        run: The run's folder.
        model: Id of the model.
        samples: ``dataset`` and ``sample_id`` of n samples.
        features: (n, d), finite.

    Raises:
        ResultError: A feature is not finite.
    """
    path = own_file(Path(run) / FOLDER, model, ".parquet")
    if not np.isfinite(features).all():
        raise ResultError(f"{path}: a feature is not a finite number")
    table = samples[["dataset", "sample_id"]].assign(features=list(features))
    write_parquet(path, table, EMBEDDING_SCHEMA, ["dataset", "sample_id"])


def read_embeddings(run: str | Path, model: str) -> tuple[pd.DataFrame, npt.NDArray[np.float32]]:
    """Read a model's embeddings.

    Returns:
        ``dataset`` and ``sample_id`` of n samples, and their (n, d) features.

    Raises:
        ResultError: The file is not there, or not of this form.
    """
    path = own_file(Path(run) / FOLDER, model, ".parquet")
    frame = read_columns(path, EMBEDDING_SCHEMA)
    lengths = {len(vector) for vector in frame["features"]}
    if len(lengths) != 1:
        raise ResultError(f"{path}: the vectors have the lengths {sorted(lengths)}, not one")
    return frame[["dataset", "sample_id"]], np.stack(frame["features"].to_list())


def embedded_models(run: str | Path) -> list[str]:
    """List the models whose embeddings there are, sorted."""
    return sorted(path.stem for path in (Path(run) / FOLDER).glob("*.parquet"))
