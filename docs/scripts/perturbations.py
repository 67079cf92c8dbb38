"""The perturbations for a reader: a page of their levels, and a sheet of pictures a suite.

    python -m docs.scripts.perturbations docs

Both are made of the levels and of one drawn face of the embedded set, never of a photograph.
"""

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from benchmark.data.images import read
from benchmark.perturbations import SUITES, apply, names
from benchmark.perturbations.pixels import Image
from benchmark.synthetic.generate import SetSizes, generate
from protocols import perturbations
from protocols.conditions import condition, shown, suites

PAGE = "perturbation-levels.md"
_GAP, _HEAD, _TEXT = 4, 18, 12
_INK, _PAPER = (40, 40, 40), (255, 255, 255)
# The sheet shows what a perturbation does, not the last bit: PNG would take ten times the space.
_QUALITY = 80


def page() -> str:
    """Give the page of all levels, in Markdown."""
    lines = [
        "# Levels of the perturbations",
        "Made by `make perturbation-page` from `protocols/levels/*.yaml`. "
        "[perturbations](perturbations.md) says what they have in common. The face is a drawn one "
        "of the embedded set; at 128 px, lengths in pixels weigh more than on a larger image.",
    ]
    for name, suite in suites().items():
        if name not in SUITES:
            continue
        table = [
            "| name | parameter | severity 1, 2, ... | stages | version | note |",
            "|---|---|---|---|---|---|",
        ]
        table += [
            f"| `{name}/{key}` | {each.parameter} | {' '.join(map(shown, each.levels))} | "
            f"{', '.join(each.stages)} | {each.version} | {each.note} |"
            for key, each in suite.perturbations.items()
        ]
        lines += [
            f"## {name}",
            f"{suite.citation}.",
            "\n".join(table),
            f"![{name}: a row a perturbation, a column a severity](figures/{name}.jpg)",
        ]
    return "\n\n".join(lines) + "\n"


def contact_sheet(image: Image, chosen: Sequence[str]) -> Pillow.Image:
    """Show an image under perturbations: a row each, clean and every severity.

    Args:
        image: (h, w, 3) uint8 RGB.
        chosen: Names as ``suite/name``.
    """
    height, width = image.shape[:2]
    columns = 1 + max(len(perturbations()[name].levels) for name in chosen)
    size = (columns * (width + _GAP) + _GAP, len(chosen) * (height + _HEAD + _GAP) + _GAP)
    sheet = Pillow.new("RGB", size, _PAPER)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(_TEXT)
    for row, name in enumerate(chosen):
        entry = perturbations()[name]
        top = _GAP + row * (height + _HEAD + _GAP)
        draw.text((_GAP, top), entry.title, _INK, font)
        sheet.paste(Pillow.fromarray(image), (_GAP, top + _HEAD))
        for severity, level in enumerate(entry.levels, start=1):
            left = _GAP + severity * (width + _GAP)
            what = condition(name, severity, "crop", "a contact sheet")
            pixels = apply(what, image, noise_seed=0, sample_id="sheet")
            # A long title runs into the next column, where the level then stands further right.
            text = f"{severity}: {shown(level)}"
            draw.text((left + width - draw.textlength(text, font), top), text, _INK, font)
            sheet.paste(Pillow.fromarray(pixels), (left, top + _HEAD))
    return sheet


def drawn_faces(count: int) -> list[Image]:
    """Give real photographs of the embedded set, (128, 128, 3) uint8 RGB, of different people."""
    with tempfile.TemporaryDirectory() as folder:
        manifest = generate(
            Path(folder) / "set", counts=SetSizes(train=2, val=2, test=2), workers=1
        )
        table = pd.read_csv(manifest, dtype=str, keep_default_na=False)
        people = table[table["label"] == "real"].drop_duplicates("identity")
        return [read(manifest.parent, path) for path in people["path"][:count]]


def write(folder: Path) -> None:
    """Write the page and its figures into ``folder``."""
    (folder / "figures").mkdir(exist_ok=True)
    (folder / PAGE).write_text(page(), encoding="utf-8")
    face = np.ascontiguousarray(drawn_faces(1)[0])
    for suite in SUITES:
        chosen = [name for name in names() if name.startswith(f"{suite}/")]
        path = folder / "figures" / f"{suite}.jpg"
        contact_sheet(face, chosen).save(path, quality=_QUALITY, subsampling=0, optimize=True)


if __name__ == "__main__":
    write(Path(sys.argv[1]))
