"""The fine-grained language encoder: from prompts to one feature a class."""

import math
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from detectors.errors import DetectorError
from detectors.mfclip.clip import SCRATCH, text_tower
from detectors.mfclip.prompts import LEVELS, Prompts
from detectors.mfclip.tokens import CONTEXT, Tokens, clip_tokens, closed_tokens
from detectors.mfclip.transformer import blocks, quick_gelu

Fle = Literal["packed", "per-level"]


class ScratchText(nn.Module):
    """CLIP's text transformer with a small vocabulary, from random weights."""

    def __init__(
        self, vocabulary: int, width: int, heads: int, layers: int, *, context: int = CONTEXT
    ) -> None:
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, width)
        self.positions = nn.Parameter(torch.randn(context, width) * 0.01)
        self.blocks = blocks(width, heads, layers, causal=True, activation=quick_gelu)
        self.norm = nn.LayerNorm(width)
        self.project = nn.Linear(width, width, bias=False)
        nn.init.normal_(self.tokens.weight, std=0.3)

    def forward(self, ids: Tensor) -> Tensor:
        """Read (N, L) token ids; give (N, L, width), not yet projected."""
        x = self.tokens(ids) + self.positions[: ids.shape[1]]
        return self.norm(self.blocks(x))  # type: ignore[no-any-return]


class ClipText(nn.Module):
    """The text tower of a CLIP."""

    def __init__(self, source: str | dict[str, Any]) -> None:
        super().__init__()
        tower = text_tower(source)
        self.config: dict[str, Any] = tower.config.to_diff_dict()
        self.text_model = tower.text_model
        self.project = tower.text_projection

    def forward(self, ids: Tensor) -> Tensor:
        """Read (N, L) token ids; give (N, L, width), not yet projected."""
        return self.text_model(input_ids=ids).last_hidden_state  # type: ignore[no-any-return]


class FineGrainedLanguageEncoder(nn.Module):
    """One language feature for each distinct prompt; run once a step, never at inference.

    ``packed``: the levels as one text, read at its end token.
    ``per-level``: each level is a text of its own, t = W LN(sum over l of a[l] (end[l] + e[l])),
    a the softmax of learned scalars over the levels that the prompt has.

    Source: MFCLIP's FLE (Zhang et al. 2025). The published one reads all levels at the end of the
    first under a causal mask, so it cannot tell prompts that differ later.

    The K features start around zero: their mean is taken off by a learned bias. Prompts share most
    of their words, so without it all their cosines would start above 0.99. Training parts real from
    fake first, so for some steps the fakes lie close together.

    Attributes:
        outputs: d, the width of the feature and of the space that image and language share.
    """

    ids: Tensor
    ends: Tensor
    text_of: Tensor

    def __init__(
        self,
        prompts: Prompts,
        *,
        mode: Fle,
        encoder: str | dict[str, Any],
        width: int,
        heads: int,
        layers: int,
    ) -> None:
        """Build the encoder of ``prompts``, whose tokens become part of it.

        Args:
            prompts: The K prompts.
            mode: How the levels of a prompt become one feature.
            encoder: ``scratch``, or a CLIP text tower: Hub name, folder or configuration.
            width: Width of a scratch tower, and of its feature.
            heads: Attention heads of a scratch tower.
            layers: Layers of a scratch tower.
        """
        super().__init__()
        if mode not in get_args(Fle):
            raise DetectorError(f"fle is one of {', '.join(get_args(Fle))}, not '{mode}'")
        self.mode = mode
        texts = prompts.packed() if mode == "packed" else prompts.level_texts()
        tokens: Tokens
        if encoder == SCRATCH:
            tokens, vocabulary = closed_tokens(texts)
            self.tower: ScratchText | ClipText = ScratchText(vocabulary, width, heads, layers)
        else:
            tokens = clip_tokens(texts)
            self.tower = ClipText(encoder)
        self.outputs: int = self.tower.project.out_features
        self.offset = nn.Parameter(torch.zeros(self.outputs))
        self.register_buffer("ids", tokens.ids, persistent=False)
        self.register_buffer("ends", tokens.ends, persistent=False)
        if mode == "per-level":
            inner: int = self.tower.project.in_features
            self.levels = nn.Parameter(torch.randn(LEVELS, inner) * 0.02)
            self.attention = nn.Parameter(torch.zeros(LEVELS))
            self.norm = nn.LayerNorm(inner)
            place: dict[str | None, int] = {text: number for number, text in enumerate(texts)}
            place[None] = -1
            rows = [
                [place[known.get(level)] for level in range(1, LEVELS + 1)]
                for known in map(dict, prompts.distinct)
            ]  # which text a prompt has at each level
            self.register_buffer("text_of", torch.tensor(rows), persistent=False)
        with torch.no_grad():
            self.offset.sub_(self().mean(dim=0))

    def forward(self) -> Tensor:
        """Give the (K, d) features of all prompts, not normalised."""
        hidden = self.tower(self.ids)
        ends = hidden[torch.arange(len(hidden), device=hidden.device), self.ends]  # (N, inner)
        if self.mode == "per-level":
            known = (self.text_of >= 0)[..., None]  # (K, 4, 1)
            share = self.attention[:, None].expand_as(known).masked_fill(~known, -math.inf)
            each = ends[self.text_of.clamp(min=0)] + self.levels  # (K, 4, inner)
            ends = self.norm((share.softmax(dim=1) * each).sum(dim=1))
        return self.tower.project(ends) + self.offset  # type: ignore[no-any-return]
