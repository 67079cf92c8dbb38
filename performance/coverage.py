"""What intervals cover and how often comparisons err, by simulation, on this code.

    python -m performance.coverage [--sets 400] [--page docs/metrics.md] [--json FILE]

Data sets are drawn from laws whose AUC is known; line ``i`` of a table has the seed ``i``, so that
a run gives the same numbers again. Scores are normal; frames of a video share half their variance.
"""

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.special import ndtri

from docs.scripts.pages import rewrite
from performance.measuring import Row, markdown
from performance.other_designs import OTHER_DESIGNS, OtherDesign, drawn_other
from results.metrics.checking import Bools, Counts, Floats
from results.metrics.roc import Ranked
from results.statistics.bootstrap import (
    Draws,
    class_parts,
    plan_draws,
    sampling_variance,
)
from results.statistics.clusters import ClusterWays
from results.statistics.intervals import (
    UNIT,
    Replicated,
    bootstrap_interval,
    bound_at_end,
    replicate,
)
from results.statistics.ranking import ranking

BEGIN, END = "<!-- made by: python -m performance.coverage -->", "<!-- end of what is made -->"
RESAMPLES = 200
OTHERS = "Intervals of one AUC in designs that no constant was chosen on"
Generator = np.random.Generator


class Design(NamedTuple):
    """Videos of one size: ``shared`` if each has real and forged frames, else a class each."""

    shared: bool
    auc: float
    videos: int
    frames: int


DESIGNS = (
    Design(True, 0.9, 10, 8),
    Design(True, 0.9, 30, 8),
    Design(True, 0.99, 5, 8),
    Design(True, 0.99, 10, 8),
    Design(True, 0.99, 30, 8),
    Design(True, 0.99, 70, 20),
    Design(False, 0.9, 10, 8),
    Design(False, 0.99, 10, 8),
    Design(False, 0.99, 30, 8),
    Design(False, 0.99, 150, 1),
)
# Detectors, seeds, variance of the mean over seeds in units of that of samples.
SEEDS = ((5, 1, 0.0), (5, 2, 1.0), (5, 2, 4.0), (5, 3, 4.0), (10, 2, 4.0), (10, 3, 4.0))
# Sources, and generators that each forged a random half of them.
STRATA = ((40, 4), (60, 5), (100, 6))
# People, donors of each, and the share of the variance that is the donor's.
SWAPS = ((59, 5, 0.0), (59, 5, 0.25), (59, 5, 0.5), (30, 5, 0.5))


def main(arguments: Sequence[str] | None = None) -> None:
    """Simulate, print, and write page and JSON where asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", type=int, default=400, help="data sets a line")
    parser.add_argument("--page", type=Path)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    tables = simulated(options.sets)
    error = (0.05 * 0.95 / options.sets) ** 0.5
    says = (
        f"{options.sets} data sets a line, {RESAMPLES} resamples, seeds 0, 1, ... down each table; "
        f"nominal 0.95 and 0.05, Monte Carlo error {error:.3f}."
    )
    text = "\n".join([says, *(f"\n{title}:\n\n{markdown(rows)}" for title, rows in tables.items())])
    print(text)
    if options.page is not None:
        rewrite(str(options.page), BEGIN, END, text + "\n")
    if options.json is not None:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        facts = {"sets": options.sets, "resamples": RESAMPLES, "tables": tables}
        options.json.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


def simulated(sets: int) -> dict[str, list[Row]]:
    """Give all tables, of so many data sets a line."""

    def lines(count: int) -> list[Generator]:
        return [np.random.default_rng(line) for line in range(count)]

    return {
        "Intervals of one AUC, by clusters a class": [
            interval_row(design, sets, rng)
            for design, rng in zip(DESIGNS, lines(len(DESIGNS)), strict=True)
        ],
        OTHERS: [
            other_row(design, sets, rng)
            for design, rng in zip(OTHER_DESIGNS, lines(len(OTHER_DESIGNS)), strict=True)
        ],
        "Equal detectors of several seeds in one table of ranks (50 clusters)": [
            seeds_row(*line, sets, rng) for line, rng in zip(SEEDS, lines(len(SEEDS)), strict=True)
        ],
        "Cells that share some of their clusters, AUC 0.9": [
            strata_row(*line, sets, rng)
            for line, rng in zip(STRATA, lines(len(STRATA)), strict=True)
        ],
        "Face swaps of everybody with five others, AUC 0.9": [
            swaps_row(*line, sets, rng) for line, rng in zip(SWAPS, lines(len(SWAPS)), strict=True)
        ],
    }


def interval_row(design: Design, sets: int, rng: Generator) -> Row:
    """Count how often the interval of the AUC holds the true one, videos being all alike."""
    return {
        "videos": "both classes" if design.shared else "one class",
        "AUC": design.auc,
        "clusters x frames": f"{design.videos} x {design.frames}",
        **covering(lambda: drawn_videos(design, rng), design.auc, sets),
    }


def other_row(design: OtherDesign, sets: int, rng: Generator) -> Row:
    """Count how often it does so in a design that nothing was chosen on."""
    return {
        "law": design.law,
        "videos": "both classes" if design.shared else "one class",
        "AUC": design.auc,
        "real + forged videos": f"{design.real} + {design.fake}",
        "frames": design.frames or "uneven",
        **covering(lambda: drawn_other(design, rng), design.auc, sets),
    }


def covering(drawn: Callable[[], tuple[Counts, Floats, Counts]], auc: float, sets: int) -> Row:
    """Count how often the interval of the AUC holds the true one."""
    covered, plain, too_high, perfect, widths = 0, 0, 0, 0, []
    for _ in range(sets):
        labels, scores, clusters = drawn()
        draws = Draws.of_cell(labels, clusters, resamples=RESAMPLES)
        found = replicate(draws, labels, {0: scores}, Ranked.auc)
        value, replicates = float(found.estimates[0]), found.replicates[0]
        if value in UNIT:
            perfect += 1
            low, high, _ = bound_at_end(value, draws.fewest)
        else:
            low, high, _ = bootstrap_interval(value, replicates, draws.fewest)
            # As if resamples were not skewed: each with its mirror image.
            even = np.concatenate([replicates, 2 * replicates.mean() - replicates])
            before, after, _ = bootstrap_interval(value, even, draws.fewest)
            plain += before <= auc <= after
        covered += low <= auc <= high
        too_high += auc < low
        widths.append(high - low)
    return {
        "covers": _share(covered, sets),
        "too high": _share(too_high, sets),
        "median width": _three(float(np.median(widths))),
        "AUC 1": _share(perfect, sets),
        "covers without the longer arm": _share(plain, sets - perfect),
    }


def seeds_row(detectors: int, seeds: int, ratio: float, sets: int, rng: Generator) -> Row:
    """Count how often equal detectors are told apart, and how many are placed below another."""
    told, below = 0, 0
    for _ in range(sets):
        cells = {}
        for name in map(str, range(detectors)):
            sample = 0.01 * rng.normal()
            of_seeds = 0.01 * np.sqrt(ratio * seeds) * rng.normal(size=seeds)
            estimates = 0.8 + sample + of_seeds
            replicates = estimates[:, None] + 0.01 * rng.normal(size=RESAMPLES)
            cells[name] = [
                Replicated(
                    seeds=tuple(range(seeds)),
                    estimates=estimates,
                    replicates=replicates,
                    clusters=50,
                )
            ]
        placed = sum(place.rank > 1 for place in ranking(cells).places)
        told += placed > 0
        below += placed
    return {
        "detectors": detectors,
        "seeds": seeds,
        "variance of seeds' mean / of samples": ratio,
        "someone told apart": _share(told, sets),
        "placed below, mean": _three(below / sets),
    }


def strata_row(sources: int, generators: int, sets: int, rng: Generator) -> Row:
    """Count how often intervals of a cell and of the mean over cells hold the true AUC."""
    of_cell, of_mean, strata = 0, 0, []
    for _ in range(sets):
        forged = np.array([rng.permutation(sources) < sources / 2 for _ in range(generators)])
        clusters, cells, scores = drawn_overlap(forged, rng)
        parts = [part for rows, labels in cells for part in (rows[labels == 0], rows[labels == 1])]
        draws = Draws(clusters, parts, resamples=RESAMPLES)
        found = [
            replicate(draws, labels, {0: scores[rows]}, Ranked.auc, rows=rows)
            for rows, labels in cells
        ]
        first = found[0]
        low, high, _ = bootstrap_interval(
            float(first.estimates[0]), first.replicates[0], sources // 2
        )
        of_cell += low <= 0.9 <= high
        mean = float(np.mean([each.estimates[0] for each in found]))
        replicates: Floats = np.mean([each.replicates[0] for each in found], axis=0)
        low, high, _ = bootstrap_interval(mean, replicates, sources // 2)
        of_mean += low <= 0.9 <= high
        strata.append(len(np.unique(forged, axis=1).T))
    return {
        "sources": sources,
        "generators": generators,
        "strata": round(float(np.mean(strata))),
        "a cell covers": _share(of_cell, sets),
        "their mean covers": _share(of_mean, sets),
    }


def swaps_row(people: int, donors: int, share: float, sets: int, rng: Generator) -> Row:
    """Count how often intervals by target alone and by two ways hold the true AUC."""
    by_target, by_two, values, variances = 0, 0, [], []
    for _ in range(sets):
        labels, scores, ways = drawn_swaps(people, donors, share, rng)
        draws = plan_draws(ways, class_parts(labels), resamples=RESAMPLES)
        found = replicate(draws, labels, {0: scores}, Ranked.auc)
        value, replicates = float(found.estimates[0]), found.replicates[0]
        for number, each in enumerate((replicates[0], replicates)):
            low, high, _ = bootstrap_interval(value, each, found.clusters)
            holds = low <= 0.9 <= high
            by_target += holds and number == 0
            by_two += holds and number == 1
        values.append(value)
        variances.append(sampling_variance(replicates))
    return {
        "people": people,
        "share of variance of target": _three(0.5 - share / 2),
        "of donor": _three(share),
        "by target alone covers": _share(by_target, sets),
        "by target and donor covers": _share(by_two, sets),
        "estimated variance / true": _three(float(np.mean(variances) / np.var(values, ddof=1))),
    }


def drawn_videos(design: Design, rng: Generator) -> tuple[Counts, Floats, Counts]:
    """Draw labels, scores and clusters, each of shape (2 x videos x frames,)."""
    shape = (2, design.videos, design.frames)
    videos = rng.normal(size=(1 if design.shared else 2, design.videos, 1))
    scores = np.sqrt(0.5) * (videos + rng.normal(size=shape))
    scores[1] += np.sqrt(2) * ndtri(design.auc)
    number = np.arange(design.videos)[None, :, None] + np.zeros(shape, np.int64)
    number[1] += 0 if design.shared else design.videos
    labels = np.repeat([0, 1], design.videos * design.frames)
    return labels, scores.ravel(), number.ravel()


def drawn_overlap(
    forged: Bools, rng: Generator
) -> tuple[Counts, list[tuple[Counts, Counts]], Floats]:
    """Draw a real image of each source and its fakes, alike within a source.

    Args:
        forged: Which sources each generator forged, shape (generators, sources).
        rng: What they are drawn from.

    Returns:
        Clusters; rows and labels of each generator's cell; scores.
    """
    generators, sources = forged.shape
    of_source: Floats = rng.normal(size=(sources,))
    clusters, cells, first = [np.arange(sources)], [], sources
    for generator in range(generators):
        members = np.flatnonzero(forged[generator])
        rows = np.concatenate([members, first + np.arange(len(members))])
        cells.append((rows, np.repeat([0, 1], len(members))))
        clusters.append(members)
        first += len(members)
    of: Counts = np.concatenate(clusters)
    shift = np.sqrt(2) * ndtri(0.9) * (np.arange(len(of)) >= sources)
    return of, cells, np.sqrt(0.5) * (of_source[of] + rng.normal(size=len(of))) + shift


def drawn_swaps(
    people: int, donors: int, share: float, rng: Generator
) -> tuple[Counts, Floats, ClusterWays]:
    """Draw a real image of each person, and swaps of the next few people's faces into it.

    Half the variance of a swap is that of whom it shows and whose face it has, ``share`` the
    latter's.
    """
    numbers = np.arange(people)
    target = np.concatenate([numbers, np.repeat(numbers, donors)])
    given = np.concatenate(
        [numbers, (np.repeat(numbers, donors) + np.tile(np.arange(1, donors + 1), people)) % people]
    )
    labels = np.repeat([0, 1], [people, people * donors])
    of_target, of_donor = rng.normal(size=(2, people))
    noise = rng.normal(size=len(labels))
    weights = np.sqrt([0.5 - share / 2, share, 0.5 - share / 2])
    weights /= np.sqrt((weights**2).sum())
    parts = np.stack([of_target[target], of_donor[given], noise])
    # Real images have no donor: as much noise in its place, so that the AUC is known.
    parts[1, :people] = rng.normal(size=people)
    scores = weights @ parts + labels * np.sqrt(2) * ndtri(0.9)
    both = np.unique(target * people + given, return_inverse=True)[1]
    return labels, scores, ClusterWays(target, given, both)


def _share(number: int, of: int) -> str:
    """Show a share with three digits."""
    return f"{number / of:.3f}" if of else "-"


def _three(number: float) -> str:
    """Show a number with three digits after the point."""
    return f"{number:.3f}"


if __name__ == "__main__":
    main()
