"""What a detector looks at: ``overlays/<model id>.parquet``, of drawn faces only."""

from pathlib import Path

import pandas as pd
import pyarrow as pa

from results.files import own_file
from results.parquet import read_columns
from results.store import write_parquet

_FOLDER = "overlays"
_SCHEMA = pa.schema(
    [
        ("dataset", pa.string()),
        ("sample_id", pa.string()),
        ("image", pa.binary()),  # PNG, S x S, as the detector sees it
        ("patches", pa.list_(pa.int32())),  # left, top, side of each chosen patch, in pixels
        ("map_side", pa.int32()),
        ("activation", pa.list_(pa.float32())),  # row by row, from 0 to 1
        ("logit", pa.float32()),
    ]
)


def write_overlays(run: str | Path, model: str, table: pd.DataFrame) -> None:
    """Write a model's overlays: the columns of ``_SCHEMA``."""
    write_parquet(
        own_file(Path(run) / _FOLDER, model, ".parquet"), table, _SCHEMA, ["dataset", "sample_id"]
    )


def read_overlays(run: str | Path, model: str) -> pd.DataFrame:
    """Read a model's overlays: the columns of ``_SCHEMA``.

    Raises:
        ResultError: The file is not there, or not of this form.
    """
    return read_columns(own_file(Path(run) / _FOLDER, model, ".parquet"), _SCHEMA)


def overlaid_models(run: str | Path) -> list[str]:
    """List the models whose overlays there are, sorted."""
    return sorted(path.stem for path in (Path(run) / _FOLDER).glob("*.parquet"))
