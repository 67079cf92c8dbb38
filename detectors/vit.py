"""A plain vision transformer, fine-tuned whole."""

from detectors.cards import spatial as cards
from detectors.parts.backbones import BackboneDetector


class ViT(BackboneDetector):
    """ViT-B/16 with one logit on its class token, trained by binary cross-entropy.

    Positions are interpolated where the input is not of 224 pixels. Features are (B, 768) for
    ``base`` and (B, 64) for ``tiny``, which is timm's test network of the same kind.

    Source: Dosovitskiy et al., ICLR 2021 (arXiv 2010.11929).
    """

    card = cards.VIT
    backbone = "vit-b16"
