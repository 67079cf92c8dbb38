"""Squares cut out of images."""

import torch
from torch import Tensor


def cut_squares(images: Tensor, top: Tensor, left: Tensor, side: int) -> Tensor:
    """Give the (B, n, C, side, side) squares of (B, C, H, W) images at (B, n) corners.

    By the number of each pixel: an index of images would fix their number in an exported network.
    """
    line = torch.arange(side, device=images.device)
    rows = top[..., None] + line  # (B, n, side)
    columns = left[..., None] + line
    pixels = rows[..., :, None] * images.shape[3] + columns[..., None, :]  # (B, n, side, side)
    wanted = pixels.flatten(1)[:, None].expand(-1, images.shape[1], -1)
    found = images.flatten(2).gather(2, wanted)  # (B, C, n side^2)
    return found.reshape(*images.shape[:2], *pixels.shape[1:]).transpose(1, 2)
