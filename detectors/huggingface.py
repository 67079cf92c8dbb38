"""A checkpoint of the Hub as a detector: ``hf:owner/name`` or ``hf:folder``."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from detectors.base import Detector, Size
from detectors.cards import foundation as cards
from detectors.errors import DetectorError, WeightsError
from detectors.loading import build_described, load_strictly, read_json
from detectors.parts.network import register_statistics
from detectors.pretrained import tensor_files, weights_fingerprint, weights_folder

Labels = Mapping[str, Sequence[str | int]]


class HuggingFace(Detector):
    """An image classifier of transformers as it was published; nothing is trained.

    The logit is the log-sum-exp of the outputs that mean fake minus that of those that mean real.
    Side, mean and standard deviation are those of its ``preprocessor_config.json``; an image is
    resized by its shorter side, anti-aliased, where most processors squash it to a square.

    Args:
        checkpoint: A Hub repository or a local folder in the layout of transformers.
        labels: What the outputs mean: ``{"real": [...], "fake": [...]}``, by their names in the
            checkpoint or by number, each output once. It is never guessed.
        size: Taken and not used: a checkpoint has its own.
        taxa: Kinds of training image; kept, not used.
        untrained: Taken and not used: it is trained.
        network: What the network is, where its tensors are loaded anyway, as in a saved detector.

    Raises:
        WeightsError: The checkpoint is not to be had, does not fit, or does not say its inputs.
        DetectorError: An output has no meaning, or two.
    """

    card = cards.HUGGINGFACE
    is_fake: Tensor
    mean: Tensor
    std: Tensor

    def __init__(
        self,
        *,
        checkpoint: str,
        labels: Labels | None = None,
        size: Size = "base",
        taxa: Iterable[Sequence[str]] = (),
        untrained: bool = False,
        network: Mapping[str, Any] | None = None,
    ) -> None:
        folder = weights_folder(checkpoint, "huggingface") if network is None else None
        known = dict(network or {}) if folder is None else _inputs(folder)
        super().__init__(input_size=known["side"], size=size, taxa=taxa, untrained=untrained)
        if folder is None:
            from transformers import AutoModelForImageClassification

            self.network: Any = build_described(
                AutoModelForImageClassification, known["config"], name=checkpoint
            )
        else:
            from transformers import AutoModelForImageClassification

            self.network = load_strictly(
                AutoModelForImageClassification,
                folder,
                name=str(folder),
                failed="fits no image classifier of transformers",
            )
            self.init = f"weights:{weights_fingerprint(tensor_files(folder))}"
            self.mark_trained()
        self.network.requires_grad_(False)
        self.known = {**known, "config": self.network.config.to_dict()}
        outputs = [str(name) for _, name in sorted(self.network.config.id2label.items())]
        is_fake = torch.tensor(_meaning(labels, outputs, checkpoint))
        self.register_buffer("is_fake", is_fake, persistent=False)
        register_statistics(self, known["mean"], known["std"])

    def features(self, inputs: Tensor) -> Tensor:
        """Give the (B, K) outputs, one a class of the checkpoint."""
        outputs: Tensor = self.network(pixel_values=(inputs - self.mean) / self.std).logits
        return outputs

    def forward(self, inputs: Tensor) -> Tensor:
        """Give (B,) logits for (B, 3, S, S) inputs in [0, 1]; > 0 means fake."""
        outputs = self.features(inputs).float()
        fake, real = outputs[:, self.is_fake], outputs[:, ~self.is_fake]
        return fake.logsumexp(dim=1) - real.logsumexp(dim=1)

    def architecture(self) -> dict[str, Any]:
        """Describe the network, so that it is rebuilt with nothing fetched."""
        return {"size": self.size, "network": self.known}


def _meaning(labels: Labels | None, outputs: list[str], checkpoint: str) -> list[bool]:
    """Say of each output whether it means fake.

    Raises:
        DetectorError: Not every output has exactly one meaning, or a class has none.
    """
    stated = f"'{checkpoint}' has the outputs {', '.join(outputs)}"
    ask = "say what they mean: labels={'real': [...], 'fake': [...]}"
    if labels is None or set(labels) != {"real", "fake"} or not all(labels.values()):
        raise DetectorError(f"{stated}; {ask}")
    found: dict[int, bool] = {}
    for side in ("real", "fake"):
        for each in labels[side]:
            number = outputs.index(each) if isinstance(each, str) and each in outputs else each
            if not isinstance(number, int) or number not in range(len(outputs)):
                raise DetectorError(f"{stated}, none is '{each}'; {ask}")
            if number in found:
                raise DetectorError(f"{stated}; '{outputs[number]}' is named twice: {ask}")
            found[number] = side == "fake"
    if missing := [name for number, name in enumerate(outputs) if number not in found]:
        raise DetectorError(f"{stated}; {', '.join(missing)} has no meaning: {ask}")
    return [found[number] for number in range(len(outputs))]


def _inputs(folder: Path) -> dict[str, Any]:
    """Read side, mean and standard deviation of the inputs that a checkpoint was trained on.

    Raises:
        WeightsError: It does not say them, or they are no square of values from 0 to 1.
    """
    path = folder / "preprocessor_config.json"
    facts = read_json(path)
    size = facts.get("crop_size") if facts.get("do_center_crop") else facts.get("size")
    sides = {size} if isinstance(size, int) else set((size or {}).values())
    if len(sides) != 1 or not all(isinstance(side, int) for side in sides):
        raise WeightsError(f"{path}: size {size} is no side of a square")
    if abs(255 * facts.get("rescale_factor", 1 / 255) - 1) > 1e-6 or not facts.get("do_rescale", 1):
        raise WeightsError(f"{path}: its inputs are not in [0, 1] before they are normalised")
    normalised = facts.get("do_normalize", True)
    mean, std = facts.get("image_mean"), facts.get("image_std")
    if not normalised:
        mean, std = [0.0] * 3, [1.0] * 3
    if not all(isinstance(each, list) and len(each) == 3 for each in (mean, std)):
        raise WeightsError(f"{path}: image_mean and image_std of three channels are not there")
    return {"side": sides.pop(), "mean": mean, "std": std}
