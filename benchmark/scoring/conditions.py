"""Where a condition acts on the way from a video to the image of a face.

At ``crop`` it is done to the sample as the manifest gives it, at ``frame`` to the whole picture
before the face is cut out at its box, at ``video`` to the video file before its frames are taken.
A box is where a face was found on the clean picture, so the same place is cut out of a damaged one;
a crop on disk is made again of its damaged picture.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import cache, partial
from typing import TypeVar

from benchmark.data.images import MAX_PIXELS, Pixels
from benchmark.data.source import ImageSource, Opener, Sample, WantedImage, nbytes
from benchmark.perturbations import apply
from benchmark.perturbations.videos import reencoding
from benchmark.timing import timed
from protocols.conditions import Condition

T = TypeVar("T")


def wanted_image(
    condition: Condition,
    source: ImageSource,
    row: int,
    make: Callable[[Pixels], T],
    *,
    noise_seed: int,
    clean: Callable[[Sample], Pixels] = Sample.array,
) -> WantedImage[T]:
    """Want something made of a sample under a condition that follows no gradient.

    Args:
        condition: Of any stage but ``model``.
        source: Where the samples' images come from.
        row: Which sample.
        make: Makes it of the (h, w, 3) uint8 RGB that the condition leaves.
        noise_seed: The protocol's.
        clean: Gives a clean sample, if they are kept somewhere.
    """
    if condition.stage == "video":
        encoded = _encoder(condition)
        return WantedImage(row, lambda sample: make(sample.changed(_itself)), encoded, whole=True)
    sample_id = source.ids[row]

    def change(pixels: Pixels) -> Pixels:
        with timed("perturb", count=1):
            return apply(condition, pixels, noise_seed=noise_seed, sample_id=sample_id)

    if condition.stage == "frame":
        return WantedImage(row, lambda sample: make(sample.changed(change)), whole=True)
    return WantedImage(row, lambda sample: make(change(clean(sample))))


@cache
def _encoder(condition: Condition) -> Opener:
    """Give what opens videos as they are under a condition; the same for all samples."""
    return partial(reencoding, condition, max_pixels=MAX_PIXELS)


def perturbed(
    condition: Condition,
    source: ImageSource,
    rows: Sequence[int],
    *,
    noise_seed: int,
    workers: int = 0,
) -> Iterator[tuple[int, Pixels]]:
    """Give samples under a condition that follows no gradient, in the order of ``rows``.

    Args:
        condition: Of any stage but ``model``.
        source: Where the samples' images come from.
        rows: Which samples.
        noise_seed: The protocol's.
        workers: Threads.

    Yields:
        The row and its (h, w, 3) uint8 RGB.

    Raises:
        ImageError: A file cannot be read.
    """
    batches = (
        [wanted_image(condition, source, row, _itself, noise_seed=noise_seed)] for row in rows
    )
    with closing(source.load(batches, workers=workers, size=nbytes, ahead=len(rows))) as loaded:
        for row, (pixels,) in zip(rows, loaded, strict=True):
            yield row, pixels


def _itself(pixels: Pixels) -> Pixels:
    """Give an image as it is."""
    return pixels
