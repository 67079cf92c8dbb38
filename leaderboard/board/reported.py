"""Entries of what papers report: others' numbers, in a state of their own."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from leaderboard.board.entries import protocol_facts, slug
from leaderboard.board.schema import BoardEntry, EntryCell, Number
from leaderboard.view import named_tests
from protocols import Protocol, expand, load_protocol, protocol_names
from protocols.examples import example_samples
from results.literature import Literature, MatchedNumber


def outlines(literature: Literature) -> list[BoardEntry]:
    """Give the cells of the shipped protocols that published numbers are of, without any number.

    A protocol that takes what a manifest holds is laid out for an example of one.
    """
    named = {name.protocol for name in literature.names if name.protocol}
    return [_outline(load_protocol(name)) for name in protocol_names() if name in named]


def _outline(protocol: Protocol) -> BoardEntry:
    """Lay the undamaged cells of a protocol out."""
    expansion = expand(protocol, example_samples(protocol))
    tests = named_tests(expansion)
    cells = [
        EntryCell(
            training=cell.training,
            test=tests[cell.test.role, cell.test.name].label,
            role=cell.test.role,
            condition=cell.condition.key,
            condition_name=cell.condition.name,
            severity=0,
            level=cell.level,
            seen=cell.seen,
            headline=cell.headline,
            n_real=None,
            n_fake=None,
            metrics={},
        )
        for cell in expansion.cells
        if cell.condition.name == "clean"
    ]
    return BoardEntry(
        entry="outline", version=1, title="outline", state="imported", data={},
        cells=tuple(cells), **protocol_facts(protocol),
    )  # fmt: skip


def reported_entries(literature: Literature, entries: Sequence[BoardEntry]) -> list[BoardEntry]:
    """Give what papers report in the cells of some measured entries.

    Args:
        literature: Published numbers.
        entries: Whose protocols and cells there are, such as ``outlines``; a number of another
            cell is left out.

    Returns:
        One entry a protocol, source, table, way of choosing weights and detector.
    """
    found = []
    for protocol, of_protocol in _by_protocol(entries).items():
        known: dict[tuple[str, str, str], EntryCell] = {}
        for entry in of_protocol:
            for cell in entry.cells:
                if cell.condition_name == "clean":
                    known.setdefault((cell.training, cell.test, cell.level), cell)
        groups: dict[tuple[str, str, str, str], list[MatchedNumber]] = defaultdict(list)
        for matched in literature.under(protocol[0]):
            number = matched.reported
            if (matched.training, matched.test, number.level) in known:
                row = (number.model, number.source, number.table, str(number.selection))
                groups[row].append(matched)
        for where, numbers in groups.items():
            found.append(_reported(of_protocol[0], where, numbers, known))
    return found


def _by_protocol(entries: Sequence[BoardEntry]) -> dict[tuple[str, int], list[BoardEntry]]:
    """Part entries by protocol and its version."""
    parts: dict[tuple[str, int], list[BoardEntry]] = {}
    for entry in entries:
        parts.setdefault((entry.protocol, entry.protocol_version), []).append(entry)
    return parts


def _reported(
    like: BoardEntry,
    where: tuple[str, str, str, str],
    numbers: Sequence[MatchedNumber],
    known: dict[tuple[str, str, str], EntryCell],
) -> BoardEntry:
    """Give the entry of one detector in one source's table."""
    model, source, table, selection = where
    return BoardEntry(
        entry=slug(f"reported {' '.join(where)}"),
        version=1,
        title=model,
        state="reported",
        source=f"{source}, {table}; weights chosen: {selection}",
        **{
            name: getattr(like, name)
            for name in BoardEntry.model_fields
            if name.startswith("protocol") or name in ("metrics", "levels")
        },
        data={},
        cells=tuple(_reported_cells(numbers, known)),
    )


def _reported_cells(
    numbers: Sequence[MatchedNumber], known: dict[tuple[str, str, str], EntryCell]
) -> Iterator[EntryCell]:
    """Give a cell for each training set, test set and level that is in print."""
    cells: dict[tuple[str, str, str], dict[str, Number]] = defaultdict(dict)
    for matched in numbers:
        number = matched.reported
        key = (matched.training, matched.test, str(number.level))
        cells[key][number.metric] = Number(value=float(number.value))
    for key, metrics in cells.items():
        yield known[key].model_copy(
            update={"n_real": None, "n_fake": None, "metrics": metrics, "replicates": None}
        )
