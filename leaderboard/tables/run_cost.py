"""What the detectors of a run cost beside what they reach, a device a table's part."""

from collections.abc import Iterator

from leaderboard.tables.cells import summary_cell
from leaderboard.tables.table import DASH, Section, Table, TableCell, with_unit
from leaderboard.view import Contender, Context, summarise
from results.costs import COSTS_FILE, DeviceCosts, ModelCost, read_costs
from results.errors import ResultError
from results.run import RunContents

_COLUMNS = ("mean", "parameters", "trained", "input", "FLOPs", "images/s", "ms an image", "MB")
_LACKING = "it was not measured on this device"


def run_costs(contents: RunContents) -> tuple[DeviceCosts, ...]:
    """Read what was measured for a run.

    Raises:
        ResultError: It was measured of a model that the run has not.
    """
    found = read_costs(contents.run)
    for each in found:
        for name, cost in each.detectors.items():
            if cost.model not in contents.models:
                raise ResultError(
                    f"{contents.run / COSTS_FILE}: {name}: the run has no model {cost.model}; "
                    "measure it anew: forgerybench bench run"
                )
    return found


def run_cost_tables(context: Context) -> Iterator[Table]:
    """Show what each contender costs beside its mean; nothing where nothing was measured.

    Yields:
        A section a device: rates of two devices are never compared.
    """
    view, measured = context.view, run_costs(context.contents)
    if not measured:
        return
    sections = tuple(
        Section(
            each.device,
            tuple(
                (who.label, (_mean(context, who), *_cells(each.detectors.get(who.detector))))
                for who in view.contenders
            ),
        )
        for each in measured
    )
    yield Table(
        name=f"{view.name}-costs",
        metric=view.metric,
        level=view.level,
        caption=f"{view.protocol.title}: {view.metric} by {view.level} and what it costs",
        corner="detector",
        columns=_COLUMNS,
        sections=sections,
        notes=(
            "Mean: over unseen cells that count, or seen ones where there are no others. FLOPs: of "
            "one image, a multiply-add as two; Fourier transforms and element-wise operations are "
            "not in it. Images/s: of prepared images in batches (in parentheses their size and "
            "half the range of the rounds), ms: of one alone; reading and resizing images is not "
            "in them. MB: weights and one forward pass of a batch, at its peak; on a CPU a coarse "
            "figure. Rates and memory compare within one device alone",
        ),
    )


def _mean(context: Context, contender: Contender) -> TableCell:
    """Show the contender's mean on the side that its ranking is over."""
    view = context.view
    seen = None if view.is_elsewhere(contender) else not view.has(seen=False)
    return summary_cell(summarise(view.of(contender, view.base, view.level, seen), view.metric))


def _cells(cost: ModelCost | None) -> tuple[TableCell, ...]:
    """Show one cost."""
    if cost is None:
        return (TableCell(DASH, reason=_LACKING),) * (len(_COLUMNS) - 1)
    rate = f"batch {cost.batch}, ± {100 * cost.spread:.0f} %"
    return (
        _counted(cost.parameters),
        _counted(cost.trained),
        TableCell(str(cost.input_size), raw=float(cost.input_size)),
        _counted(cost.flops),
        TableCell(with_unit(cost.images_per_second), rate, cost.images_per_second),
        TableCell(with_unit(1e3 * cost.latency_seconds), raw=1e3 * cost.latency_seconds),
        TableCell(f"{cost.peak_bytes / 1e6:.0f}", raw=cost.peak_bytes / 1e6),
    )


def _counted(number: int) -> TableCell:
    """Show a count."""
    if not number:
        return TableCell(DASH, reason="it has none that are counted")
    return TableCell(with_unit(number), raw=float(number))
