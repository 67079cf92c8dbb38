"""What several training seeds give: the mean of their values, and how far they spread."""

import statistics
from collections.abc import Iterator

from leaderboard.tables.cells import interval_text
from leaderboard.tables.table import DASH, SEEN, SMALL, Section, Table, TableCell
from leaderboard.view import Context, Result
from results.errors import UndefinedError
from results.statistics.joint import Joint


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
    sections = tuple(
        Section(
            name,
            tuple(
                (
                    training,
                    tuple(
                        _seeds_cell(found[detector, training, test.label], view.metric, joint)
                        for test in view.tests
                    ),
                )
                for training in view.trainings
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
            "seeds and samples that might have been. Scores are never averaged over seeds",
        ),
    )


def _seeds_cell(results: list[Result], metric: str, joint: Joint) -> TableCell:
    """Show one cell over seeds; a seed without a value leaves none, so that a hole never helps."""
    values = [result.value(metric) for result in results]
    known = [value.value for value in values if value.value is not None]
    if len(known) < len(values):
        return TableCell(DASH, reason=next(value.reason for value in values if value.reason))
    first, mean = results[0], statistics.fmean(known)
    marks = frozenset(
        mark for mark, holds in ((SEEN, first.cell.seen), (SMALL, first.small)) if holds
    )
    details = [f"sd {statistics.stdev(known):.3f}" if len(known) > 1 else "one seed"]
    models = {result.contender.seed: result.model.id for result in results if result.model}
    title = ""
    try:
        found = joint.over_seeds(models, first.cell, metric)
        details.append(interval_text(found.low, found.high))
    except UndefinedError as error:
        title = f"no interval: {error}"
    return TableCell(f"{mean:.3f}", "; ".join(details), mean, marks, title=title)
