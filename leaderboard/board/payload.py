"""What the pages of a board carry as data: plain lists that scripts draw and tables show."""

from collections.abc import Sequence
from typing import Any

from leaderboard.board.ranking import Row, Slice, mean_over
from leaderboard.board.schema import BoardEntry, EntryCell
from leaderboard.board.seeds import is_seedless, seeds_of, seeds_text
from leaderboard.view import is_better
from results.rounding import rounded

_DIGITS = 3


def systems_of(entries: Sequence[BoardEntry]) -> dict[str, BoardEntry]:
    """Give one entry a system, by name: what is said of it under any protocol."""
    found: dict[str, BoardEntry] = {}
    for entry in entries:
        found.setdefault(entry.entry, entry)
    return found


def front_payload(entries: Sequence[BoardEntry], laid_out: Sequence[Slice]) -> dict[str, Any]:
    """Give all slices for the table of the front page: numbers in thousandths, holes null."""
    systems = systems_of(entries)
    places = {name: at for at, name in enumerate(systems)}
    return {
        "systems": [
            {
                "id": name,
                "title": entry.title,
                "size": entry.size,
                "track": entry.track,
                "init": entry.init,
                "parameters": entry.parameters,
                "source": entry.source,
            }
            for name, entry in systems.items()
        ],
        "slices": [
            {
                "protocol": each.place,
                "title": each.title,
                "level": each.level,
                "metric": each.metric,
                "condition": each.condition,
                "conditionName": condition_label(each),
                "chance": thousandths(each.chance),
                "columns": [
                    [column.label, int(bool(column.seen)), int(at in each.counting)]
                    for at, column in enumerate(each.columns)
                ],
                "rows": [_front_row(row, each.metric, places) for row in each.rows],
            }
            for each in laid_out
        ],
    }


def condition_label(found: Slice) -> str:
    """Name a slice's condition for readers."""
    if found.condition_name == "clean":
        return "undamaged"
    return f"{found.condition_name}, severity {found.severity}"


def _front_row(row: Row, metric: str, places: dict[str, int]) -> list[Any]:
    """Give a row: system, state, rank, tied, mean, ends, Borda, covered, seeds, values."""
    return [
        places[row.entry.entry],
        row.entry.state,
        row.rank,
        int(bool(row.alike)),
        thousandths(row.mean),
        thousandths(row.low),
        thousandths(row.high),
        thousandths(row.borda),
        row.covered,
        _front_seeds(row),
        [thousandths(None if c is None else c.metrics[metric].value) for c in row.cells],
    ]


def _front_seeds(row: Row) -> list[Any]:
    """Give how many training seeds a row is of, and what is said of them."""
    return [len(seeds_of(row.entry)) or None, told_of_seeds(row)]


def told_of_seeds(row: Row) -> str:
    """Say which training seeds a row is of, and how far its mean differs between them."""
    said = seeds_text(row.entry)
    if is_seedless(row.entry):
        return f"{said}: the same scores with each"
    if row.deviation is None:
        return said
    return f"{said}: standard deviation {rounded(row.deviation)}"


def thousandths(value: float | None) -> int | None:
    """Give a number in thousandths."""
    return None if value is None else round(value * 10**_DIGITS)


def compare_payload(laid_out: Sequence[Slice]) -> list[dict[str, Any]]:
    """Give what two entries are compared by: headline metrics, cell by cell, with resamples."""
    return [
        {
            "title": each.title,
            "level": each.level,
            "metric": each.metric,
            "conditionName": condition_label(each),
            "columns": [
                [column.label, int(bool(column.seen)), int(at in each.counting)]
                for at, column in enumerate(each.columns)
            ],
            "rows": [_compared_row(row, each.metric) for row in each.rows if row.entry.is_measured],
        }
        for each in laid_out
        if each.is_headline and sum(row.entry.is_measured for row in each.rows) > 1
    ]


def _compared_row(row: Row, metric: str) -> list[Any]:
    """Give a row: entry, what its resamples are of, cells, seeds, what they add to its mean."""
    cells = [_compared(cell, metric) for cell in row.cells]
    between = row.over_cells.between if row.over_cells else 0.0
    return [row.entry.entry, row.entry.draws, cells, len(row.entry.each_seed), _variance(between)]


def _variance(value: float) -> float:
    """Round a variance to four digits."""
    return float(f"{value:.4g}")


def _compared(cell: EntryCell | None, metric: str) -> list[Any] | None:
    """Give a cell's value, resamples, and what training seeds add to its variance."""
    if cell is None:
        return None
    value = round(cell.metrics[metric].value, 5)
    if cell.replicates is None:
        return [value]
    draws = cell.replicates
    told = [value, round(draws.low, 5), round(draws.high, 5), draws.codes]
    between = cell.seed_variance(metric)
    return [*told, _variance(between)] if between else told


def robustness_payload(laid_out: Sequence[Slice]) -> list[dict[str, Any]]:
    """Give curves of the headline metric over severity: a group a protocol and perturbation."""
    groups = []
    for headline in headlines(laid_out):
        same = [s for s in laid_out if _of_one_curve(s, headline)]
        for name in dict.fromkeys(s.condition_name for s in same if s.condition_name != "clean"):
            points = [s for s in same if s.condition_name in ("clean", name)]
            series: dict[str, list[list[Any]]] = {}
            for each in sorted(points, key=lambda s: s.severity * (s.condition_name != "clean")):
                severity = 0 if each.condition_name == "clean" else each.severity
                for row in each.rows:
                    if row.mean is not None:
                        point = [severity, _short(row.mean), _short(row.low), _short(row.high)]
                        series.setdefault(row.entry.entry, []).append(point)
            groups.append(
                {
                    "title": f"{headline.title}: {name}",
                    "x": "severity",
                    "y": f"{headline.metric} by {headline.level}",
                    "chance": headline.chance,
                    "interval": any(row.low is not None for s in points for row in s.rows),
                    "series": [[who, line] for who, line in series.items() if len(line) > 1],
                }
            )
    return groups


def _of_one_curve(one: Slice, headline: Slice) -> bool:
    """Tell whether a slice is of the table, level and metric of a headline."""
    return (one.place, one.level, one.metric) == (headline.place, headline.level, headline.metric)


def cost_payload(laid_out: Sequence[Slice]) -> list[dict[str, Any]]:
    """Give the mean over parameters, FLOPs and time an image, the last a device a group.

    A last value of 1 says that nothing cheaper is as good. Times of two devices are in no group
    together; FLOPs and parameters are counted, and no device's.
    """
    groups = []
    for each in headlines(laid_out):
        rows = [row for row in each.rows if row.mean is not None and row.entry.is_measured]
        costs: dict[str, dict[str, float]] = {"parameters": {}, "FLOPs of one image": {}}
        for row in rows:
            who = row.entry.entry
            costs["parameters"][who] = row.entry.parameters or 0
            for cost in row.entry.costs:
                costs["FLOPs of one image"][who] = cost.flops
                time = costs.setdefault(f"ms an image in batches, {cost.device}", {})
                time[who] = round(1e3 / cost.images_per_second, 3)
        for name, known in costs.items():
            points = [
                (row.entry.entry, known[row.entry.entry], row.mean)
                for row in rows
                if row.mean is not None and known.get(row.entry.entry)
            ]
            if points:
                groups.append(_cost_group(each, name, points))
    return groups


def _cost_group(
    each: Slice, name: str, points: Sequence[tuple[str, float, float]]
) -> dict[str, Any]:
    """Give what one plot of means over a cost is drawn from."""
    return {
        "title": each.title if name == "parameters" else f"{each.title}; {name}",
        "x": name,
        "y": f"mean {each.metric}",
        "log": True,
        "chance": each.chance,
        "interval": False,
        "series": [
            [who, [[cost, _short(mean), None, None, int(_leads(at, points, each.metric))]]]
            for at, (who, cost, mean) in enumerate(points)
        ],
    }


def _leads(at: int, points: Sequence[tuple[str, float, float]], metric: str) -> bool:
    """Tell whether no other point is as cheap and better, or as good and cheaper."""
    _, cost, mean = points[at]
    return not any(
        (c <= cost and is_better(metric, m, mean)) or (c < cost and m == mean)
        for other, (_, c, m) in enumerate(points)
        if other != at
    )


def seen_payload(laid_out: Sequence[Slice]) -> list[dict[str, Any]]:
    """Give the mean over seen and over unseen cells of each entry that has both."""
    groups = []
    for each in headlines(laid_out):
        sides = [
            [at for at, c in enumerate(each.columns) if c.headline and c.seen is seen]
            for seen in (True, False)
        ]
        series = []
        for row in each.rows:
            seen, unseen = (mean_over(row, each.metric, side) for side in sides)
            if seen is not None and unseen is not None:
                series.append([row.entry.entry, [[_short(seen), _short(unseen), None, None]]])
        if series:
            groups.append(
                {
                    "title": each.title,
                    "x": f"mean {each.metric}, forgeries seen in training",
                    "y": f"mean {each.metric}, forgeries not seen",
                    "chance": each.chance,
                    "diagonal": True,
                    "interval": False,
                    "series": series,
                }
            )
    return groups


def headlines(laid_out: Sequence[Slice]) -> list[Slice]:
    """List the first slice of each table: headline metric, level and condition."""
    found: dict[str, Slice] = {}
    for each in laid_out:
        found.setdefault(each.place, each)
    return list(found.values())


def _short(value: float | None) -> float | None:
    """Round what is drawn."""
    return None if value is None else round(value, 6)
