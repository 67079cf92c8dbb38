"""What a detector is made of, counted on random weights, so that nothing is fetched.

    python -m detectors.counting [NAME ...]

counts these detectors, or all of the catalog, anew and writes down what ``detectors.cards.counts``
reads.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from detectors.base import Known, Size
from detectors.cards import CARDS
from detectors.cards.counts import COUNTS_FILE, NetworkCounts, counts
from detectors.catalog import create_detector, detector_class
from detectors.errors import UnknownDetectorError
from detectors.files import FACTS
from detectors.sanity import is_told_labels

if TYPE_CHECKING:
    from detectors.base import Detector

# Prompts and classes are counted for real faces and one forgery of each kind.
TAXA = (
    ("real", "real", "real", "camera"),
    ("fake", "EFS", "diffusion", "generator-a"),
    ("fake", "AM", "GAN", "generator-b"),
    ("fake", "FS", "autoencoder", "generator-c"),
    ("fake", "FR", "graphics", "generator-d"),
)


def option_names(found: "type[Detector]") -> set[str]:
    """List the options that the constructor of a detector takes of its own."""
    builders = [vars(cls)["__init__"] for cls in found.__mro__ if "__init__" in vars(cls)]
    taken = [p for builder in builders for p in signature(builder).parameters.values()]
    known = {p.name for p in taken if p.kind is not p.VAR_KEYWORD}
    return known - {"self", "args", "size", "taxa", "untrained"}


def random_options(found: "type[Detector]", size: Size) -> dict[str, Any]:
    """Give the options that build a detector from random weights, where it starts from others."""
    without = {"pretrained": False} if "pretrained" in option_names(found) else {}
    return {**without, **(found.card.random_base if size == "base" else {})}


def build_random(name: str, size: Size) -> "Detector":
    """Build a detector for counting and timing: random weights, the published architecture."""
    options = random_options(detector_class(name), size)
    return create_detector(name, size=size, taxa=TAXA, untrained=True, **options).eval()


def noise_batch(detector: "Detector", images: int) -> tuple[Tensor, Known]:
    """Give (B, 3, S, S) inputs of noise in [0, 1], and what the card needs known of them."""
    generator = torch.Generator().manual_seed(0)
    inputs = torch.rand(images, *detector.transform.shape, generator=generator)
    facts = torch.rand(images, len(FACTS), generator=generator)
    known = Known(
        facts=facts if "file" in detector.card.needs else None,
        labels=torch.ones(images) if is_told_labels(detector) else None,
    )
    return inputs.to(detector.device), known.to(detector.device)


def count_flops(detector: "Detector") -> int:
    """Count the floating-point operations of scoring one prepared image by itself.

    A multiply-add is two. Matrix products, convolutions and attention count (torch's own counter);
    element-wise operations, Fourier transforms and resizing do not. Where prompts are read for
    every batch, reading them is in it.
    """
    inputs, known = noise_batch(detector, 1)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        detector.answer(inputs, known)
    return int(counter.get_total_flops())


def count_parameters(name: str, size: Size) -> tuple[int, int, int]:
    """Give parameters, trained parameters and input side of a detector; no weight is filled."""
    # An estimator is small, and measures its own layout, for which it needs numbers.
    device = "cpu" if detector_class(name).card.fit == "estimator" else "meta"
    with torch.device(device):
        detector = build_random(name, size)
    return numbers_of(detector)


def numbers_of(detector: "Detector") -> tuple[int, int, int]:
    """Give parameters, trained parameters and input side of a detector that is built."""
    parameters = list(detector.parameters())
    trained = sum(p.numel() for p in parameters if p.requires_grad)
    return sum(p.numel() for p in parameters), trained, detector.transform.size


def count(name: str, size: Size) -> NetworkCounts:
    """Count everything of a detector of the catalog at a size."""
    detector = build_random(name, size)
    return NetworkCounts(*numbers_of(detector), count_flops(detector))


def recounted(names: Sequence[str] = ()) -> dict[str, dict[str, NetworkCounts]]:
    """Give what ``counts`` gives, with the detectors of ``names``, or all, counted anew.

    Raises:
        UnknownDetectorError: A name is none of a detector of the catalog.
    """
    every = [name for name, card in CARDS.items() if not card.sanity]
    if unknown := sorted(set(names) - set(every)):
        raise UnknownDetectorError(
            f"no detector of the catalog is called '{unknown[0]}'; there are {', '.join(every)}"
        )
    found = {name: held for name, held in counts().items() if name in every}
    for name in names or every:
        found[name] = {size: count(name, size) for size in get_args(Size)}
    return found


def write(found: Mapping[str, Mapping[str, NetworkCounts]]) -> None:
    """Write numbers down for ``counts`` to read."""
    plain = {
        name: {size: numbers._asdict() for size, numbers in sizes.items()}
        for name, sizes in found.items()
    }
    text = json.dumps(plain, indent=2, sort_keys=True) + "\n"
    (Path(__file__).parent / "cards" / COUNTS_FILE).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write(recounted(sys.argv[1:]))
