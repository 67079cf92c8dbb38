"""What kept pixels spare: a pass over images that decodes them, and one that reads what is kept."""

import tempfile
from functools import partial
from pathlib import Path

import torch

from benchmark.data.images import image_tensor
from benchmark.data.kept import FILE, KeptPixels
from benchmark.data.source import ImageSource
from detectors.transform import Transform
from performance.around_networks import chosen
from performance.measuring import Row, own_seconds, paired


def kept_pixels(manifest: Path, images: int, rounds: int, side: int = 224) -> list[Row]:
    """Time passes in one thread by the process's own time; no source keeps images in memory.

    Args:
        manifest: Of faces whose sha256 is stated.
        images: How many of them.
        rounds: How often each pass is timed.
        side: Of the inputs that are prepared in the second pair.
    """
    samples, root = chosen(manifest, images)
    transform, roots = Transform(side), {"data": root}
    with tempfile.TemporaryDirectory() as folder:
        pixels = KeptPixels(folder)
        plain = ImageSource(samples, roots, budget_bytes=0)
        keeping = ImageSource(samples, roots, budget_bytes=0, pixels=pixels)
        for row in range(len(samples)):  # the first epoch
            if not (keeping.array(row) == plain.array(row)).all():
                raise ValueError(f"{samples['sample_id'][row]}: other pixels")

        def arrays(source: ImageSource) -> None:
            for row in range(len(samples)):
                source.array(row)

        def inputs(source: ImageSource) -> None:
            for row in range(len(samples)):
                transform(image_tensor(source.array(row)))

        files = sum((root / name).stat().st_size for name in samples["sample_id"])
        disk = {"decoded": files, "kept": (Path(folder) / FILE).stat().st_size}
        found: list[Row] = []
        for what, each in (("pixels", arrays), (f"inputs of {side} pixels", inputs)):
            timed = paired(
                {"decoded": partial(each, plain), "kept": partial(each, keeping)},
                rounds,
                torch.device("cpu"),
                timed=own_seconds,
            )
            found += [
                {
                    "what": what,
                    "from": name,
                    "ms an image": figures["seconds"] / len(samples) * 1e3,
                    "times as fast": figures["ratio"],
                    "kB an image on disk": disk[name] / len(samples) / 1e3,
                }
                for name, figures in timed.items()
            ]
    return found
