"""What several training seeds give: the mean of their values, and how far they spread."""

import statistics
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from leaderboard.tables.cells import interval_text
from leaderboard.tables.table import DASH, SEEN, SMALL, Section, Table, TableCell
from leaderboard.view import Context, ProtocolView, Result
from results.errors import UndefinedError
from results.rounding import rounded
from results.statistics.joint import Joint
from results.statistics.seeds import SeedSpread, seed_spread


def seeds_tables(context: Context) -> Iterator[Table]:
    """Show the headline metric of every detector over its training seeds.

    Yields:
        Training sets x test sets, detector by detector, under the base condition: the mean of the
        seeds' values, never the value of a mean score.
    """
    view, joint = context.view, context.bootstrap.of(context.view.name)
    found: dict[tuple[str, str, str], list[Result]] = {}
    for result in view.at(view.base, view.level):
        key = (result.contender.detector, result.cell.training, result.test.label)
        found.setdefault(key, []).append(result)
    spreads = _spreads(view, found)
    sections = tuple(
        Section(
            name,
            tuple(
                (
                    training,
                    tuple(
                        _seeds_cell(
                            found[detector, training, test.label],
                            view.metric,
                            joint,
                            spreads[training, test.label],
                        )
                        for test in view.tests
                    ),
                )
                for training in view.trainings
                if (detector, training, view.tests[0].label) in found
            ),
        )
        for detector, name in view.detectors.items()
    )
    yield Table(
        name=f"{view.name}-seeds",
        metric=view.metric,
        level=view.level,
        caption=f"{view.protocol.title}: {view.metric} by {view.level}, mean over training seeds",
        corner="trained on",
        columns=tuple(test.label for test in view.tests),
        sections=sections,
        notes=(
            "In parentheses: standard deviation over seeds; 95 % interval of the mean over all "
            "seeds and samples that might have been, for which the variance between seeds is "
            "pooled over the detectors of a cell. Scores are never averaged over seeds",
        ),
    )


def _spreads(
    view: ProtocolView, found: Mapping[tuple[str, str, str], Sequence[Result]]
) -> dict[tuple[str, str], SeedSpread | None]:
    """Pool over detectors how seeds vary, cell by cell."""
    return {
        (training, test.label): seed_spread(
            np.array(_known(found.get((detector, training, test.label), ()), view.metric))
            for detector in view.detectors
        )
        for training in view.trainings
        for test in view.tests
    }


def _known(results: Sequence[Result], metric: str) -> list[float]:
    """Give the values that there are."""
    values = [result.value(metric).value for result in results]
    return [value for value in values if value is not None]


def _seeds_cell(
    results: Sequence[Result], metric: str, joint: Joint, spread: SeedSpread | None
) -> TableCell:
    """Show one cell over seeds; a seed without a value leaves none, so that a hole never helps."""
    known = _known(results, metric)
    if len(known) < len(results):
        reasons = (result.value(metric).reason for result in results)
        return TableCell(DASH, reason=next(reason for reason in reasons if reason))
    first, mean = results[0], statistics.fmean(known)
    marks = frozenset(
        mark for mark, holds in ((SEEN, first.cell.seen), (SMALL, first.small)) if holds
    )
    details = [f"sd {rounded(statistics.stdev(known))}" if len(known) > 1 else "one seed"]
    models = {result.contender.seed: result.model.id for result in results if result.model}
    title = ""
    try:
        found = joint.over_seeds(models, first.cell, metric, spread)
        details.append(interval_text(found.low, found.high))
    except UndefinedError as error:
        title = f"no interval: {error}"
    return TableCell(rounded(mean), "; ".join(details), mean, marks, title=title)
