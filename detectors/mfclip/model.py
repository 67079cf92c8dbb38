"""MFCLIP: multi-modal fine-grained CLIP for face-forgery detection."""

from dataclasses import replace
from typing import Any, Literal, Unpack

import torch
from torch import Tensor, nn

from detectors.base import Batch, Sides
from detectors.cards import mfclip as cards
from detectors.errors import DetectorError
from detectors.mfclip.aligned import AlignedDetector, AlignmentOptions
from detectors.mfclip.attention import PLACES
from detectors.mfclip.language import Fle
from detectors.mfclip.patches import Choice
from detectors.mfclip.prompts import LEVELS, Control, Wording, prompts_of
from detectors.mfclip.shapes import (
    SHAPES,
    NoiseInput,
    PositionCode,
    Resize,
    build_language,
    build_transform,
    build_vision,
    one_of,
)
from detectors.parts.clip import SCRATCH, ClipImage, ClipText, Tuning, origin_of

Language = Literal["prompts", "none"]
_LEAST_SIDE = 32  # of which the scratch encoder leaves one token


class MFCLIP(AlignedDetector):
    """MFCLIP's idea with the defects of its release put right; any batch size.

    Training sees image, noise and prompts, inference image and noise alone:

        image -> vision encoder (image + noise of the richest patch) -> v -> head -> logit   (ce)
        taxa -> prompts -> language encoder -> t;  v against t, pairs weighed by SPA         (cmc)
        predictor(v) against t                                                               (kl)
        prompts are kept apart                                                               (apart)

    Source: Zhang et al., IEEE TIFS 20, 2025, arXiv 2409.09724.

    Args:
        image_encoder: ``scratch``, or a CLIP vision tower: Hub name, local folder, or its
            configuration for random weights.
        image_tuning: What of a CLIP tower is trained: ``full``, ``lora`` (rank 8 on queries and
            values), ``layernorm`` or ``frozen`` (nothing; it stays in evaluation mode).
        text_encoder: As ``image_encoder``, for the text tower.
        text_tuning: As ``image_tuning``, for the text tower.
        language: ``prompts``, or ``none``: cross-entropy alone, nothing is built for language.
        fle: How the levels of a prompt become one feature: ``packed`` (one text), ``per-level``,
            ``concat308`` (end to end, scratch only); controls: ``table`` (a free vector a class, no
            text), ``orthonormal`` (a fixed one) and ``release`` (reads the first level alone).
        centred: Take the mean over the prompts off their features; None: unless the text tower is
            pretrained.
        levels: Prompts use levels 1 to this, of 4.
        prompts: ``taxonomy``; controls: ``permuted`` among the classes, ``nonsense`` words.
        wording: How forgeries, families and generators of one's own are said, for instance
            ``{"forgery": {"MO": "a photo of a morphed face"}, "generator": {"sd15": "Stable
            Diffusion 1.5"}}``. Any generator has a prompt without it, from its name.
        noise_choice: Which patches the noise encoder sees: ``richest``, ``poorest``, ``random``,
            ``centre``, the ``whole`` image, or ``none`` (there is no noise encoder).
        noise_input: ``resized``: patches of the input; ``native``: of the middle S x S pixels of
            the image before any resize. Inputs are then (B, 3, 2S, S), see ``WithNative``.
        resize: ``antialiased``, or ``aliased`` (a defect of the release).
        noise_units: White in the residual: 255, or 1, where the truncation never acts (a defect of
            the release).
        patch: Side of the noise patches in pixels; by default a quarter of the input's (56 at 224);
            the release has half of it.
        k: How many patches.
        positions: A scratch encoder's positions are those of the parts of an image (``patch``), or
            ``row``: of the image's place in the batch (a defect of the release). A score then
            depends on that place, and a batch has at most 24 images.
        widened: With ``noise_choice="none"``: the scratch image encoder has wider layers, so that
            there are as many parameters as with the noise encoder.
        shared: As ``AlignedDetector``; ``base`` has 224 px and the released widths and depths,
            ``tiny`` 128 px and the same parts, narrower.
    """

    card = cards.MFCLIP
    sides = Sides(tiny=SHAPES["tiny"].input_size, base=SHAPES["base"].input_size)

    def __init__(
        self,
        *,
        image_encoder: str | dict[str, Any] = SCRATCH,
        image_tuning: Tuning = "full",
        text_encoder: str | dict[str, Any] = SCRATCH,
        text_tuning: Tuning = "full",
        language: Language = "prompts",
        fle: Fle = "packed",
        centred: bool | None = None,
        levels: int = LEVELS,
        prompts: Control = "taxonomy",
        wording: Wording | None = None,
        noise_choice: Choice = "richest",
        noise_input: NoiseInput = "resized",
        resize: Resize = "antialiased",
        noise_units: int = 255,
        patch: int | None = None,
        k: int = 1,
        positions: PositionCode = "patch",
        widened: bool = False,
        **shared: Unpack[AlignmentOptions],
    ) -> None:
        super().__init__(**shared)
        side = self.transform.size
        if image_encoder == SCRATCH and side < _LEAST_SIDE:
            raise DetectorError(f"mfclip: input_size is {_LEAST_SIDE} or more, not {side}")
        shape = replace(SHAPES[self.size], input_size=side)
        one_of("language", language, Language)
        self.transform = build_transform(side, noise_input, resize)
        said = prompts_of(self.taxa, levels=levels, wording=wording, control=prompts)
        width = shape.width
        if language == "prompts":
            self.language = build_language(
                shape, said, fle=fle, encoder=text_encoder, tuning=text_tuning, centred=centred
            )
            width = self.language.outputs
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
        if language == "prompts":
            self.align(said, width)
        self.init = origin_of(tower.origin for tower in self._clip_towers())
        if positions == "row":
            self.card = replace(self.card, batch_dependent=PLACES)  # type: ignore[misc]

    def features(self, inputs: Tensor) -> Tensor:
        """Give the (B, d) vision features v, not normalised."""
        return self.vision(inputs)  # type: ignore[no-any-return]

    def architecture(self) -> dict[str, Any]:
        """Replace pretrained towers by their configurations: nothing is fetched on loading."""
        names = {ClipImage: "image_encoder", ClipText: "text_encoder"}
        towers = {names[type(tower)]: tower.config for tower in self._clip_towers()}
        # Whether a text tower is pretrained cannot be told from its configuration.
        return {**towers, **({"centred": self.language.centred} if self.with_language else {})}

    def towers(self) -> dict[str, list[list[nn.Parameter]]]:
        """Give the layers of the image, noise and text encoder."""
        found = {"image": self.vision.image.layers()}
        if self.vision.noise is not None:
            found["noise"] = self.vision.noise.layers()
        if self.with_language:
            found["text"] = self.language.layers()
        return found

    @torch.no_grad()
    def vitals(self, batch: Batch) -> dict[str, Tensor]:
        """Add the lengths of what image and noise encoder give."""
        image, noise = self.vision.branches(batch.inputs)
        found = {"norm_image": image.norm(dim=1).mean()}
        if noise is not None:
            found["norm_noise"] = noise.norm(dim=1).mean()
        return {**super().vitals(batch), **found}

    def _clip_towers(self) -> list[ClipImage | ClipText]:
        """List the CLIP towers, image first."""
        towers = [self.vision.image, self.language.reader.tower if self.with_language else None]
        return [tower for tower in towers if isinstance(tower, ClipImage | ClipText)]
