"""A board of many detectors and cells, measured in Chromium: paint, sort, filter, size, build.

    python -m performance.board_speed --detectors 200 --cells 100
    python -m performance.board_speed --libraries FOLDER

With ``--libraries`` the same table is also shown by DataTables and Tabulator: ``FOLDER`` holds what
``npm pack datatables.net@3.1.5 datatables.net-dt@3.1.2 tabulator-tables@6.5.3`` gives, unpacked.

Entries are made up; the numbers of a page do not change what it costs to show them.
"""

import argparse
import gzip
import json
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import CDPSession

from leaderboard.board.build import build_board
from leaderboard.board.schema import BoardEntry
from performance.table_libraries import LIBRARIES, library_page
from tests.browser import opened
from tests.fake_board import make_entry

ROUNDS = 5
# The time until the browser has painted what an action changed.
_TIMED = """(act) => new Promise((done) => {
  const started = performance.now();
  eval(act);
  requestAnimationFrame(() => {
    const channel = new MessageChannel();
    channel.port1.onmessage = () => done(performance.now() - started);
    channel.port2.postMessage(0);
  });
})"""
SORT = "document.querySelectorAll('#board-table thead button')[%d].click()"
FILTER = (
    "{const f = document.querySelector('%s'); f.value = '%s'; f.dispatchEvent(new Event('input'))}"
)


def made_up(detectors: int, cells: int) -> list[BoardEntry]:
    """Make entries of as many detectors under one protocol, each of as many cells."""
    rng = np.random.default_rng(0)
    return [
        make_entry(f"detector-{at}", strength=float(rng.uniform(0.6, 0.95)), cells=cells, seed=at)
        for at in range(detectors)
    ]


def measure(detectors: int, cells: int) -> dict[str, Any]:
    """Build a board and use it; times in milliseconds, medians of ``ROUNDS``."""
    entries = made_up(detectors, cells)
    with tempfile.TemporaryDirectory() as folder:
        clock, own = time.perf_counter(), time.process_time()
        page_path = build_board(entries, Path(folder) / "site")
        found: dict[str, Any] = {
            "build s": round(time.perf_counter() - clock, 2),
            "build s of the processor": round(time.process_time() - own, 2),
            "front page kB": round(page_path.stat().st_size / 1000),
            "compressed kB": round(len(gzip.compress(page_path.read_bytes())) / 1000),
        }
        found |= in_browser(page_path, sorts(9, cells), filters("#pick-q"))
    return found


def measure_library(name: str, folder: Path, detectors: int, cells: int) -> dict[str, Any]:
    """Show a table as large by a library and use it likewise."""
    library = LIBRARIES[name]
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / "index.html"
        script = library_page(library, folder, path, detectors, cells)
        return {
            "script kB": round(len(script) / 1000),
            "compressed kB": round(len(gzip.compress(script)) / 1000),
            **in_browser(
                path,
                [library.sort % (9 + at % cells) for at in range(ROUNDS)],
                [library.search % text for text in ("1", "12", "", "199", "detector 5")],
            ),
        }


def sorts(first: int, cells: int) -> list[str]:
    """Give the actions that sort a semantic table by one cell after the other."""
    return [SORT % (first + at % cells) for at in range(ROUNDS)]


def filters(field: str) -> list[str]:
    """Give the actions that write one text after the other into a field."""
    return [FILTER % (field, text) for text in ("1", "12", "", "199", "detector 5")]


def in_browser(page_path: Path, sort: Sequence[str], search: Sequence[str]) -> dict[str, int]:
    """Open a page and carry actions out; times in milliseconds, medians over the actions."""
    found = {}
    with opened(page_path, evaluates=True) as (page, _):
        page.wait_for_function("!window.waits")
        paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
        found["first paint ms"] = round(paint)
        found["drawn ms"] = round(
            page.evaluate(
                "window.drawn ?? performance.getEntriesByType('navigation')[0].domComplete"
            )
        )
        session = page.context.new_cdp_session(page)
        session.send("Performance.enable", {"timeDomain": "threadTicks"})
        for name, actions in {"sort": sort, "filter": search}.items():
            wall: list[float] = []
            busy: list[float] = []
            for action in actions:
                before = _busy(session)
                wall.append(page.evaluate(_TIMED, action))
                busy.append(1000 * (_busy(session) - before))
            found[f"{name} ms"] = round(statistics.median(wall))
            found[f"{name} ms of the processor"] = round(statistics.median(busy))
    return found


def _busy(session: CDPSession) -> float:
    """Give the seconds that the page's thread has computed: others on the machine do not count."""
    told = session.send("Performance.getMetrics")["metrics"]
    return float(next(each["value"] for each in told if each["name"] == "TaskDuration"))


def main() -> None:
    """Read the arguments, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--detectors", type=int, default=200)
    parser.add_argument("--cells", type=int, default=100)
    parser.add_argument("--libraries", type=Path, help="folder of unpacked npm archives")
    parser.add_argument("--json", type=Path, help="also write the numbers to this file")
    arguments = parser.parse_args()
    found = {"own table": measure(arguments.detectors, arguments.cells)}
    if arguments.libraries:
        for name in LIBRARIES:
            found[name] = measure_library(
                name, arguments.libraries, arguments.detectors, arguments.cells
            )
    for name, numbers in found.items():
        print(name)
        for what, value in numbers.items():
            print(f"  {what:28} {value}")
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
