"""What a further test set would give: the mean over test sets that are a sample of sets."""

import math
from collections.abc import Iterator, Sequence

import numpy as np

from leaderboard.tables.cells import interval_text
from leaderboard.tables.table import DASH, SMALL, Section, Table, TableCell
from leaderboard.view import Context, Result, summarise
from results.errors import UndefinedError
from results.metrics.checking import Floats
from results.rounding import rounded
from results.statistics.joint import Joint
from results.statistics.random_effects import FEWEST_SETS, random_effects, sampling_covariance

_COLUMNS = ("test sets", "mean set", "a further set", "spread of sets")


def test_set_tables(context: Context) -> Iterator[Table]:
    """Average each contender over unseen test sets as over a sample of sets.

    Yields:
        Cells that count of the headline level under the base condition, those of one test set
        averaged over training sets. Nothing where there are fewer than 3 such sets, or the
        headline metric has no two ends.
    """
    view, joint = context.view, context.bootstrap.of(context.view.name)
    if not view.headline.is_bounded:
        return
    rows, most = [], 0
    for contender in view.contenders:
        unseen = view.of(contender, view.base, view.level, seen=False)
        by_test: dict[str, list[Result]] = {}
        for result in (each for each in unseen if each.cell.headline):
            by_test.setdefault(result.test.label, []).append(result)
        most = max(most, len(by_test))
        lacking = summarise(unseen, view.metric).reason
        if lacking:
            cells = (TableCell(DASH, reason=lacking),) * len(_COLUMNS)
        else:
            cells = _cells(context, joint, list(by_test.values()))
        rows.append((contender.label, cells))
    if most < FEWEST_SETS:
        return
    yield Table(
        name=f"{view.name}-test-sets",
        metric=view.metric,
        level=view.level,
        caption=f"{view.protocol.title}: {view.metric} by {view.level} over unseen test sets, as "
        "a sample of sets",
        corner="detector",
        columns=_COLUMNS,
        sections=(Section("", tuple(rows)),),
        notes=(
            "Mean set: random-effects mean of logits over test sets (REML), in parentheses its "
            "95 % interval (Hartung and Knapp). A further set: the 95 % prediction interval of one "
            "more set of the same kind. Spread: standard deviation of the sets' true logits. It "
            "holds as far as these sets are a sample of those that are meant",
        ),
    )


def _cells(
    context: Context, joint: Joint, sets: Sequence[Sequence[Result]]
) -> tuple[TableCell, ...]:
    """Show one contender, all of whose cells have a value."""
    view = context.view
    values = [[r.value(view.metric).value or 0.0 for r in results] for results in sets]
    try:
        replicates = np.array([_replicates(joint, results, view.metric) for results in sets])
        found = random_effects(
            np.array([math.fsum(each) / len(each) for each in values]),
            sampling_covariance(replicates),
            bounds=view.headline.bounds,
        )
    except UndefinedError as error:
        return (TableCell(DASH, reason=str(error)),) * len(_COLUMNS)
    few = any(result.small for results in sets for result in results)
    marks = frozenset({SMALL} if few else ())
    interval = interval_text(found.low, found.high)
    return (
        TableCell(str(found.sets)),
        TableCell(rounded(found.mean), interval, found.mean, marks),
        TableCell(interval_text(found.next_low, found.next_high), marks=marks),
        TableCell(rounded(found.spread, 2), raw=found.spread, marks=marks),
    )


def _replicates(joint: Joint, results: Sequence[Result], metric: str) -> Floats:
    """Average a test set's resamples over training sets."""
    each = [joint.replicates(r.model.id, r.cell, metric) for r in results if r.model]
    found: Floats = np.mean(each, axis=0)
    return found
