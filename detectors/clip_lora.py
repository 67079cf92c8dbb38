"""CLIP with LoRA: low-rank additions to the image tower, and one linear layer."""

from typing import Unpack

from detectors.cards import foundation as cards
from detectors.parts.clip import LORA_RANK, with_lora
from detectors.parts.towers import LinearTowerDetector, TowerOptions


class ClipLora(LinearTowerDetector):
    """A linear layer on the embedding of a tower whose queries and values get low-rank additions.

    Args:
        rank: Rank of the additions; they are scaled by 2.
        shared: As ``TowerDetector``.

    Raises:
        DetectorError: The rank is below 1.
    """

    card = cards.CLIP_LORA

    def __init__(self, *, rank: int = LORA_RANK, **shared: Unpack[TowerOptions]) -> None:
        super().__init__(**shared)
        self.image.frozen = False
        with_lora(self.image.tower, rank=rank, layers=("q_proj", "v_proj"))
