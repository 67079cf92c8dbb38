"""What is known of a detector before it is built: its card."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

Fit = Literal["gradient", "estimator", "none"]
Kind = Literal["spatial", "frequency", "vision-language", "foundation", "floor"]
Need = Literal["mask", "landmarks", "views", "prompts", "taxa", "file", "labels"]
CONTRACT_VERSION = 1
"""Raised by every change of what all detectors share (the base class, the transform, the reading of
weights, ...) that can change what one of them learns or how it scores."""
SYMMETRIC = "to [-1, 1]"
IMAGENET = "by mean and deviation of ImageNet"


class Taxon(NamedTuple):
    """What an image is, from coarse to fine; ``unknown`` where a level is not known."""

    label: str
    forgery: str
    family: str
    generator: str


@dataclass(frozen=True, kw_only=True)
class Card:
    """A detector's facts, as the tables print them.

    Attributes:
        name: Its name in the catalog.
        title: Its name in prose and tables.
        paper: Where it comes from, or how it is defined here.
        year: Year of the paper.
        kind: Group in listings.
        fidelity: What is exactly the paper's, what is not, and why.
        licence: Licence of the code and of the weights it is published with.
        pretraining: Data its published form was pretrained on, or ``none``.
        normalisation: What the network, not ``prepare``, does to values in [0, 1] first.
        fit: How it is trained: by gradient steps, as an estimator in one call, or not at all.
        needs: What must be known beside images and training labels. ``prompts`` and ``taxa``: the
            taxonomy of the training images. ``file``: facts of the stored file. ``labels``: the
            truth when scoring, which is the benchmark's own oracle's alone.
        learns_from: The training images that the loss looks at: ``both`` classes, or ``reals``.
        sanity: A check of the benchmark, no detector: listings leave it out.
        definition: What makes it what it is: ``training``, or pretrained ``weights``; without these
            it is another detector, which publishing leaves out.
        batches: Training batches that its loss takes: ``any``, or ``balanced`` ones, half real.
        batch_dependent: None, or the chunk size on which its scores depend; of the catalog alone.
        image_gradient: Whether the logit has a gradient with respect to the pixels, which attacks
            follow; of no matter unless ``fit`` is ``gradient``.
        random_base: Options, beside ``pretrained=False``, that build the size ``base`` from random
            weights with nothing fetched: for counting and timing.
        own_recipe: Name of the recipe that its paper or public code states (track ``own``); None:
            none is known. At size ``tiny`` its augmentation alone is taken.
        code: Address of its authors' code; empty where none is known.
        version: Part of the ids of its models; raised by every change of the catalog's detector
            that can change what it learns or how it scores. Of no matter for one's own.
    """

    name: str
    title: str
    paper: str
    year: int
    kind: Kind
    fidelity: str
    licence: str
    pretraining: str
    fit: Fit
    normalisation: str = "none"
    needs: frozenset[Need] = frozenset()
    learns_from: Literal["both", "reals"] = "both"
    sanity: bool = False
    definition: Literal["training", "weights"] = "training"
    batches: Literal["any", "balanced"] = "any"
    batch_dependent: int | None = None
    image_gradient: bool = True
    random_base: Mapping[str, Any] = field(default_factory=dict, hash=False)
    own_recipe: str | None = None
    code: str = ""
    version: int = 1
