"""Sample pair attention: which negatives of an image-text contrast weigh how much."""

import math
from collections.abc import Sequence
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from detectors.errors import DetectorError, InputError

Spa = Literal["hard", "fixed", "none", "learned-max", "learned-min", "table24"]
CLASS_MODES = ("hard", "fixed", "none", "learned-max", "learned-min")
LIMIT = math.log(4)
DECAY = 0.05
PAIR_SIGNS = {"learned-max": -1.0, "learned-min": 1.0}
PLACES = 24  # the batch of the release


class SamplePairAttention(nn.Module):
    """Weights w[c, k] on the contrast between images of class c and the text of class k.

        w[c, k] = (K - 1) exp(A[c, k]) / sum over m != c of exp(A[c, m]),   |A| <= ln 4

    so the negatives of a class weigh one on average, A = 0 is plain InfoNCE, and no negative of a
    class is ever shut off or weighs over 16 times another. At K = 2 a class has a single negative
    and its weight is 1: the module then does nothing. It knows classes, not places in a batch.

    Modes:
        ``hard``: A follows how alike image class and text are so far, so relevant negatives, those
            that are confused, weigh more. A[c, k] = beta (m[c, k] - its mean over k), m a running
            mean of the logits of class c; no gradient.
        ``fixed``: A grows with the number of prompt levels that two classes share.
        ``none``: A = 0.
        ``learned-max``: A is learned against the loss, so that it seeks the negatives that matter;
            pulled to 0 by a decay of 0.05.
        ``learned-min``: A is learned with the loss, the literal reading of the paper: it turns away
            from the hard negatives.

    The released 24 x 24 table (``table24``) is ``PairTable``.

    Source: the idea is MFCLIP's (Zhang et al. 2025); the published 24 x 24 table of free parameters
    by place in the batch cannot know pairs and lets the loss be solved without the image.
    """

    mean: Tensor
    fixed: Tensor

    def __init__(
        self,
        mode: Spa,
        *,
        shared: Sequence[Sequence[int]],
        beta: float = 1.0,
        momentum: float = 0.9,
    ) -> None:
        """Start without preference.

        Args:
            mode: How pairs are weighed.
            shared: K x K numbers of levels that two classes share, of which ``fixed`` is made.
            beta: Strength of ``hard``, per unit of what is observed.
            momentum: Share of the running mean that a step keeps.
        """
        super().__init__()
        if mode not in CLASS_MODES:
            raise DetectorError(f"spa is one of {', '.join(get_args(Spa))}, not '{mode}'")
        if not 0 <= momentum < 1:
            raise DetectorError(f"spa's momentum is in [0, 1), not {momentum}")
        self.mode, self.beta, self.momentum = mode, beta, momentum
        counts = torch.tensor(shared, dtype=torch.float32)
        counts.fill_diagonal_(0)
        self.register_buffer("fixed", LIMIT * counts / counts.max().clamp(min=1), persistent=False)
        if mode == "hard":
            self.register_buffer("mean", torch.zeros_like(counts))
        if mode in PAIR_SIGNS:
            self.attention = nn.Parameter(torch.zeros_like(counts))

    def forward(self) -> Tensor:
        """Give ln w as (K, K); row = class of the image; 0 on the diagonal."""
        if self.mode == "none":
            return torch.zeros_like(self.fixed)
        if self.mode == "fixed":
            return log_weights(self.fixed)
        if self.mode in PAIR_SIGNS:
            return log_weights(_Pulled.apply(self.attention, PAIR_SIGNS[self.mode]))
        return log_weights(self.beta * centred(self.mean))

    @torch.no_grad()
    def saturated(self) -> Tensor:
        """Give the share of pairs whose attention is at a limit."""
        if self.mode in PAIR_SIGNS:
            attention = self.attention.detach()
        else:
            attention = self.beta * centred(self.mean) if self.mode == "hard" else 0 * self.fixed
        count = len(attention)
        return ((attention.abs() >= LIMIT) & _off_diagonal(attention)).sum() / (count * (count - 1))

    @torch.no_grad()
    def observe(self, scores: Tensor, classes: Tensor) -> None:
        """Take (B, K) logits of images of (B,) classes into the running mean (``hard`` only).

        Cosines will do as well: ``beta`` is then per unit of cosine.
        """
        if self.mode != "hard":
            return
        members = F.one_hot(classes, len(self.mean)).to(scores.dtype)  # (B, K)
        count = members.sum(dim=0)[:, None]
        with torch.autocast(scores.device.type, enabled=False):
            now = members.T @ scores / count.clamp(min=1)
        kept = self.momentum * self.mean + (1 - self.momentum) * now
        self.mean.copy_(torch.where(count > 0, kept, self.mean))


class _Pulled(torch.autograd.Function):
    """The identity, whose gradient has a sign and a decay towards 0."""

    @staticmethod
    def forward(ctx: Any, attention: Tensor, sign: float) -> Tensor:
        ctx.save_for_backward(attention)
        ctx.sign = sign
        return attention.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (attention,) = ctx.saved_tensors
        return ctx.sign * gradients[0] + DECAY * attention, None


class PairTable(nn.Module):
    """The released attention: a free 24 x 24 table of factors on logits, by place in the batch.

    It knows places, not pairs, and lets the contrast be solved without the image; it is here for
    the released network and for the ablation that puts it back.
    """

    def __init__(self) -> None:
        """Start at 0, a factor of 1/2; the release starts from whatever the memory held."""
        super().__init__()
        self.table = nn.Parameter(torch.zeros(PLACES, PLACES))

    def forward(self, scores: Tensor) -> Tensor:
        """Weigh (B, B) logits between the images and the texts of a batch.

        Raises:
            InputError: B is over 24. A smaller batch has the table's first rows and columns, where
                the release fails.
        """
        count = len(scores)
        if count > PLACES:
            raise InputError(
                f"the released sample pair attention has {PLACES} places, the batch {count} "
                f"images: use a recipe with batch_size {PLACES} or less"
            )
        return scores * self.table[:count, :count].sigmoid()


def centred(attention: Tensor) -> Tensor:
    """Subtract from each row of (K, K) its mean over the negatives; the weights stay the same.

    Without it the limit on A would cut whole rows alike: logits of one class share a large offset.
    """
    negatives = _off_diagonal(attention)
    mean = (attention * negatives).sum(dim=1, keepdim=True) / (len(attention) - 1)
    return attention - mean


def log_weights(attention: Tensor) -> Tensor:
    """Turn (K, K) attention into ln w: a row weighs one on average over its negatives."""
    negatives = _off_diagonal(attention)
    bounded = attention.clamp(-LIMIT, LIMIT)
    total = bounded.masked_fill(~negatives, -math.inf).logsumexp(dim=1, keepdim=True)
    return (bounded - total + math.log(len(attention) - 1)) * negatives


def _off_diagonal(square: Tensor) -> Tensor:
    return ~torch.eye(len(square), dtype=torch.bool, device=square.device)
