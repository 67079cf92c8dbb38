"""Two detectors of a run on the same samples, cell by cell: how their AUC differs, how surely."""

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from protocols import ELSEWHERE, Cell
from results.errors import ResultError, UndefinedError
from results.faults import checked_contents
from results.metrics.checking import Floats
from results.metrics.functions import auc
from results.metrics.roc import Ranked
from results.run import RunContents
from results.schema import Entry
from results.statistics.bootstrap import RESAMPLES, class_parts, plan_draws
from results.statistics.clusters import ClusterWays
from results.statistics.differences import (
    Difference,
    compare_replicates,
    detectable,
    equivalence,
    holm,
)
from results.statistics.intervals import replicate
from results.statistics.seeds import SeedSpread, seed_spread

# AUCs closer than this are called as good as equal, where no other margin is asked for.
_MARGIN = 0.01


class Compared(NamedTuple):
    """One cell of both detectors.

    Attributes:
        protocol: Its protocol; ``cell`` what it asks.
        seeds: Training seeds of the left detector and of the right.
        n_real: Images (videos at level video) that both were scored on; ``n_fake`` likewise.
        clusters_real: How many clusters they are; ``clusters_fake`` likewise.
        left: AUC of the left detector, the mean over its seeds; ``right`` likewise; None where
            there is none.
        difference: Left minus right with its interval and p; None where it cannot be told.
        adjusted: p adjusted for all cells of the table (Holm).
        equivalent: p-value of a difference of the comparison's margin or more (two one-sided
            tests), not adjusted: what is below 0.05 is shown to be closer than that.
        detectable: The least difference that such samples show in 80 % of cases.
        reason: Why there is no difference.
    """

    protocol: str
    cell: Cell
    seeds: tuple[tuple[int, ...], tuple[int, ...]]
    n_real: int
    n_fake: int
    clusters_real: int
    clusters_fake: int
    left: float | None
    right: float | None
    difference: Difference | None
    adjusted: float | None
    equivalent: float | None
    detectable: float | None
    reason: str | None


class Comparison(NamedTuple):
    """All cells of two detectors.

    Attributes:
        left: What the study calls the one detector, ``right`` the other.
        cells: In the order of the protocols.
        without: Training sets (``protocol/training``) for which neither has a model.
        resamples: How many resamples the intervals are from; ``seed`` is theirs.
        margin: The difference that ``equivalent`` asks about.
    """

    left: str
    right: str
    cells: tuple[Compared, ...]
    without: tuple[str, ...]
    resamples: int
    seed: int
    margin: float


def compare_detectors(
    run: RunContents | str | Path,
    left: str,
    right: str,
    *,
    protocols: Sequence[str] | None = None,
    trainings: Sequence[str] | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
    margin: float = _MARGIN,
) -> Comparison:
    """Compare the AUC of two detectors of a run in every cell.

    Of several training seeds, the variance between them is pooled over all detectors of the run
    that have models of the training set.

    Args:
        run: The run or its folder.
        left: A detector as the study calls it, or by its title; so ``right``.
        right: The other. Differences are left minus right.
        protocols: Only these; all if left out.
        trainings: Only these training sets; all if left out.
        resamples: How many, at least 100.
        seed: Of the resamples.
        margin: Of AUC, above 0: detectors whose AUC differs by less are as good as equal.

    Raises:
        ResultError: A name is unknown; the margin is not above 0; the two do not have the same
            cells; a score is missing; or the run is not what it was sealed as.
    """
    contents = run if isinstance(run, RunContents) else checked_contents(run)
    names = (_detector(contents, left), _detector(contents, right))
    if names[0] == names[1]:
        raise ResultError(f"'{left}' and '{right}' are one detector: name two")
    chosen = _chosen("protocol", protocols, list(contents.expansions))
    elsewhere = [_is_elsewhere(contents, name) for name in names]
    # Of one that was trained elsewhere, the same model stands beside each model of the other.
    known = [
        training
        for name in chosen
        for training in contents.trainings(name)
        if (training == ELSEWHERE) == all(elsewhere)
    ]
    wanted = set(_chosen("training set", trainings, list(dict.fromkeys(known))))
    drawing = _Drawing(contents.cluster_ways, resamples, seed, margin)
    found: list[Compared] = []
    without: list[str] = []
    for protocol in chosen:
        for training in (t for t in known if t in wanted and t in contents.trainings(protocol)):
            places = [
                (name, ELSEWHERE if here else training)
                for name, here in zip(names, elsewhere, strict=True)
            ]
            sides = _sides(contents, protocol, places)
            if sides is None:
                without.append(f"{protocol}/{training}")
            else:
                found += _of_training(contents, protocol, training, sides, drawing)
    return Comparison(*names, tuple(_adjusted(found)), tuple(without), resamples, seed, margin)


def comparison_frame(comparison: Comparison) -> pd.DataFrame:
    """Give a comparison as a table: a row a cell, missing numbers NaN."""
    return pd.DataFrame(list(_frame_rows(comparison)))


class _Drawing(NamedTuple):
    """What the resamples are made from."""

    ways: ClusterWays
    resamples: int
    seed: int
    margin: float


# One detector's models of a training set, by training seed.
_Side = dict[int, str]


def _detector(contents: RunContents, name: str) -> str:
    """Find a detector of the run by what the study calls it or by its title."""
    entries = contents.facts.entries
    names = list(dict.fromkeys(entry.detector for entry in entries))
    if name in names:
        return name
    titled = {
        entry.detector
        for entry in entries
        if entry.model and contents.models[entry.model].title == name
    }
    if len(titled) == 1:
        return titled.pop()
    if titled:
        raise ResultError(f"'{name}' is the title of {', '.join(sorted(titled))}: name one")
    close = get_close_matches(name, names, n=1)
    hint = f"did you mean '{close[0]}'? " if close else ""
    raise ResultError(f"the run has no detector '{name}'; {hint}there are {', '.join(names)}")


def _chosen(what: str, wanted: Sequence[str] | None, known: list[str]) -> list[str]:
    """Keep what is wanted, in the order of the run."""
    for name in wanted or ():
        if name not in known:
            raise ResultError(f"the run has no {what} '{name}'; there are {', '.join(known)}")
    return [name for name in known if wanted is None or name in wanted]


def _is_elsewhere(contents: RunContents, detector: str) -> bool:
    """Tell whether a detector was trained elsewhere, so that it has one model for all cells."""
    entries = [entry for entry in contents.facts.entries if entry.detector == detector]
    return all(entry.training == ELSEWHERE for entry in entries)


def _sides(
    contents: RunContents, protocol: str, places: Sequence[tuple[str, str]]
) -> tuple[_Side, _Side] | None:
    """Give the models of two detectors, each of a training set; None where neither has one.

    Raises:
        ResultError: One has a model that the other lacks, or lacks one itself for a seed.
    """
    entries = contents.entries(protocol)
    each = [[e for e in entries if (e.detector, e.training) == place] for place in places]
    models = [{e.seed: e.model for e in side if e.model} for side in each]
    if not any(
        model
        for model, (_, training) in zip(models, places, strict=True)
        if training != ELSEWHERE or {t for _, t in places} == {ELSEWHERE}
    ):
        return None
    for (name, training), side, known in zip(places, each, models, strict=True):
        if len(known) < max(len(side), 1):
            names = " and ".join(name for name, _ in places)
            raise ResultError(
                f"{names} do not have the same cells: {name} has no model of "
                f"'{training}' ({protocol}{_gap(side)}); choose training sets that both have"
            )
    left, right = models
    return left, right


def _gap(side: list[Entry]) -> str:
    """Say why a model is missing."""
    if not side:
        return ": not part of this run"
    first = next(entry for entry in side if entry.model is None)
    return f", seed {first.seed}: {first.gap}"


def _seed_values(
    contents: RunContents, protocol: str, training: str, cells: Sequence[Cell]
) -> list[list[Floats]]:
    """Give the AUC of all seeds of all detectors of the run that have several, cell by cell.

    Two detectors of two or three seeds each hardly tell how seeds vary; all of the table do, and
    they are what its ranks go by.
    """
    models: dict[str, list[str]] = {}
    for entry in contents.entries(protocol):
        if entry.training == training and entry.model:
            models.setdefault(entry.detector, []).append(entry.model)
    found: list[list[Floats]] = [[] for _ in cells]
    for of_detector in (each for each in models.values() if len(each) > 1):
        values = np.array([[_auc(contents, m, cell) for cell in cells] for m in of_detector])
        for number in np.flatnonzero(np.isfinite(values).all(axis=0)):
            found[number].append(values[:, number])
    return found


def _auc(contents: RunContents, model: str, cell: Cell) -> float:
    """Give the AUC of one model; NaN where the cell has none."""
    scored = contents.scored(model, cell)
    try:
        return auc(scored.labels, scored.scores)
    except UndefinedError:
        return np.nan


def _of_training(
    contents: RunContents,
    protocol: str,
    training: str,
    sides: tuple[_Side, _Side],
    drawing: _Drawing,
) -> list[Compared]:
    """Compare the two in every cell of a training set."""
    cells = [cell for cell in contents.expansions[protocol].cells if cell.training == training]
    values = _seed_values(contents, protocol, training, cells)
    return [
        _compared(contents, protocol, cell, sides, drawing, spread=seed_spread(of_seeds))
        for cell, of_seeds in zip(cells, values, strict=True)
    ]


def _compared(
    contents: RunContents,
    protocol: str,
    cell: Cell,
    sides: tuple[_Side, _Side],
    drawing: _Drawing,
    *,
    spread: SeedSpread | None,
) -> Compared:
    """Compare the two in one cell."""
    models = [model for side in sides for model in side.values()]
    lacking = next(filter(None, (contents.unscored(model, cell) for model in models)), None)
    seeds = (tuple(sides[0]), tuple(sides[1]))
    if lacking:
        return Compared(
            protocol, cell, seeds, 0, 0, 0, 0, None, None, None, None, None, None, lacking
        )
    scored = [
        {seed: contents.scored(model, cell) for seed, model in side.items()} for side in sides
    ]
    labels = next(iter(scored[0].values())).labels
    n_fake = int(labels.sum())
    rows = contents.first_rows(cell)
    ways = drawing.ways.at(rows)
    means: list[float | None] = [None, None]
    difference, reason = None, None
    try:
        for number, side in enumerate(scored):
            means[number] = float(np.mean([auc(labels, each.scores) for each in side.values()]))
        draws = plan_draws(
            ways, class_parts(labels), resamples=drawing.resamples, seed=drawing.seed
        )
        left, right = (
            replicate(draws, labels, {s: each.scores for s, each in side.items()}, Ranked.auc)
            for side in scored
        )
        difference = _of_auc(compare_replicates(left, right, spread=spread))
    except UndefinedError as error:
        reason = str(error)
    return Compared(
        protocol=protocol,
        cell=cell,
        seeds=seeds,
        n_real=len(labels) - n_fake,
        n_fake=n_fake,
        clusters_real=ways.counted(labels == 0),
        clusters_fake=ways.counted(labels == 1),
        left=means[0],
        right=means[1],
        difference=difference,
        adjusted=None,
        equivalent=equivalence(difference, drawing.margin) if difference else None,
        detectable=detectable(difference) if difference else None,
        reason=reason,
    )


def _of_auc(found: Difference) -> Difference:
    """Keep the interval to what two AUCs can differ by; refuse one that has no width."""
    if found.low == found.high:
        raise UndefinedError(
            f"every resample differs by {found.value:g}: how uncertain that is cannot be told"
        )
    return found._replace(low=max(found.low, -1.0), high=min(found.high, 1.0))


def _adjusted(cells: list[Compared]) -> Iterator[Compared]:
    """Adjust the p-values for being a family."""
    p = {number: each.difference.p for number, each in enumerate(cells) if each.difference}
    adjusted = holm(p)
    for number, each in enumerate(cells):
        yield each._replace(adjusted=adjusted.get(number))


def _frame_rows(comparison: Comparison) -> Iterator[dict[str, object]]:
    """Give the rows of the table."""
    for each in comparison.cells:
        cell, found = each.cell, each.difference
        yield {
            "protocol": each.protocol,
            "training": cell.training,
            "role": cell.test.role,
            "test": cell.test.name,
            "condition": cell.condition.key,
            "level": cell.level,
            "seen": cell.seen,
            "headline": cell.headline,
            "n_real": each.n_real,
            "n_fake": each.n_fake,
            "clusters_real": each.clusters_real,
            "clusters_fake": each.clusters_fake,
            "left": comparison.left,
            "right": comparison.right,
            "seeds_left": " ".join(map(str, each.seeds[0])),
            "seeds_right": " ".join(map(str, each.seeds[1])),
            "AUC_left": each.left,
            "AUC_right": each.right,
            "difference": found.value if found else None,
            "low": found.low if found else None,
            "high": found.high if found else None,
            "p": found.p if found else None,
            "p_holm": each.adjusted,
            "margin": comparison.margin,
            "p_equivalent": each.equivalent,
            "detectable": each.detectable,
            "resamples": comparison.resamples,
            "resampling_seed": comparison.seed,
            "reason": each.reason,
        }
