"""CLIP-linear (UnivFD): a frozen CLIP image tower and one linear layer."""

from pathlib import Path
from typing import Any, Literal, Unpack, get_args

from detectors.cards import foundation as cards
from detectors.errors import DetectorError
from detectors.loading import check_fit
from detectors.parts.towers import LinearTowerDetector, TowerOptions
from detectors.pretrained import read_weights, renamed
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
        head: A local file with the last layer alone, as UnivFD publishes it: the detector is then
            trained. It belongs to the CLIP that ``pretrained`` names.
        shared: As ``TowerDetector``.

    Raises:
        DetectorError: There is no such crop, or a last layer without its CLIP.
        WeightsError: The last layer cannot be read or is another's.
    """

    card = cards.CLIP_LINEAR
    weights_option = "head"

    def __init__(
        self,
        *,
        crop: Crop = "whole",
        head: Path | str | None = None,
        **shared: Unpack[TowerOptions],
    ) -> None:
        super().__init__(**shared)
        if crop not in get_args(Crop):
            raise DetectorError(f"clip-linear's crop is {', '.join(get_args(Crop))}, not '{crop}'")
        if crop != "whole":
            cut = InnerCrop if crop == "resize" else NativeCrop
            self.transform = cut(self.transform.size)
        if head is not None:
            self._take_head(str(head))

    def architecture(self) -> dict[str, Any]:
        """Describe the tower; the last layer is saved with it."""
        return {**super().architecture(), "head": None}

    def _take_head(self, path: str) -> None:
        """Fill the last layer from a file."""
        if self.clip is None:
            raise DetectorError(
                "clip-linear: a published last layer reads the embedding of a published CLIP: name "
                "that in pretrained"
            )
        tensors, digest = read_weights(path, "clip-linear")
        ours = renamed(tensors, [(r"^fc\.", "")])
        check_fit(ours, self.head.state_dict(), path)
        self.head.load_state_dict(ours)
        self.init = f"{self.init}+weights:{digest}"
        self.mark_trained()
