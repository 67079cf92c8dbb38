"""A checkpoint of the Hub as a detector, on a small one of random weights in a folder."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import ViTConfig, ViTForImageClassification

from benchmark.study.schema import Study, StudyDetector, StudyProtocol
from detectors import DetectorError, WeightsError, create_detector, detector_class
from detectors.catalog import checkpoint_of
from detectors.huggingface import HuggingFace
from results.store import load_scores, records
from tests.small_data import write_dataset

LABELS = {"real": ["human"], "fake": ["artificial", "edited"]}
PROCESSOR = {
    "size": {"height": 32, "width": 32},
    "image_mean": [0.4, 0.5, 0.6],
    "image_std": [0.2, 0.3, 0.4],
    "rescale_factor": 1 / 255,
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    names = ["artificial", "human", "edited"]
    config: Any = ViTConfig(
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        image_size=32,
        patch_size=8,
        id2label=dict(enumerate(names)),
        label2id={name: number for number, name in enumerate(names)},
    )
    torch.manual_seed(0)
    model: Any = ViTForImageClassification(config)
    torch.nn.init.normal_(model.classifier.weight, std=1.0)
    model.save_pretrained(tmp_path / "checkpoint")
    rewrite(tmp_path / "checkpoint")
    return tmp_path / "checkpoint"


def rewrite(folder: Path, **changes: Any) -> None:
    (folder / "preprocessor_config.json").write_text(json.dumps(PROCESSOR | changes))


def inputs_of() -> Tensor:
    return torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(1))


def test_the_logit_is_the_log_odds_of_the_outputs_that_mean_fake(folder: Path) -> None:
    detector = create_detector(f"hf:{folder}", labels=LABELS)
    model: Any = ViTForImageClassification.from_pretrained(folder)
    inputs = inputs_of()
    mean, std = (torch.tensor(PROCESSOR[f"image_{name}"]) for name in ("mean", "std"))
    with torch.no_grad():
        share = model.eval()((inputs - mean.view(3, 1, 1)) / std.view(3, 1, 1)).logits.softmax(1)
        logits = detector.eval()(inputs)
    torch.testing.assert_close(logits.sigmoid(), share[:, 0] + share[:, 2], atol=1e-5, rtol=0)
    assert detector.init.startswith("weights:")


def test_it_scores_at_once_and_a_saved_one_needs_the_checkpoint_no_more(
    folder: Path, tmp_path: Path
) -> None:
    detector = create_detector(f"hf:{folder}", labels=LABELS)
    images = [torch.rand(3, 50, 40), torch.rand(3, 32, 32)]
    before = detector.logits(images)
    detector.save_pretrained(tmp_path / "saved")
    folder.rename(tmp_path / "elsewhere")
    again = detector_class(f"hf:{folder}").from_pretrained(tmp_path / "saved")
    assert torch.equal(again.logits(images), before)


def test_outputs_can_be_named_by_number(folder: Path) -> None:
    by_number = create_detector(f"hf:{folder}", labels={"real": [1], "fake": [0, 2]})
    by_name = create_detector(f"hf:{folder}", labels=LABELS)
    assert torch.equal(by_number.eval()(inputs_of()), by_name.eval()(inputs_of()))


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (None, r"has the outputs artificial, human, edited; say what they mean: labels="),
        ({"fake": ["artificial"]}, "say what they mean"),
        ({"real": ["human"], "fake": []}, "say what they mean"),
        ({"real": ["human"], "fake": ["artificial"]}, "edited has no meaning"),
        ({"real": ["human"], "fake": ["fake"]}, "none is 'fake'"),
        ({"real": ["human"], "fake": [0, 2, 3]}, "none is '3'"),
        ({"real": ["human", 0], "fake": ["artificial", 2]}, "'artificial' is named twice"),
    ],
)
def test_what_outputs_mean_is_never_guessed(folder: Path, labels: Any, said: str) -> None:
    with pytest.raises(DetectorError, match=said):
        create_detector(f"hf:{folder}", labels=labels)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"size": {"height": 32, "width": 48}}, "is no side of a square"),
        ({"size": None}, "size None is no side of a square"),
        ({"image_mean": None}, "image_mean and image_std of three channels are not there"),
        ({"rescale_factor": 1 / 127.5}, r"its inputs are not in \[0, 1\]"),
    ],
)
def test_inputs_that_are_not_stated_are_not_guessed(
    folder: Path, changes: dict[str, Any], said: str
) -> None:
    rewrite(folder, **changes)
    with pytest.raises(WeightsError, match=said):
        create_detector(f"hf:{folder}", labels=LABELS)


def test_the_crop_is_the_input_where_there_is_one(folder: Path) -> None:
    rewrite(folder, size={"shortest_edge": 36}, do_center_crop=True, crop_size=32)
    assert create_detector(f"hf:{folder}", labels=LABELS).transform.size == 32


def test_a_missing_layer_is_never_random(folder: Path) -> None:
    path = folder / "model.safetensors"
    held = load_file(path)
    del held["classifier.weight"]
    save_file(held, path, metadata={"format": "pt"})
    with pytest.raises(WeightsError, match=r"1 tensor is missing: classifier\.weight$"):
        create_detector(f"hf:{folder}", labels=LABELS)


def test_names_of_checkpoints_lead_to_one_class() -> None:
    assert checkpoint_of("hf:owner/name") == "owner/name"
    assert checkpoint_of("xception") is None
    assert detector_class("hf:owner/name") is HuggingFace


@pytest.mark.slow
def test_a_checkpoint_gets_its_column(folder: Path, tmp_path: Path) -> None:
    import benchmark

    entry = StudyDetector(detector=f"hf:{folder}", label="vit", options={"labels": LABELS})
    benchmark.run(
        Study(
            name="hub",
            title="Hub",
            protocols=(StudyProtocol(protocol="cross-generator"),),
            detectors=(entry,),
            size="tiny",
            seeds=(0,),
        ),
        data=write_dataset(tmp_path / "data", count=4),
        out=tmp_path / "run",
        store=tmp_path / "store",
    )
    assert {r.detector for r in records(tmp_path / "run")} == {f"hf:{folder}"}
    assert load_scores(tmp_path / "run")["logit"].std() > 0
