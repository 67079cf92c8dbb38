"""The folder of a run: facts and records as JSON, samples and scores as Parquet.

    run.json                         what was run
    models/<id>.json                 the trained detectors
    samples.parquet                  every sample of every bound dataset
    scores/<model id>.parquet        one logit a sample and condition
    records/<protocol>/<id>.json     the numbers, recomputed from the above by a report

Parquet is written with an explicit schema, no metadata and fixed row groups. Its bytes still depend
on the writer's version, so equality is judged by ``content_hash``.
"""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ValidationError

from protocols.samples import COLUMNS
from results.errors import ResultError
from results.files import atomic_write, json_text, own_file, read_json
from results.hashing import content_hash, text_hash
from results.parquet import check_schema, read_table, uncoded
from results.schema import SCHEMA, ModelFacts, Record, RunFacts
from results.upgrades import schema_of, upgraded

Facts = TypeVar("Facts", bound=BaseModel)

SCORE_KEY = ("dataset", "condition", "sample_id")
SCORE_SCHEMA = pa.schema(
    [
        ("dataset", pa.string()),
        ("sample_id", pa.string()),
        ("condition", pa.string()),
        ("logit", pa.float32()),
    ]
)
SCORE_COLUMNS = tuple(SCORE_SCHEMA.names)
SAMPLE_COLUMNS = ("dataset", *COLUMNS, "problem")
# A logit beyond this is no detector's: P(fake) is exactly 0 or 1 from 40 on in double precision.
MOST_LOGIT = 1e6
_ROW_GROUP = 65536


def write_run(run: str | Path, facts: RunFacts) -> None:
    """Write ``run.json``."""
    _write_facts(Path(run) / "run.json", facts)


def read_run(run: str | Path) -> RunFacts:
    """Read ``run.json``.

    Raises:
        ResultError: It is not there, not JSON, or not of this schema.
    """
    path = Path(run) / "run.json"
    if not path.is_file():
        raise ResultError(f"{run}: not the folder of a run, it has no run.json")
    return read_facts(path, RunFacts)


def write_model(run: str | Path, facts: ModelFacts) -> None:
    """Write ``models/<id>.json``."""
    _write_facts(own_file(Path(run) / "models", facts.id, ".json"), facts)


def read_model(run: str | Path, model: str) -> ModelFacts:
    """Read ``models/<id>.json``.

    Raises:
        ResultError: It is not there, not JSON, not of this schema, or of another model.
    """
    path = own_file(Path(run) / "models", model, ".json")
    facts = read_facts(path, ModelFacts)
    if facts.id != model:
        raise ResultError(f"{path}: states the id '{facts.id}', not the one it is named for")
    return facts


def write_record(run: str | Path, record: Record) -> None:
    """Write ``records/<protocol>/<model id>.json``; one of an older schema is made anew."""
    folder = own_file(Path(run) / "records", record.protocol, "")
    path = own_file(folder, record.model, ".json")
    stated = record.model_dump(mode="json", by_alias=True)
    sealed = {**stated, "seal": text_hash(stated, str(path))}
    atomic_write(path, json_text(sealed, str(path)))


def records(run: str | Path) -> list[Record]:
    """Read every record of a run, sorted by protocol and model.

    Raises:
        ResultError: There is none, one cannot be read, or one is not as a report wrote it.
    """
    folder = Path(run) / "records"
    paths = sorted(folder.glob("*/*.json"))
    if not paths:
        raise ResultError(f"{folder}: there are no records; make them: forgerybench report")
    return [_read_record(path) for path in paths]


def _read_record(path: Path) -> Record:
    """Read a record whose content is the one that was written; older schemas have no seal."""
    raw = _read_object(path)
    seal = raw.pop("seal", None)
    if schema_of(raw, str(path)) == SCHEMA and seal != text_hash(raw, str(path)):
        raise ResultError(
            f"{path}: is not as it was written (its seal does not fit): make the records anew: "
            "forgerybench report"
        )
    return _validated(path, raw, Record)


def write_samples(run: str | Path, samples: pd.DataFrame) -> None:
    """Write ``samples.parquet``, sorted by dataset and id.

    Args:
        run: The run's folder.
        samples: ``SAMPLE_COLUMNS``, then the user's own columns; all are written as text, and an
            empty cell of the user's own columns as "".

    Raises:
        ResultError: A column or a value is missing, or a sample stands there twice.
    """
    path = Path(run) / "samples.parquet"
    own = [str(name) for name in samples.columns if name not in SAMPLE_COLUMNS]
    schema = pa.schema([(name, pa.string()) for name in (*SAMPLE_COLUMNS, *own)])
    samples = samples.assign(**{name: samples[name].fillna("").astype(str) for name in own})
    _check_samples(path, samples)
    write_parquet(path, samples.astype(str), schema, ["dataset", "sample_id"])


def read_samples(run: str | Path) -> pd.DataFrame:
    """Read ``samples.parquet``: positions in this table are what an expansion selects.

    Raises:
        ResultError: It is not there, not Parquet, or not a table of samples.
    """
    path = Path(run) / "samples.parquet"
    samples: pd.DataFrame = read_table(path).to_pandas()
    _check_samples(path, samples)
    return samples


def write_scores(run: str | Path, model: str, scores: pd.DataFrame) -> None:
    """Write ``scores/<model id>.parquet``, sorted by dataset, condition and sample.

    The model's file, if it is there, states their hash from then on.

    Args:
        run: The run's folder.
        model: Id of the model.
        scores: ``SCORE_COLUMNS``: the role, the sample's id, the condition's key, the logit.

    Raises:
        ResultError: A column is missing, a logit is not ``plausible``, or a score stands there
            twice.
    """
    path = scores_path(run, model)
    _check_scores(path, scores)
    write_parquet(path, scores, SCORE_SCHEMA, list(SCORE_KEY))
    if own_file(Path(run) / "models", model, ".json").is_file():
        facts = read_model(run, model)
        stated = {"scores": content_hash(read_table(path, coded=True))}
        write_model(run, facts.model_copy(update=stated))


def read_scores(run: str | Path, model: str) -> pd.DataFrame:
    """Read the scores of one model.

    Returns:
        ``SCORE_COLUMNS``; ``logit`` is float32, the others are text.

    Raises:
        ResultError: The file is not there, not Parquet, or breaks the schema; a logit is not
            ``plausible``; a score stands there twice; or they are not those whose hash the model's
            file states.
    """
    scores = read_coded_scores(run, model)
    return scores.astype(dict.fromkeys(SCORE_KEY, "str"))


def read_coded_scores(run: str | Path, model: str) -> pd.DataFrame:
    """Read the scores of one model as ``read_scores`` does, text as categories.

    A score takes 16 bytes, and 30 while it is read, whatever the names of its sample are.
    """
    path = scores_path(run, model)
    table = read_table(path, coded=True)
    _compare_scores(run, model, table)
    check_schema(path, uncoded(table.schema), SCORE_SCHEMA)
    scores: pd.DataFrame = table.to_pandas()
    _check_scores(path, scores)
    return scores


def load_scores(run: str | Path) -> pd.DataFrame:
    """Read the scores of every model of a run.

    Returns:
        ``model`` (the id), then ``SCORE_COLUMNS``; models in the order of their ids.

    Raises:
        ResultError: There are none, or a file of them cannot be read.
    """
    folder = Path(run) / "scores"
    paths = sorted(folder.glob("*.parquet"))
    if not paths:
        raise ResultError(f"{folder}: there are no scores")
    tables = {path.stem: read_scores(run, path.stem) for path in paths}
    return pd.concat(tables, names=["model"]).reset_index(level="model").reset_index(drop=True)


def check_scores(run: str | Path, model: str) -> None:
    """Compare the scores of a model with the hash that its file states; faster than reading them.

    Raises:
        ResultError: They differ, the file states none, or one of the two cannot be read.
    """
    if read_model(run, model).scores is None:
        path = own_file(Path(run) / "models", model, ".json")
        raise ResultError(
            f"{path}: states no hash of its scores; the same forgerybench run scores them again"
        )
    _compare_scores(run, model, read_table(scores_path(run, model), coded=True))


def _compare_scores(run: str | Path, model: str, table: pa.Table) -> None:
    """Raise ResultError where scores are not those whose hash the model's file states, if any."""
    path = own_file(Path(run) / "models", model, ".json")
    stated = read_model(run, model).scores if path.is_file() else None
    if stated is None or content_hash(table) == stated:
        return
    if uncoded(table.schema).equals(SCORE_SCHEMA) and score_hash(table.to_pandas()) == stated:
        return  # the same rows in another order
    raise ResultError(
        f"{scores_path(run, model)}: the scores are not those whose hash {path.name} states: they "
        "were changed or damaged; the same forgerybench run scores them again"
    )


def scores_path(run: str | Path, model: str) -> Path:
    """Tell where the scores of a model stand."""
    return own_file(Path(run) / "scores", model, ".parquet")


def plausible(logits: npt.NDArray[np.floating]) -> npt.NDArray[np.bool_]:
    """Tell which logits are finite and within ``MOST_LOGIT`` of 0; shape as given."""
    within: npt.NDArray[np.bool_] = np.abs(logits) <= MOST_LOGIT  # of a NaN this is false
    return within


def score_hash(scores: pd.DataFrame) -> str:
    """Name a model's scores by what they are, in whatever order their rows stand.

    Args:
        scores: ``SCORE_COLUMNS``, each sample and condition once.

    Returns:
        ``content_hash`` of the rows in the order that ``write_scores`` gives them.
    """
    return content_hash(_in_order(scores[list(SCORE_COLUMNS)], SCORE_KEY))


def read_facts(path: str | Path, kind: type[Facts]) -> Facts:
    """Read a file of the schema or an older one; the first thing wrong is named.

    Args:
        path: A JSON file.
        kind: The class that it was written from.

    Raises:
        ResultError: It is not there, not JSON, of a newer schema, or breaks its own.
    """
    return _validated(path, _read_object(path), kind)


def _read_object(path: str | Path) -> dict[str, Any]:
    """Read a JSON object."""
    raw: Any = read_json(path)
    if not isinstance(raw, dict):
        raise ResultError(f"{path}: an object is expected, found {type(raw).__name__}")
    return raw


def _validated(path: str | Path, raw: dict[str, Any], kind: type[Facts]) -> Facts:
    """Take what a file says as ``kind``, upgraded if it is of an older schema."""
    try:
        return kind.model_validate(upgraded(raw, kind.__name__, str(path)))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise ResultError(f"{path}: '{key}' is wrong: {first['msg'].lower()}") from error


def _write_facts(path: Path, facts: BaseModel) -> None:
    """Write a model of the schema as JSON; a file of an older schema is not replaced by it."""
    if path.is_file():
        old = read_json(path)
        if isinstance(old, dict) and schema_of(old, str(path)) < SCHEMA:
            raise ResultError(
                f"{path}: schema {old['schema']} is read but not written by this version, which "
                f"writes {SCHEMA}: choose another folder"
            )
    atomic_write(path, json_text(facts.model_dump(mode="json", by_alias=True), str(path)))


def write_parquet(
    path: str | Path, table: pd.DataFrame, schema: pa.Schema, key: Sequence[str]
) -> None:
    """Write the columns of ``schema``, sorted by ``key``, in fixed row groups.

    Text may be given as categories; it is written as text.
    """
    table = _in_order(table[schema.names], key)
    buffer = io.BytesIO()
    with pq.ParquetWriter(buffer, schema, compression="zstd", store_schema=False) as writer:
        for at in range(0, max(len(table), 1), _ROW_GROUP):
            part = table.iloc[at : at + _ROW_GROUP]
            coded = {name: "str" for name in part if part[name].dtype == "category"}
            arrow = pa.Table.from_pandas(part.astype(coded), schema=schema, preserve_index=False)
            writer.write_table(arrow.replace_schema_metadata(None), row_group_size=_ROW_GROUP)
    atomic_write(path, buffer.getvalue())


def _in_order(table: pd.DataFrame, key: Sequence[str]) -> pd.DataFrame:
    """Sort a table by the names in some columns, whether they are text or categories."""
    coded = [name for name in key if table[name].dtype == "category"]
    named = {n: table[n].cat.reorder_categories(sorted(table[n].cat.categories)) for n in coded}
    return table.assign(**named).sort_values(list(key), kind="stable")


def _check_samples(path: Path, samples: pd.DataFrame) -> None:
    """Refuse a table that lacks a column or a value, or has a sample twice."""
    for name in SAMPLE_COLUMNS:
        if name not in samples.columns:
            there = ", ".join(map(str, samples.columns))
            raise ResultError(f"{path}: column '{name}' is missing; there are {there}")
    empty = samples.isna().any(axis=1).to_numpy()
    if empty.any():
        name = samples["sample_id"].iloc[int(empty.argmax())]
        raise ResultError(f"{path}: '{name}' has an empty value")
    _refuse_repeated(path, samples, ["dataset", "sample_id"])


def _check_scores(path: Path, scores: pd.DataFrame) -> None:
    """Refuse a table that lacks a column, has a score twice, or one that no detector gives."""
    for name in SCORE_COLUMNS:
        if name not in scores.columns:
            there = ", ".join(map(str, scores.columns))
            raise ResultError(f"{path}: column '{name}' is missing; there are {there}")
    bad = ~plausible(scores["logit"].to_numpy())
    if bad.any():
        row = scores.iloc[int(bad.argmax())]
        raise ResultError(
            f"{path}: the score of '{row['sample_id']}' under {row['condition']} is "
            f"{row['logit']:.4g}, not a finite number within {MOST_LOGIT:g} of 0 "
            f"({int(bad.sum())} such scores)"
        )
    _refuse_repeated(path, scores, list(SCORE_KEY))


def _refuse_repeated(path: Path, table: pd.DataFrame, key: list[str]) -> None:
    """Raise where two rows have one key."""
    again = table.duplicated(key).to_numpy()
    if again.any():
        row = table.iloc[int(again.argmax())]
        what = ", ".join(f"{name} '{row[name]}'" for name in key)
        raise ResultError(f"{path}: two rows for {what}")
