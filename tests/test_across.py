"""The AUC of all test sets together and across pairs, against scikit-learn on plain columns."""

from pathlib import Path

import pytest
from sklearn.metrics import roc_auc_score

from leaderboard.tables.thresholds import pooled_auc_tables
from leaderboard.view import Context
from results.store import load_scores
from tests.fake_run import Generator, contexts, fake_samples, make_run


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Context]:
    folder = make_run(
        tmp_path_factory.mktemp("run"),
        protocols=("cross-dataset", "cross-forgery", "cross-generator"),
        detectors=("xception",),
    )
    return {context.view.name: context for context in contexts(folder)}


def test_sets_together_and_across_are_those_of_plain_columns(made: dict[str, Context]) -> None:
    view, contents = made["cross-dataset"].view, made["cross-dataset"].contents
    (table,) = pooled_auc_tables(made["cross-dataset"])
    (section,) = table.sections
    training, (mean, together, lowest) = section.rows[0]
    samples = contents.samples
    test = samples[samples["split"] == "test"]
    (model,) = {m.id for (_, name), m in view.models.items() if name == training}
    scores = load_scores(contents.run)
    scores = scores[(scores["model"] == model) & (scores["condition"] == "clean")]
    found = test.merge(scores, on="sample_id")
    found["fake"] = found["label"] == "fake"
    whole = {str(name) for name, part in found.groupby("source") if part["fake"].nunique() == 2}
    found = found[found["source"].isin(whole)]
    assert together.raw == pytest.approx(roc_auc_score(found["fake"], found["logit"]), abs=1e-12)
    own = [roc_auc_score(part["fake"], part["logit"]) for _, part in found.groupby("source")]
    assert mean.raw == pytest.approx(sum(own) / len(own), abs=1e-12)
    pairs = {}
    for left in whole:
        for right in whole - {left}:
            real = found[(found["source"] == left) & ~found["fake"]]
            fake = found[(found["source"] == right) & found["fake"]]
            labels = [0] * len(real) + [1] * len(fake)
            pairs[f"real of {left}, fake of {right}"] = roc_auc_score(
                labels, [*real["logit"], *fake["logit"]]
            )
    assert lowest.detail == min(pairs, key=pairs.__getitem__)
    assert lowest.raw == pytest.approx(min(pairs.values()), abs=1e-12)


def test_a_sample_in_two_sets_counts_once(made: dict[str, Context]) -> None:
    (table,) = pooled_auc_tables(made["cross-generator"])
    view, contents = made["cross-generator"].view, made["cross-generator"].contents
    training, (_, together, _) = table.sections[0].rows[0]
    # SDXL and FLUX.1 share a source without real images; only cells of same sources count.
    counted = [r for r in view.at(view.base, view.level) if r.cell.headline]
    labels = {r.test.label for r in counted if r.cell.training == training}
    sources = set(contents.samples.loc[contents.samples["generator"].isin(labels), "source"])
    samples = contents.samples[
        (contents.samples["split"] == "test")
        & contents.samples["source"].isin(sources)
        & contents.samples["generator"].isin([*labels, "camera"])
    ]
    (model,) = {m.id for (_, name), m in view.models.items() if name == training}
    scores = load_scores(contents.run)
    scores = scores[(scores["model"] == model) & (scores["condition"] == "clean")]
    found = samples.merge(scores, on="sample_id")
    expected = roc_auc_score(found["label"] == "fake", found["logit"])
    assert together.raw == pytest.approx(expected, abs=1e-12)


def test_sets_of_the_same_real_images_have_no_such_table(tmp_path: Path) -> None:
    samples = fake_samples(
        [Generator(name, "EFS", "GAN", "one", 40) for name in ("A", "B")], {"one": 40}
    )
    run = make_run(tmp_path, samples=samples, protocols=["cross-generator"], detectors=["xception"])
    assert list(pooled_auc_tables(*contexts(run))) == []
