"""CLIP with learned classes: the control for what the texts of clip-finetune are worth."""

from typing import Any

from detectors.cards import foundation as cards
from detectors.clip_finetune import ClipFinetune
from detectors.errors import DetectorError
from detectors.mfclip.attention import Spa
from detectors.mfclip.prompts import LEVELS
from detectors.parts.clip import Tuning


class ClipClasses(ClipFinetune):
    """An image tower contrasted with one free vector for each class of image, without any text.

    The classes are those that clip-finetune has prompts for at the same ``levels``, and all else is
    as there: what the two differ by is what language is worth.

    Args:
        image_encoder: A CLIP vision tower by Hub name, local folder or configuration; by default
            ``openai/clip-vit-base-patch16`` for base and random for tiny.
        image_tuning: What of it is trained: ``full``, ``lora``, ``layernorm`` or ``frozen``.
        levels: Images are of one class if levels 1 to this, of 4, agree: 1 is real and fake.
        spa: How negative pairs weigh, as in clip-finetune.
        beta: Strength of ``spa="hard"``.
        shared: As ``FixedSideDetector``.
    """

    card = cards.CLIP_CLASSES
    reads = "table"

    def __init__(
        self,
        *,
        image_encoder: str | dict[str, Any] | None = None,
        image_tuning: Tuning = "full",
        levels: int = LEVELS,
        spa: Spa = "none",
        beta: float = 1.0,
        **shared: Any,
    ) -> None:
        if text := sorted({"text_encoder", "text_tuning", "wording"} & set(shared)):
            raise DetectorError(f"clip-classes has no text: leave out {', '.join(text)}")
        super().__init__(
            image_encoder=image_encoder,
            image_tuning=image_tuning,
            levels=levels,
            spa=spa,
            beta=beta,
            **shared,
        )
