"""EfficientNet-B4: the network that most face-forgery methods since 2020 are built on."""

from detectors.cards import spatial as cards
from detectors.parts.backbones import BackboneDetector


class EfficientNetB4(BackboneDetector):
    """EfficientNet-B4 with one logit, trained by binary cross-entropy.

    ``base`` takes 256 pixels as in DeepfakeBench; ``input_size=380`` is the network's own. Its
    features are (B, 1792). ``tiny`` is timm's test network of the same inverted-residual blocks;
    its features are (B, 256).

    Source: Tan and Le, ICML 2019 (arXiv 1905.11946).
    """

    card = cards.EFFICIENTNET_B4
    backbone = "efficientnet-b4"
