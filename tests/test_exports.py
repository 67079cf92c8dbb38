"""What is exported says what the records say, and the Hub's own library reads it."""

import io
import json
from pathlib import Path

import pandas as pd
import pytest
import yaml
from huggingface_hub import ModelCard, parse_eval_result_entries
from huggingface_hub.repocard_data import model_index_to_eval_results

from results.errors import ResultError
from results.exports import to_csv, to_eval_results, to_eval_yaml, to_json, to_model_index
from results.query import cells
from results.store import records
from tests.test_query import evaluated


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    return evaluated(folder, protocols=["cross-dataset"], detectors=["spectrum"], synthetic=True)


@pytest.fixture(scope="module")
def model(run: Path) -> str:
    return records(run)[0].model


def values(run: Path, model: str) -> dict[tuple[str, str], float]:
    """The numbers of a model, by test set and metric."""
    (record,) = (record for record in records(run) if record.model == model)
    return {
        (cell.test, metric): value.value
        for cell in record.cells
        for metric, value in cell.metrics.items()
        if value.value is not None
    }


def test_csv_and_json_hold_the_whole_table(run: Path) -> None:
    table = cells(run)
    csv = pd.read_csv(io.StringIO(to_csv(run).text))
    assert csv["value"].equals(table["value"])
    assert csv["reason"].fillna("").tolist() == table["reason"].fillna("").tolist()
    made = json.loads(to_json(run).text)
    assert len(made["cells"]) == len(table)
    assert [row["value"] is None for row in made["cells"]] == table["value"].isna().tolist()
    assert made["run"]["data"]["data"]["synthetic"] is True
    assert to_csv(run).written == table["value"].notna().sum() > 0


def test_a_model_card_is_read_back_by_the_hubs_library(
    run: Path, model: str, tmp_path: Path
) -> None:
    made = to_model_index(run, model)
    path = tmp_path / "README.md"
    path.write_text(made.text)
    read = ModelCard.load(path).data.eval_results
    assert read is not None
    expected = values(run, model)
    found = {(r.dataset_args["test"], r.metric_name): r.metric_value for r in read}
    assert found == expected
    assert made.written == len(expected)
    assert made.left_out > 0
    assert {r.metric_type for r in read} >= {"roc_auc", "average_precision", "accuracy", "eer"}
    assert all(r.dataset_args and r.dataset_args["synthetic"] is True for r in read)
    raw = yaml.safe_load(made.text.split("---")[1])
    assert model_index_to_eval_results(raw["model-index"]) == ("Spectrum", read)


def test_evaluation_results_are_read_back_by_the_hubs_library(run: Path, model: str) -> None:
    made = to_eval_results(run, model, "someone/faces")
    read = parse_eval_result_entries(yaml.safe_load(made.text))
    assert {entry.dataset_id for entry in read} == {"someone/faces"}
    found = {tuple(entry.task_id.split("/")[i] for i in (2, 5)): entry.value for entry in read}
    assert found == values(run, model)
    assert all("synthetic True" in str(entry.notes) for entry in read)
    assert sum(", 95 % interval 0." in str(entry.notes) for entry in read) > len(read) / 2


def test_evaluation_results_are_of_tasks_that_the_benchmark_file_defines(
    run: Path, model: str
) -> None:
    address = "https://example.org/board"
    rows = yaml.safe_load(to_eval_results(run, model, "someone/faces", source=address).text)
    assert {row["source"]["url"] for row in rows} == {address}
    benchmark = yaml.safe_load(to_eval_yaml(run).text)
    assert {row["evaluation_framework"] for row in rows} == {benchmark["evaluation_framework"]}
    assert {row["dataset"]["task_id"] for row in rows} <= {t["id"] for t in benchmark["tasks"]}
    assert {task["split"] for task in benchmark["tasks"]} == {"test"}
    with pytest.raises(ResultError, match="a source is an https address, not 'javascript:x'"):
        to_eval_results(run, model, "someone/faces", source="javascript:x")


def test_the_hubs_forms_are_of_one_model(run: Path) -> None:
    with pytest.raises(ResultError, match="a model card is of one model, and there are 3; name"):
        to_model_index(run)
    with pytest.raises(ResultError, match="there is no model 'x'; there are spectrum-cross"):
        to_model_index(run, "x")


@pytest.mark.parametrize("dataset", [None, "faces", "a/b/c", "/faces"])
def test_evaluation_results_need_a_dataset_of_the_hub(
    run: Path, model: str, dataset: str | None
) -> None:
    with pytest.raises(ResultError, match=r"give its owner/name, not"):
        to_eval_results(run, model, dataset)
