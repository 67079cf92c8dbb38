"""How the levels of a prompt become one feature: ways to read with a text tower."""

import math
from typing import Any

import torch
from torch import Tensor, nn

from detectors.errors import DetectorError
from detectors.mfclip.prompts import LEVELS, Prompts
from detectors.parts.clip import Tuning
from detectors.parts.texts import ScratchText, TextReader, at_ends
from detectors.parts.tokens import CONTEXT, clip_tokens, closed_tokens


class LevelReader(TextReader):
    """Reads each level alone: t = W LN(sum over l of a[l] (end[l] + e[l])).

    a is the softmax of learned scalars over the levels that a prompt has.
    """

    text_of: Tensor

    def __init__(
        self, prompts: Prompts, source: str | dict[str, Any] | None, tuning: Tuning, **scratch: int
    ) -> None:
        super().__init__(prompts.level_texts(), source, tuning, **scratch)
        inner: int = self.tower.project.in_features
        self.levels = nn.Parameter(torch.randn(LEVELS, inner) * 0.02)
        self.attention = nn.Parameter(torch.zeros(LEVELS))
        self.norm = nn.LayerNorm(inner)
        self.register_buffer("text_of", texts_of(prompts), persistent=False)

    def forward(self) -> Tensor:
        """Give the (K, d) features of the prompts."""
        known = (self.text_of >= 0)[..., None]  # (K, 4, 1)
        share = self.attention[:, None].expand_as(known).masked_fill(~known, -math.inf)
        each = self.states()[self.text_of.clamp(min=0)] + self.levels  # (K, 4, inner)
        pooled = self.norm((share.softmax(dim=1) * each).sum(dim=1))
        return self.tower.project(pooled)  # type: ignore[no-any-return]


class ConcatenatedReader(nn.Module):
    """Reads the four levels end to end, each in 77 positions, at the end of the last known one.

    Padding and unknown levels are no keys, and a position counts within its level; read plainly,
    most of what the last token attends to would be padding.
    """

    ids: Tensor
    ends: Tensor
    mask: Tensor

    def __init__(self, prompts: Prompts, **scratch: int) -> None:
        super().__init__()
        tokens, vocabulary = closed_tokens(prompts.level_texts())
        texts = texts_of(prompts)
        length = tokens.ids.shape[1]  # what lies behind it in the 77 positions is padding
        place = torch.arange(length)
        known = (texts >= 0)[..., None]
        read = known & (place <= tokens.ends[texts.clamp(min=0)][..., None])  # (K, 4, L)
        self.tower = ScratchText(vocabulary, **scratch)
        self.outputs: int = self.tower.project.out_features
        self.levels = nn.Parameter(torch.randn(LEVELS, 1, self.outputs) * 0.02)
        keys = read.flatten(1)
        causal = torch.ones(LEVELS * length, LEVELS * length, dtype=torch.bool).tril()
        # A padded query sees itself, or its softmax would be over nothing.
        sees = (causal & keys[:, None]) | torch.eye(len(causal), dtype=torch.bool)
        last = (keys * torch.arange(1, len(causal) + 1)).argmax(dim=1)
        ids = tokens.ids[texts.clamp(min=0)] * read
        self.register_buffer("ids", ids, persistent=False)
        self.register_buffer("ends", last, persistent=False)
        self.register_buffer("mask", sees[:, None], persistent=False)

    def forward(self) -> Tensor:
        """Give the (K, d) features of the prompts."""
        positions = self.tower.positions[: self.ids.shape[2]]
        embedded = self.tower.tokens(self.ids) + positions + self.levels  # (K, 4, L, width)
        hidden = self.tower.encode(embedded.flatten(1, 2), self.mask)
        return self.tower.project(at_ends(hidden, self.ends))  # type: ignore[no-any-return]


class ReleaseReader(nn.Module):
    """Reads as the release does: levels end to end, at the end of the first.

    Under a causal mask the levels behind it change nothing. A level that is not known says level 1
    again, as all levels of real images do.
    """

    ids: Tensor
    ends: Tensor

    def __init__(self, prompts: Prompts, *, vocabulary: int | None = None, **scratch: int) -> None:
        """Build the tower; with ``vocabulary`` ids are CLIP's, else of the prompts' own words."""
        super().__init__()
        texts = prompts.level_texts()
        if vocabulary is None:
            tokens, vocabulary = closed_tokens(texts)
        else:
            tokens = clip_tokens(texts)
        padded = tokens.ids.new_zeros(len(texts), CONTEXT)
        padded[:, : tokens.ids.shape[1]] = tokens.ids
        padded *= torch.arange(CONTEXT) <= tokens.ends[:, None]
        place = texts_of(prompts)
        place = torch.where(place >= 0, place, place[:, :1])  # (K, 4)
        self.tower = ScratchText(vocabulary, **scratch, context=LEVELS * CONTEXT)
        self.outputs: int = self.tower.project.out_features
        self.register_buffer("ids", padded[place].flatten(1), persistent=False)
        self.register_buffer("ends", tokens.ends[place[:, 0]], persistent=False)

    def forward(self) -> Tensor:
        """Give the (K, d) features of the prompts."""
        hidden = self.tower(self.ids)  # (K, 308, d)
        return self.tower.project(at_ends(hidden, self.ends))  # type: ignore[no-any-return]


class TableReader(nn.Module):
    """Reads nothing: one vector a class, the control for what text is worth.

    Free ones are trained; fixed ones are orthonormal, times the length that free ones start with.
    """

    tower = None

    def __init__(self, prompts: Prompts, *, width: int, trained: bool = True) -> None:
        super().__init__()
        count = len(prompts.distinct)
        rows = torch.randn(count, width)
        if not trained:
            if count > width:
                raise DetectorError(f"{count} classes have no orthonormal vectors of width {width}")
            nn.init.orthogonal_(rows, gain=math.sqrt(width))
        self.rows = nn.Parameter(rows, requires_grad=trained)
        self.outputs = width

    def forward(self) -> Tensor:
        """Give the (K, width) vectors."""
        return self.rows


Reader = TextReader | ConcatenatedReader | ReleaseReader | TableReader
"""Gives (K, d) features of K prompts; ``outputs`` is d, ``tower`` what reads, if anything does."""


def texts_of(prompts: Prompts) -> Tensor:
    """Give, as (K, 4), which of ``level_texts`` a prompt has at each level; -1 for none."""
    texts = prompts.level_texts()
    place: dict[str | None, int] = {text: number for number, text in enumerate(texts)}
    place[None] = -1
    rows = [
        [place[known.get(level)] for level in range(1, LEVELS + 1)]
        for known in map(dict, prompts.distinct)
    ]
    return torch.tensor(rows)
