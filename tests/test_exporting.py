"""Exported detectors: their logits are their own, for batches of any size."""

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from typer.testing import CliRunner

from benchmark.cli.app import app
from detectors import DetectorError, UntrainedDetectorError, exporting
from detectors.cards import CARDS
from detectors.exporting import EXPORT_TOLERANCE, export_model
from tests.contract import NAMES, briefly_trained, build, easy_images, varied_logits
from tests.small_data import Small

GRADIENT = [name for name in NAMES if CARDS[name].fit == "gradient"]
QUICK = ("mfclip", "meso4", "gend", "clip-finetune")
EVERY = [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in GRADIENT]


@pytest.mark.parametrize("name", EVERY)
def test_an_exported_detector_gives_the_same_logits(name: str, tmp_path: Path) -> None:
    detector, images = briefly_trained(name), list(easy_images()[0][:7])
    largest = export_model(detector, tmp_path / "model.pt2")
    assert largest <= EXPORT_TOLERANCE
    run = torch.export.load(tmp_path / "model.pt2").module()
    facts = json.loads((tmp_path / "model.json").read_text())
    assert facts["input"] == ["batch", *detector.transform.shape]
    for count in (1, 4, 7):
        inputs = torch.stack([detector.prepare(image) for image in images[:count]])
        with torch.no_grad():
            torch.testing.assert_close(
                run(inputs), varied_logits(detector, images)[:count], atol=EXPORT_TOLERANCE, rtol=0
            )
    assert sorted(file.name for file in tmp_path.iterdir()) == ["model.json", "model.pt2"]


@pytest.mark.parametrize("name", EVERY)
def test_an_onnx_file_gives_the_same_logits(name: str, tmp_path: Path) -> None:
    detector, images = briefly_trained(name), list(easy_images()[0][:7])
    assert export_model(detector, tmp_path / "model.onnx") <= EXPORT_TOLERANCE
    onnxruntime: Any = import_module("onnxruntime")
    session = onnxruntime.InferenceSession(
        str(tmp_path / "model.onnx"), providers=["CPUExecutionProvider"]
    )
    (given,) = session.get_inputs()
    for count in (1, 4, 7):
        inputs = torch.stack([detector.prepare(image) for image in images[:count]])
        (found,) = session.run(None, {given.name: inputs.numpy()})
        wanted = varied_logits(detector, images)[:count]
        torch.testing.assert_close(torch.from_numpy(found), wanted, atol=EXPORT_TOLERANCE, rtol=0)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["model.json", "model.onnx"]


def test_what_onnx_needs_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "find_spec", lambda _: None)
    with pytest.raises(DetectorError, match=r"model\.onnx: to write and check ONNX, install"):
        export_model(briefly_trained("meso4"), tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_exported_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UntrainedDetectorError, match="meso4 is not trained"):
        export_model(build("meso4"), tmp_path / "a.pt2")
    with pytest.raises(DetectorError, match=r"a\.bin: a model is exported to \.pt2 or \.onnx"):
        export_model(briefly_trained("meso4"), tmp_path / "a.bin")
    with pytest.raises(DetectorError, match="spectrum is fitted in one call"):
        export_model(briefly_trained("spectrum"), tmp_path / "a.pt2")
    (tmp_path / "a.pt2").write_text("mine")
    with pytest.raises(DetectorError, match=r"a\.pt2 exists already"):
        export_model(briefly_trained("meso4"), tmp_path / "a.pt2")
    assert (tmp_path / "a.pt2").read_text() == "mine"


class Unsteady(Small):
    """Its batch norm is not folded rightly: in a copy made for inference it is another."""

    def __init__(self) -> None:
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(()))

    def forward(self, inputs: Tensor) -> Tensor:
        logits: Tensor = super().forward(inputs)
        return logits + (1.0 if not self.shift.requires_grad else 0.0)


def test_a_file_with_other_logits_is_not_kept(tmp_path: Path) -> None:
    detector = Unsteady()
    detector.mark_trained()
    with pytest.raises(DetectorError, match=r"logits of the exported small differ by 1\.0e\+00"):
        export_model(detector, tmp_path / "a.pt2")
    assert list(tmp_path.iterdir()) == []


def test_the_command_line_exports(tmp_path: Path) -> None:
    briefly_trained("meso4").save_pretrained(tmp_path / "model")
    out = tmp_path / "file.pt2"
    done = CliRunner().invoke(app, ["export-model", str(tmp_path / "model"), str(out)])
    assert done.exit_code == 0, done.output
    assert out.is_file()
    again = CliRunner().invoke(app, ["export-model", str(tmp_path / "model"), str(out)])
    assert again.exit_code != 0
