"""The long table over runs holds every number and every hole of their records."""

import json
from pathlib import Path

import pandas as pd
import pytest

from results.errors import ResultError
from results.evaluation import evaluate
from results.query import cells
from results.sealing import seal_run
from results.store import records, write_record
from tests.fake_run import make_run


def evaluated(folder: Path, **options: object) -> Path:
    run = make_run(folder, **options)  # type: ignore[arg-type]
    for record in evaluate(run):
        write_record(run, record)
    return run


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("runs")
    return [
        evaluated(folder / "a", protocols=["cross-forgery"], detectors=["spectrum"]),
        evaluated(folder / "b", protocols=["cross-dataset"], detectors=["mfclip"], seeds=(0, 1)),
    ]


def test_a_row_is_a_cell_and_metric_with_what_the_record_says(runs: list[Path]) -> None:
    table = cells(runs)
    for run in runs:
        of_run = table[(table["run"] == str(run)) & table["metric"].notna()]
        made = {
            (r.model, c.training, c.test, c.condition, c.level, metric): value.value
            for r in records(run)
            for c in r.cells
            for metric, value in c.metrics.items()
        }
        names = ["model", "training", "test", "condition", "level", "metric"]
        read = of_run.set_index(names)["value"]
        assert len(read) == len(made)
        for key, value in made.items():
            assert read[key] == value if value is not None else pd.isna(read[key])


def test_a_hole_has_a_row_with_its_reason(runs: list[Path]) -> None:
    table = cells(runs[1])
    gaps = table[table["metric"].isna()]
    assert set(gaps["reason"]) == {
        "no model: no forged images in split train",
        "no model: no real images in split train",
    }
    assert set(gaps["seed"]) == {0, 1}
    undefined = table[table["metric"].notna() & table["value"].isna()]
    assert len(undefined)
    assert undefined["reason"].notna().all()


def test_runs_can_be_told_apart_and_grouped(runs: list[Path]) -> None:
    table = cells(runs)
    means = table[table["metric"] == "AUC"].groupby(["run", "detector"])["value"].mean()
    assert list(means.index) == [(str(runs[0]), "spectrum"), (str(runs[1]), "mfclip")]
    assert table.dtypes.astype(str)[["seed", "seen", "value"]].tolist() == [
        "Int64",
        "boolean",
        "float64",
    ]


def test_a_run_twice_none_or_one_without_records_is_refused(
    runs: list[Path], tmp_path: Path
) -> None:
    with pytest.raises(ResultError, match="no folder of a run is given"):
        cells([])
    with pytest.raises(ResultError, match="a is given twice"):
        cells([runs[0], runs[0]])
    unreported = make_run(tmp_path, protocols=["cross-forgery"], detectors=["spectrum"])
    with pytest.raises(ResultError, match="there are no records; make them: forgerybench report"):
        cells(unreported)


def test_a_run_of_gaps_alone_is_a_table_of_gaps(tmp_path: Path) -> None:
    run = make_run(tmp_path, protocols=["cross-forgery"], detectors=["spectrum"])
    facts = json.loads((run / "run.json").read_text())
    for entry in facts["entries"]:
        entry |= {"model": None, "gap": "out of time"}
    (run / "run.json").write_text(json.dumps(facts))
    seal_run(run)
    assert set(cells(run)["reason"]) == {"no model: out of time"}
