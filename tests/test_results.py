"""From scores to numbers and back: what a run's folder says can be recomputed by anyone."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, average_precision_score, roc_auc_score

import results
from results.errors import ResultError
from results.evaluation import evaluate
from results.run import RunContents
from results.store import write_record
from tests.fake_run import make_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    make_run(folder, protocols=["cross-forgery"], detectors=["mfclip", "spectrum"])
    for record in evaluate(folder):
        write_record(folder, record)
    return folder


def test_records_are_what_scikit_learn_gives_of_the_scores(run: Path) -> None:
    scores = results.load_scores(run)
    contents = RunContents(run)
    cells = {(c.training, c.test.name): c for c in contents.expansions["cross-forgery"].cells}
    compared = 0
    for record in results.records(run):
        logits = scores[scores["model"] == record.model].set_index("sample_id")["logit"]
        for cell in record.cells:
            samples = contents.samples.iloc[cells[cell.training, cell.test].test.rows]
            labels = (samples["label"] == "fake").to_numpy()
            values = logits.loc[samples["sample_id"]].to_numpy()
            if not 0 < labels.sum() < len(labels):
                continue
            expected = {
                "AUC": roc_auc_score(labels, values),
                "AP": average_precision_score(labels, values),
                "ACC": accuracy_score(labels, values > 0),
            }
            for name, number in expected.items():
                assert cell.metrics[name].value == pytest.approx(number, abs=1e-12)
            assert cell.prevalence == labels.mean()
            compared += 1
    assert compared > 10


def test_two_detectors_are_compared_by_the_folder_of_their_run(run: Path) -> None:
    found = results.compare(run, "mfclip", "spectrum", resamples=100)
    of_left = {
        (cell.training, cell.test): cell.metrics["AUC"].value
        for record in results.records(run)
        if record.detector == "mfclip"
        for cell in record.cells
    }
    assert len(found.cells) == len(of_left) == 9
    for each in found.cells:
        assert each.left == of_left[each.cell.training, each.cell.test.name]


def test_a_folder_without_scores_or_records_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ResultError, match="scores: there are no scores"):
        results.load_scores(tmp_path)
    with pytest.raises(ResultError, match="no records; make them: forgerybench report"):
        results.records(tmp_path)
    with pytest.raises(ResultError, match=r"not the folder of a run, it has no run\.json"):
        results.compare(tmp_path, "a", "b")
    with pytest.raises(AttributeError, match="'results' has no attribute 'load_score'"):
        _ = results.load_score


def test_scores_that_are_no_numbers_are_refused_and_the_sample_is_named(tmp_path: Path) -> None:
    run = make_run(tmp_path, protocols=["cross-forgery"], detectors=["spectrum"])
    scores = results.load_scores(run)
    model = str(scores["model"].iloc[0])
    of_model = scores[scores["model"] == model].drop(columns="model")
    for bad in (np.nan, np.inf):
        with pytest.raises(ResultError, match=f"of '{of_model['sample_id'].iloc[3]}' under .* not"):
            results.store.write_scores(
                run,
                model,
                of_model.assign(logit=[*of_model["logit"][:3], bad, *of_model["logit"][4:]]),
            )
