"""MFCLIP: multi-modal fine-grained CLIP for face-forgery detection."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from detectors.base import Batch, Sides, Size
from detectors.cards import mfclip as cards
from detectors.mfclip.attention import PLACES, PairTable, SamplePairAttention, Spa
from detectors.mfclip.language import Fle
from detectors.mfclip.losses import Prediction, contrastive_loss, diagonal_loss, prediction_loss
from detectors.mfclip.patches import Choice
from detectors.mfclip.prompts import LEVELS, Control, Prompts, Wording, prompts_of
from detectors.mfclip.shapes import (
    SHAPES,
    NoiseInput,
    Positions,
    Resize,
    build_language,
    build_transform,
    build_vision,
    one_of,
)
from detectors.parts.clip import (
    MAX_LOGIT_SCALE,
    SCRATCH,
    ClipImage,
    ClipText,
    Tuning,
    logit_scale,
    origin_of,
)
from detectors.parts.network import FixedSideDetector

Language = Literal["prompts", "none"]


class MFCLIP(FixedSideDetector):
    """MFCLIP's idea with the defects of its release put right; any batch size.

    Training sees image, noise and prompts, inference image and noise alone:

        image -> vision encoder (image + noise of the richest patch) -> v -> head -> logit   (ce)
        taxa -> prompts -> language encoder -> t;  v against t, pairs weighed by SPA         (cmc)
        predictor(v) against t                                                               (kl)

    Source: Zhang et al., IEEE TIFS 20, 2025, arXiv 2409.09724.

    Args:
        size: ``base`` (224 px, the released widths and depths) or ``tiny`` (128 px).
        taxa: The kinds of training image; their prompts are built from them.
        untrained: Give logits before training too.
        image_encoder: ``scratch``, or a CLIP vision tower: Hub name, local folder, or its
            configuration for random weights.
        image_tuning: What of a CLIP tower is trained: ``full``, ``lora`` (rank 8 on queries and
            values), ``layernorm`` or ``frozen`` (nothing; it stays in evaluation mode).
        text_encoder: As ``image_encoder``, for the text tower.
        text_tuning: As ``image_tuning``, for the text tower.
        language: ``prompts``, or ``none``: cross-entropy alone, nothing is built for language.
        fle: How the levels of a prompt become one feature: ``packed`` (one text), ``per-level``,
            ``concat308`` (end to end, scratch only); controls: ``table`` (a free vector a class, no
            text) and ``release`` (reads the first level alone).
        levels: Prompts use levels 1 to this, of 4.
        prompts: ``taxonomy``; controls: ``permuted`` among the classes, ``nonsense`` words.
        wording: How forgeries, families and generators of one's own are said, for instance
            ``{"forgery": {"MO": "a photo of a morphed face"}, "generator": {"sd15": "Stable
            Diffusion 1.5"}}``. Any generator has a prompt without it, from its name.
        spa: How negative pairs weigh: ``hard``, ``fixed``, ``none``, ``learned-max``,
            ``learned-min``; ``table24`` puts the released table and its diagonal targets back, for
            training batches of at most 24.
        beta: Strength of ``spa="hard"``.
        noise_choice: Which patches the noise encoder sees: ``richest``, ``poorest``, ``random``,
            ``centre``, the ``whole`` image, or ``none`` (there is no noise encoder).
        noise_input: ``resized``: patches of the input; ``native``: of the middle S x S pixels of
            the image before any resize. Inputs are then (B, 3, 2S, S), see ``WithNative``.
        resize: ``antialiased``, or ``aliased`` (a defect of the release).
        noise_units: White in the residual: 255, or 1, where the truncation never acts (a defect of
            the release).
        patch: Side of the noise patches in pixels; by default 56 (base), 32 (tiny).
        k: How many patches; by default 1 (base), 2 (tiny).
        positions: A scratch encoder's positions are those of the parts of an image (``patch``), or
            ``row``: of the image's place in the batch (a defect of the release). A score then
            depends on that place, and a batch has at most 24 images.
        widened: With ``noise_choice="none"``: the scratch image encoder has wider layers, so that
            there are as many parameters as with the noise encoder.
        prediction: The prediction loss: ``kl``, ``cosine`` or ``release`` (of temperature 20).
        train_teacher: Let the prediction loss move the language too, as the release does.
        lambda_cmc: Weight of the contrastive loss.
        lambda_kl: Weight of the prediction loss.
        kl_temperature: Temperature of ``prediction="kl"``.
    """

    card = cards.MFCLIP
    sides = Sides(tiny=SHAPES["tiny"].input_size, base=SHAPES["base"].input_size)
    class_of_taxon: Tensor

    def __init__(
        self,
        *,
        size: Size = "base",
        taxa: Iterable[Sequence[str]] = (),
        untrained: bool = False,
        image_encoder: str | dict[str, Any] = SCRATCH,
        image_tuning: Tuning = "full",
        text_encoder: str | dict[str, Any] = SCRATCH,
        text_tuning: Tuning = "full",
        language: Language = "prompts",
        fle: Fle = "packed",
        levels: int = LEVELS,
        prompts: Control = "taxonomy",
        wording: Wording | None = None,
        spa: Spa = "hard",
        beta: float = 1.0,
        noise_choice: Choice = "richest",
        noise_input: NoiseInput = "resized",
        resize: Resize = "antialiased",
        noise_units: int = 255,
        patch: int | None = None,
        k: int | None = None,
        positions: Positions = "patch",
        widened: bool = False,
        prediction: Prediction = "kl",
        train_teacher: bool = False,
        lambda_cmc: float = 1.0,
        lambda_kl: float = 1.0,
        kl_temperature: float = 1.0,
    ) -> None:
        super().__init__(size=size, taxa=taxa, untrained=untrained)
        shape = SHAPES[self.size]
        one_of("language", language, Language)
        self.with_language = language == "prompts"
        self._set_losses(prediction, train_teacher, lambda_cmc, lambda_kl, kl_temperature)
        self.transform = build_transform(shape.input_size, noise_input, resize)
        said = prompts_of(self.taxa, levels=levels, wording=wording, control=prompts)
        if self.with_language:
            self.language = build_language(
                shape, said, fle=fle, encoder=text_encoder, tuning=text_tuning
            )
        width = self.language.outputs if self.with_language else shape.width
        self.vision = build_vision(
            shape,
            width=width,
            encoder=image_encoder,
            tuning=image_tuning,
            choice=noise_choice,
            patch=patch,
            k=k,
            units=noise_units,
            positions=positions,
            widened=widened,
        )
        self.head = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 1))
        if self.with_language:
            self._build_alignment(said, width, spa, beta)
        self._describe(positions)

    def _set_losses(
        self,
        prediction: Prediction,
        train_teacher: bool,
        lambda_cmc: float,
        lambda_kl: float,
        kl_temperature: float,
    ) -> None:
        """Set what the losses are and how they weigh."""
        one_of("prediction", prediction, Prediction)
        self.prediction, self.train_teacher = prediction, train_teacher
        self.lambda_cmc, self.lambda_kl = lambda_cmc, lambda_kl
        self.kl_temperature = kl_temperature

    def _describe(self, positions: Positions) -> None:
        """Say where the first weights came from, and what scores depend on."""
        self.init = origin_of(tower.origin for tower in self._clip_towers())
        if positions == "row":
            self.card = replace(self.card, batch_dependent=PLACES)  # type: ignore[misc]

    def _build_alignment(self, prompts: Prompts, width: int, spa: Spa, beta: float) -> None:
        """Build what brings vision and language together."""
        self.predictor = nn.Linear(width, width)
        self.logit_scale = logit_scale()
        self.spa: SamplePairAttention | PairTable = (
            PairTable()
            if spa == "table24"
            else SamplePairAttention(spa, shared=prompts.shared_levels(), beta=beta)
        )
        classes = torch.tensor(prompts.class_of_taxon)
        self.register_buffer("class_of_taxon", classes, persistent=False)

    def features(self, inputs: Tensor) -> Tensor:
        """Give the (B, d) vision features v, not normalised."""
        return self.vision(inputs)  # type: ignore[no-any-return]

    def forward(self, inputs: Tensor) -> Tensor:
        """Give (B,) logits of (B, 3, S, S) inputs; the language encoder has no part in it."""
        return self.head(self.features(inputs)).squeeze(1).float()  # type: ignore[no-any-return]

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Give ``ce``, ``cmc``, ``kl`` and ``total`` = ce + lambda_cmc cmc + lambda_kl kl.

        With ``language="none"`` there are ``ce`` and ``total`` alone. In training mode the running
        means of ``spa="hard"`` take in the batch.
        """
        vision = self.features(batch.inputs)  # (B, d)
        logits = self.head(vision).squeeze(1).float()
        ce = F.binary_cross_entropy_with_logits(logits, batch.labels)
        if not self.with_language:
            return {"ce": ce, "total": ce}
        text = self.language().float()  # (K, d)
        classes = self.class_of_taxon[batch.taxa]
        cmc = self._contrast(self.scores(vision, text), classes)
        teacher = text if self.train_teacher else text.detach()
        kl = prediction_loss(
            self.predictor(vision),
            teacher[classes],
            kind=self.prediction,
            temperature=self.kl_temperature,
        )
        total = ce + self.lambda_cmc * cmc + self.lambda_kl * kl
        return {"ce": ce, "cmc": cmc, "kl": kl, "total": total}

    def _contrast(self, scores: Tensor, classes: Tensor) -> Tensor:
        """Contrast images with prompts by their (B, K) ``scores``."""
        if isinstance(self.spa, PairTable):
            return diagonal_loss(self.spa(scores[:, classes]))
        cmc = contrastive_loss(scores, classes, self.spa())
        if self.training:
            self.spa.observe(scores, classes)
        return cmc

    def scores(self, vision: Tensor, text: Tensor) -> Tensor:
        """Give the (B, K) logits between (B, d) images and (K, d) prompts: scaled cosines."""
        scale = self.logit_scale.clamp(max=MAX_LOGIT_SCALE).exp()
        cosines = F.normalize(vision.float(), dim=1) @ F.normalize(text, dim=1).T
        return scale * cosines

    def architecture(self) -> dict[str, Any]:
        """Replace pretrained towers by their configurations: nothing is fetched on loading."""
        names = {ClipImage: "image_encoder", ClipText: "text_encoder"}
        return {names[type(tower)]: tower.config for tower in self._clip_towers()}

    def _clip_towers(self) -> list[ClipImage | ClipText]:
        """List the CLIP towers, image first."""
        towers = [self.vision.image, self.language.reader.tower if self.with_language else None]
        return [tower for tower in towers if isinstance(tower, ClipImage | ClipText)]
