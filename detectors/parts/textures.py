"""Small patches of a face, and how much texture each holds."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from detectors.errors import DetectorError
from detectors.parts.host import moved
from detectors.parts.squares import cut_squares


class Cutter(nn.Module):
    """Cuts square patches at places drawn at random.

    In training each image gets places of its own, from torch's generator. Otherwise all images get
    the same ones, drawn once for images of a side and kept: a score then repeats and does not
    depend on the batch, and an exported network holds them instead of drawing its own.

    Args:
        side: Of a patch, in pixels.
        count: Patches of an image.
        detector: Name for messages.

    Raises:
        DetectorError: The patch has no pixel.
    """

    fixed: Tensor | None

    def __init__(self, side: int, count: int, *, detector: str) -> None:
        super().__init__()
        if side < 1:
            raise DetectorError(f"{detector}: a patch has 1 pixel or more a side, not {side}")
        self.side, self.count, self.detector = side, count, detector
        self.rooms: list[int] = []
        self.register_buffer("fixed", None, persistent=False)

    def places(self, images: Tensor, *, training: bool) -> Tensor:
        """Give (B, count, 2) int64, the top and left of each patch of (B, C, H, W) images.

        Raises:
            DetectorError: No patch fits into the images.
        """
        rooms = [side - self.side + 1 for side in images.shape[-2:]]
        if min(rooms) < 1:
            raise DetectorError(
                f"{self.detector}: a patch of {self.side} px does not fit into images of "
                f"{tuple(images.shape[-2:])} px"
            )
        if training:
            shape = (images.shape[0], self.count)
            drawn = [torch.randint(room, shape, device="cpu") for room in rooms]
            return moved(torch.stack(drawn, dim=-1), images.device)
        if self.fixed is None or self.rooms != rooms:
            seeded = torch.Generator("cpu").manual_seed(0)
            shape = (1, self.count)
            drawn = [torch.randint(room, shape, generator=seeded, device="cpu") for room in rooms]
            self.rooms, self.fixed = rooms, moved(torch.stack(drawn, dim=-1), images.device)
        return self.fixed.expand(images.shape[0], -1, -1)

    def cut(self, images: Tensor, places: Tensor) -> Tensor:
        """Give the (B, n, C, side, side) patches of (B, C, H, W) images at (B, n, 2) places."""
        return cut_squares(images, places[..., 0], places[..., 1], self.side)


@torch.no_grad()
def texture(images: Tensor, places: Tensor, side: int) -> Tensor:
    """Measure the texture of patches: the sum of differences between adjacent pixels.

    The absolute differences of 8-bit values to the right, down and along both diagonals, within
    the patch and summed over the channels. Whole numbers, so that equal patches tie.

    Args:
        images: (B, C, H, W) in [0, 1].
        places: (B, n, 2) int64, top and left of each patch.
        side: Of a patch, in pixels.

    Returns:
        (B, n) int64.

    Source: Zhong et al., PatchCraft (arXiv 2311.12397), equation 1.
    """
    whole = (images.detach() * 255).round().long()
    upper, lower = whole[..., :-1, :], whole[..., 1:, :]
    differences = [
        (whole[..., 1:] - whole[..., :-1], (side, side - 1)),
        (lower - upper, (side - 1, side)),
        (lower[..., 1:] - upper[..., :-1], (side - 1, side - 1)),
        (lower[..., :-1] - upper[..., 1:], (side - 1, side - 1)),
    ]
    return sum(
        (_boxes(difference.abs().sum(dim=1), places, box) for difference, box in differences),
        start=torch.zeros_like(places[..., 0]),
    )


def _boxes(maps: Tensor, places: Tensor, box: tuple[int, int]) -> Tensor:
    """Sum (B, H, W) maps over boxes of (height, width) at (B, n, 2) places."""
    # Sums of everything above and to the left: a box is then four look-ups, whatever its size.
    sums = F.pad(maps.cumsum(dim=1).cumsum(dim=2), [1, 0, 1, 0])
    image = torch.arange(maps.shape[0], device=maps.device)[:, None]
    top, left = places.unbind(dim=-1)
    bottom, right = top + box[0], left + box[1]
    outer = sums[image, bottom, right] + sums[image, top, left]
    return outer - sums[image, top, right] - sums[image, bottom, left]
