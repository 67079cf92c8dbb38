"""Xception, the field's common baseline: one convolutional network, one logit."""

from detectors.cards import spatial as cards
from detectors.parts.backbones import BackboneDetector


class Xception(BackboneDetector):
    """Xception with one logit, trained by binary cross-entropy.

    ``base`` is the network of Chollet 2017 with ImageNet weights at the 256 pixels that
    DeepfakeBench uses; its features are (B, 2048). ``tiny`` keeps the separable residual blocks of
    the aligned Xception, far narrower and three of them, at 128 pixels; its features are (B, 128).
    """

    card = cards.XCEPTION
    backbone = "xception"
