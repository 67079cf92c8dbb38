"""From prompts to token ids: CLIP's own vocabulary, or one closed over the prompts."""

import gzip
import re
from collections.abc import Sequence
from importlib.util import find_spec
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from detectors.errors import DetectorError

if TYPE_CHECKING:
    from transformers import CLIPTokenizer

CONTEXT = 77
CLIP_VOCABULARY = 49_408  # tokens
_FILE = "bpe_simple_vocab_16e6.txt.gz"
_MERGES = CLIP_VOCABULARY - 2 * 256 - 2  # see clip_tokenizer


class Tokens(NamedTuple):
    """Tokenised texts.

    Attributes:
        ids: (N, L) int64, padded after the end token, L at most ``CONTEXT``.
        ends: (N,) int64, position of the first end token: where a text is read.
    """

    ids: Tensor
    ends: Tensor


def closed_tokens(texts: Sequence[str]) -> tuple[Tokens, int]:
    """Tokenise ``texts`` with a vocabulary of just their own words and marks.

    Nothing is fetched, and case counts: ``StyleGAN`` and ``stylegan`` are two generators.

    Returns:
        The tokens, and the size of the vocabulary with padding, start and end.
    """
    split = [re.findall(r"\w+|[^\w\s]", text) for text in texts]
    words = sorted({word for text in split for word in text})
    number = {word: place for place, word in enumerate(words, start=3)}
    rows = [[1, *(number[word] for word in text), 2] for text in split]
    return _padded(texts, rows, pad=0), len(words) + 3


def clip_tokens(texts: Sequence[str]) -> Tokens:
    """Tokenise ``texts`` as CLIP's pretrained text towers expect."""
    tokenizer = clip_tokenizer()
    rows: list[list[int]] = tokenizer(list(texts))["input_ids"]
    return _padded(texts, rows, pad=rows[0][-1])


def clip_tokenizer() -> "CLIPTokenizer":
    """Build CLIP's byte-pair tokenizer (49,408 tokens) from the file in open_clip's package.

    The vocabulary is 256 bytes, the same 256 closing a word, one token a merge, start and end:
    49,408 - 2 * 256 - 2 = 48,894 merges. A ``CLIPTokenizer()`` without them works too, and gives
    every character the same id.

    Raises:
        DetectorError: open_clip is not installed.
    """
    from transformers import CLIPTokenizer

    found = find_spec("open_clip")  # not imported: that takes seconds
    if found is None or found.origin is None:
        raise DetectorError(
            f"CLIP's vocabulary ({_FILE}) comes with open_clip, which is not installed: "
            "pip install open_clip_torch"
        )
    path = Path(found.origin).with_name(_FILE)
    with gzip.open(path, "rt", encoding="utf-8") as file:
        lines = file.read().split("\n")[1 : _MERGES + 1]
    merges = [tuple(line.split()) for line in lines]
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    # A byte without a glyph of its own is written as one from 256 on.
    letters = [chr(c) for c in printable] + [chr(256 + i) for i in range(256 - len(printable))]
    tokens = [*letters, *(f"{letter}</w>" for letter in letters), *map("".join, merges)]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    vocabulary = {token: place for place, token in enumerate(tokens)}
    return CLIPTokenizer(vocab=vocabulary, merges=merges)  # type: ignore[arg-type]


def _padded(texts: Sequence[str], rows: list[list[int]], *, pad: int) -> Tokens:
    """Put rows of ids, each with start and end, into one tensor.

    Raises:
        DetectorError: A text is too long, or two have the same ids.
    """
    for text, row in zip(texts, rows, strict=True):
        if len(row) > CONTEXT:
            raise DetectorError(
                f"prompt '{text}' needs {len(row)} positions, the text encoder has {CONTEXT}: "
                "shorten the generator's name, or use fle='per-level'"
            )
    for (a, first), (b, second) in combinations(zip(texts, rows, strict=True), 2):
        if first == second:
            raise DetectorError(
                f"prompts '{a}' and '{b}' have the same token ids: rename one generator"
            )
    longest = max(map(len, rows))
    ids = torch.tensor([row + [pad] * (longest - len(row)) for row in rows])
    return Tokens(ids, torch.tensor([len(row) - 1 for row in rows]))
