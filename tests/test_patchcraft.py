import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from detectors import DetectorError
from detectors.parts.textures import texture
from detectors.patchcraft import PatchCraft


def images(count: int, side: int = 128) -> Tensor:
    """Noise whose strength grows from left to right."""
    noise = torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(3))
    return (0.5 + 0.1 * noise * torch.linspace(0, 1, side)).clamp(0, 1)


def whole(layout: Tensor, patch: int = 16) -> Tensor:
    """Give the textures of the patches that were laid out, row by row."""
    grid = range(0, layout.shape[-1], patch)
    places = torch.tensor([[(top, left) for top in grid for left in grid]])
    return texture(layout, places.expand(len(layout), -1, -1), patch)


def test_rich_and_poor_textures_are_the_ends_of_the_order() -> None:
    detector, inputs = PatchCraft(size="tiny").eval(), images(2)
    places = detector.cutter.places(inputs, training=False)
    ordered = texture(inputs, places, 16).sort(dim=1).values
    rich, poor = detector.textures(inputs)
    assert rich.shape == poor.shape == (2, 3, 64, 64)
    assert torch.equal(whole(poor), ordered[:, :16])
    assert torch.equal(whole(rich), ordered.flip(1)[:, :16])


def test_an_image_of_one_texture_has_no_contrast() -> None:
    detector = PatchCraft(size="tiny").eval()
    rich, poor = detector.textures(torch.full((1, 3, 128, 128), 0.3))
    assert torch.equal(rich, poor)


def test_the_residual_is_that_of_the_filters_in_grey_levels() -> None:
    detector, inputs, seen = PatchCraft(size="tiny").eval(), images(1), []
    detector.fingerprint[0].register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    detector(inputs)
    rich = detector.textures(inputs)[0]
    step = 255 * (rich[..., 1:] - rich[..., :-1]).mean(dim=1)  # the first filter of the bank
    torch.testing.assert_close(seen[0][:, 0, :, :-1], step, atol=1e-3, rtol=0)
    assert seen[0].shape[1] == 30


def test_base_has_the_papers_patches_and_its_own_count() -> None:
    detector = PatchCraft().eval()
    assert (detector.cutter.side, detector.cutter.count, detector.grid) == (32, 192, 8)
    # The count of the paper is not published; 10 + 1 convolutions of 32 channels.
    convolution = 32 * 32 * 9 + 32 + 64
    expected = 30 * 32 * 9 + 32 + 64 + 10 * convolution + 33
    assert sum(p.numel() for p in detector.parameters()) == expected
    large = F.interpolate(images(1), 256)
    assert detector.textures(large)[0].shape == (1, 3, 256, 256)


def test_there_are_no_weights_to_start_from() -> None:
    with pytest.raises(DetectorError, match="patchcraft has no pretrained weights"):
        PatchCraft(pretrained=True)


def test_an_input_smaller_than_a_patch_is_refused() -> None:
    with pytest.raises(DetectorError, match="patchcraft: a patch of 16 px does not fit"):
        PatchCraft(size="tiny", input_size=12)
