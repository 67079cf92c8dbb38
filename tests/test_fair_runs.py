"""Runs under what a protocol fixes: one encoding, roles left out, all policies of real images."""

from pathlib import Path
from typing import Any

import pytest
from sklearn.metrics import roc_auc_score

import benchmark
from benchmark.errors import BenchmarkError
from benchmark.study.binding import Data
from benchmark.study.schema import Study, StudyDetector, StudyProtocol
from results.store import read_model, read_run, read_samples, read_scores, records
from tests.small_data import SMALL, write_dataset, write_recipe
from tests.test_planning import write_protocol


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("data"), count=8)


def carry_out(folder: Path, data: Data, protocol: str, **options: Any) -> Path:
    study = Study(
        name="fair",
        title="Fair",
        protocols=(StudyProtocol(protocol=protocol, train_on=("tint",)),),
        detectors=(StudyDetector(detector=SMALL, label="small", recipe=write_recipe(folder)),),
        size="tiny",
        seeds=(0,),
    )
    benchmark.run(study, data=data, out=folder / "run", store=folder / "store", **options)
    return folder / "run"


def test_a_run_on_aligned_images_says_so_and_differs(manifest: Path, tmp_path: Path) -> None:
    encoding = {"side": 16, "quality": [70, 95]}
    for folder in ("plain", "aligned"):
        (tmp_path / folder).mkdir()
    own = write_protocol(tmp_path, "own", encoding=encoding)
    plain = carry_out(tmp_path / "plain", manifest, "cross-generator")
    aligned = carry_out(tmp_path / "aligned", manifest, own)
    found = [read_model(run, records(run)[0].model) for run in (plain, aligned)]
    assert [facts.encoding for facts in found] == ["as-is", "aligned.v1, 16 px, JPEG 70 to 95"]
    scores = [
        read_scores(run, facts.id) for run, facts in zip((plain, aligned), found, strict=True)
    ]
    assert (scores[0]["logit"] != scores[1]["logit"]).all()


def test_every_policy_of_real_images_has_its_own_auc(manifest: Path, tmp_path: Path) -> None:
    run = carry_out(tmp_path, manifest, "cross-generator")
    record = records(run)[0]
    cell = next(cell for cell in record.cells if cell.test == "checker")
    assert (cell.policy, cell.headline, set(cell.other_reals)) == (
        "same-source", True, {"training-source", "pooled"},
    )  # fmt: skip
    samples = read_samples(run).set_index("sample_id")
    scores = read_scores(run, record.model).set_index("sample_id")["logit"]
    test = samples[samples["split"] == "test"]
    of = {"same-source": ["one"], "training-source": ["two"], "pooled": ["one", "two"]}
    for policy, sources in of.items():
        real = (test["label"] == "real") & test["source"].isin(sources)
        chosen = test[real | (test["generator"] == "checker")]
        value = cell.metrics["AUC"] if policy == "same-source" else cell.other_reals[policy].auc
        expected = roc_auc_score(chosen["label"] == "fake", scores[chosen.index])
        assert value.value == pytest.approx(expected, abs=1e-12), policy


def test_a_role_without_a_manifest_is_a_gap_of_the_run_if_allowed(
    manifest: Path, tmp_path: Path
) -> None:
    test = [
        {"role": "data", "each": "generator", "reals": ["same-source"]},
        {"role": "other", "name": "elsewhere", "reals": ["same-source"]},
    ]
    own = write_protocol(tmp_path, "own", roles=["data", "other"], test=test)
    with pytest.raises(BenchmarkError, match="no manifest is bound to other: --data other="):
        carry_out(tmp_path, {"data": manifest}, own)
    run = carry_out(tmp_path, {"data": manifest}, own, allow_missing=True)
    assert read_run(run).unbound == ["other"]
    cell = next(cell for cell in records(run)[0].cells if cell.test == "elsewhere")
    assert (cell.headline, cell.policy, cell.metrics["AUC"].reason) == (False, None, "no images")
    assert "elsewhere" in (run / "index.html").read_text(encoding="utf-8")
