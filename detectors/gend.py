"""GenD: the layer norms of CLIP, tuned so that its features spread over the sphere."""

from typing import Unpack

from torch import Tensor
from torch.nn import functional as F

from detectors.base import Batch
from detectors.cards import foundation as cards
from detectors.errors import InputError, WeightsError
from detectors.loading import read_json
from detectors.parts.spread import alignment, uniformity
from detectors.parts.towers import PooledTowerDetector, TowerOptions
from detectors.pretrained import KeyMap, weights_folder

# Names of a published checkpoint -> ours.
_NAMES: KeyMap = [
    (r"^feature_extractor\.visual_projection\.", None),
    (r"\.embeddings\.position_ids$", None),
    (r"^feature_extractor\.", "image.tower."),
    (r"^model\.linear\.", "head."),
]


class GenD(PooledTowerDetector):
    """Layer norms tuned by cross-entropy, alignment and uniformity of features of norm 1.

    Args:
        alignment_weight: Weight of the alignment, 0 or more.
        uniformity_weight: Weight of the uniformity, 0 or more.
        shared: As ``TowerDetector``; ``pretrained`` may be the published GenD on CLIP, a Hub
            repository (``yermandy/GenD_CLIP_L_14``) or a local folder or file: it is then trained.

    Source: Yermakov et al. 2025.
    """

    card = cards.GEND
    tuning = "layernorm"
    names = _NAMES

    def __init__(
        self,
        *,
        alignment_weight: float = 0.1,
        uniformity_weight: float = 0.5,
        **shared: Unpack[TowerOptions],
    ) -> None:
        super().__init__(**shared)
        self.alignment_weight, self.uniformity_weight = alignment_weight, uniformity_weight
        self.take_checkpoint()

    def is_trained(self, source: str) -> bool:
        """Say whether ``source`` is a file, or says that it is a GenD.

        Raises:
            WeightsError: It is one whose last layer reads features of any norm.
        """
        if super().is_trained(source):
            return True
        facts = read_json(weights_folder(source, "gend") / "config.json")
        if facts.get("model_type") != "GenD":
            return False
        if facts.get("head") != "LinearNorm":
            raise WeightsError(
                f"{source}: config.json says head '{facts.get('head')}', not LinearNorm: gend's "
                "last layer reads features of norm 1"
            )
        return True

    def features(self, inputs: Tensor) -> Tensor:
        """Give the (B, d) class token of norm 1; d is 1024 for base and 96 for tiny."""
        return F.normalize(super().features(inputs).float(), dim=1)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Give ``total`` and its parts, not weighted.

        Raises:
            InputError: The batch is a single image: there is no pair.
        """
        if len(batch.inputs) < 2:
            raise InputError("gend's losses are over pairs: a training batch has 2 images or more")
        features = self.features(batch.inputs)
        parts = {
            "classification": F.binary_cross_entropy_with_logits(
                self.decide(features), batch.labels
            ),
            "alignment": alignment(features, batch.labels),
            "uniformity": uniformity(features),
        }
        weighted = self.alignment_weight * parts["alignment"]
        weighted = weighted + self.uniformity_weight * parts["uniformity"]
        return {"total": parts["classification"] + weighted, **parts}
