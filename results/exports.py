"""A run's numbers for other tools: tidy CSV, JSON, and two forms of the Hugging Face Hub.

Both Hub forms speak of one model. They have no place for a reason, so cells without a value are not
in them; CSV and JSON have all.
"""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd
import yaml

from results.errors import ResultError
from results.files import csv_table, json_text
from results.metrics.registry import metric
from results.query import cells
from results.rounding import rounded
from results.store import read_run

if TYPE_CHECKING:
    from huggingface_hub import EvalResult, EvalResultEntry

FRAMEWORK = "forgerybench"
TASK, TASK_NAME = "image-classification", "face forgery detection"
_SAID = ("protocol", "protocol_version", "protocol_hash", "training", "test", "condition", "level")
_SETTING = (
    *_SAID,
    "reals",
    "seen",
    "n_real",
    "n_fake",
    "seed",
    "size",
    "init",
    "track",
    "synthetic",
)


class Exported(NamedTuple):
    """What is written.

    Attributes:
        text: The file's content.
        written: How many numbers stand in it; ``left_out`` how many cells without one do not.
    """

    text: str
    written: int
    left_out: int


def to_csv(run: str | Path) -> Exported:
    """Write every cell and metric as a row; floats at full precision, missing values empty."""
    table = cells(run)
    return Exported(csv_table(table), int(table["value"].notna().sum()), 0)


def to_json(run: str | Path) -> Exported:
    """Write what the run is made of and its rows; a missing value is null."""
    table, facts = cells(run), read_run(run)
    stated = facts.model_dump(
        mode="json", include={"study", "title", "protocols", "data", "versions", "batch_size"}
    )
    text = json_text({"run": stated, "cells": _rows(table)}, str(run))
    return Exported(text, int(table["value"].notna().sum()), 0)


def to_model_index(run: str | Path, model: str | None = None) -> Exported:
    """Write the head of a model card whose ``model-index`` holds one model's numbers.

    Args:
        run: The run's folder.
        model: Id of the model; may be left out where the run has one.

    Raises:
        ResultError: The run has several models and none is named, or not this one.
        UnknownNameError: A record has a metric that does not exist.
    """
    from huggingface_hub import ModelCardData

    table, left_out = _of_model(run, model)
    facts = read_run(run)
    title = str(table["title"].iloc[0])
    found = [_eval_result(row, facts.data[row["role"]].name) for row in _rows(table)]
    card = ModelCardData(
        model_name=title, tags=["face-forgery-detection", "forgerybench"], eval_results=found
    )
    return Exported(f"---\n{card.to_yaml()}\n---\n", len(found), left_out)


def to_eval_results(
    run: str | Path,
    model: str | None = None,
    dataset: str | None = None,
    *,
    source: str | None = None,
) -> Exported:
    """Write one model's numbers as a file for the folder ``.eval_results`` of a Hub repository.

    Args:
        run: The run's folder.
        model: As in ``to_model_index``.
        dataset: ``owner/name`` of the benchmark on the Hub whose leaderboard the numbers are for;
            the tasks it defines must be called ``protocol/training/test/condition/level/metric``.
        source: Address of where the numbers are from, such as a board's page of the model.

    Raises:
        ResultError: The run has several models and none is named, or not this one; or the dataset
            is not named so, or the source is no ``https`` address.
    """
    from huggingface_hub import eval_result_entries_to_yaml

    if dataset is None or not all(dataset.partition("/")[::2]) or dataset.count("/") != 1:
        raise ResultError(
            "evaluation results belong to a benchmark dataset of the Hub: give its owner/name, "
            f"not {dataset!r}"
        )
    if source is not None and not source.startswith("https://"):
        raise ResultError(f"a source is an https address, not {source!r}")
    table, left_out = _of_model(run, model)
    entries = [_entry(row, dataset, source) for row in _rows(table)]
    # The Hub's class has no place for the framework, without which a row is of no benchmark.
    told = [
        {**raw, "evaluation_framework": FRAMEWORK} for raw in eval_result_entries_to_yaml(entries)
    ]
    text = yaml.safe_dump(told, sort_keys=False, allow_unicode=True, width=100)
    return Exported(text, len(entries), left_out)


def to_eval_yaml(run: str | Path, dataset: str | None = None) -> Exported:
    """Write ``eval.yaml``, which makes a dataset of the Hub a benchmark that results can be of.

    Its tasks are the cells and metrics of the run, named as ``to_eval_results`` names them.

    Args:
        run: The run's folder.
        dataset: What the benchmark is called; the study's title if left out.
    """
    facts, table = read_run(run), cells(run)
    known = table[table["metric"].notna()]
    tasks = {_task(row): str(row["protocol"]) for row in _rows(known)}
    told = {
        "name": dataset or facts.title,
        "description": "Face-forgery detection: " + ", ".join(dict.fromkeys(tasks.values())),
        "evaluation_framework": FRAMEWORK,
        "tasks": [{"id": task, "config": of, "split": "test"} for task, of in tasks.items()],
    }
    text = yaml.safe_dump(told, sort_keys=False, allow_unicode=True, width=100)
    return Exported(text, len(tasks), 0)


def _task(row: dict[str, Any]) -> str:
    """Name a cell and metric as a task of the Hub."""
    return "/".join(str(row[name]) for name in ("protocol", *_SAID[3:], "metric"))


def _of_model(run: str | Path, model: str | None) -> tuple[pd.DataFrame, int]:
    """Give the rows of one model that have a value, and how many have none."""
    table = cells(run)
    there = list(dict.fromkeys(table["model"].dropna()))
    if model is None and len(there) != 1:
        raise ResultError(
            f"{run}: a model card is of one model, and there are {len(there)}; name one: "
            f"{', '.join(there)}"
        )
    if model is not None and model not in there:
        raise ResultError(f"{run}: there is no model '{model}'; there are {', '.join(there)}")
    rows = table[table["model"] == (model or there[0])]
    known = rows[rows["value"].notna()]
    return known, len(rows) - len(known)


def _rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Give the rows of a table with plain values."""
    return [
        {str(key): _plain(value) for key, value in row.items()}
        for row in table.to_dict(orient="records")
    ]


def _eval_result(row: dict[str, Any], dataset: str) -> "EvalResult":
    """Give one number as a model card has it: cells are configurations of the dataset."""
    from huggingface_hub import EvalResult

    return EvalResult(
        task_type=TASK,
        task_name=TASK_NAME,
        dataset_type=dataset,
        dataset_name=f"{dataset}: {row['test']}",
        dataset_config="/".join(str(row[name]) for name in ("protocol", *_SAID[3:])),
        dataset_split="test",
        dataset_revision=row["data"],
        dataset_args={name: row[name] for name in _SETTING},
        metric_type=metric(row["metric"]).hub or str(row["metric"]).lower(),
        metric_name=row["metric"],
        metric_value=row["value"],
    )


def _entry(row: dict[str, Any], dataset: str, source: str | None) -> "EvalResultEntry":
    """Give one number as the folder ``.eval_results`` has it."""
    from huggingface_hub import EvalResultEntry

    setting = ", ".join(f"{name} {row[name]}" for name in _SETTING)
    if row["low"] is not None:
        setting += f", 95 % interval {rounded(row['low'], 4)} to {rounded(row['high'], 4)}"
    return EvalResultEntry(
        dataset_id=dataset,
        task_id=_task(row),
        value=row["value"],
        source_url=source,
        notes=f"measured by ForgeryBench; {setting}, data {row['data']}",
    )


def _plain(value: Any) -> Any:
    """Turn a value of a table into one of JSON and YAML."""
    if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return None
    return value.item() if hasattr(value, "item") else value
