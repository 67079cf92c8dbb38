"""CLIP fine-tuned on prompts for real and fake, with sample pair attention as a plug-in."""

import math
from typing import Any, ClassVar, Unpack

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from detectors.base import Batch, Sides
from detectors.cards import foundation as cards
from detectors.errors import DetectorError
from detectors.mfclip.attention import CLASS_MODES, SamplePairAttention, Spa
from detectors.mfclip.language import TAKE_CLIP, FineGrainedLanguageEncoder, Fle
from detectors.mfclip.losses import contrastive_loss
from detectors.mfclip.prompts import Wording, prompts_of
from detectors.parts.clip import (
    SCRATCH,
    ClipImage,
    ClipText,
    Tuning,
    factor_of,
    logit_scale,
    origin_of,
    scaled_cosines,
)
from detectors.parts.network import FixedSideDetector, FixedSideOptions
from detectors.parts.tokens import CLIP_VOCABULARY

CLIP_B16 = "openai/clip-vit-base-patch16"
_TINY = {"num_hidden_layers": 2, "num_attention_heads": 4, "projection_dim": 64}
_TINY |= {"hidden_size": 64, "intermediate_size": 128}
TINY_IMAGE = {**_TINY, "image_size": 128, "patch_size": 16, "initializer_factor": 2.0}
TINY_TEXT = {**_TINY, "vocab_size": CLIP_VOCABULARY}


class ClipFinetune(FixedSideDetector):
    """Both towers of a CLIP, contrasted on what the images of a training set are.

    With s[i, k] the scaled cosine between image i and prompt k, the logit is the log-sum-exp of s
    over the prompts of fakes minus that over the prompts of reals. The contrast, and the attention
    in it, are MFCLIP's modules as they are. At ``levels=1`` there are the two prompts "a photo of a
    real face" and "a photo of a fake face", and the attention does nothing.

    Args:
        image_encoder: A CLIP vision tower by Hub name, local folder or configuration; by default
            ``openai/clip-vit-base-patch16`` for base and random for tiny.
        text_encoder: The same for the text tower.
        image_tuning: What of the vision tower is trained: ``full``, ``lora``, ``layernorm`` or
            ``frozen``.
        text_tuning: The same for the text tower.
        levels: Prompts use levels 1 to this, of 4.
        wording: How forgeries, families and generators of one's own are said.
        spa: How negative pairs weigh: ``none``, ``hard``, ``fixed``, ``learned-max`` or
            ``learned-min``.
        beta: Strength of ``spa="hard"``.
        centred: Take the mean over the prompts off their features; None: unless the text tower is
            pretrained.
        shared: As ``FixedSideDetector``: ``base`` is CLIP ViT-B/16 (input 224), ``tiny`` are small
            random towers (input 128); the prompts are built from ``taxa``.

    Attributes:
        reads: How a class becomes a feature: its text, or a free vector.

    Source: CLIP, Radford et al. 2021; the attention is MFCLIP's (Zhang et al. 2025).
    """

    card = cards.CLIP_FINETUNE
    sides = Sides(tiny=128, base=224)
    reads: ClassVar[Fle] = "packed"
    class_of_taxon: Tensor
    is_fake: Tensor

    def __init__(
        self,
        *,
        image_encoder: str | dict[str, Any] | None = None,
        text_encoder: str | dict[str, Any] | None = None,
        image_tuning: Tuning = "full",
        text_tuning: Tuning = "full",
        levels: int = 1,
        wording: Wording | None = None,
        spa: Spa = "none",
        beta: float = 1.0,
        centred: bool | None = None,
        **shared: Unpack[FixedSideOptions],
    ) -> None:
        super().__init__(**shared)
        side, name = self.transform.size, self.card.name
        if spa not in CLASS_MODES:
            raise DetectorError(f"{name}'s spa is {', '.join(CLASS_MODES)}, not '{spa}'")
        if SCRATCH in (image_encoder, text_encoder):
            raise DetectorError(
                f"{name} has no '{SCRATCH}' towers: give a configuration for a random one"
            )
        prompts = prompts_of(self.taxa, levels=levels, wording=wording)
        tiny = self.size == "tiny"
        image_encoder = image_encoder or (TINY_IMAGE if tiny else CLIP_B16)
        text_encoder = text_encoder or (TINY_TEXT if tiny else CLIP_B16)
        self.image = ClipImage(image_encoder, size=side, tuning=image_tuning)
        # The scratch dimensions are not used by a CLIP tower.
        self.language = FineGrainedLanguageEncoder(
            prompts,
            mode=self.reads,
            encoder=text_encoder if self.reads in TAKE_CLIP else SCRATCH,
            tuning=text_tuning,
            width=self.image.outputs,
            heads=1,
            layers=1,
            centred=centred,
        )
        if self.image.outputs != self.language.outputs:
            raise DetectorError(
                f"the towers project to {self.image.outputs} (image) and {self.language.outputs} "
                "(text): take both of one CLIP"
            )
        self.logit_scale = logit_scale()
        self.spa = SamplePairAttention(spa, shared=prompts.shared_levels(), beta=beta)
        classes = torch.tensor(prompts.class_of_taxon)
        fake = torch.zeros(len(prompts.distinct), dtype=torch.bool)
        fake[classes] = torch.tensor([taxon.label == "fake" for taxon in self.taxa])
        self.register_buffer("class_of_taxon", classes, persistent=False)
        self.register_buffer("is_fake", fake, persistent=False)
        text = self._text()
        self.init = origin_of([self.image.origin, text.origin if text else None])

    def features(self, inputs: Tensor) -> Tensor:
        """Give the (B, d) image embeddings, of norm 1."""
        return F.normalize(self.image(inputs).float(), dim=1)

    def forward(self, inputs: Tensor) -> Tensor:
        """Give (B,) logits for (B, 3, S, S) inputs in [0, 1]; > 0 means fake."""
        scores = self.scores(inputs)
        # Filled, not picked: how many are picked would have to be waited for on a GPU.
        of_fakes = scores.masked_fill(~self.is_fake, -math.inf).logsumexp(dim=1)
        return of_fakes - scores.masked_fill(self.is_fake, -math.inf).logsumexp(dim=1)

    def scores(self, inputs: Tensor) -> Tensor:
        """Give the (B, K) scaled cosines between (B, 3, S, S) inputs and the K prompts."""
        scale = factor_of(self.logit_scale)
        return scaled_cosines(self.features(inputs), self.language(), scale)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Give ``total``, the contrast of images with the prompts of all classes."""
        scores, classes = self.scores(batch.inputs), self.class_of_taxon[batch.taxa]
        total = contrastive_loss(scores, classes, self.spa())
        if self.training:
            self.spa.observe(scores, classes)
        return {"total": total}

    def architecture(self) -> dict[str, Any]:
        """Describe the towers, so that they are rebuilt with nothing fetched."""
        text = self._text()
        towers = {"image_encoder": self.image.config, "centred": self.language.centred}
        return {**towers, "text_encoder": text.config} if text else towers

    def towers(self) -> dict[str, list[list[nn.Parameter]]]:
        """Give the layers of the image and the text tower."""
        return {"image": self.image.layers(), "text": self.language.layers()}

    def _text(self) -> ClipText | None:
        """Give the text tower; None where classes have no text."""
        tower = self.language.reader.tower
        return tower if isinstance(tower, ClipText) else None
