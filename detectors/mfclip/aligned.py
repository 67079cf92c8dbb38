"""What brings vision and language together while a detector trains: contrast and prediction."""

import math
from collections.abc import Iterable, Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from detectors.base import Batch, Detector, Size
from detectors.errors import DetectorError
from detectors.mfclip.attention import PairTable, SamplePairAttention, Spa
from detectors.mfclip.language import FineGrainedLanguageEncoder
from detectors.mfclip.losses import (
    Apart,
    Prediction,
    apart_loss,
    contrastive_loss,
    diagonal_loss,
    prediction_loss,
)
from detectors.mfclip.prompts import Prompts
from detectors.mfclip.shapes import one_of
from detectors.parts.clip import MAX_LOGIT_SCALE, factor_of, logit_scale, scaled_cosines
from detectors.parts.network import FixedSideOptions, in_float32

Slope = Literal["logit", "cosine"]


class AlignmentOptions(FixedSideOptions, total=False):
    """What an ``AlignedDetector`` takes, for constructors that pass it on."""

    input_size: int | None
    spa: Spa
    beta: float
    slope: Slope
    prediction: Prediction
    train_teacher: bool
    lambda_ce: float
    lambda_cmc: float
    lambda_kl: float
    lambda_apart: float
    apart: Apart
    kl_temperature: float
    scale_limit: float
    language_from: int


class AlignedDetector(Detector):
    """A detector whose (B, d) features are contrasted with those of prompts while it trains.

    A subclass builds ``head``, and calls ``align`` where there is language.

    Args:
        size: ``base`` or ``tiny``.
        input_size: Side of the input in pixels; ``sides`` says the usual one.
        taxa: The kinds of training image; their prompts are built from them.
        untrained: Give logits before training too.
        spa: How negative pairs weigh: ``hard``, ``fixed``, ``none``, ``learned-max``,
            ``learned-min``; ``table24`` puts the released table and its diagonal targets back, for
            training batches of at most 24.
        beta: Strength of ``spa="hard"``.
        slope: What ``beta`` is per unit of: ``logit``, or ``cosine``. By the logit, weights reach
            their limits where cosines differ by 0.1 at the first temperature (14 per cosine), and
            sooner as it falls.
        prediction: The prediction loss: ``kl``, ``cosine`` or ``release`` (of temperature 20).
        train_teacher: Let the prediction loss move the language too, as the release does.
        lambda_ce: Weight of the cross-entropy; the release has 1.5, and 1 for the other two.
        lambda_cmc: Weight of the contrastive loss.
        lambda_kl: Weight of the prediction loss.
        lambda_apart: Weight of what keeps different prompts apart.
        apart: What does: ``margin`` acts on cosines over a half, ``uniformity`` (Wang and Isola,
            ICML 2020) on all.
        kl_temperature: Temperature of ``prediction="kl"``.
        scale_limit: The most that the factor on cosines may become.
        language_from: For so many steps there is cross-entropy alone, a warm-up.

    Attributes:
        with_language: Prompts have a part in the training.
    """

    language: FineGrainedLanguageEncoder
    head: nn.Sequential
    with_language: bool = False
    class_of_taxon: Tensor
    steps: Tensor

    def __init__(
        self,
        *,
        size: Size = "base",
        input_size: int | None = None,
        taxa: Iterable[Sequence[str]] = (),
        untrained: bool = False,
        spa: Spa = "hard",
        beta: float = 1.0,
        slope: Slope = "logit",
        prediction: Prediction = "kl",
        train_teacher: bool = False,
        lambda_ce: float = 1.0,
        lambda_cmc: float = 1.0,
        lambda_kl: float = 1.0,
        lambda_apart: float = 10.0,
        apart: Apart = "margin",
        kl_temperature: float = 1.0,
        scale_limit: float = 100.0,
        language_from: int = 0,
    ) -> None:
        super().__init__(input_size=input_size, size=size, taxa=taxa, untrained=untrained)
        one_of("prediction", prediction, Prediction)
        one_of("slope", slope, Slope)
        one_of("apart", apart, Apart)
        if not 1 <= scale_limit <= 1000:
            raise DetectorError(f"scale_limit is 1 to 1000 per cosine, not {scale_limit}")
        self.mode, self.beta, self.slope = spa, beta, slope
        self.prediction, self.train_teacher = prediction, train_teacher
        self.weights = {
            "ce": lambda_ce,
            "cmc": lambda_cmc,
            "kl": lambda_kl,
            "apart": lambda_apart,
        }
        self.apart: Apart = apart
        self.kl_temperature, self.scale_limit = kl_temperature, scale_limit
        self.language_from = language_from

    def align(self, prompts: Prompts, width: int) -> None:
        """Build what stands between vision and language of ``width``."""
        self.with_language = True
        self.predictor = nn.Linear(width, width)
        self.logit_scale = logit_scale()
        self.spa: SamplePairAttention | PairTable = (
            PairTable()
            if self.mode == "table24"
            else SamplePairAttention(self.mode, shared=prompts.shared_levels(), beta=self.beta)
        )
        classes = torch.tensor(prompts.class_of_taxon)
        self.register_buffer("class_of_taxon", classes, persistent=False)
        if self.language_from:
            self.register_buffer("steps", torch.tensor(0))

    def forward(self, inputs: Tensor) -> Tensor:
        """Give (B,) logits of (B, 3, S, S) inputs; the language encoder has no part in it."""
        return self.decide(self.features(inputs))

    def decide(self, features: Tensor) -> Tensor:
        """Give (B,) float32 logits of (B, d) features."""
        return in_float32(self.head, features).squeeze(1)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Give ``ce``, ``cmc``, ``kl``, ``apart`` and ``total``, their weighted sum.

        Without language there are ``ce`` and ``total`` alone. In training mode the running means of
        ``spa="hard"`` take in the batch.
        """
        vision = self.features(batch.inputs)  # (B, d)
        text = self.language() if self.with_language else None  # (K, d)
        # Half precision is for the encoders: here it would cost bits that the losses live by.
        with torch.autocast(vision.device.type, enabled=False):
            ce = F.binary_cross_entropy_with_logits(self.decide(vision), batch.labels)
            if text is None:
                return {"ce": ce, "total": ce}
            parts = {"ce": ce, **self._of_language(vision.float(), text.float(), batch)}
            weighted = {name: self.weights[name] * loss for name, loss in parts.items()}
            late = weighted["cmc"] + weighted["kl"] + weighted["apart"]
            return {**parts, "total": weighted["ce"] + self._begun() * late}

    def _begun(self) -> Tensor | int:
        """Give 1, or 0 while the warm-up lasts; a step of training is counted."""
        if not self.language_from:
            return 1
        begun = (self.steps >= self.language_from).float()
        if self.training:
            self.steps.add_(1)
        return begun

    def _of_language(self, vision: Tensor, text: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Give the losses between (B, d) images and (K, d) prompts."""
        classes = self.class_of_taxon[batch.taxa]
        teacher = text if self.train_teacher else text.detach()
        kl = prediction_loss(
            self.predictor(vision),
            teacher[classes],
            kind=self.prediction,
            temperature=self.kl_temperature,
        )
        cmc = self._contrast(self.scores(vision, text), classes)
        return {"cmc": cmc, "kl": kl, "apart": apart_loss(text, self.apart)}

    def _contrast(self, scores: Tensor, classes: Tensor) -> Tensor:
        """Contrast images with prompts by their (B, K) ``scores``."""
        if isinstance(self.spa, PairTable):
            return diagonal_loss(self.spa(scores[:, classes]))
        cmc = contrastive_loss(scores, classes, self.spa())
        if self.training:
            seen = scores.detach()
            self.spa.observe(seen if self.slope == "logit" else seen / self.factor(), classes)
        return cmc

    def factor(self) -> Tensor:
        """Give the factor on cosines, 1 / temperature."""
        limit = min(math.log(self.scale_limit), MAX_LOGIT_SCALE)
        return factor_of(self.logit_scale, limit)

    def scores(self, vision: Tensor, text: Tensor) -> Tensor:
        """Give the (B, K) logits between (B, d) images and (K, d) prompts: scaled cosines."""
        return scaled_cosines(vision, text, self.factor())

    @torch.no_grad()
    def vitals(self, batch: Batch) -> dict[str, Tensor]:
        """Add the largest and the mean cosine between prompts, and the temperature.

        ``saturated`` is the share of pairs of classes whose weight in the contrast is at a limit.
        """
        if not self.with_language:
            return super().vitals(batch)
        text = self.language().float()
        cosines = prompt_cosines(text)
        found = {
            **super().vitals(batch),
            "cosine_max": cosines.amax(),
            "cosine_mean": cosines.mean(),
            "scale": self.factor(),
            "norm_text": text.norm(dim=1).mean(),
        }
        if isinstance(self.spa, SamplePairAttention):
            found["saturated"] = self.spa.saturated()
        return found


def prompt_cosines(text: Tensor) -> Tensor:
    """Give the (K (K - 1),) cosines between different rows of (K, d) features."""
    count = len(text)
    unit = F.normalize(text.float(), dim=1)
    # All but the diagonal, without asking which they are: flattened, it is every (K + 1)th.
    flat = (unit @ unit.T).flatten()[1:].view(count - 1, count + 1)
    return flat[:, :-1].flatten()
