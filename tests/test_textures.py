import pytest
import torch
from torch import Tensor

from detectors import DetectorError
from detectors.parts.textures import Cutter, texture


def images(count: int, side: int = 24) -> Tensor:
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(3))


def test_texture_is_the_sum_of_differences_in_four_directions() -> None:
    inputs, cutter = images(2), Cutter(6, 5, detector="d")
    places = cutter.places(inputs, training=True)
    found = texture(inputs, places, 6)
    for patches, row in zip(cutter.cut(inputs, places), found, strict=True):
        for patch, total in zip((255 * patches).round().long(), row, strict=True):
            expected = 0
            for i in range(6):
                for j in range(6):
                    for down, across in ((0, 1), (1, 0), (1, 1), (1, -1)):
                        k, m = i + down, j + across
                        if k < 6 and 0 <= m < 6:
                            expected += int((patch[:, i, j] - patch[:, k, m]).abs().sum())
            assert total == expected


def test_a_flat_patch_has_no_texture() -> None:
    cutter, flat = Cutter(8, 4, detector="d"), torch.full((1, 3, 20, 20), 0.4)
    assert not texture(flat, cutter.places(flat, training=False), 8).any()


def test_a_patch_is_what_lies_at_its_place() -> None:
    inputs, cutter = images(2), Cutter(5, 7, detector="d")
    places = cutter.places(inputs, training=True)
    patches = cutter.cut(inputs, places)
    for b in range(2):
        for n, (top, left) in enumerate(places[b].tolist()):
            assert torch.equal(patches[b, n], inputs[b, :, top : top + 5, left : left + 5])


def test_places_are_fixed_in_scoring_and_drawn_in_training() -> None:
    inputs, cutter = images(3), Cutter(5, 7, detector="d")
    torch.manual_seed(0)
    fixed = cutter.places(inputs, training=False)
    assert torch.equal(fixed, cutter.places(inputs, training=False))
    assert torch.equal(fixed[0], fixed[2])
    first = cutter.places(inputs, training=True)
    assert not torch.equal(first, cutter.places(inputs, training=True))
    assert not torch.equal(first[0], first[2])
    torch.manual_seed(0)
    assert torch.equal(first, cutter.places(inputs, training=True))


def test_every_place_can_be_drawn_and_none_lies_outside() -> None:
    places = Cutter(22, 300, detector="d").places(images(1), training=True)
    assert set(map(tuple, places[0].tolist())) == {(i, j) for i in range(3) for j in range(3)}


def test_a_patch_larger_than_the_image_is_refused() -> None:
    said = r"d: a patch of 30 px does not fit into images of \(24, 24\) px"
    with pytest.raises(DetectorError, match=said):
        Cutter(30, 2, detector="d").places(images(1), training=False)
