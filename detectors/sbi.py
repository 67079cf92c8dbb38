"""SBI: learns from real images and their blends with themselves; never sees a forgery."""

from typing import Any, Unpack, get_args

import torch
from torch import Tensor
from torch.nn import functional as F

from detectors.base import Batch
from detectors.cards import spatial as cards
from detectors.errors import DetectorError
from detectors.parts.backbones import BackboneDetector
from detectors.parts.blending import BlendingMask, self_blended
from detectors.parts.network import AnySideOptions


class SBI(BackboneDetector):
    """A backbone with one logit, trained to tell real images from their self-blends.

    The real images of a batch are the real class, one self-blend of each is the forged one; the
    forged images of the batch are not looked at. The blends are drawn anew at every step from
    torch's generator, which training seeds.

    Source: Shiohara and Yamasaki, CVPR 2022 (arXiv 2204.08376).

    Args:
        backbone: A name of ``detectors.parts.backbones.BACKBONES``.
        mask: ``ellipse`` or ``polygon``, see ``detectors.parts.blending.face_masks``.
        shared: As ``BackboneDetector``; the paper's ``input_size`` is 380.

    Raises:
        WeightsError: The weights asked for are not to be had or do not fit.
        DetectorError: There is no such backbone or mask.
    """

    card = cards.SBI

    def __init__(
        self,
        *,
        backbone: str = "efficientnet-b4",
        mask: BlendingMask = "polygon",
        **shared: Unpack[AnySideOptions],
    ) -> None:
        if mask not in get_args(BlendingMask):
            raise DetectorError(
                f"sbi: mask is one of {', '.join(get_args(BlendingMask))}, not '{mask}'"
            )
        self.backbone = backbone
        super().__init__(**shared)
        self.mask: BlendingMask = mask

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Give the binary cross-entropy over the batch's real images and a self-blend of each.

        Raises:
            DetectorError: The batch has no real image.
        """
        count = int((batch.labels < 0.5).sum()) if batch.reals is None else batch.reals
        reals = batch.inputs[batch.labels.argsort(stable=True)[:count]]
        if count == 0:
            raise DetectorError(
                "sbi learns from real images and this batch has none: use a recipe with "
                "balanced: true"
            )
        inputs = torch.cat([reals, self_blended(reals, self.mask)])
        labels = torch.arange(len(inputs), device=inputs.device) >= len(reals)
        return {"total": F.binary_cross_entropy_with_logits(self(inputs), labels.float())}

    def architecture(self) -> dict[str, Any]:
        """Add the backbone and the mask to what rebuilds the network."""
        return {**super().architecture(), "backbone": self.backbone, "mask": self.mask}
