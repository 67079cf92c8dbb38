"""Scores of somebody's own code as a model of a run: read, matched, marked, never guessed."""

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score
from typer.testing import CliRunner

from benchmark.cli.app import app
from benchmark.data.columns import OutsideScores, Stated, scores_of
from benchmark.data.matching import AMBIGUOUS, UNMATCHED, Matcher, normalised
from benchmark.data.outside import read_outside
from benchmark.errors import BenchmarkError
from benchmark.study.importing import ImportedRun, ImportSettings, import_scores
from leaderboard.errors import LeaderboardError
from leaderboard.figures.hardest import find_cell
from leaderboard.submissions.packing import pack
from protocols import ELSEWHERE
from results.comparing import compare_detectors
from results.run import RunContents
from results.store import read_model, read_run, read_samples, read_scores, records
from results.verifying import verify
from tests.fake_run import make_run
from tests.small_data import write_dataset
from tests.traps import MakesFolder


def columns_of(path: Path, **stated: Any) -> OutsideScores:
    return scores_of(read_outside(path), Stated(**stated), path)


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("data"), count=30)


@pytest.fixture(scope="module")
def truth(manifest: Path) -> pd.DataFrame:
    """Give P(fake) of every test image by somebody's code, better than chance."""
    table = pd.read_csv(manifest)
    table = table[table["split"] == "test"][["path", "label"]].reset_index(drop=True)
    rng = np.random.default_rng(0)
    logits = rng.normal(size=len(table)) + 1.5 * (table["label"] == "fake")
    return table.assign(prob_fake=1 / (1 + np.exp(-logits)))


def imported(path: Path, out: Path, manifest: Path | None, **changes: Any) -> ImportedRun:
    settings: dict[str, Any] = {
        "file": path,
        "detector": "My net",
        "out": out,
        "data": manifest,
        "protocols": ["cross-generator"] if manifest else [],
    }
    return import_scores(ImportSettings(**settings | changes))


def test_scores_become_a_model_with_numbers_intervals_and_a_mark(
    manifest: Path, truth: pd.DataFrame, tmp_path: Path
) -> None:
    truth[["path", "prob_fake"]].to_csv(tmp_path / "scores.csv", index=False)
    found = imported(tmp_path / "scores.csv", tmp_path / "run", manifest)
    facts = read_model(tmp_path / "run", found.model)
    assert facts.imported == found.facts
    assert (facts.training, facts.title, facts.fit) == (ELSEWHERE, "My net", "none")
    assert (found.facts.given, found.facts.needed) == (120, 120)
    assert found.facts.direction == "greater means fake, as the column's name says"
    assert found.problems.empty
    assert found.rows_file is None
    (record,) = records(tmp_path / "run")
    scores = truth.set_index("path")["prob_fake"]
    for cell in record.cells:
        here = [p for p in scores.index if f"/{cell.test}/" in p]
        source = here[0].split("/")[0]
        real = [p for p in scores.index if p.startswith(f"{source}/real/")]
        labels = [1] * len(here) + [0] * len(real)
        expected = roc_auc_score(labels, scores[[*here, *real]])
        assert cell.metrics["AUC"].value == pytest.approx(expected, abs=1e-9)
        assert cell.metrics["AUC"].low is not None
        assert cell.seen is None
    page = found.page.read_text(encoding="utf-8")
    assert "Not made here" in page
    assert "nothing was re-run" in page
    again = imported(tmp_path / "scores.csv", tmp_path / "run", None)
    assert again.model == found.model
    assert len(read_run(tmp_path / "run").entries) == 1


def test_they_stand_beside_detectors_of_a_run_and_are_compared(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", protocols=["cross-generator"], detectors=["xception"])
    samples = read_samples(run)
    tests = samples[samples["split"] == "test"]
    scores = tests[["sample_id"]].assign(logit_fake=np.arange(len(tests)) % 7)
    scores.to_parquet(tmp_path / "scores.parquet")
    imported(tmp_path / "scores.parquet", run, None)
    entries = read_run(run).entries
    assert {e.training for e in entries if e.detector == "My net"} == {ELSEWHERE}
    assert len([e for e in entries if e.detector == "xception"]) == 6
    found = compare_detectors(run, "My net", "xception", resamples=100)
    assert len(found.cells) == 36
    assert all(each.left is not None for each in found.cells)


def test_what_was_imported_has_no_weights_and_cells_of_its_own(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", protocols=["cross-generator"], detectors=["xception"])
    samples = read_samples(run)
    tests = samples[samples["split"] == "test"].iloc[1:]
    scores = tests[["sample_id"]].assign(logit_fake=np.arange(len(tests)) % 7)
    scores.to_csv(tmp_path / "scores.csv", index=False)
    found = imported(tmp_path / "scores.csv", run, None)
    assert verify(run).notes == ("the weights of 6 of 6 models are not at hand",)
    with pytest.raises(LeaderboardError, match="the scores of 'My net' were imported"):
        pack(run, tmp_path / "m.zip", submitter="us", training_data="these", detector="My net")
    assert not (tmp_path / "m.zip").exists()
    page = found.page.read_text(encoding="utf-8")
    assert "Its scores were imported: there is no card." in page
    said = CliRunner().invoke(app, ["compare", str(run), "xception", "My net"]).stdout
    assert "were not given" in said
    assert "0 real" not in said
    contents = RunContents(run)
    trained = next(t for t in contents.trainings("cross-generator") if t != ELSEWHERE)
    cells = [f"cross-generator/{{}}/{test}" for test in dict.fromkeys(
        cell.test.name for cell in contents.expansions["cross-generator"].cells
    )]  # fmt: skip
    with pytest.raises(LeaderboardError, match=f"name a cell like cross-generator/{ELSEWHERE}/"):
        find_cell(contents, cells[0].format(trained), "My net")
    told = {}
    for cell in cells:
        try:
            told[cell] = find_cell(contents, cell.format(ELSEWHERE), "My net")[0].detector
        except LeaderboardError as error:
            told[cell] = str(error)
    assert "My net" in told.values()
    assert any("1 of its" in each and "were not given" in each for each in told.values())


@pytest.mark.parametrize("form", ["csv", "semicolons", "parquet", "jsonl", "npz"])
def test_every_form_says_the_same(form: str, truth: pd.DataFrame, tmp_path: Path) -> None:
    table = truth[["path", "prob_fake"]]
    path = tmp_path / f"scores.{'csv' if form == 'semicolons' else form}"
    if form == "csv":
        table.to_csv(path, index=False, lineterminator="\r\n", encoding="utf-8-sig")
    elif form == "semicolons":
        table.to_csv(path, index=False, sep=";", decimal=",")
    elif form == "parquet":
        table.to_parquet(path)
    elif form == "jsonl":
        path.write_text(table.to_json(orient="records", lines=True, double_precision=15))
    else:
        np.savez(path, path=table["path"].to_numpy(str), prob_fake=table["prob_fake"].to_numpy())
    found = columns_of(path)
    p = table["prob_fake"].to_numpy()
    assert found.ids == table["path"].tolist()
    np.testing.assert_allclose(found.logits, np.log(p) - np.log1p(-p), atol=1e-9)
    assert (found.positive, found.kind) == ("fake", "probability")


def test_predictions_of_gend_are_read_as_it_writes_them(tmp_path: Path) -> None:
    path = write(
        tmp_path / "test_predictions.csv",
        "files,labels,prob_class_0,prob_class_1\na/0.png,0,0.9000,0.1000\nb/1.png,1,0.0000,1.0000\n",
    )
    found = columns_of(path)
    assert found.ids == ["a/0.png", "b/1.png"]
    assert (found.positive, found.stated, found.clipped) == ("fake", "GenD", 1)
    assert found.logits[0] == pytest.approx(np.log(0.1 / 0.9))
    assert found.logits[1] > 20


def deepfakebench(folder: Path, paths: list[str], scores: np.ndarray) -> Path:
    folder.mkdir()
    metrics = {"auc": np.float64(0.9), "pred": scores, "label": np.ones(len(paths))}
    (folder / "metric_dict_best.pickle").write_bytes(pickle.dumps(metrics))
    frames = {"image": paths, "label": [1] * len(paths)}
    (folder / "data_dict_test.pickle").write_bytes(pickle.dumps(frames))
    return folder


def test_pickles_of_deepfakebench_are_read_and_run_nothing(tmp_path: Path) -> None:
    folder = deepfakebench(
        tmp_path / "Celeb-DF-v2", ["a\\frames\\0.png", "b/1.png"], np.array([0.25, 0.75], "f4")
    )
    for path in (folder, folder / "metric_dict_best.pickle"):
        found = columns_of(path)
        assert found.ids == ["a\\frames\\0.png", "b/1.png"]
        assert found.stated == "DeepfakeBench"
        np.testing.assert_allclose(found.logits, [-np.log(3), np.log(3)], rtol=1e-6)
    ran = tmp_path / "ran"
    (folder / "data_dict_test.pickle").write_bytes(pickle.dumps(MakesFolder(ran)))
    with pytest.raises(BenchmarkError, match=r"data_dict_test\.pickle: cannot be read as arrays: "):
        columns_of(folder)
    assert not ran.exists()


@pytest.mark.parametrize(
    ("header", "stated", "sentence"),
    [
        ("path,score", {}, "'score' does not say which class a greater score means: say --positi"),
        ("path,score", {"positive": "fake"}, "'score' does not say whether it holds logits or pr"),
        ("path,logit", {}, "'logit' does not say which class a greater score means"),
        ("path,value", {}, "no column is known to be the score; there are path, value; say which"),
        ("what,p_fake", {}, "no column is known to be an id; there are what, p_fake; say which: "),
        ("path,p_fake", {"id": "file"}, "there is no column 'file'; there are path, p_fake"),
        ("path,p_real", {"positive": "fake"}, "is called after the real class, and --positive"),
        ("path,p_fake", {"fake": "p_fake"}, "--fake and --real go together"),
    ],
)
def test_nothing_is_guessed(
    header: str, stated: dict[str, Any], sentence: str, tmp_path: Path
) -> None:
    path = write(tmp_path / "x.csv", f"{header}\na.png,0.5\n")
    with pytest.raises(BenchmarkError, match=sentence):
        columns_of(path, **stated)


def test_what_names_say_is_taken_and_two_columns_are_one_logit(tmp_path: Path) -> None:
    both = write(tmp_path / "a.csv", "file,prob_real,prob_fake\na,0.2,0.8\n")
    assert columns_of(both).logits[0] == pytest.approx(np.log(4))
    raw = write(tmp_path / "b.csv", "file,x,y\na,1.5,-0.5\n")
    found = columns_of(raw, fake="y", real="x", kind="logit")
    assert found.logits[0] == pytest.approx(-2)
    one = write(tmp_path / "c.csv", "img_path,p_real\na,0.2\n")
    found = columns_of(one)
    assert (found.positive, found.logits[0]) == ("real", pytest.approx(np.log(0.25)))
    ours = write(tmp_path / "d.csv", "path,logit,p_fake\na,3,0.95\n")
    assert (columns_of(ours).logits[0], columns_of(ours).kind) == (3, "logit")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "path,p_fake\na,1.5\n",
            "row 2: 1.5 is no probability \\(1 such rows\\); if these are log",
        ),
        ("path,p_fake\na,much\n", "row 2: 'much' is no number"),
        ("path,p_fake\na,nan\n", "row 2: nan is no finite number .* leave the cell empty"),
        ("path,p_real,p_fake\na,0.9,0.9\n", "row 2: 1.8 is the sum of both, not 1"),
        ("path,p_fake\na,0.1,3\n", "row 2: 3 values for the 2 columns of row 1"),
        ("path,p_fake,p_fake\na,0.1,3\n", "columns need names that differ: 'p_fake' stands there"),
        ("path,p_fake\n", "holds no scores, only the names of columns"),
        ("", "the file is empty"),
    ],
)
def test_wrong_values_are_named(text: str, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match=sentence):
        columns_of(write(tmp_path / "x.csv", text))


def test_paths_are_matched_by_what_they_end_in() -> None:
    known = Matcher(["real/a/0.png", "fake/a/0.png", "fake/b/1.png", "v.mp4#frame=3&xywh=1,2,3,4"])
    assert known.find("real/a/0.png") == 0
    assert known.find(r"C:\data\set\fake\a\0.png") == 1
    assert known.find("./fake//b/1.png") == 2
    assert known.find("b/1.png") == known.find("1.png") == 2
    assert known.find("a/0.png") == AMBIGUOUS
    assert known.find("0.png") == AMBIGUOUS
    assert known.find("11.png") == known.find("png") == known.find("") == UNMATCHED
    assert known.find("v.mp4#frame=3") == 3
    assert normalised("cafe\u0301/x") == "café/x"


def test_every_row_that_is_not_one_to_one_is_named(
    manifest: Path, truth: pd.DataFrame, tmp_path: Path
) -> None:
    table = truth[["path", "prob_fake"]].astype(str).assign(status="ok")
    table.loc[0, ["prob_fake", "status"]] = ["", "no face"]
    table.loc[1, ["prob_fake", "status"]] = ["", "error"]
    extra = pd.DataFrame({"path": ["other/x.png"], "prob_fake": ["0.5"], "status": ["ok"]})
    table = pd.concat([table.drop(index=2), table.iloc[[5]], extra])
    table.to_csv(tmp_path / "scores.csv", index=False)
    found = imported(tmp_path / "scores.csv", tmp_path / "run", manifest)
    told = found.facts
    assert (told.unmatched, told.repeated, told.statuses) == (1, 1, {"error": 1, "no face": 1})
    assert (told.needed, told.given) == (120, 117)
    assert found.rows_file is not None
    why = pd.read_csv(found.rows_file)["why"].tolist()
    assert "unmatched: not in the data" in why
    assert "double: says again what a row before says" in why
    assert {"status: error", "status: no face"} <= set(why)
    assert sum(each.startswith("missing: ") for each in why) == 3
    (record,) = records(tmp_path / "run")
    reasons = {cell.metrics["AUC"].reason for cell in record.cells}
    assert any(reason and "scores were not given" in reason for reason in reasons)
    wrong = imported(
        tmp_path / "scores.csv", tmp_path / "run", None, detector="Other", unscored="wrong"
    )
    scores = read_scores(tmp_path / "run", wrong.model).set_index("sample_id")["logit"]
    lacking = truth["path"][[0, 1, 2]]
    labels = truth.set_index("path")["label"]
    for path in lacking:
        assert scores[path] == (scores.max() if labels[path] == "real" else scores.min())


def test_two_scores_of_one_sample_are_refused(
    manifest: Path, truth: pd.DataFrame, tmp_path: Path
) -> None:
    table = truth[["path", "prob_fake"]]
    table = pd.concat([table, table.iloc[[3]].assign(prob_fake=0.123)])
    table.to_csv(tmp_path / "scores.csv", index=False)
    with pytest.raises(BenchmarkError, match=r"rows 5 and 122 are both of .* and say different"):
        imported(tmp_path / "scores.csv", tmp_path / "run", manifest)
    assert not (tmp_path / "run").exists()


def test_a_direction_is_proven_or_refused_never_guessed(
    manifest: Path, truth: pd.DataFrame, tmp_path: Path
) -> None:
    prove = Stated(kind="probability", positive="prove")
    path = tmp_path / "scores.csv"
    truth.assign(score=1 - truth["prob_fake"])[["path", "score"]].to_csv(path, index=False)
    found = imported(path, tmp_path / "run", manifest, stated=prove)
    assert "greater means real, which nobody stated: the labels show it" in found.facts.direction
    (record,) = records(tmp_path / "run")
    assert all((cell.metrics["AUC"].value or 0) > 0.6 for cell in record.cells)
    rng = np.random.default_rng(1)
    truth.assign(score=rng.uniform(size=len(truth)))[["path", "score"]].to_csv(path, index=False)
    with pytest.raises(BenchmarkError, match="which way up its scores are does not show: their AU"):
        imported(path, tmp_path / "other", manifest, stated=prove)


def test_a_row_may_be_a_whole_video(tmp_path: Path) -> None:
    path = write_dataset(tmp_path / "data", count=6)
    table = pd.read_csv(path)
    stem = table["path"].str.replace(r"\d+\.png", "", regex=True)
    table["group"] = stem + (table["path"].str.extract(r"(\d+)\.png")[0].astype(int) // 2).astype(
        str
    )
    table.to_csv(path, index=False)
    tests = table[table["split"] == "test"].groupby("group", sort=False).first().reset_index()
    tests = tests.assign(logit_fake=range(len(tests)))
    tests[["group", "logit_fake"]].rename(columns={"group": "video"}).to_csv(
        tmp_path / "scores.csv", index=False
    )
    found = imported(tmp_path / "scores.csv", tmp_path / "run", path, by="group")
    assert found.facts.given == found.facts.needed == 24
    scores = read_scores(tmp_path / "run", found.model).merge(
        table, left_on="sample_id", right_on="path"
    )
    assert (scores.groupby("group")["logit"].agg(["min", "max"]).T.diff().iloc[1] == 0).all()


def test_a_file_of_another_dataset_is_refused(manifest: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "x.csv", "path,p_fake\nelse/where.png,0.5\n")
    with pytest.raises(
        BenchmarkError, match="none of its 1 rows is of a sample of the data; its fi"
    ):
        imported(path, tmp_path / "run", manifest)
    with pytest.raises(
        BenchmarkError, match="holds no run yet: say which with --protocol NAME and"
    ):
        imported(path, tmp_path / "run", None)
    path = write(tmp_path / "x.pkl", "x")
    with pytest.raises(BenchmarkError, match=r"not from '\.pkl'"):
        imported(path, tmp_path / "run", manifest)


def test_the_command_tells_coverage_by_its_exit_code(
    manifest: Path, truth: pd.DataFrame, tmp_path: Path
) -> None:
    truth[["path", "prob_fake"]].iloc[6:].to_csv(tmp_path / "scores.csv", index=False)
    arguments = [
        "import", str(tmp_path / "scores.csv"), "--data", str(manifest), "--detector", "My net",
        "--protocol", "cross-generator", "--out", str(tmp_path / "run"),
    ]  # fmt: skip
    done = CliRunner().invoke(app, arguments, env={"COLUMNS": "200"})
    assert done.exit_code == 1, done.output
    assert "114 of the 120 scores that are needed" in done.output
    assert "Probabilities, greater means fake" in done.output
    assert "under 1 condition (clean 6); a column 'condition' says" in done.output
    assert "coverage is 0.9500, below --min-coverage 1" in done.output
    done = CliRunner().invoke(app, [*arguments, "--min-coverage", "0.9"], env={"COLUMNS": "200"})
    assert done.exit_code == 0, done.output
    assert json.loads((tmp_path / "run" / "run.json").read_text())["entries"]
