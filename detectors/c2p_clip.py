"""C2P-CLIP: a category's common prompt, brought into the image tower by a contrast."""

from collections.abc import Mapping
from typing import Unpack

import torch
from torch import Tensor
from torch.nn import functional as F

from detectors.base import Batch
from detectors.cards import foundation as cards
from detectors.errors import DetectorError
from detectors.parts.clip import scale_of, scaled_cosines, with_lora
from detectors.parts.texts import read_texts
from detectors.parts.towers import LinearTowerDetector, TowerOptions

_CATEGORIES = {"real": "Camera", "fake": "Deepfake"}
_RANK = 6


class C2PClip(LinearTowerDetector):
    """A linear layer on the embedding of a tower that is drawn to the text of an image's category.

    The text of a category is its common prompt and a caption. Loss: binary cross-entropy of the
    logit, and ``weight`` times the cross-entropy over the categories' scaled cosines. The text
    tower is frozen, so its embeddings are read once; neither they nor the contrast are needed to
    score.

    Args:
        categories: The common prompt of ``real`` and of ``fake``.
        caption: What follows the common prompt, the same for all images.
        weight: Weight of the contrast.
        rank: Rank of the additions to queries, keys and values; they are not scaled.
        shared: As ``TowerDetector``; pretrained names a whole CLIP, both towers.

    Raises:
        DetectorError: A category is missing or unknown, or the rank is below 1.

    Source: Tan et al., AAAI 2025.
    """

    card = cards.C2P_CLIP
    texts: Tensor
    scale: Tensor

    def __init__(
        self,
        *,
        categories: Mapping[str, str] | None = None,
        caption: str = "a photo of a face",
        weight: float = 1.0,
        rank: int = _RANK,
        **shared: Unpack[TowerOptions],
    ) -> None:
        super().__init__(**shared)
        said = _CATEGORIES if categories is None else categories
        if not isinstance(said, Mapping) or set(said) != set(_CATEGORIES):
            raise DetectorError(
                f"c2p-clip's categories are {{'real': text, 'fake': text}}, not {said}"
            )
        texts = [f"{said[side]}. {caption}" for side in ("real", "fake")]
        self.weight = weight
        # Persistent: a detector that is rebuilt has no text tower to read them with.
        self.register_buffer("texts", read_texts(texts, self.clip, self.image.outputs))
        self.register_buffer("scale", torch.tensor(scale_of(self.clip)))
        self.image.frozen = False
        with_lora(self.image.tower, rank=rank, layers=("q_proj", "k_proj", "v_proj"), alpha=rank)

    def features(self, inputs: Tensor) -> Tensor:
        """Give the (B, d) image embedding of norm 1; d is 768 for base and 96 for tiny."""
        return F.normalize(super().features(inputs).float(), dim=1)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Give ``total`` and its parts, ``classification`` and the unweighted ``contrast``."""
        features = self.features(batch.inputs)
        logits = self.decide(features)
        classification = F.binary_cross_entropy_with_logits(logits, batch.labels)
        scores = scaled_cosines(features, self.texts, self.scale)  # (B, 2)
        contrast = F.cross_entropy(scores, batch.labels.long())
        total = classification + self.weight * contrast
        return {"total": total, "classification": classification, "contrast": contrast}
