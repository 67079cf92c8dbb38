"""Protocols for a reader: train x test diagrams, and the page that is made of the files."""

import sys
from pathlib import Path

from protocols.errors import ProtocolError
from protocols.examples import example_samples
from protocols.expansion import expand
from protocols.schema import Aligned, Protocol, load_protocol, protocol_names
from protocols.selection import SMALLEST
from protocols.sets import Cell

SEEN, UNSEEN, OUTSIDE = "■", "□", "·"
LEGEND = (
    f"{SEEN} seen in training, {UNSEEN} not; {OUTSIDE} stands in no mean, since its real images "
    "are not of the sources of its forged ones"
)
BEGIN, END = "<!-- made by: make protocol-page -->", "<!-- end of what is made -->"


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


def facts(protocol: Protocol) -> str:
    """State what a protocol fixes beside its sets, in one sentence."""
    told = [f"levels {', '.join(protocol.levels)}"]
    n_conditions = len(protocol.expanded_conditions)
    if n_conditions > 1:
        told.append(f"{n_conditions} conditions")
    if protocol.budget is not None:
        sizes = [
            f"{size} images a class" if size != SMALLEST else "what the poorest generator allows"
            for size in (protocol.budget.train, protocol.budget.val)
        ]
        told.append(f"equal training sets ({sizes[0]}; for validation {sizes[1]})")
    if protocol.frames_per_video is not None:
        told.append(f"{protocol.frames_per_video} evenly spaced frames a video")
    if isinstance(protocol.encoding, Aligned):
        side = protocol.encoding.side
        size = f"{side} px" if isinstance(side, int) else "the smallest size"
        low, high = protocol.encoding.quality
        told.append(f"every image at {size}, JPEG {low} to {high}")
    if protocol.strict:
        told.append("data that stands on two sides is refused")
    told.append(f"summaries {', '.join(protocol.summaries)}")
    return "; ".join(told)


def page() -> str:
    """Give the part of ``docs/protocols.md`` that is made of the protocol files, in Markdown."""
    protocols = [load_protocol(name) for name in protocol_names()]
    parts = [f"{LEGEND}.", *(_section(protocol) for protocol in protocols)]
    return "\n\n".join([BEGIN, *parts, END])


def with_page(text: str) -> str:
    """Put ``page`` in the place of what was made before.

    Raises:
        ProtocolError: The text does not say where that is.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ProtocolError(f"the page has no '{BEGIN}' followed by '{END}'")
    return f"{before}{page()}{after}"


def _section(protocol: Protocol) -> str:
    """Show one protocol."""
    lines = [
        f"### {protocol.name}",
        f"*{protocol.title}*, version {protocol.version}, `{protocol.hash}`. {protocol.summary}",
        f"{protocol.citation}. {_capital(facts(protocol))}.",
    ]
    stated = [
        f"- `{role}`: {protocol.expected.get(role, 'any manifest')}" for role in protocol.roles
    ]
    lines.append("\n".join(stated))
    lines.append(f"```text\n{diagram(protocol)}\n```")
    return "\n\n".join(lines)


def _capital(sentence: str) -> str:
    """Begin a sentence."""
    return sentence[:1].upper() + sentence[1:]


def _mark(cell: Cell) -> str:
    """Give a cell's mark."""
    if not cell.headline:
        return OUTSIDE
    return SEEN if cell.seen else UNSEEN


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.write_text(with_page(target.read_text(encoding="utf-8")), encoding="utf-8")
