"""Texts read by the text tower of a CLIP, or by a small one from random weights."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from detectors.parts.clip import ClipText, Tuning
from detectors.parts.tokens import CONTEXT, Tokens, clip_tokens, closed_tokens
from detectors.parts.transformer import blocks, quick_gelu

REAL_TEXT = "a photo of a real face"
FAKE_TEXT = "a photo of a fake face"


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
        return self.encode(self.tokens(ids) + self.positions[: ids.shape[1]])

    def layers(self) -> list[list[nn.Parameter]]:
        """Give its parameters, from the words to the projection."""
        first = [*self.tokens.parameters(), self.positions]
        last = [*self.norm.parameters(), *self.project.parameters()]
        return [first, *(list(block.parameters()) for block in self.blocks), last]

    def encode(self, embedded: Tensor, mask: Tensor | None = None) -> Tensor:
        """Read (N, L, width) embedded tokens.

        Args:
            embedded: Tokens with their positions.
            mask: (N, 1, L, L) bool, True where a row's token sees a column's; causal by default.
        """
        for block in self.blocks:
            embedded = block(embedded, mask)
        return self.norm(embedded)  # type: ignore[no-any-return]


def at_ends(hidden: Tensor, ends: Tensor) -> Tensor:
    """Pick the (N, width) states of (N, L, width) at the (N,) end tokens."""
    return hidden[torch.arange(len(hidden), device=hidden.device), ends]


class TextReader(nn.Module):
    """Reads texts each at its end token: the levels joined, or each level on its own."""

    ids: Tensor
    ends: Tensor
    known: Tensor | None

    def __init__(
        self, texts: list[str], source: str | dict[str, Any] | None, tuning: Tuning, **scratch: int
    ) -> None:
        """Build the tower for ``texts``; ``source`` is None for one from random weights."""
        super().__init__()
        tokens: Tokens
        if source is None:
            tokens, vocabulary = closed_tokens(texts)
            self.tower: ScratchText | ClipText = ScratchText(vocabulary, **scratch)
        else:
            tokens = clip_tokens(texts)
            self.tower = ClipText(source, tuning=tuning)
        self.outputs: int = self.tower.project.out_features
        self.register_buffer("ids", tokens.ids, persistent=False)
        self.register_buffer("ends", tokens.ends, persistent=False)
        # A frozen tower reads its texts once: here, and again when it is filled with other weights.
        self.register_buffer("known", None, persistent=False)
        if isinstance(self.tower, ClipText) and self.tower.frozen:
            self.tower.eval()
            self.read_once()
            self.register_load_state_dict_post_hook(_read_again)  # type: ignore[no-untyped-call]

    @torch.no_grad()
    def read_once(self) -> None:
        """Keep the states that a frozen tower gives."""
        self.known = at_ends(self.tower(self.ids), self.ends)

    def states(self) -> Tensor:
        """Give the (N, inner) states of the texts, not yet projected."""
        return at_ends(self.tower(self.ids), self.ends) if self.known is None else self.known

    def forward(self) -> Tensor:
        """Give the (N, d) features of the texts."""
        return self.tower.project(self.states())  # type: ignore[no-any-return]


def _read_again(reader: nn.Module, _: object) -> None:
    """Read the texts with the weights that were loaded."""
    assert isinstance(reader, TextReader)
    reader.read_once()


@torch.no_grad()
def read_texts(texts: Sequence[str], source: Path | None, width: int) -> Tensor:
    """Read ``texts`` once with a frozen text tower.

    Args:
        texts: N texts.
        source: Folder of a CLIP; None for a small random tower with the texts' own words.
        width: Width of the embedding of a random tower.

    Returns:
        (N, d) embeddings of norm 1.
    """
    folder = None if source is None else str(source)
    reader = TextReader(list(texts), folder, "frozen", width=width, heads=1, layers=2).eval()
    return F.normalize(reader().float(), dim=1)
