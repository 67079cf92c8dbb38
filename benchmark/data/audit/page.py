"""The page of an audit: what was found, what to do, and the pictures that show it."""

import base64
import io
from importlib.resources import files
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from benchmark.data.audit.audit import Audit
from benchmark.data.images import read
from benchmark.errors import BenchmarkError, ImageError
from leaderboard.site.templating import sealed, template_environment
from protocols.text import printable
from results.files import atomic_write, json_text

_PAGE, _FACTS = "index.html", "audit.json"
_SIDE = 112
_SHOWN = 6  # examples of a finding, and samples of a class and source
_MOST_SOURCES = 12


def check_place(folder: Path) -> None:
    """Raise BenchmarkError where a page could not be put, before an image is read.

    An audit that is there is replaced; a page of something else is not.
    """
    if folder.exists() and not folder.is_dir():
        raise BenchmarkError(f"{folder}: a file; name a folder")
    if (folder / _PAGE).exists() and not (folder / _FACTS).is_file():
        raise BenchmarkError(f"{folder / _PAGE}: a page of something else; choose another folder")


def write_audit(audit: Audit, folder: Path) -> Path:
    """Write ``audit.json`` and ``index.html``; give the page.

    Args:
        audit: What was found.
        folder: It is made if it is not there.
    """
    atomic_write(folder / _FACTS, json_text(audit.as_json(), _FACTS))
    page = folder / _PAGE
    atomic_write(page, _render(audit))
    return page


def _render(audit: Audit) -> str:
    """Fill the template."""
    thumbs = _Thumbs(audit.manifest.root)
    text = files("benchmark.data.audit").joinpath("page.html.j2").read_text(encoding="utf-8")
    return (
        template_environment()
        .from_string(text)
        .render(
            **sealed(["style.css"], ["tables.js"]),
            name=f"{audit.manifest.name}: {printable(audit.manifest.path.name)}",
            images=len(audit.manifest.samples),
            findings=[
                (each, [[thumbs(sample) for sample in row] for row in each.examples[:_SHOWN]])
                for each in audit.findings
            ],
            # What tells comes first: the table is long, and its box scrolls.
            shortcuts=sorted(audit.shortcuts, key=lambda each: not each.tells),
            unstated=audit.unstated,
            rows=_samples(audit.manifest.samples, thumbs),
        )
    )


def _samples(samples: pd.DataFrame, thumbs: "_Thumbs") -> list[tuple[str, list[tuple[str, str]]]]:
    """Show a few samples of each class of each source."""
    shown = []
    for (source, label), rows in list(samples.groupby(["source", "label"], sort=True))[
        : 2 * _MOST_SOURCES
    ]:
        places = np.linspace(0, len(rows) - 1, min(_SHOWN, len(rows)), dtype=int)
        pictures = [thumbs(str(rows["sample_id"].iloc[place])) for place in places]
        shown.append((f"{source}, {label}: {len(rows)} images", pictures))
    return shown


class _Thumbs:
    """Small pictures of samples, each made once."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._made: dict[str, tuple[str, str]] = {}

    def __call__(self, sample_id: str) -> tuple[str, str]:
        """Give a sample's name and its picture as the address of an image, "" if it has none."""
        if sample_id not in self._made:
            self._made[sample_id] = (printable(sample_id), self._address(sample_id))
        return self._made[sample_id]

    def _address(self, sample_id: str) -> str:
        try:
            image = Image.fromarray(read(self._root, sample_id))
        except ImageError:
            return ""
        image.thumbnail((_SIDE, _SIDE))
        buffer = io.BytesIO()
        image.save(buffer, format="PNG")
        return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
