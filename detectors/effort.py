"""Effort: what CLIP knows is kept, and a direction that it hardly uses is trained."""

from typing import Any, Unpack

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from detectors.cards import foundation as cards
from detectors.parts.towers import ATTENTION, PooledTowerDetector, TowerOptions
from detectors.pretrained import KeyMap

# Names of a published checkpoint -> ours. The frozen part is the product of U_r, S_r and V_r.
_NAMES: KeyMap = [
    (r"^module\.", ""),
    (r"\.[USV]_r$", None),
    (r"\.embeddings\.position_ids$", None),
    (r"^backbone\.", "image.tower.vision_model."),
    (r"\.weight_main$", ".weight"),
    (r"\.U_residual$", ".left"),
    (r"\.S_residual$", ".value"),
    (r"\.V_residual$", ".right"),
]


class ResidualLinear(nn.Module):
    """A linear layer split by singular values: W = frozen part of rank r - 1 + s u v^T.

    At first it computes what the layer did. u, s and v are trained and bound by nothing: the
    gradients of peft's orthogonal-subspace tuner are projected on what the frozen part leaves free,
    which for a single direction of a square matrix is that direction itself, so that u and v could
    change their lengths alone.

    Attributes:
        weight: (out, in), the frozen part.
        left: (out, 1), u; ``value``: (1,), s; ``right``: (1, in), v^T.
    """

    def __init__(self, linear: nn.Linear, *, split: bool = True) -> None:
        """Split ``linear``; with ``split`` False the parts are left to be loaded."""
        super().__init__()
        whole = linear.weight.detach()
        left, value, right = whole.new_zeros(len(whole), 1), whole.new_zeros(1), whole[:1]
        if split:
            lefts, values, rights = torch.linalg.svd(whole, full_matrices=False)
            left, value, right = lefts[:, -1:], values[-1:], rights[-1:]
        self.weight = nn.Parameter(whole - left * value @ right, requires_grad=False)
        self.bias = nn.Parameter(linear.bias.detach(), requires_grad=False)
        self.left, self.value, self.right = (nn.Parameter(t.clone()) for t in (left, value, right))

    def forward(self, inputs: Tensor) -> Tensor:
        """Map (..., in) to (..., out)."""
        kept = F.linear(inputs, self.weight, self.bias)
        return kept + F.linear(F.linear(inputs, self.right) * self.value, self.left)


class Effort(PooledTowerDetector):
    """Queries, keys, values and outputs of self-attention with one trainable direction each.

    Args:
        split: Split the weights by singular values, a minute or two for ViT-L/14; False where the
            parts are loaded anyway, as in a saved detector.
        shared: As ``TowerDetector``; ``pretrained`` may be a local file that the public code or
            DeepfakeBench saved: the network is then trained.

    Source: Yan et al., ICML 2025.
    """

    card = cards.EFFORT
    names = _NAMES

    def __init__(self, *, split: bool = True, **shared: Unpack[TowerOptions]) -> None:
        super().__init__(**shared)
        for module in self.image.tower.modules():
            for name in ATTENTION:
                if isinstance(layer := getattr(module, name, None), nn.Linear):
                    parts = ResidualLinear(layer, split=split and self.checkpoint is None)
                    setattr(module, name, parts)
        self.take_checkpoint()

    def architecture(self) -> dict[str, Any]:
        """Describe the tower, whose parts the saved ones replace."""
        return {**super().architecture(), "split": False}
