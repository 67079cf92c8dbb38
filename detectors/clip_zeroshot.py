"""CLIP zero-shot: which of two texts an image is nearer to, with nothing trained."""

from collections.abc import Mapping, Sequence
from typing import Unpack

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from detectors.cards import foundation as cards
from detectors.errors import DetectorError
from detectors.parts.clip import scale_of
from detectors.parts.texts import FAKE_TEXT, REAL_TEXT, read_texts
from detectors.parts.towers import TowerDetector, TowerOptions

SIDES = ("real", "fake")


class ClipZeroshot(TowerDetector):
    """The scaled cosine to the texts of fakes minus that to the texts of reals.

    Several texts of a class count as the mean of their embeddings, brought to norm 1. The texts are
    read when the detector is built; a saved one holds their embeddings. With weights of its own it
    scores at once; a random one refuses to, until a training run has passed it through.

    Args:
        prompts: Texts of each class, ``{"real": [...], "fake": [...]}``; by default "a photo of a
            real face" and "a photo of a fake face".
        shared: As ``TowerDetector``; pretrained names a whole CLIP, both towers.

    Raises:
        DetectorError: A class has no text.

    Source: Radford et al. 2021, section 3.1.
    """

    card = cards.CLIP_ZEROSHOT
    texts: Tensor
    scale: Tensor

    def __init__(
        self, *, prompts: Mapping[str, Sequence[str]] | None = None, **shared: Unpack[TowerOptions]
    ) -> None:
        super().__init__(**shared)
        said = {"real": [REAL_TEXT], "fake": [FAKE_TEXT]} if prompts is None else dict(prompts)
        wrong = set(said) != set(SIDES) or any(
            isinstance(texts, str) or not texts for texts in said.values()
        )
        if wrong:
            raise DetectorError(
                "clip-zeroshot's prompts are lists of texts of both classes, "
                f"{{'real': [...], 'fake': [...]}}, not {said}"
            )
        # Together, so that a random tower knows the words of both.
        read = read_texts([*said["real"], *said["fake"]], self.clip, self.image.outputs)
        reals = len(said["real"])
        means = torch.stack([read[:reals].mean(dim=0), read[reals:].mean(dim=0)])
        self.register_buffer("texts", F.normalize(means, dim=1))  # (2, d)
        self.register_buffer("scale", torch.tensor(scale_of(self.clip)))
        self.image.requires_grad_(False)
        if self.clip is not None:
            self.mark_trained()

    def deciding_layer(self) -> nn.Module:
        """Give a layer that does nothing: texts decide."""
        return nn.Identity()

    def features(self, inputs: Tensor) -> Tensor:
        """Give the (B, d) image embedding of norm 1; d is 768 for base and 96 for tiny."""
        return F.normalize(super().features(inputs).float(), dim=1)

    def forward(self, inputs: Tensor) -> Tensor:
        """Give (B,) logits for (B, 3, S, S) inputs in [0, 1]; > 0 means fake."""
        # Not a matrix product: mixed precision would round it to 16 bits.
        nearer = self.texts[1] - self.texts[0]
        return self.scale * (self.features(inputs) * nearer).sum(dim=1)
