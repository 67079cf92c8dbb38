"""The table of detectors in the README: what those of each kind look at.

python -m docs.scripts.readme README.md
"""

import sys
from typing import get_args

from benchmark.cli.catalog import by_group
from detectors.card import Kind
from detectors.cards import mfclip
from docs.scripts.pages import rewrite

BEGIN, END = "<!-- detectors: begin -->", "<!-- detectors: end -->"
_SEEN: dict[Kind, str] = {
    "vision-language": "image and text: MFCLIP (image, noise and prompts of four levels with "
    "sample-pair attention), its public release as it is, and the towers of CLIP",
    "spatial": "pixels, with an ordinary network; `multitask` and `multitask-backbone` learn "
    "MFCLIP's labels as classes, without text",
    "frequency": "spectra, noise and patches",
    "foundation": "what a pretrained image tower sees",
    "floor": "the stored file and the mean colour: what a dataset gives away",
}


def table() -> str:
    """Give a row for each kind of detectors, in Markdown; MFCLIP's own stand first in theirs."""
    own = [card.name for card in mfclip.DETECTORS.values()]
    groups = by_group()
    lines = ["| detectors | what they look at |", "|---|---|"]
    for kind in sorted(get_args(Kind), key=list(_SEEN).index):
        names = sorted((card.name for card in groups[kind]), key=lambda name: name not in own)
        lines.append(f"| {', '.join(f'`{name}`' for name in names)} | {_SEEN[kind]} |")
    return "\n".join(lines)


if __name__ == "__main__":
    rewrite(sys.argv[1], BEGIN, END, table())
