"""The board's table as kept libraries show it: pages to be measured beside the board's own."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

HEADS = ("detector", "rank", "mean", "Borda", "coverage", "state", "size", "track", "params")
# What is drawn stands on the screen once the frame after it is over.
_READY = (
    "const ready = () => requestAnimationFrame(() => {"
    "window.drawn = performance.now(); window.waits = false});"
)


@dataclass(frozen=True)
class Library:
    """A library of tables.

    Attributes:
        script: Place of its script within the unpacked archives; ``style`` likewise.
        start: Shows ``ROWS`` under ``HEADS`` in ``#table`` or ``#box``, then calls ``ready``.
        sort: Sorts by a column; ``search`` shows the rows that hold a text.
    """

    script: str
    style: str
    start: str
    sort: str
    search: str


LIBRARIES = {
    "DataTables 3.1.5": Library(
        script="datatables.net-3.1.5/js/dataTables.min.js",
        style="datatables.net-dt-3.1.2/css/dataTables.dataTables.min.css",
        start="window.t = new DataTable('#table', {data: ROWS, columns: HEADS.map((title) =>"
        " ({title})), paging: false, scrollX: true, scrollY: '78vh', autoWidth: false});"
        " ready()",
        sort="window.t.order([[%d, 'desc']]).draw()",
        search="window.t.search('%s').draw()",
    ),
    "Tabulator 6.5.3": Library(
        script="tabulator-tables-6.5.3/dist/js/tabulator.min.js",
        style="tabulator-tables-6.5.3/dist/css/tabulator.min.css",
        start="window.t = new Tabulator('#box', {height: '78vh', renderHorizontal: 'virtual',"
        " data: ROWS.map((row) => Object.fromEntries(row.map((value, at) => [`c${at}`, value]))),"
        " columns: HEADS.map((title, at) => ({title, field: `c${at}`, width: at ? 80 : 170,"
        " frozen: at === 0}))}); window.t.on('tableBuilt', ready)",
        sort="window.t.setSort('c%d', 'desc')",
        search="window.t.setFilter('c0', 'like', '%s')",
    ),
}


def library_page(library: Library, folder: Path, path: Path, detectors: int, cells: int) -> bytes:
    """Write a page that shows a table of made-up numbers; give the library's script."""
    rng = np.random.default_rng(0)
    rows = [
        [f"Detector {at}", at + 1, round(mean, 3), round(mean, 3), f"{cells}/{cells}",
         "recomputed", "base", "common", "1.0M",
         *(round(float(value), 3) for value in rng.normal(mean, 0.01, cells))]
        for at, mean in enumerate(sorted(map(float, rng.uniform(0.6, 0.95, detectors)))[::-1])
    ]  # fmt: skip
    heads = [*HEADS, *(f"T{at // 10} S{at % 10}" for at in range(cells))]
    script = (folder / library.script).read_bytes()
    style = (folder / library.style).read_text(encoding="utf-8")
    path.write_text(
        f"<!DOCTYPE html><html lang='en'><meta charset='utf-8'><title>t</title>"
        f"<style>{style}</style><div id='box'><table id='table'></table></div>"
        f"<script>{script.decode()}</script><script>window.waits = true; {_READY}"
        f"const HEADS = {json.dumps(heads)}, ROWS = {json.dumps(rows)}; {library.start}</script>",
        encoding="utf-8",
    )
    return script
