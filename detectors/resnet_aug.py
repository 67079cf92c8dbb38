"""CNNDetection: an ordinary ResNet-50; blur and JPEG in training are what makes it generalise."""

from detectors.cards import spatial as cards
from detectors.parts.backbones import BackboneDetector


class ResNetAug(BackboneDetector):
    """ResNet-50 with one logit, trained by binary cross-entropy.

    The augmentation belongs to the recipes: ``resnet50-aug-own`` blurs and compresses half of the
    training images, ``resnet50-aug-weak`` a tenth. Features are (B, 2048) for ``base`` and (B, 96)
    for ``tiny``, which is timm's test network of the same kind.

    Source: Wang et al., CVPR 2020 (arXiv 1912.11035).
    """

    card = cards.RESNET50_AUG
    backbone = "resnet50"
