"""Scores go out with their labels, and come in again as they were."""

from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from benchmark.cli.app import app
from benchmark.study.importing import ImportSettings, import_scores
from results.errors import ResultError
from results.score_tables import score_tables
from results.store import read_run, read_scores
from tests.fake_run import make_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    return make_run(folder, protocols=["cross-dataset"], detectors=["xception", "spectrum"])


def test_every_score_is_there_with_what_its_image_is(run: Path) -> None:
    found = score_tables(run)
    models = [e.model for e in read_run(run).entries if e.model]
    assert found.images["model"].drop_duplicates().tolist() == list(dict.fromkeys(models))
    one = found.images[found.images["model"] == models[0]]
    scores = read_scores(run, str(models[0]))
    assert len(one) == len(scores)
    assert one["logit"].tolist() == scores["logit"].tolist()
    row = one.iloc[3]
    assert row["p_fake"] == pytest.approx(1 / (1 + 2.718281828459045 ** -row["logit"]))
    assert row["generator"] in row["sample_id"]
    assert (one["label"] == "real").equals(one["generator"] == "camera")


def test_a_video_is_the_mean_of_its_frames(run: Path) -> None:
    found = score_tables(run)
    row = found.videos.iloc[5]
    same = ["model", "group", "condition", "label"]
    frames = found.images[(found.images[same] == row[same]).all(axis=1)]
    assert row["frames"] == len(frames) > 1
    assert row["p_fake"] == pytest.approx(frames["p_fake"].mean())


def test_what_is_exported_is_imported_again(run: Path, tmp_path: Path) -> None:
    model = str(next(e.model for e in read_run(run).entries if e.detector == "xception"))
    arguments = ["export", str(run), "--format", "scores", "--model", model]
    out = tmp_path / "scores.csv"
    done = CliRunner().invoke(app, [*arguments, "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert {path.name for path in tmp_path.iterdir()} == {"scores.csv", "scores-videos.csv"}
    done = CliRunner().invoke(app, [*arguments, "--out", str(out)])
    assert done.exit_code == 1
    assert "scores.csv exists already" in " ".join(done.output.split())
    table = pd.read_csv(out)[["dataset", "sample_id", "condition", "logit", "p_fake"]]
    table.to_csv(tmp_path / "again.csv", index=False)
    found = import_scores(
        ImportSettings(file=tmp_path / "again.csv", detector="Again", out=run, unscored="gap")
    )
    again = read_scores(run, found.model)["logit"]
    assert again.tolist() == read_scores(run, model)["logit"].tolist()


def test_a_model_that_is_not_there_is_told_with_those_that_are(run: Path) -> None:
    with pytest.raises(ResultError, match="has no model 'nobody'; there are "):
        score_tables(run, "nobody")
