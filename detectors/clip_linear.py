"""CLIP-linear (UnivFD): a frozen CLIP image tower and one linear layer."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection
from transformers.utils import logging

from detectors.base import Detector, Size
from detectors.card import Card
from detectors.cards.foundation import CLIP_LINEAR
from detectors.errors import DetectorError, WeightsError
from detectors.pretrained import (
    Pretrained,
    fingerprint,
    read_json,
    read_tensors,
    resolve,
    tensor_files,
    weights_folder,
)

PUBLISHED = "openai/clip-vit-large-patch14"
# Mean and standard deviation per channel of CLIP's own preprocessing.
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
# What a checkpoint of the whole CLIP holds beside the image tower.
ELSEWHERE = (
    "text_model.",
    "text_projection.",
    "logit_scale",
    "vision_model.embeddings.position_ids",
)
# Twice the spread of CLIP's initialisation: the embeddings of an untrained tower then vary by about
# 1 from image to image, where a linear layer learns at common rates.
TINY_TOWER = {
    "hidden_size": 96,
    "intermediate_size": 192,
    "projection_dim": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "image_size": 128,
    "patch_size": 16,
    "initializer_factor": 2.0,
}


class ClipLinear(Detector):
    """A linear layer on the image embedding of a frozen CLIP, trained by binary cross-entropy.

    The tower takes no gradient and stays in evaluation mode even while the detector trains.
    Positions are interpolated when the input has another size than the tower was trained at.

    Args:
        size: ``tiny`` (a small tower, input 128) or ``base`` (CLIP ViT-L/14, input 224).
        pretrained: False, True (``openai/clip-vit-large-patch14``), a Hub repository or a local
            folder of transformers' layout; by default True for ``base`` and False for ``tiny``.
            A named tower is taken as it is, whatever its own size.
        tower: Fields of ``CLIPVisionConfig`` for a random tower; by default the size's.
        input_size: Side of the input in pixels, at least one patch; 128 or 224 by default.
        taxa: Kinds of training image; kept, not used.
        untrained: Give logits before training too.

    Raises:
        WeightsError: The weights asked for are not to be had or do not fit.
        DetectorError: A tower is described although one is to be loaded.
    """

    card: ClassVar[Card] = CLIP_LINEAR
    tower: Any  # CLIPVisionModelWithProjection, whose methods are not all typed
    mean: Tensor
    std: Tensor

    def __init__(
        self,
        *,
        size: Size = "base",
        pretrained: Pretrained = None,
        tower: Mapping[str, Any] | None = None,
        input_size: int | None = None,
        taxa: Iterable[Sequence[str]] = (),
        untrained: bool = False,
    ) -> None:
        side = (128 if size == "tiny" else 224) if input_size is None else input_size
        super().__init__(input_size=side, size=size, taxa=taxa, untrained=untrained)
        source = resolve(pretrained, size=size, published=PUBLISHED, detector="clip-linear")
        if source is None:
            fields = _default_tower(size) if tower is None else dict(tower)
            self.tower = CLIPVisionModelWithProjection(CLIPVisionConfig.from_dict(fields))
        elif tower is None:
            self.tower, self.init = _load_tower(weights_folder(source, "clip-linear"))
        else:
            raise DetectorError(
                "clip-linear: tower describes a random tower; leave it out or pass pretrained=False"
            )
        patch = self.tower.config.patch_size
        if side < patch:
            raise DetectorError(f"clip-linear: input_size {side} is less than one patch ({patch})")
        self.tower.requires_grad_(False).eval()
        self.head = nn.Linear(self.tower.config.projection_dim, 1)
        self.register_buffer("mean", torch.tensor(CLIP_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(CLIP_STD).view(1, 3, 1, 1), persistent=False)

    def train(self, mode: bool = True) -> Self:
        """Set the mode of all but the tower, which stays in evaluation mode."""
        super().train(mode)
        self.tower.eval()
        return self

    @torch.no_grad()
    def features(self, inputs: Tensor) -> Tensor:
        """Give the (B, d) image embedding; d is 768 for base and 96 for tiny."""
        pixels = (inputs - self.mean) / self.std
        away = self.transform.size != self.tower.config.image_size
        output = self.tower(pixel_values=pixels, interpolate_pos_encoding=away)
        embedding: Tensor = output.image_embeds
        return embedding

    def forward(self, inputs: Tensor) -> Tensor:
        """Give (B,) logits for (B, 3, S, S) inputs in [0, 1]; > 0 means fake."""
        logits: Tensor = self.head(self.features(inputs))  # (B, 1)
        return logits.squeeze(1).float()

    def architecture(self) -> dict[str, Any]:
        """Describe the tower, so that it is rebuilt without fetching the weights it had."""
        config = self.tower.config.to_dict()
        return {
            "size": self.size,
            "pretrained": False,
            "input_size": self.transform.size,
            "tower": {name: config[name] for name in _fields()},
        }


def _fields() -> list[str]:
    """Name the fields of a tower's configuration that its network follows from."""
    extra = ["num_channels", "hidden_act", "layer_norm_eps", "attention_dropout"]
    return [*TINY_TOWER, *extra, "initializer_range"]


def _default_tower(size: Size) -> dict[str, Any]:
    """Describe the random tower of a size."""
    if size == "tiny":
        return dict(TINY_TOWER)
    return {
        "hidden_size": 1024,
        "intermediate_size": 4096,
        "projection_dim": 768,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
        "image_size": 224,
        "patch_size": 14,
    }


def _load_tower(folder: Path) -> tuple[Any, str]:
    """Load the image tower from ``folder``; return it and what ``init`` says.

    Raises:
        WeightsError: The folder holds no CLIP, or tensors are missing, unknown or do not fit.
    """
    kind = read_json(folder / "config.json").get("model_type")
    if kind not in ("clip", "clip_vision_model"):
        raise WeightsError(f"{folder}: config.json says model_type '{kind}', not clip")
    files = tensor_files(folder)
    read_tensors(files)  # names the file that cannot be read
    model: Any = CLIPVisionModelWithProjection
    with _quiet():
        try:
            tower, info = model.from_pretrained(
                folder,
                dtype=torch.float32,  # the default keeps a half-precision checkpoint's type
                use_safetensors=True,
                local_files_only=True,
                output_loading_info=True,
            )
        except (RuntimeError, ValueError, OSError) as error:
            raise WeightsError(f"{folder}: no CLIP image tower fits it ({error})") from error
    for what in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        names = sorted(str(key) for key in info[what] if not str(key).startswith(ELSEWHERE))
        if names:
            raise WeightsError(
                f"{folder}: {len(names)} {what.replace('_', ' ')}: {', '.join(names[:5])}"
            )
    return tower, f"clip:{fingerprint(files)}"


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the loading report and bar for a while; what they say is checked instead."""
    log: Any = logging
    verbosity, bar = log.get_verbosity(), log.is_progress_bar_enabled()
    log.set_verbosity_error()
    log.disable_progress_bar()
    try:
        yield
    finally:
        log.set_verbosity(verbosity)
        if bar:
            log.enable_progress_bar()
