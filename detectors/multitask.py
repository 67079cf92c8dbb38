"""Multi-task controls of MFCLIP: the same labels of forgery, family and generator, but no text."""

from collections.abc import Iterable, Sequence
from typing import Any, Unpack

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from detectors.base import Batch, Size
from detectors.card import Taxon
from detectors.cards import spatial as cards
from detectors.mfclip.model import MFCLIP
from detectors.mfclip.patches import Choice
from detectors.parts.backbones import BackboneDetector
from detectors.parts.clip import SCRATCH, Tuning
from detectors.parts.network import AnySideOptions, in_float32

TASKS = ("forgery", "family", "generator")


class TaxonomyHeads(nn.Module):
    """A linear layer for each level of the taxonomy on which the training images differ.

    Attributes:
        names: What each level's outputs stand for, by level; ``real`` is one of them.
    """

    def __init__(self, width: int, taxa: Sequence[Taxon]) -> None:
        """Build the layers on (B, width) features for ``taxa``, in their order."""
        super().__init__()
        values = {level: [getattr(taxon, level) for taxon in taxa] for level in TASKS}
        kinds = {level: sorted(set(found)) for level, found in values.items()}
        self.names = {level: names for level, names in kinds.items() if len(names) > 1}
        self.layers = nn.ModuleDict(
            {level: nn.Linear(width, len(names)) for level, names in self.names.items()}
        )
        for level, names in self.names.items():
            classes = torch.tensor([names.index(value) for value in values[level]])
            self.register_buffer(f"classes_of_{level}", classes, persistent=False)  # (taxa,)

    def losses(self, features: Tensor, taxa: Tensor) -> dict[str, Tensor]:
        """Give the cross-entropy of each level for (B, width) features and (B,) taxa."""
        found = {}
        for level, layer in self.layers.items():
            classes = self.get_buffer(f"classes_of_{level}")[taxa]
            found[level] = F.cross_entropy(in_float32(layer, features), classes)
        return found


def total_loss(binary: Tensor, levels: dict[str, Tensor], weight: float) -> dict[str, Tensor]:
    """Give all losses; ``total`` = ce + weight x the mean over the levels."""
    total = binary
    if levels:
        total = total + weight * torch.stack(list(levels.values())).mean()
    return {"ce": binary, **levels, "total": total}


class Multitask(MFCLIP):
    """MFCLIP's vision encoder and head, with cross-entropy on the taxonomy in place of language.

    Where MFCLIP beats it, the words do something; where it does not, the labels alone do.

    Args:
        image_encoder: ``scratch``, or a CLIP vision tower by Hub name or folder.
        image_tuning: What of a CLIP tower is trained.
        noise_choice: Which patches the noise encoder sees, as for MFCLIP.
        lambda_taxa: Weight of the mean loss over the levels.
        input_size: Side of the input, as for MFCLIP.
        size: ``tiny`` or ``base``, as for MFCLIP.
        taxa: Kinds of training image, each (label, forgery, family, generator).
        untrained: Give logits before training too.
    """

    card = cards.MULTITASK

    def __init__(
        self,
        *,
        image_encoder: str | dict[str, Any] = SCRATCH,
        image_tuning: Tuning = "full",
        noise_choice: Choice = "richest",
        lambda_taxa: float = 1.0,
        input_size: int | None = None,
        size: Size = "base",
        taxa: Iterable[Sequence[str]] = (),
        untrained: bool = False,
    ) -> None:
        # All by name: MFCLIP's other options are of language, which is not there.
        super().__init__(
            image_encoder=image_encoder,
            image_tuning=image_tuning,
            noise_choice=noise_choice,
            language="none",
            input_size=input_size,
            size=size,
            taxa=taxa,
            untrained=untrained,
        )
        self.lambda_taxa = lambda_taxa
        self.heads = TaxonomyHeads(self.head[-1].in_features, self.taxa)  # type: ignore[arg-type]

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Give ``ce``, the loss of each level, and ``total``."""
        features = self.features(batch.inputs)
        ce = F.binary_cross_entropy_with_logits(self.decide(features), batch.labels)
        return total_loss(ce, self.heads.losses(features, batch.taxa), self.lambda_taxa)


class MultitaskBackbone(BackboneDetector):
    """A backbone with one logit and a linear layer for each level of the taxonomy.

    Args:
        backbone: A name of ``detectors.parts.backbones.BACKBONES``.
        lambda_taxa: Weight of the mean loss over the levels.
        shared: As ``BackboneDetector``; it needs ``taxa``.
    """

    card = cards.MULTITASK_BACKBONE

    def __init__(
        self,
        *,
        backbone: str = "vit-b16",
        lambda_taxa: float = 1.0,
        **shared: Unpack[AnySideOptions],
    ) -> None:
        self.backbone = backbone
        super().__init__(**shared)
        self.lambda_taxa = lambda_taxa
        self.heads = TaxonomyHeads(self.network.get_classifier().in_features, self.taxa)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Give ``ce``, the loss of each level, and ``total``."""
        features = self.features(batch.inputs)
        ce = F.binary_cross_entropy_with_logits(self.decide(features), batch.labels)
        return total_loss(ce, self.heads.losses(features, batch.taxa), self.lambda_taxa)

    def architecture(self) -> dict[str, Any]:
        """Add the backbone to what rebuilds the network."""
        return {**super().architecture(), "backbone": self.backbone}
