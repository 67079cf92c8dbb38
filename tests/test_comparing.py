"""Two detectors are compared on the same samples or not at all, and as one family."""

import json
from pathlib import Path

import numpy as np
import pytest

from protocols import load_protocol
from results.comparing import Comparison, compare_detectors, comparison_frame
from results.errors import ResultError
from results.metrics.functions import auc
from results.run import RunContents
from results.statistics.clusters import clusters
from results.statistics.differences import detectable, equivalence, holm
from results.store import read_scores, write_scores
from tests.fake_run import Generator, fake_samples, make_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    both = load_protocol("cross-dataset").model_copy(update={"levels": ("image", "video")})
    return make_run(folder, protocols=[both], detectors=["mfclip", "spectrum"], seeds=(0, 1))


@pytest.fixture(scope="module")
def compared(run: Path) -> Comparison:
    return compare_detectors(RunContents(run), "mfclip", "Spectrum", resamples=200)


def test_a_cell_has_both_means_their_difference_and_the_seeds(
    run: Path, compared: Comparison
) -> None:
    contents = RunContents(run)
    known = [each for each in compared.cells if each.difference]
    assert {each.cell.level for each in known} == {"image", "video"}
    for each in known:
        assert each.difference
        assert each.left is not None
        assert each.right is not None
        values = [
            auc(scored.labels, scored.scores)
            for seed in (0, 1)
            for scored in [
                contents.scored(
                    f"mfclip-cross-dataset-{_safe(each.cell.training)}-{seed}", each.cell
                )
            ]
        ]
        assert each.left == pytest.approx(np.mean(values))
        assert each.difference.value == pytest.approx(each.left - each.right)
        assert each.difference.low < each.difference.value < each.difference.high
        assert each.seeds == ((0, 1), (0, 1))


def _safe(training: str) -> str:
    return "".join(sign if sign.isalnum() else "-" for sign in training)


def test_p_values_are_adjusted_over_all_cells_of_the_table(compared: Comparison) -> None:
    p = {n: each.difference.p for n, each in enumerate(compared.cells) if each.difference}
    assert len(p) > 5
    assert {n: compared.cells[n].adjusted for n in p} == holm(p)


def test_a_cell_says_what_is_equivalent_and_what_could_have_been_seen(
    run: Path, compared: Comparison
) -> None:
    assert compared.margin == 0.01
    known = [each for each in compared.cells if each.difference]
    for each in known:
        assert each.difference
        assert each.equivalent == equivalence(each.difference, 0.01)
        assert each.detectable == detectable(each.difference)
        assert 0 < each.clusters_real <= each.n_real
        assert 0 < each.clusters_fake <= each.n_fake
    frame = comparison_frame(compared)
    assert {"clusters_real", "margin", "p_equivalent", "detectable"} <= set(frame.columns)
    with pytest.raises(ResultError, match="a margin of 0 is asked for"):
        compare_detectors(RunContents(run), "mfclip", "spectrum", resamples=100, margin=0)


def test_what_cannot_be_compared_has_a_reason(compared: Comparison) -> None:
    lacking = [each for each in compared.cells if not each.difference]
    reasons = {str(each.reason) for each in lacking}
    assert "121 real samples and no forged ones: one class only" in reasons, reasons
    assert all(each.reason and each.adjusted is None for each in lacking)
    assert "cross-dataset/lfw" in compared.without


def test_swapping_the_two_mirrors_the_table(run: Path, compared: Comparison) -> None:
    mirrored = compare_detectors(RunContents(run), "spectrum", "mfclip", resamples=200)
    for one, other in zip(compared.cells, mirrored.cells, strict=True):
        if one.difference and other.difference:
            assert one.difference.value == pytest.approx(-other.difference.value)
            assert one.difference.p == pytest.approx(other.difference.p)


def test_a_video_is_resampled_with_its_own_cluster(run: Path) -> None:
    contents = RunContents(run)
    of_samples = clusters(contents.samples)
    (expansion,) = contents.expansions.values()
    cell = next(c for c in expansion.cells if c.level == "video" and not c.test.gap)
    first = contents.first_rows(cell)
    scored = contents.scored(f"mfclip-cross-dataset-{_safe(cell.training)}-0", cell)
    assert len(first) == len(scored.labels)
    labels = contents.samples["label"].iloc[first] == "fake"
    assert labels.astype(int).tolist() == scored.labels.tolist()
    assert len(np.unique(of_samples[first])) == len(first)


def test_detectors_whose_cells_differ_are_refused(run: Path, tmp_path: Path) -> None:
    copy = make_run(tmp_path, protocols=["cross-forgery"], detectors=["mfclip", "spectrum"])
    facts = json.loads((copy / "run.json").read_text())
    entry = next(e for e in facts["entries"] if e["detector"] == "spectrum" and e["model"])
    entry |= {"model": None, "gap": "out of time"}
    (copy / "run.json").write_text(json.dumps(facts))
    with pytest.raises(
        ResultError,
        match=f"spectrum has no model of '{entry['training']}' .*out of time.*that both have",
    ):
        compare_detectors(RunContents(copy), "mfclip", "spectrum")
    others = {e["training"] for e in facts["entries"] if e["model"]} - {entry["training"]}
    allowed = compare_detectors(
        RunContents(copy), "mfclip", "spectrum", trainings=sorted(others), resamples=100
    )
    assert {each.cell.training for each in allowed.cells} == others


def test_unknown_names_are_told_with_what_there_is(run: Path) -> None:
    contents = RunContents(run)
    with pytest.raises(ResultError, match="no detector 'mfclp'; did you mean 'mfclip'"):
        compare_detectors(contents, "mfclp", "spectrum")
    with pytest.raises(ResultError, match="are one detector: name two"):
        compare_detectors(contents, "mfclip", "MFCLIP")
    with pytest.raises(ResultError, match="no protocol 'x'; there are cross-dataset"):
        compare_detectors(contents, "mfclip", "spectrum", protocols=["x"])
    with pytest.raises(ResultError, match="no training set 'x'; there are 140k"):
        compare_detectors(contents, "mfclip", "spectrum", trainings=["x"])


def test_the_table_holds_every_cell(compared: Comparison) -> None:
    table = comparison_frame(compared)
    assert len(table) == len(compared.cells)
    assert table["difference"].notna().sum() == table["p_holm"].notna().sum() > 0
    assert set(table["seeds_left"]) == {"0 1"}


def of_scores(folder: Path, **gains: tuple[float, float]) -> Comparison:
    """Compare two detectors on 20 + 20 images; what is forged adds so much, and noise so much."""
    samples = fake_samples([Generator("A", "EFS", "GAN", "one", 20)], {"one": 20})
    make_run(folder, samples=samples, protocols=["everything"], detectors=list(gains))
    contents = RunContents(folder)
    fakes = samples.loc[samples["label"] == "fake", "sample_id"]
    for number, entry in enumerate(contents.facts.entries):
        assert entry.model is not None
        gain, spread = gains[entry.detector]
        table = read_scores(folder, entry.model)
        noise = np.random.default_rng(number).normal(size=len(table)) * spread
        logits = gain * table["sample_id"].isin(fakes) + noise
        write_scores(folder, entry.model, table.assign(logit=logits.astype(np.float32)))
    return compare_detectors(RunContents(folder), *gains, resamples=200)


def test_an_interval_ends_where_two_aucs_cannot_differ_more(tmp_path: Path) -> None:
    (cell,) = of_scores(tmp_path, mfclip=(-1.2, 1), spectrum=(1.2, 1)).cells
    assert cell.difference
    assert cell.difference.low == -1 < cell.difference.value < cell.difference.high


def test_two_that_never_err_have_a_reason_and_no_difference(tmp_path: Path) -> None:
    (cell,) = of_scores(tmp_path, mfclip=(9, 1), spectrum=(9, 1)).cells
    assert (cell.left, cell.right, cell.difference) == (1, 1, None)
    assert cell.reason == "every resample differs by 0: how uncertain that is cannot be told"
