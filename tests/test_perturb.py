import dataclasses
import inspect
import io
from collections.abc import Callable
from importlib import import_module

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy.stats import kstest

from benchmark.errors import PerturbationError
from benchmark.perturbations import apply, function_of, names, random_stream
from benchmark.perturbations.codecs import encode_jpeg
from benchmark.perturbations.pixels import normal, normal_table
from protocols import CLEAN, Condition, UnknownNameError, load_protocol, perturbations
from protocols.conditions import condition

Pixels = NDArray[np.uint8]
MakePixels = Callable[..., Pixels]

# The mildest and the worst: between them only numbers differ.
ENDS = [(name, level) for name in names() for level in (1, len(perturbations()[name].levels))]
# As published, their levels are not steps of one scale, draw more than they add, or (pixelation)
# average two pixels by even divisors and take one by odd ones.
NO_STEPS = {
    "deeperforensics/pixelation",
    "imagenet-c/elastic",
    "imagenet-c/fog",
    "imagenet-c/saturate",
}
NOISE = "deeperforensics/gaussian-noise"
BLUR = "deeperforensics/gaussian-blur"


def perturbed(
    name: str, severity: int, image: Pixels, *, noise_seed: int = 1, sample_id: str = "a.png"
) -> Pixels:
    what = condition(name, severity, "crop", "test")
    return apply(what, image, noise_seed=noise_seed, sample_id=sample_id)


def psnr(image: Pixels, other: Pixels) -> float:
    error = np.mean((image.astype(float) - other.astype(float)) ** 2)
    return float(10 * np.log10(255**2 / error))


def test_what_has_levels_is_implemented_and_the_other_way_round() -> None:
    for name in names():
        assert callable(function_of(name)), name
    for suite in ("deeperforensics", "evasion", "imagenet-c", "real-world"):
        module = import_module(f"benchmark.perturbations.{suite.replace('-', '_')}")
        written = {
            f"{suite}/{function.__name__.replace('_', '-')}"
            for function in vars(module).values()
            if inspect.isfunction(function)
            and function.__module__ == module.__name__
            and next(iter(inspect.signature(function).parameters)) == "image"
            and not function.__name__.startswith("_")
        }
        assert written == {name for name in names() if name.startswith(f"{suite}/")}


def test_every_condition_of_the_robustness_protocol_can_be_applied(draw: MakePixels) -> None:
    for what in load_protocol("robustness-basic").expanded_conditions:
        assert apply(what, draw(), noise_seed=1, sample_id="a").shape == (48, 64, 3)


def test_clean_is_the_image_itself(draw: MakePixels) -> None:
    image = draw()
    assert apply(CLEAN, image, noise_seed=1, sample_id="a") is image


@pytest.mark.parametrize("size", [(64, 64), (65, 97), (128, 71), (9, 40), (1, 1)])
@pytest.mark.parametrize(("name", "severity"), ENDS)
def test_size_and_type_are_kept_and_the_input_too(
    draw: MakePixels, name: str, severity: int, size: tuple[int, int]
) -> None:
    image = draw(*size)
    before = image.copy()
    found = perturbed(name, severity, image)
    assert found.shape == image.shape
    assert found.dtype == np.uint8
    assert found.flags.owndata or found.base is not image
    np.testing.assert_array_equal(image, before)


@pytest.mark.slow
@pytest.mark.parametrize("name", names())
def test_large_images_keep_their_size(draw: MakePixels, name: str) -> None:
    assert perturbed(name, 3, draw(768, 513)).shape == (768, 513, 3)


@pytest.mark.parametrize("name", [name for name in names() if name not in NO_STEPS])
def test_a_higher_severity_damages_more(draw: MakePixels, name: str) -> None:
    levels = range(1, len(perturbations()[name].levels) + 1)
    for seed in range(3):
        image = draw(128, 160, seed)
        quality = [psnr(image, perturbed(name, level, image)) for level in levels]
        assert quality == sorted(quality, reverse=True), (seed, quality)
        assert quality[0] < 60


@pytest.mark.parametrize(("name", "severity"), ENDS)
def test_pixels_do_not_depend_on_what_came_before(
    draw: MakePixels, name: str, severity: int
) -> None:
    images = {f"{seed}.png": draw(seed=seed) for seed in range(4)}
    forth = {key: perturbed(name, severity, images[key], sample_id=key) for key in images}
    np.random.seed(5)  # noqa: NPY002 - global state must play no part
    back = {key: perturbed(name, severity, images[key], sample_id=key) for key in reversed(images)}
    for key in images:
        np.testing.assert_array_equal(forth[key], back[key])


def test_noise_differs_between_seeds_samples_and_versions(draw: MakePixels) -> None:
    image = draw()
    newer = dataclasses.replace(condition(NOISE, 1, "crop", "test"), version=2)
    found = [
        perturbed(NOISE, 1, image),
        perturbed(NOISE, 1, image, noise_seed=2),
        perturbed(NOISE, 1, image, sample_id="b.png"),
        apply(newer, image, noise_seed=1, sample_id="a.png"),
    ]
    residues = [(pixels.astype(float) - image).ravel() for pixels in found]
    correlations = np.corrcoef(residues) - np.eye(4)
    assert np.abs(correlations).max() < 0.1


def test_noise_has_one_pattern_at_all_severities() -> None:
    image = np.full((64, 64, 3), 128, dtype=np.uint8)
    weak, strong = (perturbed(NOISE, level, image).astype(float) - 128 for level in (1, 3))
    assert np.corrcoef(weak.ravel(), strong.ravel())[0, 1] > 0.99


def test_the_stage_does_not_move_a_pixel(draw: MakePixels) -> None:
    crop, frame = (condition(NOISE, 1, stage, "test") for stage in ("crop", "frame"))
    one, other = (apply(what, draw(), noise_seed=1, sample_id="a") for what in (crop, frame))
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(("severity", "variance"), list(enumerate([0.001, 0.002, 0.005], start=1)))
def test_the_noise_has_the_published_variance_where_nothing_is_clipped(
    severity: int, variance: float
) -> None:
    image = np.full((512, 512, 3), 128, dtype=np.uint8)
    red, green, blue = np.moveaxis(perturbed(NOISE, severity, image).astype(float), 2, 0)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    # White noise of this variance on the broadcast planes, stretched back to full range.
    planes = {
        "Y": (luma, 219),
        "Cb": ((blue - luma) / 1.773, 224),
        "Cr": ((red - luma) / 1.403, 224),
    }
    for name, (plane, steps) in planes.items():
        expected = 255 * np.sqrt(variance) * 255 / steps
        assert plane.std() == pytest.approx(expected, rel=0.02), name
    assert luma.mean() == pytest.approx(127.5, abs=0.2)  # cut to whole numbers, as published


def test_the_noise_is_white() -> None:
    image = np.full((256, 256, 3), 128, dtype=np.uint8)
    residue = perturbed(NOISE, 1, image).mean(axis=2) - 128
    for axis in (0, 1):
        shifted = np.roll(residue, 1, axis=axis)
        assert abs(np.corrcoef(residue.ravel(), shifted.ravel())[0, 1]) < 0.02


def test_the_noise_equals_the_published_chain_of_conversions(draw: MakePixels) -> None:
    image, what = draw(), condition(NOISE, 2, "crop", "test")
    planes = cv2.cvtColor(image.astype(np.float32), cv2.COLOR_RGB2YCrCb)[:, :, [0, 2, 1]]
    steps = np.array([219, 224, 224], dtype=np.float32)
    planes = (planes * steps + 16) / 255 / 255
    noise = normal(random_stream(what, 1, "a.png"), image.shape)
    planes = ((planes + np.sqrt(0.002) * noise) * 255 * 255 - 16) / steps
    rgb = cv2.cvtColor(planes[:, :, [0, 2, 1]].astype(np.float32), cv2.COLOR_YCrCb2RGB)
    published = np.clip(rgb, 0, 255).astype(np.uint8)
    difference = np.abs(published.astype(int) - perturbed(NOISE, 2, image))
    assert difference.max() <= 1  # OpenCV's two conversions invert each other to 3 digits
    assert (difference > 0).mean() < 0.02


@pytest.mark.parametrize(("severity", "side"), list(enumerate([7, 9, 13, 17, 21], start=1)))
def test_the_blur_has_the_published_kernel(severity: int, side: int) -> None:
    image = np.zeros((65, 65, 3), dtype=np.uint8)
    image[32, :] = 255  # a line, so that eight bits resolve the profile
    profile = perturbed(BLUR, severity, image)[:, 32, 0].astype(float)
    assert np.flatnonzero(profile)[0] >= 32 - side // 2
    offsets = np.arange(65) - 32
    kernel = np.exp(-(offsets**2) / (2 * (side / 6) ** 2)) * (np.abs(offsets) <= side // 2)
    np.testing.assert_allclose(profile, 255 * kernel / kernel.sum(), atol=1)


@pytest.mark.parametrize(("severity", "quality"), list(enumerate([95, 85, 75, 60, 40], start=1)))
def test_the_jpeg_has_the_stated_quality(draw: MakePixels, severity: int, quality: int) -> None:
    image = draw(96, 96)
    with Image.open(io.BytesIO(encode_jpeg(image, quality))) as file:
        np.testing.assert_array_equal(perturbed("real-world/jpeg", severity, image), file)
        tables = file.quantization  # type: ignore[attr-defined]
        assert file.layer[0][1:3] == (2, 2)  # type: ignore[attr-defined]
        assert file.layer[1][1:3] == (1, 1)  # type: ignore[attr-defined]
    # Annex K's luma table starts with 16, 11, 10; libjpeg scales it by 5000 / q or 200 - 2 q.
    scale = 5000 / quality if quality < 50 else 200 - 2 * quality
    expected = [max(1, int((step * scale + 50) / 100)) for step in (16, 11, 10)]
    assert list(tables[0][:3]) == expected


def test_resizing_takes_out_what_the_small_image_cannot_hold() -> None:
    columns = np.arange(256)
    for severity, scale in enumerate([0.9, 0.75, 0.5, 0.35, 0.25], start=1):

        def kept(cycles: float, severity: int = severity) -> float:
            wave = 128 + 100 * np.sin(2 * np.pi * cycles * columns)
            image = np.repeat(np.tile(wave, (256, 1))[:, :, None], 3, axis=2).astype(np.uint8)
            inner = perturbed("real-world/resize", severity, image)[64:192, 64:192]
            return float(inner.std() / image[64:192, 64:192].std())

        assert kept(0.15 * scale) > 0.9  # far below the small image's limit of scale / 2 cycles
        if scale < 0.7:
            assert kept(0.9 * scale) < 0.15  # far above it: gone, not aliased


def test_the_fast_noise_is_normal() -> None:
    random = np.random.Generator(np.random.Philox(3))
    noise = normal(random, (400, 1001)).astype(float)  # no multiple of four, in which bits come
    assert noise.shape == (400, 1001)
    assert noise.mean() == pytest.approx(0, abs=0.005)
    assert noise.std() == pytest.approx(1, abs=0.005)
    assert kstest(noise.ravel(), "norm").pvalue > 0.01
    assert (noise**4).mean() == pytest.approx(3, abs=0.03)
    table = normal_table()
    assert table.std() == pytest.approx(1, abs=1e-6)
    np.testing.assert_allclose(table, -table[::-1], rtol=1e-4)


def test_an_unknown_perturbation_is_named_with_what_was_meant(draw: MakePixels) -> None:
    with pytest.raises(
        UnknownNameError,
        match=r"no perturbation is called 'real-world/jpg'; did you mean 'real-world/jpeg'\?",
    ):
        apply(Condition("real-world/jpg", 1), draw(), noise_seed=1, sample_id="a")


@pytest.mark.parametrize(
    "image",
    [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32), np.zeros((0, 4, 3), np.uint8)],
)
def test_what_is_no_rgb_image_is_refused(image: Pixels) -> None:
    with pytest.raises(
        PerturbationError, match=r"'a': an image is an \(h, w, 3\) uint8 array, got "
    ):
        apply(CLEAN, image, noise_seed=1, sample_id="a")
