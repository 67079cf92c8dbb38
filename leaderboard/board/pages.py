"""The pages of a board, as HTML: a function a kind of page, all from entries and slices."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from leaderboard.board.payload import (
    compare_payload,
    condition_label,
    cost_payload,
    front_payload,
    headlines,
    robustness_payload,
    seen_payload,
    systems_of,
    told_of_seeds,
)
from leaderboard.board.ranking import Lead, Slice, lead_of, slices
from leaderboard.board.records import newest
from leaderboard.board.schema import BoardDataset, BoardEntry
from leaderboard.board.seeds import is_seedless, join_seeds, seeds_of, seeds_text
from leaderboard.errors import LeaderboardError
from leaderboard.site.templating import json_block, safe_address, sealed, template_environment
from results.rounding import rounded, signed

MENU = (
    ("Board", "index.html"),
    ("Head to head", "compare.html"),
    ("Robustness", "robustness.html"),
    ("Cost", "cost.html"),
    ("Seen and unseen", "seen.html"),
    ("Data", "data.html"),
    ("History", "history.html"),
    ("Submit", "submit.html"),
)
DOWNLOADS = ("board.json", "board.csv", "board.parquet")
_SIDES = {True: "■", False: "□", None: "?"}  # seen in training, not, not known
_LEDES = {
    "robustness": (
        "The headline metric, mean over the cells that count, as images are damaged more and more. "
        "Bands are 95 % intervals, all of the same images: they rise and fall together."
    ),
    "cost": (
        "The mean over the cells that count against the number of parameters and, where it was "
        "measured, FLOPs and time of an image, a device at a time. On the Pareto front (dashed) no "
        "cheaper detector is as good; only measured entries are drawn."
    ),
    "seen": (
        "The mean over cells whose forgeries were seen in training against that over the others. "
        "Far below the dotted diagonal, a detector knows its training forgeries and no others."
    ),
}


class LedSlice(NamedTuple):
    """A slice with who leads it; ``side`` says which cells count, "" where that is not known."""

    slice: Slice
    title: str
    side: str
    lead: Lead | None


class Pages:
    """Makes the pages of a board."""

    def __init__(self, name: str, entries: Sequence[BoardEntry]) -> None:
        """Lay the entries out.

        Args:
            name: Of the board.
            entries: All versions.
        """
        self._name, self._all = name, list(entries)
        self._entries = join_seeds(newest(entries))
        self._page_of = {
            each.identity: entry for entry in self._entries for each in entry.each_seed
        }
        self._slices = slices(self._entries)
        self._found = [self._with_lead(each) for each in headlines(self._slices)]
        if not self._found:
            raise LeaderboardError("no entry has a number, so there is no board to make")
        self._systems = systems_of(self._entries)
        self._titles = {who: entry.title for who, entry in self._systems.items()}
        self._environment = template_environment()
        self._environment.globals |= {
            "signed": signed, "seeds_of": seeds_of, "seeds_text": seeds_text,
            "is_seedless": is_seedless, "told_of_seeds": told_of_seeds,
        }  # fmt: skip
        self._seals: dict[tuple[str, ...], dict[str, Any]] = {}

    def all(self) -> Iterator[tuple[str, str]]:
        """Give each page: its address within the board, and its text."""
        yield "index.html", self._front()
        yield "compare.html", self._page(
            "compare", "Head to head", scripts=("tables.js", "board/compare.js"),
            data=json_block({"titles": self._titles, "slices": compare_payload(self._slices)}),
        )  # fmt: skip
        yield from self._plots()
        yield "data.html", self._page("data", "Data", datasets=self._datasets())
        yield "history.html", self._page("history", "History", versions=self._versions())
        yield "submit.html", self._page("submit", "How to submit")
        for found in self._found:
            yield f"protocols/{found.slice.place}.html", self._protocol(found)
        for who in self._systems:
            yield f"detectors/{who}.html", self._detector(who)

    def _page(
        self,
        template: str,
        heading: str,
        *,
        scripts: tuple[str, ...] = ("tables.js",),
        **given: Any,
    ) -> str:
        """Fill a template in."""
        root = "../" if given.pop("is_inner", False) else ""
        here = "index.html" if template == "front" else f"{given.pop('file', template)}.html"
        if scripts not in self._seals:
            self._seals[scripts] = dict(sealed(("style.css", "board/board.css"), scripts))
        made = self._environment.get_template(f"board/{template}.html.j2")
        return made.render(
            board=self._name, heading=heading, menu=MENU, root=root, here=here,
            **self._seals[scripts], **given,
        )  # fmt: skip

    def _with_lead(self, found: Slice) -> LedSlice:
        """Find who leads a slice."""
        sides = {found.columns[at].seen for at in found.counting}
        said = "unseen" if False in sides else "seen" if True in sides else ""
        return LedSlice(found, found.title, said, lead_of(found))

    def _front(self) -> str:
        """Make the front page."""
        drawn = {
            fact.name for entry in self._entries for fact in entry.data.values() if fact.synthetic
        }
        return self._page(
            "front",
            self._name,
            scripts=("board/board.js",),
            first=self._found[0],
            protocols=self._found,
            synthetic=sorted(drawn),
            downloads=DOWNLOADS,
            data=json_block(front_payload(self._entries, self._slices)),
        )

    def _plots(self) -> Iterator[tuple[str, str]]:
        """Make the pages that are drawn."""
        drawn = {
            "robustness": ("Robustness", robustness_payload(self._slices)),
            "cost": ("Accuracy against cost", cost_payload(self._slices)),
            "seen": ("Seen against unseen", seen_payload(self._slices)),
        }
        for name, (heading, groups) in drawn.items():
            data = json_block({"titles": self._titles, "groups": groups})
            yield f"{name}.html", self._page(
                "plot", heading, scripts=("tables.js", "board/plot.js"), file=name,
                lede=_LEDES[name], groups=groups, titles=self._titles, data=data,
            )  # fmt: skip

    def _protocol(self, found: LedSlice) -> str:
        """Make a protocol's page."""
        entry = found.slice.rows[0].entry
        same = [each for each in self._slices if each.place == found.slice.place]
        tests = list(dict.fromkeys(column.test for column in found.slice.columns))
        marks: dict[str, dict[str, str]] = {}
        for column in found.slice.columns:
            mark = _SIDES[column.seen] if column.headline else "·"
            marks.setdefault(column.training, {})[column.test] = mark
        data = {role: fact for row in found.slice.rows for role, fact in row.entry.data.items()}
        return self._page(
            "protocol",
            found.title,
            is_inner=True,
            found=found,
            entry=entry,
            tests=tests,
            diagram=[(name, [row.get(test, "") for test in tests]) for name, row in marks.items()],
            data=list(data.items()),
            conditions=list(dict.fromkeys(condition_label(each) for each in same)),
        )

    def _detector(self, who: str) -> str:
        """Make a detector's page."""
        entries = [entry for entry in self._entries if entry.entry == who]
        parts = []
        for entry in entries:
            # A table has no row where its entry has no number.
            found = next((f.slice for f in self._found if f.slice.place == entry.place), None)
            rows = found.rows if found else ()
            row = next((row for row in rows if row.entry is entry), None)
            parts.append(
                {
                    "entry": entry, "row": row, "metric": entry.metrics[0],
                    "counting": len(found.counting) if found else 0,
                }
            )  # fmt: skip
        entry = entries[0]
        return self._page(
            "detector",
            entry.title,
            is_inner=True,
            entry=entry,
            states=list(dict.fromkeys(each.state for each in entries)),
            code=safe_address(entry.card.code) if entry.card else "",
            parts=parts,
            model_card=_model_card(entry, parts),
        )

    def _datasets(self) -> list[tuple[BoardDataset, int, list[tuple[Any, ...]]]]:
        """Give each dataset with its entries and the test sets that are of it."""
        uses: dict[str, tuple[BoardDataset, list[BoardEntry]]] = {}
        counts: dict[str, dict[tuple[Any, ...], None]] = {}
        for entry in self._entries:
            for role, fact in entry.data.items():
                uses.setdefault(fact.fingerprint, (fact, []))[1].append(entry)
                there = counts.setdefault(fact.fingerprint, {})
                for cell in entry.cells:
                    if cell.role == role:
                        row = (
                            entry.protocol_title,
                            cell.test,
                            cell.level,
                            cell.n_real,
                            cell.n_fake,
                        )
                        there[row] = None
        return [
            (fact, len(entries), list(counts[fingerprint]))
            for fingerprint, (fact, entries) in uses.items()
        ]

    def _versions(self) -> list[tuple[BoardEntry, BoardEntry, float | None, float | None]]:
        """Give every version of every entry with what it stands in, its mean and its change."""
        found = []
        before: dict[tuple[str, int, str], float | None] = {}
        for entry in sorted(self._all, key=lambda e: (e.protocol, e.entry, e.version)):
            metric = entry.metrics[0]
            values = [c.metrics[metric].value for c in entry.cells if metric in c.metrics]
            mean = float(np.mean(values)) if values else None
            old = before.get(entry.identity)
            change = mean - old if mean is not None and old is not None else None
            before[entry.identity] = mean
            found.append((entry, self._page_of[entry.identity], mean, change))
        return found


def _model_card(entry: BoardEntry, parts: Sequence[dict[str, Any]]) -> str:
    """Write a model card to copy: what it is, and its numbers."""
    title = " ".join(entry.title.split())
    lines = ["---", "tags: [face-forgery-detection, forgerybench]", "---", "", f"# {title}", ""]
    if entry.card:
        lines += [entry.card.paper, "", f"Fidelity: {entry.card.fidelity}", ""]
    lines += ["| protocol | metric | mean | rank | state |", "|---|---|---|---|---|"]
    for part in parts:
        row = part["row"]
        if row is None:
            continue
        mean = "no mean" if row.mean is None else rounded(row.mean)
        of = part["entry"]
        name = f"{of.protocol_title} v{of.protocol_version}"
        lines.append(f"| {name} | {part['metric']} | {mean} | {row.rank or '-'} | {of.state} |")
    return "\n".join(lines)
