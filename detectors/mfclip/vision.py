"""The multi-modal vision encoder: the image as a whole, and the noise in its richest patch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from detectors.errors import DetectorError, InputError
from detectors.mfclip.native import halves
from detectors.mfclip.patches import Choice, Residuals, choose
from detectors.parts.clip import SCRATCH, ClipImage, Tuning
from detectors.parts.transformer import blocks

NOISE_START = 0.1  # length of the noise beside a tower's embedding


@dataclass(frozen=True, kw_only=True)
class ConvolutionStage:
    """Convolutions of one width, each 3 x 3 with batch norm and ReLU, then 2 x 2 max-pooling."""

    width: int
    convolutions: int


class ConvStack(nn.Sequential):
    """Stages of convolutions: an image to a grid of tokens.

    Attributes:
        shrinks: By what a side of the grid is shorter than the image's.
    """

    def __init__(self, stages: Sequence[ConvolutionStage], *, bias: bool = False) -> None:
        layers: list[nn.Module] = []
        inputs, shrinks = 3, 1
        for stage in stages:
            for _ in range(stage.convolutions):
                layers += [
                    nn.Conv2d(inputs, stage.width, 3, padding=1, bias=bias),
                    nn.BatchNorm2d(stage.width),
                    nn.ReLU(inplace=True),
                ]
                inputs = stage.width
            layers.append(nn.MaxPool2d(2))
            shrinks *= 2
        super().__init__(*layers)
        self.outputs, self.shrinks = inputs, shrinks

    def layers(self) -> list[list[nn.Parameter]]:
        """Give its parameters, convolution by convolution."""
        found: list[list[nn.Parameter]] = []
        for layer in self:
            if isinstance(layer, nn.Conv2d):
                found.append([])
            found[-1].extend(layer.parameters())
        return found

    def tokens(self, images: Tensor) -> Tensor:
        """Turn (B, 3, H, W) images into (B, N, outputs) tokens, row by row."""
        # Channels last: max-pooling on a CPU takes a third of the step otherwise.
        grid = self(images.contiguous(memory_format=torch.channels_last))
        return grid.flatten(2).transpose(1, 2)  # type: ignore[no-any-return]


class PatchSummary(nn.Module):
    """Tokens to one vector: a class token that attends to them."""

    def __init__(
        self,
        inputs: int,
        tokens: int,
        width: int,
        heads: int,
        layers: int,
        *,
        rows: int | None = None,
        each: int = 1,
        hidden: int | None = None,
    ) -> None:
        """Build the layers.

        Args:
            inputs: Width of a token that comes in.
            tokens: How many come in.
            width: Width of the transformer.
            heads: Attention heads.
            layers: Layers of the transformer.
            rows: A position is that of a row of the batch, of so many, as in the release; None: it
                is that of a token.
            each: How many consecutive rows are of one image and share its position.
            hidden: As for ``Block``.
        """
        super().__init__()
        self.rows, self.each = rows, each
        self.enter = nn.Linear(inputs, width)
        self.cls = nn.Parameter(torch.randn(width) * 0.02)
        self.positions = nn.Parameter(torch.randn(rows or tokens + 1, width) * 0.02)
        self.blocks = blocks(width, heads, layers, hidden=hidden)
        self.norm = nn.LayerNorm(width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Summarise (B, N, inputs) as (B, width).

        Raises:
            InputError: Positions are those of rows, and there are more images than rows.
        """
        cls = self.cls.expand(tokens.shape[0], 1, -1)
        places = self.positions if self.rows is None else self._of_rows(tokens.shape[0])
        x = torch.cat([cls, self.enter(tokens)], dim=1) + places  # (B, 1 + N, width)
        return self.norm(self.blocks(x)[:, 0])  # type: ignore[no-any-return]

    def layers(self) -> list[list[nn.Parameter]]:
        """Give its parameters, from the tokens to the summary."""
        first = [*self.enter.parameters(), self.cls, self.positions]
        inner = [list(block.parameters()) for block in self.blocks]
        return [first, *inner, list(self.norm.parameters())]

    def _of_rows(self, count: int) -> Tensor:
        """Give the (count, 1, width) positions of the rows of a batch."""
        images = count // self.each
        if images > len(self.positions):
            raise InputError(
                f"positions='row' has {len(self.positions)} places, the batch {images} images: use "
                f"a recipe with batch_size {len(self.positions)} or less"
            )
        return self.positions[:images].repeat_interleave(self.each, dim=0)[:, None]


class ScratchImage(nn.Module):
    """The published CNN and transformer, with the CNN's map kept as a grid of tokens.

    The release flattens the map into a single token, which leaves its transformer nothing to
    relate.
    """

    def __init__(
        self,
        stages: Sequence[ConvolutionStage],
        *,
        size: int,
        width: int,
        heads: int,
        layers: int,
        rows: int | None = None,
        hidden: int | None = None,
    ) -> None:
        """Build the encoder; ``rows`` and ``hidden`` are those of ``PatchSummary``."""
        super().__init__()
        self.cnn = ConvStack(stages)
        side = size // self.cnn.shrinks
        self.summary = PatchSummary(
            self.cnn.outputs, side * side, width, heads, layers, rows=rows, hidden=hidden
        )
        self.outputs = width

    def forward(self, images: Tensor) -> Tensor:
        """Encode (B, 3, S, S) RGB in [0, 1] as (B, width)."""
        return self.summary(self.cnn.tokens(2 * images - 1))  # type: ignore[no-any-return]

    def layers(self) -> list[list[nn.Parameter]]:
        """Give its parameters, from the pixels to the feature."""
        return [*self.cnn.layers(), *self.summary.layers()]


class NoiseEncoder(nn.Module):
    """The noise residual of the k richest patches as one vector.

    Residual -> CNN -> grid of tokens -> class token, for each patch; the patches of an image are
    pooled by attention.
    """

    def __init__(
        self,
        *,
        size: int,
        patch: int,
        k: int,
        widths: Sequence[int],
        convolutions: int,
        grid: int,
        width: int,
        heads: int,
        layers: int,
        choice: Choice = "richest",
        units: int = 255,
        rows: int | None = None,
    ) -> None:
        """Build the encoder.

        Args:
            size: Side of the input images, in pixels.
            patch: Side of the patches, in pixels; not used where the image is taken whole.
            k: How many patches.
            widths: Width of each CNN stage; the last goes for all later ones.
            convolutions: Convolutions in a stage.
            grid: The CNN halves a patch until its grid of tokens has at most this side.
            width: Width of the transformer and of the feature.
            heads: Attention heads.
            layers: Layers of the transformer.
            choice: Which patches.
            units: Value of white in the residual, 255 or 1.
            rows: As for ``PatchSummary``.
        """
        super().__init__()
        if choice == "whole":
            patch, k = size, 1
        per_side = size // patch if patch > 0 else 0
        if not 8 <= patch <= size:
            raise DetectorError(f"patch is 8 to {size} px here, not {patch}")
        if not 1 <= k <= per_side**2:
            raise DetectorError(f"k is 1 to {per_side**2} patches of {patch} px here, not {k}")
        if units not in (1, 255):
            raise DetectorError(f"noise_units is 255 or 1, not {units}")
        self.patch, self.k, self.choice = patch, k, choice
        self.residuals = Residuals(patch, units=units)
        halvings = 1
        while patch >> halvings > grid:
            halvings += 1
        stages = [
            ConvolutionStage(width=widths[min(i, len(widths) - 1)], convolutions=convolutions)
            for i in range(halvings)
        ]
        self.cnn = ConvStack(stages)
        side = patch >> halvings
        self.summary = PatchSummary(
            self.cnn.outputs, side * side, width, heads, layers, rows=rows, each=k
        )
        # With a single patch there is nothing to weigh, and the weights would get no gradient.
        self.attention = nn.Linear(width, 1, bias=False) if k > 1 else None
        self.outputs = width

    def forward(self, images: Tensor) -> Tensor:
        """Encode (B, 3, S, S) RGB in [0, 1] as (B, width)."""
        residual = self.residuals(images, self.places(images))
        each = self.summary(self.cnn.tokens(residual.flatten(0, 1)))  # (B k, width)
        each = each.unflatten(0, (images.shape[0], self.k))
        if self.attention is None:
            return each[:, 0]  # type: ignore[no-any-return]
        with torch.autocast(each.device.type, enabled=False):
            each = each.float()
            share = (each @ self.attention.weight.float().T).softmax(dim=1)  # (B, k, 1)
            return (share * each).sum(dim=1)  # type: ignore[no-any-return]

    def layers(self) -> list[list[nn.Parameter]]:
        """Give its parameters, from the residual to the feature."""
        pooling = [] if self.attention is None else [list(self.attention.parameters())]
        return [*self.cnn.layers(), *self.summary.layers(), *pooling]

    def places(self, images: Tensor) -> Tensor:
        """Give the (B, k) places of the patches that are looked at, row by row."""
        if self.choice == "whole":
            return torch.zeros(images.shape[0], 1, dtype=torch.long, device=images.device)
        return choose(images, self.patch, self.k, self.choice)


class VisionEncoder(nn.Module):
    """Image and noise encoder, added in the space they share with language.

    Beside a CLIP tower the noise, from random weights, starts as a tenth of the embedding in
    length, by a learned factor: at its own length, sqrt(width) of a layer norm, it would drown what
    the tower knows.
    """

    def __init__(
        self, image: ScratchImage | ClipImage, noise: NoiseEncoder | None, *, width: int
    ) -> None:
        super().__init__()
        self.image, self.noise = image, noise
        self.image_join = _join(image.outputs, width)
        self.gain: nn.Parameter | None = None
        if noise is not None:
            self.noise_join = _join(noise.outputs, width)
            if isinstance(image, ClipImage):
                self.gain = nn.Parameter(torch.ones(()))
                self._start_noise(image)

    def forward(self, images: Tensor) -> Tensor:
        """Encode RGB in [0, 1] as (B, width), not normalised.

        Args:
            images: (B, 3, S, S), or (B, 3, 2S, S) of ``WithNative``.
        """
        image, noise = self.branches(images)
        return image if noise is None else image + noise

    def branches(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        """Encode both ways: the (B, width) image, and its noise where there is an encoder of it."""
        resized, noisy = halves(images)
        image = self.image_join(self.image(resized))
        if self.noise is None:
            return image, None
        noise = self.noise_join(self.noise(noisy))
        return image, noise if self.gain is None else self.gain * noise

    @torch.no_grad()
    def _start_noise(self, image: ClipImage) -> None:
        """Set the factor by what both encoders make of two images of smooth colours and grain."""
        assert self.noise is not None
        drawn = torch.Generator().manual_seed(0)
        side, training = image.size, self.training
        smooth = torch.rand(2, 3, 5, 5, generator=drawn, device="cpu")
        grain = torch.randn(2, 3, side, side, generator=drawn, device="cpu")
        pictures = F.interpolate(smooth, (side, side), mode="bilinear") + 0.01 * grain
        pictures = pictures.clamp(0, 1).to(image.mean.device)
        seen, noise = (part.norm(dim=1).mean() for part in self.eval().branches(pictures))  # type: ignore[union-attr]
        self.train(training)
        self.gain.copy_(NOISE_START * seen / noise)  # type: ignore[union-attr]


def build_image_encoder(
    source: str | dict[str, Any],
    stages: Sequence[ConvolutionStage],
    *,
    size: int,
    width: int,
    heads: int,
    layers: int,
    tuning: Tuning = "full",
    rows: int | None = None,
    hidden: int | None = None,
) -> ScratchImage | ClipImage:
    """Build ``scratch``, or a CLIP vision tower by Hub name, folder or configuration.

    ``rows`` and ``hidden`` are for ``scratch`` alone: a tower has its own.
    """
    if source == SCRATCH:
        return ScratchImage(
            stages, size=size, width=width, heads=heads, layers=layers, rows=rows, hidden=hidden
        )
    return ClipImage(source, size=size, tuning=tuning)


def _join(inputs: int, outputs: int) -> nn.Module:
    """Bring an encoder's feature to the shared width, where it is not there yet."""
    return nn.Identity() if inputs == outputs else nn.Linear(inputs, outputs)
