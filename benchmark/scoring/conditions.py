"""Where a condition acts on the way from a video to the image of a face.

At ``crop`` it is done to the sample as the manifest gives it, at ``frame`` to the whole picture
before the face is cut out at its box, at ``video`` to the video file before its frames are taken.
A box is where a face was found on the clean picture, so the same place is cut out of a damaged one.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from benchmark.data.images import MAX_PIXELS, Pixels
from benchmark.data.source import ImageSource
from benchmark.perturbations import apply
from benchmark.perturbations.videos import reencoded_frames
from protocols.conditions import Condition


def perturbed(
    condition: Condition,
    source: ImageSource,
    rows: Sequence[int],
    *,
    noise_seed: int,
    decoded: Callable[[int], Pixels] | None = None,
) -> Iterator[tuple[int, Pixels]]:
    """Give samples under a condition that follows no gradient, in any order.

    Args:
        condition: Of any stage but ``model``.
        source: Where the samples' images come from.
        rows: Which samples.
        noise_seed: The protocol's.
        decoded: Gives a clean sample, if they are kept somewhere; ``source.array`` if left out.

    Yields:
        The row and its (h, w, 3) uint8 RGB.

    Raises:
        ImageError: A file cannot be read.
    """
    if condition.stage == "video":
        yield from _from_videos(condition, source, rows)
        return
    ids = source.samples["sample_id"]
    for row in rows:

        def change(pixels: Pixels, sample_id: str = str(ids.iloc[row])) -> Pixels:
            return apply(condition, pixels, noise_seed=noise_seed, sample_id=sample_id)

        if condition.stage == "frame":
            yield row, source.changed(row, change)
        else:
            yield row, change((decoded or source.array)(row))


def _from_videos(
    condition: Condition, source: ImageSource, rows: Sequence[int]
) -> Iterator[tuple[int, Pixels]]:
    """Encode each video once for all of its samples."""
    videos: dict[Path, dict[int, list[int]]] = {}
    for row in rows:
        place = source.place(row)
        assert place.frame is not None  # a resolved study has seen to it
        videos.setdefault(place.path, {}).setdefault(place.frame, []).append(row)
    for path, frames in videos.items():
        found = reencoded_frames(condition, path, frames, max_pixels=MAX_PIXELS)
        for number, wanted in frames.items():
            for row in wanted:
                yield row, source.cut(found[number], row)
