"""Each perturbation does what its publication says, by a second way of computing it."""

import math
from collections.abc import Callable

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter, zoom

from benchmark.perturbations import apply, names, random_stream
from benchmark.perturbations.codecs import through_jpeg, through_video, through_webp
from benchmark.perturbations.imagenet_c import plasma
from protocols import ProtocolError, perturbations
from protocols.conditions import Perturbation, condition, shown, values_of
from protocols.reading import parse

Pixels = NDArray[np.uint8]
MakePixels = Callable[..., Pixels]

PUBLISHED: dict[str, list[object]] = {
    "deeperforensics/saturation": [0.4, 0.3, 0.2, 0.1, 0.0],
    "deeperforensics/contrast": [0.85, 0.725, 0.6, 0.475, 0.35],
    "deeperforensics/block-wise": [16, 32, 48, 64, 80],
    "deeperforensics/gaussian-noise": [0.001, 0.002, 0.005, 0.01, 0.05],
    "deeperforensics/gaussian-blur": [7, 9, 13, 17, 21],
    "deeperforensics/pixelation": [2, 3, 4, 5, 6],
    "deeperforensics/h264-intra": [30, 32, 35, 38, 40],
    "imagenet-c/gaussian-noise": [0.08, 0.12, 0.18, 0.26, 0.38],
    "imagenet-c/shot-noise": [60, 25, 12, 5, 3],
    "imagenet-c/impulse-noise": [0.03, 0.06, 0.09, 0.17, 0.27],
    "imagenet-c/speckle-noise": [0.15, 0.2, 0.35, 0.45, 0.6],
    "imagenet-c/gaussian-blur": [1, 2, 3, 4, 6],
    "imagenet-c/defocus-blur": [(3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5)],
    "imagenet-c/motion-blur": [(10, 3), (15, 5), (15, 8), (15, 12), (20, 15)],
    "imagenet-c/zoom-blur": [(0.01, 12), (0.01, 16), (0.02, 11), (0.02, 13), (0.03, 11)],
    "imagenet-c/fog": [(1.5, 2), (2, 2), (2.5, 1.7), (2.5, 1.5), (3, 1.4)],
    "imagenet-c/brightness": [0.1, 0.2, 0.3, 0.4, 0.5],
    "imagenet-c/contrast": [0.4, 0.3, 0.2, 0.1, 0.05],
    "imagenet-c/saturate": [(0.3, 0), (0.1, 0), (2, 0), (5, 0.1), (20, 0.2)],
    "imagenet-c/jpeg": [25, 18, 15, 10, 7],
    "imagenet-c/pixelate": [0.6, 0.5, 0.4, 0.3, 0.25],
    "imagenet-c/elastic": [
        (488, 170.8, 24.4),
        (488, 19.52, 48.8),
        (12.2, 2.44, 4.88),
        (17.08, 2.44, 4.88),
        (29.28, 2.44, 4.88),
    ],
    "real-world/jpeg": [95, 85, 75, 60, 40],
    "real-world/webp": [90, 75, 60, 45, 30],
    "real-world/resize": [0.9, 0.75, 0.5, 0.35, 0.25],
}


def perturbed(name: str, severity: int, image: Pixels, sample_id: str = "a.png") -> Pixels:
    return apply(
        condition(name, severity, "crop", "test"), image, noise_seed=1, sample_id=sample_id
    )


def stream(name: str, sample_id: str = "a.png") -> np.random.Generator:
    return random_stream(condition(name, 1, "crop", "test"), 1, sample_id)


def grey(value: int, height: int = 64, width: int = 64) -> Pixels:
    return np.full((height, width, 3), value, dtype=np.uint8)


def difference(found: Pixels, expected: NDArray[np.floating]) -> float:
    return float(np.abs(found.astype(float) - np.floor(np.clip(expected, 0, 255))).max())


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_levels_are_the_published_ones(name: str) -> None:
    assert list(perturbations()[name].levels) == PUBLISHED[name]


def test_what_is_not_in_that_table_is_the_projects_own() -> None:
    own = {name for name in names() if name not in PUBLISHED}
    assert all(name.startswith(("evasion/", "real-world/")) for name in own)


def test_titles_differ() -> None:
    titles = [entry.title for entry in perturbations().values()]
    assert len(set(titles)) == len(titles)


def test_a_level_is_written_for_a_reader() -> None:
    assert [shown(level) for level in (0.5, (10.0, 0.5))] == ["0.5", "10/0.5"]
    assert [values_of(level) for level in (0.5, (10.0, 0.5))] == [(0.5,), (10.0, 0.5)]


def test_a_level_that_lacks_a_value_is_refused() -> None:
    raw = {"version": 1, "title": "t", "parameter": "radius, sigma", "levels": [[1, 2], 3]}
    with pytest.raises(ProtocolError, match=r"x\.yaml: .*every level has 2 values: radius, sigma"):
        parse(Perturbation, raw, "x.yaml")


@pytest.mark.parametrize(("severity", "share"), list(enumerate([0.4, 0.3, 0.2, 0.1, 0.0], 1)))
def test_saturation_takes_that_much_colour_and_keeps_the_luma(
    draw: MakePixels, severity: int, share: float
) -> None:
    image = draw(32, 32).astype(float)
    luma = image @ [0.299, 0.587, 0.114]
    found = perturbed("deeperforensics/saturation", severity, draw(32, 32))
    expected = luma[..., None] + share * (image - luma[..., None])
    assert difference(found, expected) <= 1


def test_contrast_darkens_and_is_cut(draw: MakePixels) -> None:
    for severity, factor in enumerate([0.85, 0.725, 0.6, 0.475, 0.35], start=1):
        found = perturbed("deeperforensics/contrast", severity, draw())
        expected = (draw().astype(np.float32) * np.float32(factor)).astype(np.uint8)
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(("side", "times"), [(128, 1), (255, 1), (256, 1), (512, 2)])
def test_blocks_are_counted_by_the_side(side: int, times: int) -> None:
    covered = [
        perturbed("deeperforensics/block-wise", severity, grey(7, side, side)) == 128
        for severity in (1, 2)
    ]
    for severity, mask in enumerate(covered, start=1):
        area = mask[..., 0].sum() / 64
        assert area <= 16 * severity * times
        assert area > 16 * severity * times * (0.75 if side > 128 else 0.6)  # they may overlap
    assert (covered[1] & covered[0] == covered[0]).all()  # those of severity 1 stay
    assert not covered[1][-1].any()  # as published, the last row is never reached


def test_pixelation_gives_cells_of_its_divisor() -> None:
    image = np.zeros((60, 60, 3), dtype=np.uint8)
    image[:, ::2] = 255  # the finest stripes: a mean of two columns is even grey
    assert np.ptp(perturbed("deeperforensics/pixelation", 1, image)) == 0
    np.testing.assert_array_equal(
        perturbed("deeperforensics/pixelation", 2, image),
        cv2.resize(cv2.resize(image, (20, 20)), (60, 60)),
    )


@pytest.mark.parametrize("codec", ["h264", "hevc"])
@pytest.mark.parametrize("size", [(64, 64), (33, 71), (5, 200)])
def test_video_codecs_keep_any_size(draw: MakePixels, codec: str, size: tuple[int, int]) -> None:
    image = draw(*size)
    fine, coarse = (through_video(image, codec, crf) for crf in (10, 45))  # type: ignore[arg-type]
    assert fine.shape == coarse.shape == image.shape
    # Chroma has half the resolution at any CRF, so the luma tells.
    luma = [each.astype(float) @ [0.299, 0.587, 0.114] for each in (image, fine, coarse)]
    errors = [np.abs(each - luma[0]).mean() for each in luma[1:]]
    assert errors[0] < 2.5
    assert errors[1] > errors[0] + 1


def test_a_codec_gives_the_same_bytes_again(draw: MakePixels) -> None:
    image = draw(97, 65)
    for again in range(2):
        for name in ("deeperforensics/h264-intra", "real-world/h264", "real-world/h265"):
            first = perturbed(name, 5, image, str(again))
            np.testing.assert_array_equal(first, perturbed(name, 5, image))


def test_the_intra_levels_are_levels_of_the_same_codec(draw: MakePixels) -> None:
    np.testing.assert_array_equal(
        perturbed("deeperforensics/h264-intra", 5, draw()), perturbed("real-world/h264", 5, draw())
    )


def test_webp_is_lossy_and_by_its_quality(draw: MakePixels) -> None:
    errors = [np.abs(through_webp(draw(), q).astype(int) - draw()).mean() for q in (95, 20)]
    assert 0 < errors[0] < errors[1]


@pytest.mark.parametrize(("severity", "deviation"), [(1, 0.08), (2, 0.12)])
def test_imagenet_noise_has_its_deviation(severity: int, deviation: float) -> None:
    residue = perturbed("imagenet-c/gaussian-noise", severity, grey(128, 256, 256)) - 128.0
    assert residue.std() == pytest.approx(255 * deviation, rel=0.02)
    assert np.corrcoef(residue[..., 0].ravel(), residue[..., 1].ravel())[0, 1] < 0.02


def test_shot_noise_counts_photons() -> None:
    found = perturbed("imagenet-c/shot-noise", 2, grey(100, 256, 256))
    levels = np.unique(found)
    assert set(levels) <= {int(min(255, k / 25 * 255)) for k in range(60)}
    mean = 100 / 255 * 25
    assert (found / 255 * 25).mean() == pytest.approx(mean, rel=0.02)
    assert (found / 255 * 25).var() == pytest.approx(mean, rel=0.05)


def test_impulse_noise_hits_its_share_of_values() -> None:
    for severity, share in enumerate([0.03, 0.06, 0.09, 0.17, 0.27], start=1):
        found = perturbed("imagenet-c/impulse-noise", severity, grey(100, 256, 256))
        assert set(np.unique(found)) == {0, 100, 255}
        assert (found != 100).mean() == pytest.approx(share, rel=0.05)
        assert (found == 255).mean() == pytest.approx(share / 2, rel=0.05)


def test_speckle_noise_grows_with_the_value() -> None:
    spread = [perturbed("imagenet-c/speckle-noise", 1, grey(v, 256, 256)).std() for v in (40, 80)]
    assert spread[0] == pytest.approx(40 * 0.15, rel=0.03)
    assert spread[1] == pytest.approx(80 * 0.15, rel=0.03)


@pytest.mark.parametrize(("severity", "sigma"), list(enumerate([1, 2, 3, 4, 6], start=1)))
def test_the_imagenet_blur_repeats_the_border(
    draw: MakePixels, severity: int, sigma: float
) -> None:
    expected = gaussian_filter(draw().astype(float), (sigma, sigma, 0), mode="nearest")
    assert difference(perturbed("imagenet-c/gaussian-blur", severity, draw()), expected) <= 1


@pytest.mark.parametrize(("severity", "radius"), [(1, 3), (4, 8), (5, 10)])
def test_defocus_spreads_a_point_over_a_disk(severity: int, radius: int) -> None:
    image = np.zeros((61, 61, 3), dtype=np.uint8)
    image[30, 30] = 255
    wide = cv2.dilate(image, np.ones((3, 3)))
    spread = perturbed("imagenet-c/defocus-blur", severity, wide.astype(np.uint8))
    rows = np.flatnonzero(spread[:, 30, 0])
    assert abs((rows[-1] - rows[0]) / 2 - radius) <= 2.5
    assert spread[30 + radius + 1, 30 + radius + 1].max() == 0  # the corner of its square


def test_motion_blur_is_the_sum_along_its_line(draw: MakePixels) -> None:
    image = draw(40, 50).astype(float)
    angle = math.radians(stream("imagenet-c/motion-blur").uniform(-45, 45))
    weights = [math.exp(-(i**2) / (2 * 3.0**2)) for i in range(21)]
    expected = np.zeros_like(image)
    rows, columns = np.indices(image.shape[:2])
    for i, weight in enumerate(weights):
        down = np.clip(rows + math.ceil(i * math.sin(angle) - 0.5), 0, 39)
        right = np.clip(columns + math.ceil(i * math.cos(angle) - 0.5), 0, 49)
        expected += weight / sum(weights) * image[down, right]
    found = perturbed("imagenet-c/motion-blur", 1, draw(40, 50))
    assert np.abs(found - expected).max() <= 0.5 + 1e-6


def test_zoom_blur_is_the_mean_of_enlargements(draw: MakePixels) -> None:
    image = draw(60, 60).astype(np.float32)
    for severity, (step, steps) in enumerate([(0.01, 12), (0.01, 16), (0.02, 11)], start=1):
        total = image.copy()
        for factor in 1 + step * np.arange(steps):
            kept = math.ceil(60 / factor)
            top = (60 - kept) // 2
            inner = image[top : top + kept, top : top + kept]
            grown = zoom(inner, (factor, factor, 1), order=1)
            trim = (len(grown) - 60) // 2
            total += grown[trim : trim + 60, trim : trim + 60]
        found = perturbed("imagenet-c/zoom-blur", severity, draw(60, 60))
        assert difference(found, total / (steps + 1)) <= 1


def test_the_cloud_is_seamless_and_from_0_to_1() -> None:
    cloud = plasma(64, 2.0, stream("imagenet-c/fog").uniform)
    assert (cloud.min(), cloud.max()) == (0, 1)
    inner = np.abs(np.diff(cloud, axis=0)).mean()
    seam = np.abs(cloud[0] - cloud[-1]).mean()
    assert seam < 3 * inner
    rough = plasma(64, 1.2, stream("imagenet-c/fog").uniform)
    assert np.abs(np.diff(rough, axis=0)).mean() > 2 * inner  # a slower decay leaves more detail


def test_fog_keeps_the_brightest_value_in_reach(draw: MakePixels) -> None:
    image = draw(64, 64)
    cloud = plasma(256, 2.0, stream("imagenet-c/fog").uniform)[:64, :64, None]
    brightest = image.max() / 255
    expected = 255 * (image / 255 + 1.5 * cloud) * brightest / (brightest + 1.5)
    assert difference(perturbed("imagenet-c/fog", 1, image), expected) <= 1


def test_brightness_and_saturation_change_one_of_hsv(draw: MakePixels) -> None:
    image = draw(48, 48, 2)
    bright = perturbed("imagenet-c/brightness", 1, image).max(axis=2).astype(float)
    assert np.abs(bright - np.minimum(255, np.floor(image.max(axis=2) + 25.5))).max() <= 1
    dull = perturbed("imagenet-c/saturate", 1, image).astype(float)
    top = image.max(axis=2, keepdims=True).astype(float)
    expected = top - 0.3 * (top - image)
    assert np.abs(dull - np.floor(expected)).max() <= 1


def test_imagenet_contrast_is_about_the_mean_of_each_colour(draw: MakePixels) -> None:
    image = draw().astype(float)
    means = image.mean(axis=(0, 1))
    expected = (image - means) * 0.4 + means
    assert difference(perturbed("imagenet-c/contrast", 1, draw()), expected) <= 1


def test_imagenet_jpeg_is_a_jpeg(draw: MakePixels) -> None:
    np.testing.assert_array_equal(perturbed("imagenet-c/jpeg", 1, draw()), through_jpeg(draw(), 25))


def test_pixelate_gives_means_of_boxes(draw: MakePixels) -> None:
    image = draw(64, 64)
    found = perturbed("imagenet-c/pixelate", 5, image)
    means = image.reshape(16, 4, 16, 4, 3).mean(axis=(1, 3))
    expected = np.kron(means, np.ones((4, 4, 1)))
    assert np.abs(found - expected).max() <= 1


def test_elastic_moves_pixels_and_makes_none(draw: MakePixels) -> None:
    image = draw(64, 64)
    found = perturbed("imagenet-c/elastic", 3, image)
    assert found.min() >= image.min() - 1
    assert found.max() <= image.max()
    assert np.abs(found.astype(float) - image).mean() > 1
    assert set(np.unique(perturbed("imagenet-c/elastic", 3, grey(100)))) <= {99, 100}


def test_a_screenshot_is_a_scaled_picture_stored_as_jpeg(draw: MakePixels) -> None:
    image = Image.fromarray(draw(100, 80))
    shown_at = image.resize((60, 75), Image.Resampling.BICUBIC)
    stored = through_jpeg(np.asarray(shown_at), 90)
    expected = Image.fromarray(stored).resize((80, 100), Image.Resampling.BICUBIC)
    np.testing.assert_array_equal(perturbed("real-world/screenshot", 2, draw(100, 80)), expected)


def test_a_social_network_compresses_twice(draw: MakePixels) -> None:
    image = draw(100, 80)
    assert not np.array_equal(
        perturbed("real-world/social", 3, image), perturbed("real-world/screenshot", 3, image)
    )
    flat = perturbed("real-world/social", 5, grey(90))
    assert np.abs(flat.astype(int) - 90).max() <= 2  # no tint, whatever the levels


def test_gamma_brightens_half_of_the_samples_and_darkens_the_others() -> None:
    found = {
        int(perturbed("real-world/gamma", 5, grey(128), f"{i}.png")[0, 0, 0]) for i in range(20)
    }
    assert found == {round(255 * (128 / 255) ** 2.5), round(255 * (128 / 255) ** 0.4)}


def test_fingerprint_removal_takes_the_finest_trace_and_leaves_the_picture() -> None:
    ramp = np.linspace(60, 180, 128)[None, :, None] * np.ones((128, 1, 3))
    board = 6.0 * (np.indices((128, 128)).sum(axis=0) % 2 * 2 - 1)[..., None]
    image = np.rint(ramp + board).astype(np.uint8)
    for severity in range(1, 6):
        found = perturbed("evasion/fingerprint-removal", severity, image).astype(float)
        inner = (slice(16, -16), slice(16, -16))
        assert np.abs((found * np.sign(board))[inner].mean()) < 0.25 * 6
        assert np.abs(found - ramp)[inner].mean() < 3


@pytest.mark.parametrize("value", [30, 128, 200])
def test_sensor_noise_is_shot_and_read_noise_in_linear_light(value: int) -> None:
    found = perturbed("real-world/sensor-noise", 1, grey(value, 256, 256)) / 255
    light = ((found + 0.055) / 1.055) ** 2.4
    mean = ((value / 255 + 0.055) / 1.055) ** 2.4
    assert light.mean() == pytest.approx(mean, rel=0.02)
    assert light.std() == pytest.approx(math.sqrt(mean * 4000 + 16) / 4000, rel=0.05)
