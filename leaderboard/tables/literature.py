"""Published numbers beside measured ones: in sections and a style of their own, never mixed.

They are not ranked and stand in no mean. A difference is shown only where both are of one detector,
level, training and test set, and both chose their weights in one way.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal

from leaderboard.tables.cells import value_cell
from leaderboard.tables.matrix import base_results
from leaderboard.tables.table import DASH, DOUBTFUL, REPEATED, REPORTED, Section, Table, TableCell
from leaderboard.view import Contender, Context, ProtocolView, Result, Test
from results.literature import MatchedNumber, Reported, WeightSelection
from results.rounding import signed
from results.schema import ModelFacts

_CHOSEN: dict[WeightSelection, str] = {
    "val": "weights chosen on validation samples",
    "last": "weights as they were in the end",
    "test-best": "weights chosen by the test itself, set by set",
    "unknown": "how weights were chosen is not said",
}
_NOT_PRINTED = "not in print"
_Row = tuple[str, tuple[TableCell, ...]]


def literature_tables(context: Context) -> Iterator[Table]:
    """Lay published numbers out beside what was measured under a protocol.

    Yields:
        A table a level and metric of the protocol that there are published numbers of; none where
        no source's sets are those of the protocol.
    """
    view = context.view
    there = [m for m in context.literature.under(view.name) if m.training in view.trainings]
    for level in view.protocol.levels:
        for metric in view.protocol.metrics:
            here = [m for m in there if (m.reported.level, m.reported.metric) == (level, metric)]
            if here:
                yield _table(view, here, metric, level)


def _table(view: ProtocolView, there: list[MatchedNumber], metric: str, level: str) -> Table:
    """Lay one metric out: what is measured, what is published, source by source, and how far apart.

    ``there`` holds the published numbers of this level and metric.
    """
    named = {matched.test for matched in there}
    tests = [test for test in view.tests if test.name in named]
    trainings = [t for t in view.trainings if t in {matched.training for matched in there}]
    measured = base_results(view, level)
    rows = [
        (
            _row_name(contender.label, training),
            tuple(value_cell(measured[contender, training, test], metric) for test in tests),
        )
        for contender in view.contenders
        for training in trainings
        if training in view.trainings_of(contender)
    ]
    differences = _differences(there, measured, metric, tests)
    sections = [Section("measured here", tuple(rows)), *_sections(there, tests)]
    notes = [
        "A difference is shown where detector (at base size), training set, test set, level and "
        "the way of choosing weights are the same"
    ]
    if differences:
        sections.append(Section("measured minus reported", tuple(differences)))
    else:
        notes.append("No published number here is so like a measured one: there is no difference")
    return Table(
        name=f"{view.name}-{metric}-{level}-reported",
        metric=metric,
        level=level,
        caption=f"{view.protocol.title}: {metric} by {level}, beside published numbers",
        corner="detector, trained on",
        columns=tuple(test.label for test in tests),
        sections=tuple(sections),
        notes=tuple(notes),
    )


def _sections(there: list[MatchedNumber], tests: Sequence[Test]) -> Iterable[Section]:
    """Give a section a source's table and way of choosing weights, as the source orders it."""
    sources = defaultdict(list)
    for matched in there:
        number = matched.reported
        sources[number.source, number.table, number.selection].append(matched)
    for (source, table, selection), found in sources.items():
        rows: dict[str, dict[str, TableCell]] = defaultdict(dict)
        for matched in found:
            name = _row_name(matched.reported.model, matched.training)
            rows[name][matched.test] = _reported_cell(matched)
        missing = TableCell(DASH, reason=_NOT_PRINTED)
        yield Section(
            f"reported: {source}, {table}; {_CHOSEN[selection]}",
            tuple(
                (name, tuple(cells.get(test.name, missing) for test in tests))
                for name, cells in rows.items()
            ),
        )


def _reported_cell(matched: MatchedNumber) -> TableCell:
    """Show a published number with the digits that are in print."""
    number = matched.reported
    return TableCell(
        str(number.value),
        raw=float(number.value),
        marks=frozenset({REPORTED}) | _cautions(number),
        title=f"{number.model}, {number.train} to {number.test}: {number.source}, {number.table}",
    )


def _cautions(number: Reported) -> frozenset[str]:
    """Mark what a source may have printed wrongly."""
    holds = {REPEATED: number.repeated, DOUBTFUL: number.doubtful}
    return frozenset(mark for mark, is_so in holds.items() if is_so)


def _differences(
    there: list[MatchedNumber],
    measured: dict[tuple[Contender, str, Test], Result],
    metric: str,
    tests: Sequence[Test],
) -> list[_Row]:
    """Subtract the published numbers from the measured ones that they can be compared with."""
    rows: dict[str, dict[Test, TableCell]] = defaultdict(dict)
    for (contender, training, test), result in measured.items():
        value = result.value(metric).value
        if value is None or result.model is None:
            continue
        for matched in there:
            if (matched.training, matched.test) == (training, test.name) and is_comparable(
                matched, result.model
            ):
                number = matched.reported
                name = f"{_row_name(contender.label, training)}, minus {number.model} of "
                name += f"{number.source}, {number.table}"
                difference = float(Decimal(value) - number.value)
                rows[name][test] = TableCell(
                    signed(difference), raw=difference, marks=_cautions(number)
                )
    missing = TableCell(DASH, reason="not the same detector, level and way of choosing weights")
    return [
        (name, tuple(cells.get(test, missing) for test in tests)) for name, cells in rows.items()
    ]


def is_comparable(matched: MatchedNumber, model: ModelFacts) -> bool:
    """Tell whether a model is a reproduction of what a published number is of.

    Training by gradient keeps the weights of best validation AUC; other fits have but one state.
    """
    selection = "val" if model.fit == "gradient" else "last"
    return (
        model.detector in matched.detectors
        and model.size == "base"
        and selection == matched.reported.selection
    )


def _row_name(detector: str, training: str) -> str:
    """Name a row."""
    return f"{detector}, on {training}"
