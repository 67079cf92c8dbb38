"""A trained detector as a file that runs without this package: of ``torch.export``, or ONNX."""

import json
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from detectors.base import Detector
from detectors.errors import DetectorError, UntrainedDetectorError
from detectors.inference import ready_for_inference

EXPORT_TOLERANCE = 1e-4
_SUFFIXES = (".pt2", ".onnx")
_TRIED = (1, 2, 5)  # images in a batch; none of them is the number that is traced
_TRACED = 3
_MOST = 4096
_NEEDED = ("onnx", "onnxscript", "onnxruntime")


class _Logits(nn.Module):
    """Prepared inputs in, logits out, and nothing else."""

    def __init__(self, detector: Detector) -> None:
        super().__init__()
        self.detector = detector

    def forward(self, inputs: Tensor) -> Tensor:
        """Give (B,) logits of (B, 3, S, S) inputs."""
        logits: Tensor = self.detector(inputs)
        return logits


def exported(detector: Detector) -> torch.export.ExportedProgram:
    """Trace a detector on the CPU, for batches of any size that its card allows.

    Raises:
        DetectorError: It is not trained by gradient, so that its scores are not a network's alone.
    """
    name = detector.card.name
    if detector.card.fit != "gradient":
        raise DetectorError(
            f"{name} is fitted in one call and is no network that could be exported"
        )
    ready = ready_for_inference(detector.cpu())
    most = detector.card.batch_dependent or _MOST
    batch = torch.export.Dim("batch", min=2, max=most)
    inputs = torch.rand(_TRACED, *detector.transform.shape)
    with torch.no_grad():
        return torch.export.export(
            _Logits(ready), (inputs,), dynamic_shapes=({0: batch},), strict=False
        )


def export_model(detector: Detector, path: Path) -> float:
    """Write a detector to ``path``, and beside it as ``.json`` what its input must be.

    Args:
        detector: Trained.
        path: Ends in ``.pt2`` (``torch.export.load``) or ``.onnx``; nothing may be there yet.

    Returns:
        The largest difference of a logit from the detector's own, over batches of 1, 2 and 5.

    Raises:
        UntrainedDetectorError: It is not trained.
        DetectorError: The name says no format, something is there, packages lack, or logits differ
            by over 1e-4; then nothing is written.
    """
    if not bool(detector.trained):
        raise UntrainedDetectorError(
            f"{detector.card.name} is not trained: there is nothing to export"
        )
    if path.suffix not in _SUFFIXES:
        raise DetectorError(f"{path}: a model is exported to {' or '.join(_SUFFIXES)}")
    facts = path.with_suffix(".json")
    for there in (path, facts):
        if there.exists():
            raise DetectorError(f"{there} exists already: choose another name or remove it")
    if path.suffix == ".onnx" and (lacking := [each for each in _NEEDED if not find_spec(each)]):
        raise DetectorError(
            f"{path}: to write and check ONNX, install {', '.join(lacking)} "
            "(pip install 'forgerybench[export]'); .pt2 needs nothing"
        )
    program = exported(detector)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.draft{path.suffix}")
    try:
        largest = _written(program, draft, detector)
        if not largest <= EXPORT_TOLERANCE:
            raise DetectorError(
                f"{path}: logits of the exported {detector.card.name} differ by {largest:.1e}, "
                f"over {EXPORT_TOLERANCE:.0e}; nothing is written"
            )
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    facts.write_text(json.dumps(_facts(detector), indent=2) + "\n", encoding="utf-8")
    return largest


def _written(program: torch.export.ExportedProgram, draft: Path, detector: Detector) -> float:
    """Write a draft, run it from there, and give how far its logits are from the detector's."""
    if draft.suffix == ".pt2":
        torch.export.save(program, draft)
        loaded: Any = torch.export.load(draft).module()
        run = loaded
    else:
        onnxruntime: Any = import_module("onnxruntime")
        try:
            torch.onnx.export(program, (), str(draft), external_data=False, verbose=False)
        except torch.onnx.OnnxExporterError as error:
            raise DetectorError(
                f"{detector.card.name} has operations that ONNX lacks: export it to .pt2"
            ) from error
        session = onnxruntime.InferenceSession(str(draft), providers=["CPUExecutionProvider"])
        (given,) = [each.name for each in session.get_inputs()]

        def run(inputs: Tensor) -> Tensor:
            return torch.from_numpy(session.run(None, {given: inputs.numpy()})[0])

    generator = torch.Generator().manual_seed(0)
    differences = []
    detector.eval()
    with torch.no_grad():
        for count in _TRIED:
            inputs = torch.rand(count, *detector.transform.shape, generator=generator)
            differences.append(float((run(inputs) - detector(inputs)).abs().max()))
    return max(differences)


def _facts(detector: Detector) -> dict[str, Any]:
    """Say what goes in and what comes out."""
    return {
        "detector": detector.card.name,
        "input": ["batch", *detector.transform.shape],
        "values": "RGB in [0, 1]",
        "prepared_by": repr(detector.transform),
        "output": "one logit an image, above 0 means fake",
        "most_images": detector.card.batch_dependent or _MOST,
    }
