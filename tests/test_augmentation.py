from collections.abc import Sequence
from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from benchmark.training import augmentation as augmentation_module
from benchmark.training.augmentation import only_mirrors
from benchmark.training.recipe import Augmentation, load_recipe
from benchmark.training.sampling import derive

IDS = [f"image{number}.png" for number in range(40)]


@pytest.fixture(scope="module")
def images() -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.rand(40, 3, 24, 24, generator=generator)


def augmented(
    images: Tensor, ids: Sequence[str], change: Augmentation, *, seed: int, step: int
) -> Tensor:
    """Change each image alone, as the loader's threads do."""
    return torch.stack(
        [
            augmentation_module.augmented(image, sample_id, change, seed=seed, step=step)
            for image, sample_id in zip(images, ids, strict=True)
        ]
    )


def batched(
    inputs: Tensor, ids: Sequence[str], change: Augmentation, *, seed: int, step: int
) -> Tensor:
    """Change a batch after it was put together, as was done before: what must not move."""
    scale = float(1 << 63)
    flips = [derive(seed, "flip", step, sample_id) / scale < change.flip for sample_id in ids]
    inputs = torch.where(torch.tensor(flips)[:, None, None, None], inputs.flip(-1), inputs)
    outputs = inputs
    for place, sample_id in enumerate(ids):
        chosen = {}
        for kind in ("rotate", "blur", "light", "jpeg"):
            if getattr(change, kind) == 0:
                continue
            random = np.random.default_rng(derive(seed, kind, step, sample_id))
            if random.random() < getattr(change, kind):
                chosen[kind] = random
        if not chosen:
            continue
        if outputs is inputs:
            outputs = inputs.clone()
        image = np.ascontiguousarray(inputs[place].detach().cpu().permute(1, 2, 0).numpy())
        for kind, drawn in chosen.items():
            image = augmentation_module._CHANGES[kind](image, drawn, change)
        outputs[place] = torch.from_numpy(image).permute(2, 0, 1).to(inputs.device)
    return outputs


def damaged(images: Tensor, **values: object) -> Tensor:
    change = Augmentation.model_validate({"flip": 0} | values)
    return augmented(images, IDS, change, seed=3, step=5)


def test_a_recipe_without_damage_changes_nothing(images: Tensor) -> None:
    image = images[0]
    assert augmentation_module.augmented(image, "a", Augmentation(flip=0), seed=3, step=5) is image


@pytest.mark.parametrize("name", ["deepfakebench", "resnet50-aug-base", "tiny"])
def test_images_one_by_one_are_to_the_bit_what_their_batch_was(images: Tensor, name: str) -> None:
    change = load_recipe(name).augmentation
    for step in range(4):
        ours = augmented(images, IDS, change, seed=1, step=step)
        assert torch.equal(ours, batched(images, IDS, change, seed=1, step=step))
        assert ours.is_contiguous()  # the layout too, by which a convolution rounds
    assert not torch.equal(ours, images)


def test_the_stated_share_of_images_is_mirrored(images: Tensor) -> None:
    change = Augmentation(flip=0.3)
    mirrored = 0
    for step in range(20):
        after = augmented(images, IDS, change, seed=0, step=step)
        for one, before in zip(after, images, strict=True):
            is_mirrored = torch.equal(one, before.flip(-1))
            assert is_mirrored or torch.equal(one, before)
            mirrored += is_mirrored
    assert abs(mirrored / 800 - 0.3) < 0.065  # four standard errors


def test_what_only_mirrors_is_told_from_what_damages() -> None:
    assert only_mirrors(Augmentation(flip=0.5))
    for kind in ("rotate", "blur", "light", "jpeg"):
        assert not only_mirrors(Augmentation.model_validate({"flip": 0.5, kind: 0.1}))


@pytest.mark.parametrize("kind", ["rotate", "blur", "light", "jpeg"])
@pytest.mark.parametrize("probability", [0.1, 0.5])
def test_the_stated_share_of_images_is_damaged(
    images: Tensor, kind: str, probability: float
) -> None:
    before = images.clone()
    seen = []
    for step in range(20):
        change = Augmentation.model_validate({"flip": 0, kind: probability})
        after = augmented(images, IDS, change, seed=0, step=step)
        assert after.shape == images.shape
        assert after.dtype == torch.float32
        assert 0 <= after.min() <= after.max() <= 1
        seen += [not torch.equal(a, b) for a, b in zip(after, images, strict=True)]
    # 800 draws: four standard errors of a share are at most 0.071.
    assert abs(np.mean(seen) - probability) < 0.071
    assert torch.equal(images, before)


def test_an_images_damage_hangs_on_seed_step_and_id_alone(images: Tensor) -> None:
    change = Augmentation(flip=0, rotate=0.5, blur=0.5, light=0.5, jpeg=0.5)
    whole = augmented(images, IDS, change, seed=1, step=2)
    half = augmented(images[20:], IDS[20:], change, seed=1, step=2)
    assert torch.equal(whole[20:], half)
    for other in ({"seed": 2, "step": 2}, {"seed": 1, "step": 3}):
        assert not torch.equal(whole, augmented(images, IDS, change, **other))
    assert not torch.equal(whole, augmented(images, IDS[::-1], change, seed=1, step=2))


def test_blur_takes_detail_and_keeps_the_mean(images: Tensor) -> None:
    blurred = damaged(images, blur=1, blur_sigma=[1, 3])
    assert (blurred.std(dim=(2, 3)) < 0.4 * images.std(dim=(2, 3))).all()
    torch.testing.assert_close(blurred.mean(dim=0).mean(), images.mean(), atol=0.01, rtol=0)
    assert torch.equal(damaged(images, blur=1, blur_sigma=[0, 0]), images)


def test_jpeg_is_that_of_the_stated_quality_in_the_order_of_the_channels() -> None:
    ramp = (
        torch.linspace(0, 1, 32).expand(1, 3, 32, 32) * torch.tensor([1, 0.5, 0.2])[:, None, None]
    )
    image = (ramp * 255).round() / 255
    change = Augmentation(flip=0, jpeg=1, jpeg_quality=(60, 60))
    ours = augmented(image, ["a"], change, seed=0, step=0)[0]
    pixels, file = (image[0] * 255).byte().permute(1, 2, 0).numpy(), BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=60)
    other = torch.from_numpy(np.array(Image.open(file))).permute(2, 0, 1) / 255
    # Two encoders may round differently; other channels or another quality differ by far more.
    assert (ours - other).abs().max() <= 3 / 255


def test_a_rotation_turns_about_the_middle_by_no_more_than_is_stated() -> None:
    spot = torch.zeros(1, 3, 33, 33)
    spot[..., 16, 16] = spot[..., 16, 30] = 1
    angles = []
    for step in range(60):
        change = Augmentation(flip=0, rotate=1, rotate_degrees=30)
        turned = augmented(spot, ["a"], change, seed=0, step=step)[0, 0]
        assert turned[16, 16] > 0.99
        turned[12:21, 12:21] = 0
        row, column = divmod(int(turned.argmax()), 33)
        angles.append(np.degrees(np.arctan2(16 - row, column - 16)))
    # A pixel at a distance of 14 is as wide as 4 degrees.
    assert 20 < max(angles) < 34
    assert -34 < min(angles) < -20


def test_light_is_one_contrast_and_brightness_for_an_image() -> None:
    image = torch.linspace(0.3, 0.6, 3 * 24 * 24).reshape(1, 3, 24, 24)
    change = Augmentation(flip=0, light=1, light_change=0.1)
    for step in range(20):
        after = augmented(image, ["a"], change, seed=0, step=step)
        slope = (after[0, 0, 0, 1] - after[0, 2, 5, 5]) / (image[0, 0, 0, 1] - image[0, 2, 5, 5])
        offset = (after - slope * image).mean()
        torch.testing.assert_close(after, slope * image + offset, atol=1e-5, rtol=0)
        assert abs(slope - 1) <= 0.1001
        assert abs(offset) <= 0.1001


def test_what_has_its_default_is_not_stated_so_that_models_keep_their_ids() -> None:
    assert Augmentation(flip=0.5).model_dump(mode="json") == {"flip": 0.5}
    assert Augmentation(flip=0.5, jpeg=0.1, jpeg_quality=(30, 100)).model_dump(mode="json") == {
        "flip": 0.5,
        "jpeg": 0.1,
    }
    stated = load_recipe("resnet50-aug-base").resolved(100).augmentation
    assert (stated.flip, stated.blur, stated.jpeg) == (0.5, 0.5, 0.5)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"blur": 1.5}, "less than or equal to 1"),
        ({"blur_sigma": [3, 1]}, r"a range is \[least, greatest\]"),
        ({"blur_sigma": [-1, 1]}, "neither below 0"),
        ({"rotate_degrees": 0}, "greater than 0"),
        ({"light_change": 1}, "less than 1"),
        ({"jpeg_quality": [0, 50]}, "within 1 to 100"),
        ({"jpeg_quality": [90, 30]}, "within 1 to 100"),
    ],
)
def test_a_range_that_is_none_is_refused(values: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Augmentation.model_validate({"flip": 0.5} | values)
