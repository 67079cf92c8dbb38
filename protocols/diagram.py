"""Train x test diagrams of protocols, as text."""

from protocols.examples import example_samples
from protocols.expansion import expand
from protocols.schema import Protocol
from protocols.sets import Cell

_SEEN, _UNSEEN, _OUTSIDE = "■", "□", "·"

DIAGRAM_LEGEND = (
    f"{_SEEN} seen in training, {_UNSEEN} not; {_OUTSIDE} stands in no mean, since its real images "
    "are not of the sources of its forged ones"
)


def diagram(protocol: Protocol) -> str:
    """Draw which training set is tested on what.

    Returns:
        Lines of text: one a training set, with a mark for each test set by its number, then the
        tests' names. A protocol that takes what the manifest holds is drawn for an example:
        ``protocols.examples``.
    """
    cells = expand(protocol, example_samples(protocol)).cells
    tests = list(dict.fromkeys((c.test.role, c.test.name) for c in cells))
    trainings = list(dict.fromkeys(cell.training for cell in cells))
    marks = {(c.training, c.test.role, c.test.name): _mark(c) for c in cells}
    corner = "train \\ test"
    width = max(len(name) for name in (corner, *trainings))
    lines = [corner.ljust(width) + "".join(f"{n:>3}" for n in range(1, len(tests) + 1))]
    for training in trainings:
        row = "".join(f"{marks[(training, *test)]:>3}" for test in tests)
        lines.append(training.ljust(width) + row)
    names = [name for _, name in tests]
    told = [f"{name} ({role})" if names.count(name) > 1 else name for role, name in tests]
    return "\n".join([*lines, "", *(f"{n:>3} {name}" for n, name in enumerate(told, start=1))])


def _mark(cell: Cell) -> str:
    """Give a cell's mark."""
    if not cell.headline:
        return _OUTSIDE
    return _SEEN if cell.seen else _UNSEEN
