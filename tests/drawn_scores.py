"""Scores drawn from laws whose metrics are known, and replicates of none."""

import numpy as np

from results.statistics.intervals import Replicated

Drawn = tuple[np.ndarray, np.ndarray, np.ndarray]


def videos(rng: np.random.Generator, per_class: int = 20, frames: int = 8) -> Drawn:
    """Draw frames of real and forged videos, alike within a video; the AUC is 0.773 on average."""
    cluster = np.repeat(np.arange(2 * per_class), frames)
    labels = (cluster >= per_class).astype(int)
    of_video = rng.normal(size=2 * per_class)[cluster]
    return labels, of_video + 1.5 * labels + rng.normal(size=len(labels)), cluster


def swaps(rng: np.random.Generator, number: int = 40, effect: float = 1.0) -> Drawn:
    """Draw real images with five fakes of each, alike within such a set."""
    cluster = np.repeat(np.arange(number), 6)
    labels = np.tile([0, 1, 1, 1, 1, 1], number)
    scores = rng.normal(size=number)[cluster] + effect * labels + rng.normal(size=len(labels))
    return labels, scores, cluster


def replicated(seed: int, mean: float, *, seeds: int = 1, spread: float = 0.02) -> Replicated:
    rng = np.random.default_rng(seed)
    estimates = mean + 0.01 * rng.normal(size=seeds)
    replicates = estimates[:, None] + spread * rng.normal(size=(seeds, 500))
    return Replicated(
        seeds=tuple(range(seeds)), estimates=estimates, replicates=replicates, clusters=40
    )
