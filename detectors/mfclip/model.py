"""MFCLIP: multi-modal fine-grained CLIP for face-forgery detection."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from detectors.base import Batch, Detector, Size
from detectors.cards import mfclip as cards
from detectors.mfclip.attention import SamplePairAttention, Spa
from detectors.mfclip.clip import SCRATCH, hash_of
from detectors.mfclip.language import ClipText, FineGrainedLanguageEncoder, Fle
from detectors.mfclip.losses import contrastive_loss, prediction_loss
from detectors.mfclip.prompts import LEVELS, prompts_of
from detectors.mfclip.vision import (
    ClipImage,
    NoiseEncoder,
    Stage,
    VisionEncoder,
    build_image_encoder,
)

MAX_LOGIT_SCALE = math.log(100)


@dataclass(frozen=True, kw_only=True)
class Shape:
    """The dimensions of one size of MFCLIP."""

    input_size: int
    width: int
    heads: int
    text_layers: int
    image_stages: tuple[Stage, ...]
    image_layers: int
    noise_widths: tuple[int, ...]
    noise_convolutions: int
    noise_grid: int
    noise_layers: int
    patch: int
    k: int


SHAPES = {
    "tiny": Shape(
        input_size=128,
        width=64,
        heads=4,
        text_layers=2,
        image_stages=(
            Stage(width=16, convolutions=1, stride=2),
            Stage(width=32, convolutions=1),
            Stage(width=64, convolutions=1),
        ),
        image_layers=1,
        noise_widths=(16, 32, 64),
        noise_convolutions=1,
        noise_grid=4,
        noise_layers=1,
        patch=32,
        k=2,
    ),
    "base": Shape(
        input_size=224,
        width=512,
        heads=8,
        text_layers=12,
        image_stages=tuple(
            Stage(width=width, convolutions=convolutions)
            for width, convolutions in zip((32, 64, 128, 256, 512), (3, 3, 3, 4, 4), strict=True)
        ),
        image_layers=6,
        noise_widths=(32, 64, 128, 256),
        noise_convolutions=3,
        noise_grid=8,
        noise_layers=3,
        patch=56,
        k=1,
    ),
}


class MFCLIP(Detector):
    """MFCLIP's idea with the defects of its release put right; any batch size.

    Training sees image, noise and prompts, inference image and noise alone:

        image -> vision encoder (image + noise of the richest patch) -> v -> head -> logit   (ce)
        taxa -> prompts -> language encoder -> t;  v against t, pairs weighed by SPA         (cmc)
        predictor(v) against t                                                               (kl)

    Source: Zhang et al., IEEE TIFS 20, 2025, arXiv 2409.09724.
    """

    card = cards.MFCLIP
    class_of_taxon: Tensor

    def __init__(
        self,
        *,
        size: Size = "base",
        taxa: Iterable[Sequence[str]] = (),
        untrained: bool = False,
        image_encoder: str | dict[str, Any] = SCRATCH,
        text_encoder: str | dict[str, Any] = SCRATCH,
        fle: Fle = "packed",
        levels: int = LEVELS,
        spa: Spa = "hard",
        beta: float = 1.0,
        patch: int | None = None,
        k: int | None = None,
        lambda_cmc: float = 1.0,
        lambda_kl: float = 1.0,
        kl_temperature: float = 1.0,
    ) -> None:
        """Build the detector.

        Args:
            size: ``base`` (224 px, the released widths and depths) or ``tiny`` (128 px).
            taxa: The kinds of training image; their prompts are built from them.
            untrained: Give logits before training too.
            image_encoder: ``scratch``, or a CLIP vision tower: Hub name, local folder, or its
                configuration for random weights.
            text_encoder: The same for the text tower.
            fle: How the levels of a prompt become one feature: ``packed`` or ``per-level``.
            levels: Prompts use levels 1 to this, of 4.
            spa: How negative pairs weigh: ``hard``, ``fixed`` or ``none``.
            beta: Strength of ``spa="hard"``.
            patch: Side of the noise patches in pixels; by default 56 (base), 32 (tiny).
            k: How many richest patches; by default 1 (base), 2 (tiny).
            lambda_cmc: Weight of the contrastive loss.
            lambda_kl: Weight of the prediction loss.
            kl_temperature: Temperature of the prediction loss.
        """
        shape = SHAPES.get(size, SHAPES["base"])  # an unknown size is refused by the base class
        super().__init__(input_size=shape.input_size, size=size, taxa=taxa, untrained=untrained)
        prompts = prompts_of(self.taxa, levels=levels)
        self.lambda_cmc, self.lambda_kl = lambda_cmc, lambda_kl
        self.kl_temperature = kl_temperature
        self.language = FineGrainedLanguageEncoder(
            prompts,
            mode=fle,
            encoder=text_encoder,
            width=shape.width,
            heads=shape.heads,
            layers=shape.text_layers,
        )
        width = self.language.outputs
        image = build_image_encoder(
            image_encoder,
            shape.image_stages,
            size=shape.input_size,
            width=shape.width,
            heads=shape.heads,
            layers=shape.image_layers,
        )
        noise = NoiseEncoder(
            size=shape.input_size,
            patch=shape.patch if patch is None else patch,
            k=shape.k if k is None else k,
            widths=shape.noise_widths,
            convolutions=shape.noise_convolutions,
            grid=shape.noise_grid,
            width=shape.width,
            heads=shape.heads,
            layers=shape.noise_layers,
        )
        self.vision = VisionEncoder(image, noise, width=width)
        self.head = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 1))
        self.predictor = nn.Linear(width, width)
        self.logit_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))
        self.spa = SamplePairAttention(spa, shared=prompts.shared_levels(), beta=beta)
        classes = torch.tensor(prompts.class_of_taxon)
        self.register_buffer("class_of_taxon", classes, persistent=False)
        pretrained = [
            tower
            for tower, source in ((image, image_encoder), (self.language.tower, text_encoder))
            if isinstance(source, str) and source != SCRATCH
        ]
        if pretrained:
            self.init = f"clip:{hash_of(pretrained)}"

    def features(self, inputs: Tensor) -> Tensor:
        """Give the (B, d) vision features v, not normalised."""
        return self.vision(inputs)  # type: ignore[no-any-return]

    def forward(self, inputs: Tensor) -> Tensor:
        """Give (B,) logits of (B, 3, S, S) inputs; the language encoder has no part in it."""
        return self.head(self.features(inputs)).squeeze(1).float()  # type: ignore[no-any-return]

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Give ``ce``, ``cmc``, ``kl`` and ``total`` = ce + lambda_cmc cmc + lambda_kl kl.

        In training mode the running means of ``spa="hard"`` take in the batch.
        """
        vision = self.features(batch.inputs)  # (B, d)
        logits = self.head(vision).squeeze(1).float()
        ce = F.binary_cross_entropy_with_logits(logits, batch.labels)

        text = self.language().float()  # (K, d)
        classes = self.class_of_taxon[batch.taxa]
        scores = self.scores(vision, text)
        cmc = contrastive_loss(scores, classes, self.spa())
        if self.training:
            self.spa.observe(scores, classes)
        kl = prediction_loss(self.predictor(vision), text[classes], temperature=self.kl_temperature)
        total = ce + self.lambda_cmc * cmc + self.lambda_kl * kl
        return {"ce": ce, "cmc": cmc, "kl": kl, "total": total}

    def scores(self, vision: Tensor, text: Tensor) -> Tensor:
        """Give the (B, K) logits between (B, d) images and (K, d) prompts: scaled cosines."""
        scale = self.logit_scale.clamp(max=MAX_LOGIT_SCALE).exp()
        cosines = F.normalize(vision.float(), dim=1) @ F.normalize(text, dim=1).T
        return scale * cosines

    def architecture(self) -> dict[str, Any]:
        """Replace pretrained towers by their configurations: nothing is fetched on loading."""
        towers: dict[str, Any] = {}
        if isinstance(self.vision.image, ClipImage):
            towers["image_encoder"] = self.vision.image.config
        if isinstance(self.language.tower, ClipText):
            towers["text_encoder"] = self.language.tower.config
        return towers
