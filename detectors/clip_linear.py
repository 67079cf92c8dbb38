"""CLIP-linear (UnivFD): a frozen CLIP image tower and one linear layer."""

from typing import Any, ClassVar, Literal, get_args

from detectors.card import Card
from detectors.cards.foundation import CLIP_LINEAR
from detectors.errors import DetectorError
from detectors.towers import LinearTowerDetector
from detectors.transform import InnerCrop, NativeCrop

Crop = Literal["whole", "resize", "centre"]


class ClipLinear(LinearTowerDetector):
    """A linear layer on the image embedding of a frozen CLIP, trained by binary cross-entropy.

    The tower takes no gradient and stays in evaluation mode even while the detector trains.

    Args:
        crop: ``whole``: the shorter side becomes the input's. ``resize``: it becomes 256/224 of
            the input's and the centre is taken, as the paper trains. ``centre``: the centre is
            taken out of the image's own pixels, as the paper validates; an image that is smaller
            is repeated.
        shared: As ``TowerDetector``.

    Raises:
        DetectorError: There is no such crop.
    """

    card: ClassVar[Card] = CLIP_LINEAR

    def __init__(self, *, crop: Crop = "whole", **shared: Any) -> None:
        super().__init__(**shared)
        if crop not in get_args(Crop):
            raise DetectorError(f"clip-linear's crop is {', '.join(get_args(Crop))}, not '{crop}'")
        if crop != "whole":
            cut = InnerCrop if crop == "resize" else NativeCrop
            self.transform = cut(self.transform.size)
