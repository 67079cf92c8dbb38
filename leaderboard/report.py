"""A report: records, tables, figures and page of a run, from its scores alone."""

import shutil
import tempfile
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import get_args

from leaderboard.errors import LeaderboardError
from leaderboard.figures.drawing import Picture
from leaderboard.figures.paper import paper_figures
from leaderboard.figures.registry import FIGURES, RUN_FIGURES, FigureEntry, FigurePlace, Given
from leaderboard.site.page import Headline, ProtocolSection, render
from leaderboard.site.times import TIMES, render_times
from leaderboard.tables.leaders import answer, leaders_table
from leaderboard.tables.long import cells_frame
from leaderboard.tables.paper import to_paper
from leaderboard.tables.registry import TABLES, TablePlace
from leaderboard.tables.table import WRITERS, Table
from leaderboard.view import Context, views
from results.errors import UndefinedError
from results.evaluation import evaluate_contents
from results.faults import checked_contents
from results.files import atomic_write, csv_table
from results.host import read_sittings
from results.literature import Literature, is_here, read_literature
from results.references.citing import CITATIONS_FILE, citations
from results.run import RunContents
from results.statistics.joint import Bootstrap
from results.store import read_run, write_record

DERIVED = ("records", "tables", "figures")
PAGE = "index.html"
_PREFIX = ".report-"


def report(run: str | Path, *, paper: bool = False) -> Path:
    """Build everything that follows from a run's scores, in place of an earlier report.

    Twice gives the same bytes. The new files are made beside the old ones and take their place
    when all of them are there: an error leaves the old report as it was.

    Args:
        run: The run's folder; ``records/``, ``tables/``, ``figures/``, ``CITATIONS_FILE.bib``,
            ``index.html`` and ``time.html`` in it are replaced, nothing else is touched.
        paper: Write every figure a second time, as wide as a column of a paper or two
            (``figures/*.paper.pdf``).

    Returns:
        The page, ``index.html``.

    Raises:
        LeaderboardError: The run has no detector.
        ResultError: A file of the run is missing or wrong, or the run is not what it was sealed as.
        ProtocolError: A protocol of the run does not fit its samples.
    """
    with paper_figures() if paper else nullcontext():
        return _report(Path(run))


def _report(run: Path) -> Path:
    """Build everything that follows from a run's scores."""
    if not read_run(run).entries:
        raise LeaderboardError(f"{run}: the run has no detector, so there is nothing to report")
    contents = checked_contents(run)
    bootstrap = Bootstrap(contents)
    made = evaluate_contents(contents, bootstrap)
    for left_over in run.glob(f"{_PREFIX}*"):
        shutil.rmtree(left_over)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=run))
    try:
        for record in made:
            write_record(folder, record)
        laid_out = views(contents, made)
        atomic_write(folder / "tables" / "cells.csv", csv_table(cells_frame(laid_out)))
        literature = read_literature() if is_here() else Literature((), ())
        contexts = [
            Context(view=view, contents=contents, bootstrap=bootstrap, literature=literature)
            for view in laid_out
        ]
        sections = [_section(folder, context) for context in contexts]
        headline = Headline(answer=answer(contexts), leaders=leaders_table(contexts))
        _write_table(folder, headline.leaders)
        figures = _run_figures(folder, contents)
        text = citations(contents, _statistics(contents, sections))
        atomic_write(folder / CITATIONS_FILE, text)
        sittings = read_sittings(run)
        page = render(contents, headline, sections, figures, times=TIMES if sittings else None)
        atomic_write(folder / PAGE, page)
        if sittings:
            atomic_write(folder / TIMES, render_times(contents, sittings))
        _swap(folder, run)
    finally:
        shutil.rmtree(folder)
    return run / PAGE


def _section(folder: Path, context: Context) -> ProtocolSection:
    """Build one protocol's tables and figures."""
    tables: dict[TablePlace, list[Table]] = {place: [] for place in get_args(TablePlace)}
    for each in TABLES:
        for table in each.build(context) if each.applies(context) else ():
            _write_table(folder, table)
            tables[each.place_of(table, context.view)].append(table)
    figures: dict[FigurePlace, list[Picture]] = {place: [] for place in get_args(FigurePlace)}
    undefined: dict[str, str] = {}
    for entry in FIGURES:
        try:
            figures[entry.place] += _drawn(folder, entry, context)
        except UndefinedError as error:
            undefined[entry.name] = str(error)
    return ProtocolSection(view=context.view, tables=tables, figures=figures, undefined=undefined)


def _statistics(contents: RunContents, sections: Sequence[ProtocolSection]) -> set[str]:
    """Name the statistics that the report shows, as the library of references calls them."""
    found = {"intervals"}
    if contents.cluster_ways.donor is not None:
        found.add("intervals of swaps, by target and by donor")
    for section in sections:
        tables = {table.name for some in section.tables.values() for table in some}
        named = {"ranks": "ranks", "seeds": "training seeds", "test-sets": "a further test set"}
        found |= {what for end, what in named.items() if f"{section.view.name}-{end}" in tables}
        kinds = {picture.kind for some in section.figures.values() for picture in some}
        found |= {"critical differences"} if "ranks" in kinds else set()
    return found


def _run_figures(folder: Path, contents: RunContents) -> dict[FigurePlace, list[Picture]]:
    """Draw what is of the run and of no protocol."""
    figures: dict[FigurePlace, list[Picture]] = {place: [] for place in get_args(FigurePlace)}
    for entry in RUN_FIGURES:
        figures[entry.place] += _drawn(folder, entry, contents)
    return figures


def _drawn(folder: Path, entry: FigureEntry[Given], given: Given) -> Sequence[Picture]:
    """Draw what an entry stands for, where it applies, and write it."""
    pictures = entry.build(given) if entry.applies(given) else ()
    for picture in pictures:
        for ending, content in picture.files.items():
            atomic_write(folder / "figures" / f"{picture.name}.{ending}", content)
    return pictures


def _write_table(folder: Path, table: Table) -> None:
    """Write a table in each of its forms."""
    for ending, write in {**WRITERS, "paper.tex": to_paper}.items():
        atomic_write(folder / "tables" / f"{table.name}.{ending}", write(table))


def _swap(new: Path, run: Path) -> None:
    """Put the new files in the place of the old ones, which leave with the temporary folder."""
    for name in DERIVED:
        if (run / name).exists():
            (run / name).replace(new / f"old-{name}")
        if (new / name).exists():
            (new / name).replace(run / name)
    for name in (CITATIONS_FILE, TIMES, PAGE):
        if (new / name).exists():
            (new / name).replace(run / name)
