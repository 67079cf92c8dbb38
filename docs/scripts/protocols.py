"""The protocols with their diagrams in a page.

python -m docs.scripts.protocols docs/protocols.md
"""

import sys

from docs.scripts.pages import between_marks, rewrite
from protocols.diagram import DIAGRAM_LEGEND, diagram
from protocols.schema import Aligned, Protocol, load_protocol, protocol_names
from protocols.selection import SMALLEST

BEGIN, END = "<!-- made by: make protocol-page -->", "<!-- end of what is made -->"


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
    return "\n\n".join([f"{DIAGRAM_LEGEND}.", *map(_section, protocols)]) + "\n"


def with_page(text: str) -> str:
    """Put ``page`` in the place of what was made before."""
    return between_marks(text, BEGIN, END, page())


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


if __name__ == "__main__":
    rewrite(sys.argv[1], BEGIN, END, page())
