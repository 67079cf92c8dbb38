"""The run folder: what is written is read again, and what is wrong names its file."""

import importlib
import inspect
import json
import pkgutil
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import results
from results import hashing
from results import store as store_module
from results.embeddings import embedded_models, read_embeddings, write_embeddings
from results.errors import ResultError
from results.evaluation import evaluate
from results.files import atomic_write, json_text
from results.hashing import content_hash
from results.schema import SCHEMA
from results.store import (
    SCORE_SCHEMA,
    load_scores,
    read_model,
    read_run,
    read_samples,
    read_scores,
    records,
    score_hash,
    write_record,
    write_samples,
    write_scores,
)
from tests.fake_run import fake_samples, make_run


def scores(n: int = 6) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "dataset": "data",
            "sample_id": [f"{i}.png" for i in range(n)],
            "condition": "clean",
            "logit": np.arange(n, dtype=np.float32),
        }
    )


def test_scores_are_the_same_file_whatever_order_they_came_in(tmp_path: Path) -> None:
    write_scores(tmp_path, "a", scores())
    write_scores(tmp_path, "b", scores().iloc[::-1])
    first, second = (tmp_path / "scores" / f"{name}.parquet" for name in "ab")
    assert first.read_bytes() == second.read_bytes()
    pd.testing.assert_frame_equal(read_scores(tmp_path, "a"), scores())
    assert pq.read_schema(first).metadata is None
    assert read_scores(tmp_path, "a")["logit"].dtype == np.float32


def test_coded_text_counts_as_what_it_stands_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = scores(50).assign(sample_id=[f"{'ü' * (i % 3)}{i}" for i in range(50)])
    expected = content_hash(table)
    coded = table.astype({"sample_id": "category", "condition": "category"})
    arrow = pa.Table.from_pandas(coded, preserve_index=False)
    assert content_hash(coded) == content_hash(arrow) == expected
    monkeypatch.setattr(hashing, "_AT_ONCE", 7)
    assert content_hash(pa.concat_tables([arrow[:20], arrow[20:]])) == expected
    assert content_hash(table) == content_hash(coded) == expected
    write_scores(tmp_path, "plain", table)
    write_scores(tmp_path, "coded", coded.iloc[::-1])
    first, second = (tmp_path / "scores" / f"{name}.parquet" for name in ("plain", "coded"))
    assert first.read_bytes() == second.read_bytes()


def test_row_groups_written_one_by_one_are_those_of_one_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "_ROW_GROUP", 4)
    write_scores(tmp_path, "a", scores(10))
    path = tmp_path / "scores" / "a.parquet"
    file = pq.ParquetFile(path)
    assert [file.metadata.row_group(n).num_rows for n in range(3)] == [4, 4, 2]
    whole = pa.Table.from_pandas(scores(10), schema=SCORE_SCHEMA, preserve_index=False)
    whole = whole.replace_schema_metadata(None)
    options = {"row_group_size": 4, "compression": "zstd", "store_schema": False}
    pq.write_table(whole, tmp_path / "whole.parquet", **options)
    assert path.read_bytes() == (tmp_path / "whole.parquet").read_bytes()


def test_all_scores_come_in_one_table_with_their_model(tmp_path: Path) -> None:
    write_scores(tmp_path, "b", scores(2))
    write_scores(tmp_path, "a", scores(3))
    table = load_scores(tmp_path)
    assert table["model"].tolist() == ["a"] * 3 + ["b"] * 2
    assert table.columns.tolist() == ["model", "dataset", "sample_id", "condition", "logit"]


@pytest.mark.parametrize(
    ("column", "value", "sentence"),
    [
        ("logit", np.float32("nan"), "the score of '1.png' under clean is nan, not a finite"),
        ("logit", np.float32("inf"), "the score of '1.png' under clean is inf"),
        ("sample_id", "0.png", "two rows for dataset 'data', condition 'clean', sample_id '0.png'"),
    ],
)
def test_a_wrong_score_is_named_when_written(
    tmp_path: Path, column: str, value: object, sentence: str
) -> None:
    table = scores()
    values = table[column].tolist()
    values[1] = value
    table[column] = np.array(values, dtype=np.float32) if column == "logit" else values
    with pytest.raises(ResultError, match=f"a.parquet: {sentence}"):
        write_scores(tmp_path, "a", table)
    assert not (tmp_path / "scores").exists()


def test_a_wrong_scores_file_is_named_when_read(tmp_path: Path) -> None:
    with pytest.raises(ResultError, match=r"a\.parquet: there is no such file"):
        read_scores(tmp_path, "a")
    path = tmp_path / "scores" / "a.parquet"
    atomic_write(path, "nonsense")
    with pytest.raises(ResultError, match=r"a\.parquet: not Parquet"):
        read_scores(tmp_path, "a")
    scores().astype({"logit": "float64"}).to_parquet(path, index=False)
    with pytest.raises(
        ResultError, match=r"the columns must be .* logit float; there are .*double"
    ):
        read_scores(tmp_path, "a")


def test_samples_come_back_as_text_with_the_users_columns(tmp_path: Path) -> None:
    samples = fake_samples().assign(age=31)
    samples["note"] = [None, *["x"] * (len(samples) - 1)]
    write_samples(tmp_path, samples)
    read = read_samples(tmp_path).set_index("sample_id")
    assert set(read["age"]) == {"31"}
    assert read.loc[samples["sample_id"].iloc[0], "note"] == ""
    assert len(read) == len(samples)


def test_a_samples_table_without_a_column_or_with_a_sample_twice_is_refused(tmp_path: Path) -> None:
    samples = fake_samples()
    with pytest.raises(ResultError, match="column 'problem' is missing; there are dataset, "):
        write_samples(tmp_path, samples.drop(columns="problem"))
    with pytest.raises(ResultError, match="two rows for dataset 'data', sample_id "):
        write_samples(tmp_path, pd.concat([samples, samples.iloc[:1]]))


def test_records_are_read_as_they_were_written(tmp_path: Path) -> None:
    made = evaluate(make_run(tmp_path, protocols=["cross-forgery"], detectors=["spectrum"]))
    for record in made:
        write_record(tmp_path, record)
    assert records(tmp_path) == sorted(made, key=lambda record: record.model)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", r"run\.json: not JSON"),
        ("[]", r"run\.json: an object is expected, found list"),
        ("{}", r"run\.json: 'schema' must be a whole number, found none"),
        ('{"schema": "1"}', r"run\.json: 'schema' must be a whole number, found '1'"),
        ('{"schema": 3}', r"run\.json: schema 3 was written by a newer ForgeryBench; .* up to 2"),
        ('{"schema": 0}', r"run\.json: schema 0 is no longer read; the oldest that is, is 1"),
        ('{"schema": 1, "study": 3}', r"run\.json: 'study' is wrong: input should be a valid str"),
    ],
)
def test_a_wrong_run_file_is_named(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(ResultError, match=sentence):
        read_run(tmp_path)


def test_a_folder_that_is_no_run_is_told(tmp_path: Path) -> None:
    with pytest.raises(ResultError, match=r"not the folder of a run, it has no run\.json"):
        read_run(tmp_path)
    with pytest.raises(ResultError, match="there are no records"):
        records(tmp_path)
    with pytest.raises(ResultError, match="there are no scores"):
        load_scores(tmp_path)


def test_a_model_under_another_models_name_is_refused(tmp_path: Path) -> None:
    run = make_run(tmp_path, protocols=["cross-forgery"], detectors=["spectrum"])
    first, second = sorted((run / "models").iterdir())[:2]
    first.write_bytes(second.read_bytes())
    with pytest.raises(ResultError, match="states the id 'spectrum-cross-forgery-EFS-0', not the"):
        read_model(run, first.stem)


def test_json_is_sorted_ends_with_a_newline_and_has_no_nan() -> None:
    assert json_text({"b": 1, "a": "é"}, "x.json") == '{\n "a": "é",\n "b": 1\n}\n'
    with pytest.raises(ResultError, match=r"x\.json: cannot be written as JSON"):
        json_text({"a": float("nan")}, "x.json")


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    atomic_write(path, "old")

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        atomic_write(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_content_hash_tells_every_change_apart_and_ignores_the_file(tmp_path: Path) -> None:
    table = scores()
    write_scores(tmp_path, "a", table)
    assert content_hash(read_scores(tmp_path, "a")) == content_hash(table)
    assert content_hash(table.set_axis(range(5, 11))) == content_hash(table)
    changed = [
        table.assign(logit=table["logit"] + np.float32(1e-3)),
        table.assign(condition="clea"),
        table.iloc[::-1],
        table.iloc[:-1],
        table.rename(columns={"dataset": "role"}),
        table.astype({"logit": "float64"}),
    ]
    assert len({content_hash(other) for other in [table, *changed]}) == 1 + len(changed)
    # Joined, the texts of these two are equal.
    left = content_hash(pd.DataFrame({"a": ["xy", "z"]}))
    assert left != content_hash(pd.DataFrame({"a": ["x", "yz"]}))


def test_the_hash_of_scores_does_not_depend_on_the_order_of_rows_or_columns() -> None:
    table = scores()
    for seed in range(5):
        shuffled = table.sample(frac=1, random_state=seed)
        assert score_hash(shuffled) == score_hash(table)
        assert score_hash(shuffled[shuffled.columns[::-1]]) == score_hash(table)
    logits = table["logit"].to_numpy().copy()
    logits[:2] = logits[1::-1]
    assert score_hash(table.assign(logit=logits)) != score_hash(table)


def test_records_do_not_depend_on_the_order_of_rows_in_a_score_file(tmp_path: Path) -> None:
    run = make_run(tmp_path, protocols=["cross-forgery"], detectors=["spectrum"])
    before = evaluate(run)
    for path in sorted((run / "scores").glob("*.parquet")):
        table = read_scores(run, path.stem).sample(frac=1, random_state=0)
        pq.write_table(pa.Table.from_pandas(table, SCORE_SCHEMA, preserve_index=False), path)
    assert evaluate(run) == before


def test_facts_are_written_with_sorted_keys(tmp_path: Path) -> None:
    run = make_run(tmp_path, protocols=["cross-forgery"], detectors=["spectrum"])
    raw = json.loads((run / "run.json").read_text())
    assert list(raw) == sorted(raw)
    assert raw["schema"] == SCHEMA


def test_a_folder_is_not_written_over_by_a_file(tmp_path: Path) -> None:
    with pytest.raises(ResultError, match="a folder; name a file"):
        atomic_write(tmp_path, "text")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_may_be_given_as_text(tmp_path: Path) -> None:
    run = make_run(tmp_path, protocols=["cross-forgery"], detectors=["mfclip", "spectrum"])
    text = str(run)
    found = evaluate(text)
    assert found == evaluate(run)
    for record in found:
        write_record(text, record)
    assert results.records(text) == results.records(run)
    assert results.load_scores(text).equals(results.load_scores(run))
    assert results.cells(text).equals(results.cells(run))
    both = [results.compare(each, "mfclip", "spectrum", resamples=100) for each in (text, run)]
    first, second = ([each.difference for each in comparison.cells] for comparison in both)
    assert first == second
    write_samples(text, read_samples(text))
    write_scores(text, "a", scores())
    assert read_scores(text, "a").equals(scores())
    write_embeddings(text, "a", scores(), np.ones((6, 2), np.float32))
    assert embedded_models(text) == ["a"]
    assert read_embeddings(text, "a")[1].shape == (6, 2)
    with pytest.raises(ResultError, match=r"nowhere: not the folder of a run"):
        read_run(str(tmp_path / "nowhere"))


def test_no_public_function_of_results_insists_on_a_path() -> None:
    for found in pkgutil.walk_packages(results.__path__, "results."):
        module = importlib.import_module(found.name)
        for name, what in vars(module).items():
            if name.startswith("_") or getattr(what, "__module__", None) != found.name:
                continue
            call = what.__init__ if inspect.isclass(what) else what
            if inspect.isfunction(call):
                only = [n for n, t in call.__annotations__.items() if t is Path and n != "return"]
                assert not only, f"{found.name}.{name} takes {only} as a Path only"
