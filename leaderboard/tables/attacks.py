"""What attacks achieve: the share of rightly judged images that come to be wrongly judged."""

from collections.abc import Iterator

from leaderboard.tables.conditions import NO_SEVERITY, severity_grid
from leaderboard.tables.table import DASH, SMALL, Section, Table, TableCell
from leaderboard.view import Contender, Context, ProtocolView, Result, headline_results
from protocols import Condition
from results.attacks import attack_success
from results.rounding import rounded
from results.run import RunContents


def attack_tables(context: Context) -> Iterator[Table]:
    """Lay attack success at the headline level out as attacks x severities, by detector."""
    view, contents = context.view, context.contents
    severities, grid = severity_grid([each for each in view.damaged if each.is_attack])
    sections = []
    for contender in view.contenders:
        rows = [
            (name, tuple(_cell(view, contents, contender, each) for each in attacks))
            for name, attacks in grid.items()
        ]
        sections.append(Section(contender.label, tuple(rows)))
    yield Table(
        name=f"{view.name}-attack-success",
        metric=view.metric,
        level=view.level,
        caption=f"{view.protocol.title}: attack success by {view.level}",
        corner="attack",
        columns=tuple(str(severity) for severity in severities),
        sections=tuple(sections),
        notes=(
            "The share of what is judged rightly when clean that is judged wrongly under attack, "
            "at P(fake) 0.5; columns are severities; mean over the cells that count",
        ),
    )


def _cell(
    view: ProtocolView, contents: RunContents, contender: Contender, condition: Condition | None
) -> TableCell:
    """Show the mean success of one attack at one severity."""
    if condition is None:
        return TableCell(DASH, reason=NO_SEVERITY)
    results = headline_results(view.of(contender, condition, view.level))
    clean = {(r.cell.training, r.test): r for r in view.of(contender, view.base, view.level)}
    values = [_success(contents, clean[r.cell.training, r.test], r) for r in results]
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        gaps = [f"no model: {result.gap}" for result in results if result.gap]
        return TableCell(DASH, reason=(gaps or ["no image was judged rightly when clean"])[0])
    mean = sum(known) / len(known)
    marks = frozenset({SMALL} if any(result.small for result in results) else ())
    return TableCell(rounded(mean), "", mean, marks)


def _success(contents: RunContents, clean: Result, attacked: Result) -> float | None:
    """Give the success in one cell; None where there is no model or nothing to attack."""
    if attacked.model is None:
        return None
    before = contents.scored(attacked.model.id, clean.cell)
    after = contents.scored(attacked.model.id, attacked.cell)
    return attack_success(
        before.labels, before.scores - before.threshold, after.scores - after.threshold
    )
