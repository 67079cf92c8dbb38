"""From scores to records: no sample is dropped, no number comes from one class."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from protocols import Protocol, ProtocolError, load_protocol
from results.errors import ResultError
from results.evaluation import evaluate_contents
from results.measured import Measured
from results.metrics.confusion import best_threshold
from results.metrics.functions import probability
from results.run import NO_THRESHOLD, RunContents
from results.schema import Record
from results.statistics.intervals import delong_interval
from results.store import (
    read_run,
    read_samples,
    read_scores,
    write_run,
    write_samples,
    write_scores,
)
from tests.fake_run import Generator, fake_samples, make_run

VIDEO = load_protocol("cross-forgery").model_copy(update={"levels": ("image", "video")})


def evaluate(run: Path) -> list[Record]:
    """Compute what the scores give; whether a run is what was sealed is tested elsewhere."""
    return evaluate_contents(RunContents(run))


def only(records: list[Record], training: str) -> Record:
    return next(r for r in records if all(cell.training == training for cell in r.cells))


def test_a_cell_has_the_auc_of_its_own_samples(tmp_path: Path) -> None:
    run = make_run(tmp_path, protocols=["cross-generator"], detectors=["mfclip"])
    record = only(evaluate(run), "StyleGAN")
    cell = next(cell for cell in record.cells if cell.test == "DFDC-mixed")
    samples = read_samples(run).set_index("sample_id")
    scores = read_scores(run, record.model).set_index("sample_id")["logit"]
    here = samples[(samples["split"] == "test") & (samples["source"] == "dfdc-faces")].index
    expected = roc_auc_score(samples.loc[here, "label"] == "fake", scores[here])
    assert cell.metrics["AUC"].value == pytest.approx(expected, abs=1e-12)
    assert (cell.n_real, cell.n_fake, cell.prevalence, cell.seen) == (115, 115, 0.5, False)


def test_video_scores_are_the_mean_probability_of_the_frames(tmp_path: Path) -> None:
    run = make_run(tmp_path, protocols=[VIDEO], detectors=["mfclip"])
    record = only(evaluate(run), "FS")
    cell = next(c for c in record.cells if (c.test, c.level) == ("FS", "video"))
    samples = read_samples(run).set_index("sample_id")
    logits = read_scores(run, record.model).set_index("sample_id")["logit"]
    samples["p"] = pd.Series(probability(logits), index=logits.index)
    here = samples[(samples["split"] == "test") & (samples["source"] == "dfdc-faces")]
    video = here.assign(fake=here["label"] == "fake").groupby("group")[["p", "fake"]].mean()
    expected = roc_auc_score(video["fake"].astype(int), video["p"].astype(float))
    assert cell.metrics["AUC"].value == pytest.approx(expected, abs=1e-12)
    assert cell.n_real + cell.n_fake == len(video)
    right = (video["p"] > 0.5) == video["fake"].astype(bool)
    assert cell.metrics["ACC"].value == pytest.approx(right.mean())


def test_tpr_at_a_low_fpr_counts_clusters_and_not_frames() -> None:
    labels = np.repeat([0, 1], [1040, 100])
    scores = np.random.default_rng(0).normal(size=1140) + labels
    videos = np.arange(1140) // 130
    few = Measured(labels, scores, level="image", carried=NO_THRESHOLD, clusters=videos)
    reason = "TPR@FPR=1% needs 1,000 real images that hang together with no other, there are "
    assert few.value("TPR@FPR=1%").reason == f"{reason}1,040 in 8 clusters"
    assert few.value("AUC").value is not None
    alone = Measured(labels, scores, level="image", carried=NO_THRESHOLD)
    assert alone.value("TPR@FPR=1%").value is not None
    short = Measured(labels[500:], scores[500:], level="image", carried=NO_THRESHOLD)
    assert "needs 1000 real samples, there are 540" in (short.value("TPR@FPR=1%").reason or "")


def test_a_video_with_real_and_forged_faces_is_one_of_each(tmp_path: Path) -> None:
    samples = fake_samples()
    here = samples["source"] == "dfdc-faces"
    samples.loc[here, "group"] = samples.loc[here, "group"].str.split("/").str[2:].str.join("/")
    groups = samples[here & (samples["split"] == "test")].groupby("group")["label"].nunique()
    assert (groups == 2).all()
    run = make_run(tmp_path, samples=samples, protocols=[VIDEO], detectors=["mfclip"])
    record = only(evaluate(run), "FS")
    cell = next(c for c in record.cells if (c.test, c.level) == ("FS", "video"))
    assert (cell.n_real, cell.n_fake) == (len(groups), len(groups))
    logits = read_scores(run, record.model).set_index("sample_id")["logit"]
    table = read_samples(run).set_index("sample_id")
    table["p"] = pd.Series(probability(logits), index=logits.index)
    table = table[(table["split"] == "test") & (table["source"] == "dfdc-faces")]
    video = table.groupby(["group", "label"])["p"].mean().reset_index()
    expected = roc_auc_score(video["label"] == "fake", video["p"].astype(float))
    assert cell.metrics["AUC"].value == pytest.approx(expected, abs=1e-12)


def test_a_video_may_count_by_the_greatest_of_each_frames_faces(tmp_path: Path) -> None:
    samples = fake_samples()
    number = samples.groupby("group").cumcount()  # two faces a frame, two frames a video
    ids = samples["group"] + ".mp4#frame=" + (number // 2).astype(str)
    samples["sample_id"] = ids + "&xywh=" + (number % 2).astype(str) + ",0,9,9"
    samples = samples.sort_values("sample_id", ignore_index=True)
    levels = VIDEO.model_copy(update={"levels": ("video", "video-max")})
    run = make_run(tmp_path, samples=samples, protocols=[levels], detectors=["spectrum"])
    record = only(evaluate(run), "FS")
    cells = {c.level: c for c in record.cells if c.test == "FS"}
    logits = read_scores(run, record.model).set_index("sample_id")["logit"]
    table = read_samples(run).set_index("sample_id")
    table["p"] = pd.Series(probability(logits), index=logits.index)
    table = table[(table["split"] == "test") & (table["source"] == "dfdc-faces")]
    table["frame"] = table.index.str.partition("&").get_level_values(0)
    frames = table.groupby(["group", "label", "frame"])["p"].max()
    video = frames.groupby(["group", "label"]).mean().reset_index()
    expected = roc_auc_score(video["label"] == "fake", video["p"].astype(float))
    value = cells["video-max"].metrics["AUC"].value
    assert value == pytest.approx(expected, abs=1e-12)
    assert value != cells["video"].metrics["AUC"].value
    assert cells["video-max"].n_fake == cells["video"].n_fake
    reason = "one class only, no forged videos"
    measured = Measured(np.zeros(2, np.int64), np.ones(2), level="video-max", carried=NO_THRESHOLD)
    assert measured.value("AUC").reason == reason


def test_a_missing_score_is_named_and_never_dropped(tmp_path: Path) -> None:
    run = make_run(tmp_path, protocols=["cross-forgery"], detectors=["mfclip"])
    model = "mfclip-cross-forgery-FS-0"
    scores = read_scores(run, model)
    gone = scores["sample_id"].isin(["140k/StyleGAN/test/3.png", "140k/StyleGAN/test/4.png"])
    write_scores(run, model, scores[~gone])
    sentence = (
        rf"{model}\.parquet: 2 of \d+ scores are missing under condition clean, first "
        r"'140k/StyleGAN/test/3.png' \(data\)"
    )
    with pytest.raises(ResultError, match=sentence):
        evaluate(run)


def test_a_score_of_an_unknown_sample_is_refused(tmp_path: Path) -> None:
    run = make_run(tmp_path, protocols=["cross-forgery"], detectors=["mfclip"])
    model = "mfclip-cross-forgery-FS-0"
    scores = read_scores(run, model)
    other = pd.concat([scores, scores.iloc[:1].assign(sample_id="elsewhere.png")])
    write_scores(run, model, other)
    with pytest.raises(ResultError, match=r"scores 'elsewhere.png' \(data\), which is not in samp"):
        evaluate(run)


def test_a_one_class_cell_has_no_rank_metric_and_says_why(tmp_path: Path) -> None:
    run = make_run(tmp_path, protocols=["cross-dataset"], detectors=["mfclip"])
    cells = {cell.test: cell for cell in only(evaluate(run), "140k").cells}
    for name, absent in (("lfw", "forged"), ("sdfd", "real")):
        for metric in ("AUC", "AP", "EER"):
            value = cells[name].metrics[metric]
            assert value.value is None
            assert value.reason == f"one class only, no {absent} images"
        assert cells[name].metrics["ACC"].value is not None


def test_metrics_have_an_interval_or_the_reason_why_not(tmp_path: Path) -> None:
    run = make_run(tmp_path, protocols=["cross-generator"], detectors=["mfclip"])
    cells = {cell.test: cell.metrics for cell in only(evaluate(run), "StyleGAN").cells}
    auc = cells["DFDC-mixed"]["AUC"]
    assert auc.low is not None
    assert auc.high is not None
    assert auc.value is not None
    assert 0 < auc.low < auc.value < auc.high < 1
    for name in ("AUC", "EER", "ACC@val"):
        few = cells["StableDiffusion-2.1"][name]
        assert (few.value is None, few.low, few.high) == (False, None, None)
        assert few.no_interval == "a class is of fewer than 5 independent clusters"


def test_without_videos_the_interval_is_nearly_that_of_delong(tmp_path: Path) -> None:
    samples = fake_samples([Generator("G", "EFS", "GAN", "src", 150)], {"src": 150})
    samples["group"] = samples["sample_id"]
    run = make_run(tmp_path, samples=samples, protocols=["cross-generator"], detectors=["spectrum"])
    (cell,) = evaluate(run)[0].cells
    contents = RunContents(run)
    scored = contents.scored(
        evaluate(run)[0].model, contents.expansions["cross-generator"].cells[0]
    )
    expected = delong_interval(scored.labels, scored.scores)
    auc = cell.metrics["AUC"]
    assert auc.low == pytest.approx(expected.low, abs=0.005)
    assert auc.high == pytest.approx(expected.high, abs=0.005)


def test_the_threshold_of_validation_samples_is_carried_to_the_tests(tmp_path: Path) -> None:
    run = make_run(tmp_path, protocols=[VIDEO], detectors=["mfclip"])
    record = only(evaluate(run), "FS")
    samples = read_samples(run).set_index("sample_id")
    logits = read_scores(run, record.model).set_index("sample_id")["logit"]
    here = samples[(samples["split"] == "val") & (samples["source"] == "dfdc-faces")]
    threshold = best_threshold(here["label"] == "fake", logits[here.index])
    assert record.thresholds["FS"]["image"].value == threshold
    of_videos = record.thresholds["FS"]["video"].value
    assert of_videos is not None
    assert 0 < of_videos < 1
    cell = next(c for c in record.cells if (c.test, c.level) == ("FS", "image"))
    test = samples[(samples["split"] == "test") & (samples["source"] == "dfdc-faces")]
    real = logits[test.index][test["label"] == "real"]
    assert cell.metrics["FPR@val"].value == pytest.approx((real > threshold).mean())


def test_without_validation_scores_there_is_no_threshold_and_the_rest_stands(
    tmp_path: Path,
) -> None:
    run = make_run(tmp_path, protocols=["cross-forgery"], detectors=["mfclip"])
    model = "mfclip-cross-forgery-FS-0"
    scores = read_scores(run, model)
    write_scores(run, model, scores[~scores["sample_id"].str.contains("/val/")])
    metrics = only(evaluate(run), "FS").cells[0].metrics
    assert metrics["BACC"].value is not None
    assert metrics["BACC@val"].reason == (
        "no threshold: 230 of 230 validation samples are not scored"
    )


def test_samples_that_cannot_be_read_are_counted(tmp_path: Path) -> None:
    samples = fake_samples()
    samples.loc[samples["sample_id"] == "140k/StyleGAN/test/0.png", "problem"] = "truncated"
    run = make_run(tmp_path, samples=samples, protocols=["cross-generator"], detectors=["mfclip"])
    cell = next(c for c in only(evaluate(run), "SDXL").cells if c.test == "StyleGAN")
    assert (cell.n_fake, cell.n_missing) == (126, 1)


def test_reals_of_other_sources_are_marked_pooled(tmp_path: Path) -> None:
    run = make_run(tmp_path, protocols=["cross-generator"], detectors=["mfclip"])
    pooled = {cell.test: cell.pooled for cell in only(evaluate(run), "SDXL").cells}
    assert pooled == {
        "DFDC-mixed": False,
        "FLUX.1-schnell": True,
        "SDXL": True,
        "StableDiffusion-2.1": True,
        "StarGAN": False,
        "StyleGAN": False,
    }


def test_pooling_one_source_with_itself_is_not_pooling(tmp_path: Path) -> None:
    samples = fake_samples([Generator("G", "EFS", "GAN", "src", 20)], {"src": 20})
    run = make_run(tmp_path, samples=samples, protocols=["robustness-basic"], detectors=["mfclip"])
    assert not any(cell.pooled for cell in evaluate(run)[0].cells)


def test_one_model_may_stand_for_two_training_sets(tmp_path: Path) -> None:
    run = make_run(tmp_path, protocols=["cross-forgery"], detectors=["mfclip"])
    raw = json.loads((run / "run.json").read_text())
    raw["entries"][1]["model"] = raw["entries"][0]["model"]
    (run / "run.json").write_text(json.dumps(raw))
    first = evaluate(run)[0]
    assert {cell.training for cell in first.cells} == {"AM", "EFS"}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"training": "XX"}, "cross-forgery, mfclip on XX: the training sets are AM, EFS, FS"),
        ({"training": "EFS"}, "cross-forgery, mfclip on EFS: two entries with seed 0"),
        ({"protocol": "other"}, "an entry is of protocol 'other', which the run does not have"),
        ({"gap": "why"}, "an entry has a model or the reason why there is none, one of the two"),
    ],
)
def test_entries_that_do_not_fit_the_protocol_are_refused(
    tmp_path: Path, change: dict[str, str], sentence: str
) -> None:
    run = make_run(tmp_path, protocols=["cross-forgery"], detectors=["mfclip"])
    raw = json.loads((run / "run.json").read_text())
    raw["entries"][0] |= change
    (run / "run.json").write_text(json.dumps(raw))
    with pytest.raises(ResultError, match=sentence):
        RunContents(run)


def test_numbers_do_not_depend_on_the_order_of_the_samples(tmp_path: Path) -> None:
    run = make_run(tmp_path, protocols=["cross-forgery"], detectors=["mfclip"])
    before = evaluate(run)
    order = np.random.default_rng(0).permutation(len(read_samples(run)))
    write_samples(run, read_samples(run).iloc[order])
    assert evaluate(run) == before


def test_a_protocol_is_rebuilt_as_it_was_run(tmp_path: Path) -> None:
    run = make_run(tmp_path, protocols=[VIDEO], detectors=["spectrum"])
    assert RunContents(run).expansions["cross-forgery"].protocol == Protocol.model_validate(
        VIDEO.model_dump()
    )


def test_a_run_with_a_metric_that_does_not_exist_is_refused_before_its_samples_are_read(
    tmp_path: Path,
) -> None:
    run = make_run(tmp_path, protocols=["cross-forgery"], detectors=["spectrum"])
    facts = read_run(run)
    protocols = [{**raw, "metrics": ["AUC", "AUROC"]} for raw in facts.protocols]
    write_run(run, facts.model_copy(update={"protocols": protocols}))
    (run / "samples.parquet").unlink()
    with pytest.raises(
        ProtocolError, match=r"cross-forgery: 'metrics\.1' is 'AUROC', not one of AUC, AP, "
    ):
        RunContents(run)


def test_results_and_leaderboard_load_no_torch() -> None:
    code = (
        "import sys, results.evaluation, results.metrics, results.store, leaderboard.report;"
        "bad = {'torch', 'benchmark', 'detectors'} & set(sys.modules); assert not bad, bad"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[1])
