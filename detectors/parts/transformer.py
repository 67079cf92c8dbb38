"""A pre-norm transformer, of which CLIP's text tower is one."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def quick_gelu(x: Tensor) -> Tensor:
    """Give x sigmoid(1.702 x), the activation of CLIP."""
    return x * torch.sigmoid(1.702 * x)


class Block(nn.Module):
    """Pre-norm attention and MLP, each added to the tokens."""

    def __init__(
        self,
        width: int,
        heads: int,
        *,
        causal: bool,
        activation: Callable[[Tensor], Tensor],
        qkv_bias: bool = True,
        scale: float | None = None,
        hidden: int | None = None,
    ) -> None:
        """Build the block.

        Args:
            width: Width of a token.
            heads: Attention heads.
            causal: A token sees none after it.
            activation: Between the two layers of the MLP.
            qkv_bias: Queries, keys and values have a bias.
            scale: Factor on the attention's logits; by default (width / heads) ** -0.5.
            hidden: Width between the two layers of the MLP; by default 4 x width.
        """
        super().__init__()
        self.heads, self.causal, self.activation, self.scale = heads, causal, activation, scale
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width, bias=qkv_bias)
        self.out = nn.Linear(width, width)
        hidden = 4 * width if hidden is None else hidden
        self.up = nn.Linear(width, hidden)
        self.down = nn.Linear(hidden, width)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Transform (B, N, width) tokens; ``mask`` (B, 1, N, N), True = seen, is in full."""
        qkv = self.qkv(self.norm1(x)).unflatten(-1, (3, self.heads, -1))  # (B, N, 3, heads, d)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # 3 x (B, heads, N, d)
        causal = self.causal and mask is None
        seen = F.scaled_dot_product_attention(
            q, k, v, attn_mask=mask, is_causal=causal, scale=self.scale
        )
        x = x + self.out(seen.transpose(1, 2).flatten(2))
        return x + self.down(self.activation(self.up(self.norm2(x))))  # type: ignore[no-any-return]


def blocks(
    width: int,
    heads: int,
    layers: int,
    *,
    causal: bool = False,
    activation: Callable[[Tensor], Tensor] = F.gelu,
    qkv_bias: bool = True,
    scale: float | None = None,
    hidden: int | None = None,
) -> nn.Sequential:
    """Stack ``layers`` blocks."""
    stack = [
        Block(
            width,
            heads,
            causal=causal,
            activation=activation,
            qkv_bias=qkv_bias,
            scale=scale,
            hidden=hidden,
        )
        for _ in range(layers)
    ]
    return nn.Sequential(*stack)
