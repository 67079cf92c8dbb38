"""MFCLIP as it was released: its tables of 24 places included."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self, Unpack

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.transforms.v2.functional import rgb_to_grayscale

from detectors.base import Batch, Sides, Size
from detectors.cards import mfclip as cards
from detectors.errors import InputError
from detectors.mfclip.attention import PLACES, PairTable
from detectors.mfclip.losses import diagonal_loss, released_prediction_loss
from detectors.mfclip.patches import cut_patches, grey_homogeneity
from detectors.mfclip.prompts import prompts_of
from detectors.mfclip.readers import ReleaseReader
from detectors.mfclip.release_weights import read_release
from detectors.mfclip.vision import ConvolutionStage, ConvStack
from detectors.parts.clip import logit_scale
from detectors.parts.filters import COMMON_SCALES, TRUNCATION, filtered, srm_kernels
from detectors.parts.network import FixedSideDetector, FixedSideOptions, in_float32
from detectors.parts.texts import ScratchText
from detectors.parts.tokens import CLIP_VOCABULARY
from detectors.parts.transformer import Block, blocks
from detectors.pretrained import weights_fingerprint
from detectors.transform import Transform

CANDIDATES = 2  # rows and columns of noise patches


@dataclass(frozen=True, kw_only=True)
class ReleaseShape:
    """The dimensions of one size of the released network."""

    input_size: int
    width: int
    heads: int
    text_layers: int
    image_stages: tuple[tuple[int, int], ...]
    image_layers: int
    noise_stages: tuple[tuple[int, int], ...]
    noise_layers: int


RELEASE_SHAPES = {
    "tiny": ReleaseShape(
        input_size=64,
        width=64,
        heads=4,
        text_layers=2,
        image_stages=((16, 1), (32, 1), (64, 1)),
        image_layers=1,
        noise_stages=((16, 1), (32, 1)),
        noise_layers=1,
    ),
    "base": ReleaseShape(
        input_size=224,
        width=512,
        heads=8,
        text_layers=12,
        image_stages=((32, 3), (64, 3), (128, 3), (256, 4), (512, 4)),
        image_layers=6,
        noise_stages=((32, 3), (64, 3)),
        noise_layers=3,
    ),
}


@dataclass(frozen=True)
class SquashedBytes(Transform):
    """Squash an image to the square without anti-aliasing, in 8 bits, as the release does.

    Bilinear; equal to OpenCV's within one grey level.
    """

    def resize(self, images: Tensor) -> Tensor:
        """Prepare (..., 3, h, w) float32 RGB in [0, 1], one or many of one size, unchecked.

        Images of the right size are left as they are.
        """
        side = (self.size, self.size)
        if images.shape[-2:] == side:
            return images
        grey_levels = 255 * nearest_level(images).reshape(-1, *images.shape[-3:])
        resized = F.interpolate(grey_levels, side, mode="bilinear")
        return nearest_level(resized / 255).reshape(*images.shape[:-2], *side)


class MFCLIPRelease(FixedSideDetector):
    """The network of MFCLIP's public release, and its losses, as they are.

    The score of an image depends on its place in the batch, and a batch has 24 places at most:
    positions are embedded by the row of the batch. Language is read at the end of the first prompt
    level, so the others do nothing. The image is read in 0..255 with its axes swapped, the noise in
    0..1 with axes as they are. One logit is the difference of the published two.

    ``total`` = cmc + kl + 1.5 ce with diagonal contrastive targets.

    Source: the authors' public code of Zhang et al., IEEE TIFS 20, 2025, arXiv 2409.09724.

    Args:
        shared: As ``FixedSideDetector``. The prompts are built from ``taxa``; a level that is not
            known says level 1 again, as all levels of real images do.
    """

    card = cards.MFCLIP_RELEASE
    sides = Sides(tiny=RELEASE_SHAPES["tiny"].input_size, base=RELEASE_SHAPES["base"].input_size)
    class_of_taxon: Tensor

    def __init__(self, **shared: Unpack[FixedSideOptions]) -> None:
        super().__init__(**shared)
        shape = RELEASE_SHAPES[self.size]
        self.transform = SquashedBytes(shape.input_size)
        prompts = prompts_of(self.taxa)
        self.language = ReleaseReader(
            prompts,
            vocabulary=CLIP_VOCABULARY,
            width=shape.width,
            heads=shape.heads,
            layers=shape.text_layers,
        )
        start_as_clip(self.language.tower)
        self.vision = ReleaseVision(shape)
        self.head = nn.Sequential(nn.LayerNorm(shape.width), nn.Linear(shape.width, 2))
        self.predictor = nn.Linear(shape.width, shape.width)
        self.logit_scale = logit_scale()
        self.spa = PairTable()
        classes = torch.tensor(prompts.class_of_taxon)
        self.register_buffer("class_of_taxon", classes, persistent=False)

    @classmethod
    def from_release(
        cls, path: Path | str, *, taxa: Iterable[Sequence[str]], size: Size = "base"
    ) -> Self:
        """Load a checkpoint that the authors' training code wrote.

        Args:
            path: Their ``.pth`` file; read without running code from it.
            taxa: The kinds of image it was trained on.
            size: Only ``base`` has the released dimensions.

        Raises:
            WeightsError: The file cannot be read, or its tensors are not the network's, each named.
        """
        detector = cls(size=size, taxa=taxa)
        own = {n: t for n, t in detector.state_dict().items() if n != "trained"}
        detector.load_state_dict(read_release(Path(path), own), strict=False)
        detector.init = f"weights:{weights_fingerprint([Path(path)])}"
        detector.mark_trained()
        return detector.eval()

    def features(self, inputs: Tensor) -> Tensor:
        """Give the (B, d) vision features, of norm 1, of B <= 24 inputs."""
        return F.normalize(self.vision(inputs).float(), dim=1)

    def forward(self, inputs: Tensor) -> Tensor:
        """Give (B,) logits of (B, 3, S, S) inputs, B <= 24, in the order of their places."""
        return self.decide(self.features(inputs)).diff(dim=1).squeeze(1)

    def decide(self, vision: Tensor) -> Tensor:
        """Give the (B, 2) published logits, real and fake, of (B, d) features."""
        return in_float32(self.head, vision)

    def pair_logits(self, vision: Tensor, text: Tensor) -> Tensor:
        """Give (B, B) logits between (B, d) images and their (B, d) texts, weighed by the table."""
        return self.spa(self.logit_scale.exp() * vision @ F.normalize(text, dim=1).T)  # type: ignore[no-any-return]

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Give ``ce``, ``cmc``, ``kl`` and ``total`` of at most 24 images."""
        vision = self.features(batch.inputs)
        # One row a prompt instead of one an image: equal rows have equal features.
        text = self.language().float()[self.class_of_taxon[batch.taxa]]  # (B, d)
        with torch.autocast(vision.device.type, enabled=False):
            return self._losses(vision, text, batch)

    def _losses(self, vision: Tensor, text: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Give the losses of (B, d) images and their (B, d) texts."""
        ce = F.cross_entropy(self.decide(vision), batch.labels.long())
        cmc = diagonal_loss(self.pair_logits(vision, text))
        kl = released_prediction_loss(self.predictor(vision).float(), text)
        return {"ce": ce, "cmc": cmc, "kl": kl, "total": cmc + kl + 1.5 * ce}


class ReleaseVision(nn.Module):
    """The released vision encoder: image and richest patch, each as a single token."""

    kernels: Tensor
    scales: Tensor

    def __init__(self, shape: ReleaseShape) -> None:
        super().__init__()
        scales = torch.tensor(COMMON_SCALES)[:, None, None]
        self.register_buffer("scales", scales, persistent=False)
        self.patch = shape.input_size // CANDIDATES
        self.register_buffer("kernels", srm_kernels())
        self.image = ReleaseBranch(
            shape.image_stages, shape.input_size, shape, layers=shape.image_layers
        )
        self.noise = ReleaseBranch(shape.noise_stages, self.patch, shape, layers=shape.noise_layers)

    def forward(self, inputs: Tensor) -> Tensor:
        """Encode (B, 3, S, S) RGB in [0, 1], B <= 24, as (B, width)."""
        if inputs.shape[0] > PLACES:
            raise InputError(
                f"mfclip-release has positions for {PLACES} images a batch, not {inputs.shape[0]}"
            )
        inputs = nearest_level(inputs)
        image = self.image(255 * inputs.transpose(2, 3))
        return image + self.noise(self.residual(inputs))  # type: ignore[no-any-return]

    @torch.no_grad()
    def residual(self, inputs: Tensor) -> Tensor:
        """Give the (B, 3, p, p) residual of each image's patch of lowest homogeneity."""
        grey = (rgb_to_grayscale(inputs)[:, 0] * 255).byte().int()
        evenness = grey_homogeneity(grey, self.patch)
        place = evenness.argmin(dim=1, keepdim=True)  # of equals, the first
        patches = cut_patches(inputs, place, columns=CANDIDATES, patch=self.patch)[:, 0]
        # In units of 0..1, where the truncation never acts; zeros around the patch.
        with torch.autocast(inputs.device.type, enabled=False):
            whole = self.kernels * self.scales[..., None]
            residual = filtered(patches, whole, unit=2**-8, padding=2) / self.scales
        return residual.clamp(-TRUNCATION, TRUNCATION)


class ReleaseBranch(nn.Module):
    """CNN, its whole map as one token, and a transformer over that and a class token."""

    def __init__(
        self, stages: Sequence[tuple[int, int]], side: int, shape: ReleaseShape, *, layers: int
    ) -> None:
        super().__init__()
        width = shape.width
        self.cnn = ConvStack(
            [ConvolutionStage(width=w, convolutions=n) for w, n in stages], bias=True
        )
        inputs = self.cnn.outputs * (side // self.cnn.shrinks) ** 2
        self.enter = nn.Linear(inputs, width)
        self.cls = nn.Parameter(torch.randn(1, 1, width))
        self.positions = nn.Parameter(torch.randn(PLACES, 1, width))
        # The published scale is of the whole width, not of a head's.
        self.blocks = blocks(width, shape.heads, layers, qkv_bias=False, scale=width**-0.5)

    def forward(self, images: Tensor) -> Tensor:
        """Encode (B, 3, s, s) as (B, width)."""
        token = self.enter(self.cnn.tokens(images).flatten(1))[:, None]  # (B, 1, width)
        cls = self.cls.expand_as(token)
        x = torch.cat([cls, token], dim=1) + self.positions[: token.shape[0]]  # (B, 2, width)
        return self.blocks(x)[:, 0]  # type: ignore[no-any-return]


def start_as_clip(tower: ScratchText) -> None:
    """Start a text transformer as CLIP's own starts."""
    width, layers = tower.project.in_features, len(tower.blocks)
    residual = width**-0.5 * (2 * layers) ** -0.5
    nn.init.normal_(tower.tokens.weight, std=0.02)
    nn.init.normal_(tower.project.weight, std=width**-0.5)
    for block in tower.blocks:
        assert isinstance(block, Block)
        nn.init.normal_(block.qkv.weight, std=width**-0.5)
        nn.init.normal_(block.up.weight, std=(2 * width) ** -0.5)
        for layer in (block.out, block.down):
            nn.init.normal_(layer.weight, std=residual)
        for bias in (block.qkv.bias, block.out.bias):
            nn.init.zeros_(bias)


def nearest_level(images: Tensor) -> Tensor:
    """Round images in [0, 1] to 8 bits; what they were then has no gradient."""
    return (images.detach() * 255).round().float() / 255
