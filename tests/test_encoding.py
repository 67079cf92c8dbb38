"""One encoding for both classes: sizes, qualities, pixels, and what it refuses."""

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from benchmark.data.encoding import Encoding, fixed_encoding
from benchmark.data.manifest import read_manifest
from benchmark.data.source import ImageSource, WantedImage, nbytes
from benchmark.errors import BenchmarkError
from benchmark.study.samples import stated_samples
from protocols.schema import Aligned
from tests.conftest import MakePixels
from tests.small_data import write_dataset

ENCODING = Encoding(side=16, quality=(70, 95))


def sized(*sides: tuple[int, int]) -> pd.DataFrame:
    rows = [(f"{i}.png", str(w), str(h), "") for i, (w, h) in enumerate(sides)]
    return pd.DataFrame(rows, columns=["sample_id", "width", "height", "problem"])


def test_every_image_ends_at_one_size_with_its_proportions(draw: MakePixels) -> None:
    assert ENCODING(draw(48, 64), "a").shape == (16, 21, 3)
    assert ENCODING(draw(16, 16), "a").shape == (16, 16, 3)


def test_an_image_that_would_have_to_grow_is_refused(draw: MakePixels) -> None:
    with pytest.raises(BenchmarkError, match=r"'a/b\.png' is 64 x 12, smaller than the 16 px"):
        ENCODING(draw(12, 64), "a/b.png")


def test_quality_follows_from_the_id_alone_and_covers_its_range() -> None:
    found = [ENCODING.quality_of(f"{number}.png") for number in range(2000)]
    assert found == [Encoding(8, (70, 95)).quality_of(f"{number}.png") for number in range(2000)]
    counts = np.bincount(found, minlength=96)[70:]
    assert min(found) == 70
    assert max(found) == 95
    assert counts.max() < 2 * counts.min()


def test_pixels_are_those_of_an_area_mean_and_a_jpeg_encoder(draw: MakePixels) -> None:
    pixels = draw(32, 32)
    mean = np.round(pixels.reshape(16, 2, 16, 2, 3).mean(axis=(1, 3))).astype(np.uint8)
    found = ENCODING(pixels, "a").astype(float)

    def difference(quality: int) -> float:
        buffer = io.BytesIO()
        Image.fromarray(mean).save(buffer, "JPEG", quality=quality)
        # Decoders differ in how they enlarge the halved colour planes, so luma is compared.
        luma = (found - np.asarray(Image.open(buffer))) @ np.array([0.299, 0.587, 0.114])
        return float(np.abs(luma).mean())

    own = ENCODING.quality_of("a")
    assert difference(own) < 1
    assert 2 * difference(own) < min(difference(50), difference(99))


def test_the_smallest_side_of_any_readable_image_is_taken() -> None:
    aligned = Aligned(side="smallest", quality=(70, 95))
    samples = sized((300, 200), (180, 220), (10, 10))
    samples.loc[2, "problem"] = "missing"
    assert fixed_encoding(aligned, samples).side == 180


def test_sizes_that_are_not_known_or_too_small_are_told() -> None:
    with pytest.raises(BenchmarkError, match="do not state width and height"):
        fixed_encoding(Aligned(side="smallest", quality=(70, 95)), sized((300, 200))[["problem"]])
    with pytest.raises(BenchmarkError, match=r"1 images are smaller than the 190 px.*'1\.png'"):
        fixed_encoding(Aligned(side=190, quality=(70, 95)), sized((300, 200), (180, 220)))


def test_training_and_scoring_see_the_encoded_image(tmp_path: Path) -> None:
    manifest = read_manifest(write_dataset(tmp_path, count=1))
    samples = stated_samples({"data": manifest})
    plain = ImageSource(samples, {"data": manifest.root})
    aligned = ImageSource(samples, {"data": manifest.root}, encoding=ENCODING)
    for row in range(len(samples)):
        expected = ENCODING(plain.array(row), samples["sample_id"][row])
        assert (aligned.array(row) == expected).all()
        ((planes,),) = aligned.load([[WantedImage(row, aligned.pixels)]], workers=0, size=nbytes)
        assert (planes.numpy() == expected.transpose(2, 0, 1)).all()
