"""The page of a run: static HTML that needs nothing but the figures beside it."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from leaderboard.figures.drawing import Picture
from leaderboard.figures.registry import FigurePlace
from leaderboard.figures.training import MOST_SHOWN
from leaderboard.site.templating import safe_address, sealed, template_environment
from leaderboard.tables.registry import TablePlace
from leaderboard.tables.table import DASH, REPORTED, Table
from leaderboard.view import ProtocolView
from protocols import ELSEWHERE
from protocols.overlaps import overlap_sentences
from results.rounding import rounded
from results.run import RunContents
from results.schema import CardFacts, ModelFacts


@dataclass(frozen=True, kw_only=True)
class ProtocolSection:
    """What the page shows of one protocol.

    Attributes:
        tables: By where they stand.
        figures: By where they stand.
        undefined: Why figures are not there that others have, by their name.
    """

    view: ProtocolView
    tables: Mapping[TablePlace, Sequence[Table]]
    figures: Mapping[FigurePlace, Sequence[Picture]]
    undefined: Mapping[str, str]

    @property
    def restriction(self) -> str | None:
        """Which of the protocol's training sets the run has, where it has not all of them."""
        here = [name for name in self.view.trainings if name != ELSEWHERE]
        every = [t for t in self.view.expansion.training_sets if t.name != ELSEWHERE]
        if len(here) == len(every):
            return None
        return f"{len(here)} of the protocol's {len(every)} training sets: {', '.join(here)}"

    @property
    def folded_figures(self) -> str:
        """Name the figures that are folded away."""
        return ", ".join(picture.heading.lower() for picture in self.figures["folded"])

    @property
    def folded_metrics(self) -> list[str]:
        """The metrics that are folded away."""
        return list(dict.fromkeys(table.metric for table in self.tables["folded"]))

    @property
    def has_reported(self) -> bool:
        """Whether published numbers are shown."""
        shown = (*self.tables["shown"], *self.tables["folded"])
        return any(REPORTED in table.marks for table in shown)

    @property
    def gaps(self) -> list[tuple[str, str]]:
        """Give each training set that lacks models, and why."""
        found: dict[tuple[str, str], list[str]] = {}
        for result in self.view.results.values():
            if result.gap is not None:
                labels = found.setdefault((result.cell.training, result.gap), [])
                if result.contender.label not in labels:
                    labels.append(result.contender.label)
        everyone = len(self.view.contenders)
        return [
            (f"{training} ({'all detectors' if len(who) == everyone else ', '.join(who)})", gap)
            for (training, gap), who in found.items()
        ]


@dataclass(frozen=True, kw_only=True)
class TrainingRow:
    """One model in the training table."""

    label: str
    training: str
    protocols: Sequence[str]
    facts: ModelFacts
    scores: str

    @property
    def is_of_catalog(self) -> bool:
        """Whether it is a detector of the catalog, of which published numbers are known."""
        stated = self.facts.catalog
        return ":" not in self.facts.detector if stated is None else stated

    @property
    def is_elsewhere(self) -> bool:
        """Whether it was trained elsewhere, so that nothing is known of its images."""
        return self.facts.training == ELSEWHERE

    @property
    def loss(self) -> str:
        """The total loss, first and last tenth of the steps, so that a fall stands out of noise."""
        losses = [row["total"] for row in self.facts.history if "total" in row]
        if not losses:
            return DASH
        tenth = max(1, len(losses) // 10)
        first, last = sum(losses[:tenth]) / tenth, sum(losses[-tenth:]) / tenth
        return f"{rounded(first)} → {rounded(last)}"


@dataclass(frozen=True, kw_only=True)
class CardRow:
    """What is known of one detector.

    Attributes:
        anchor: Its place on the page.
        code: Address of its code where it is one that may be linked to.
        card: None where the run took none down.
        is_imported: Whether its scores were made elsewhere.
    """

    anchor: str
    name: str
    pretraining: str
    code: str
    card: CardFacts | None
    is_imported: bool


@dataclass(frozen=True, kw_only=True)
class Headline:
    """What the page says first: who leads, in a sentence and in a table."""

    answer: str
    leaders: Table


def render(
    contents: RunContents,
    headline: Headline,
    sections: Sequence[ProtocolSection],
    figures: Mapping[FigurePlace, Sequence[Picture]],
    *,
    times: str | None = None,
) -> str:
    """Write the page.

    Args:
        contents: The run.
        headline: Who leads.
        sections: What it shows, protocol by protocol.
        figures: Those of the run, by where they stand.
        times: The page that says where the time went, if there is one.

    Returns:
        HTML with style and script inside, that shows figures of the folder beside it; names are
        escaped. Its policy lets nothing else run, and nothing be loaded from elsewhere.
    """
    facts = contents.facts
    rows = training_rows(contents, [section.view for section in sections])
    cards = _card_rows(sections)
    anchors = {row.name: row.anchor for row in cards}
    for section in sections:
        anchors |= {who.label: anchors[who.name] for who in section.view.contenders}
    return (
        template_environment()
        .get_template("page.html.j2")
        .render(
            facts=facts,
            answer=headline.answer,
            leaders=headline.leaders,
            sections=sections,
            figures=figures,
            folded_kinds=_folded_kinds(figures["training"]),
            rows=rows,
            cards=cards,
            anchors=anchors,
            notes=_shared_notes([headline.leaders, *_shown_tables(sections)]),
            recipes=_recipes(rows),
            synthetic=any(dataset.synthetic for dataset in facts.data.values()),
            random_starts=_random_starts(rows),
            on_two_sides=_on_two_sides(contents),
            tiny=_tiny(rows),
            reduced=_by(rows, lambda facts: facts.reduced),
            forms=_by(rows, lambda facts: facts.scored or ""),
            imported=[(row.label, row.facts.imported) for row in rows if row.facts.imported],
            counts=_counts(contents),
            times=times,
            **sealed(["style.css"], ["tables.js"]),
        )
    )


def _shown_tables(sections: Sequence[ProtocolSection]) -> list[Table]:
    """List the tables that the page shows."""
    return [
        table
        for section in sections
        for place, tables in section.tables.items()
        if place != "file"
        for table in tables
    ]


def _shared_notes(tables: Sequence[Table]) -> dict[str, int]:
    """Number the footnotes that several tables have: the page says each once."""
    counts = Counter(note for table in tables for note in table.notes)
    shared = [note for note, number in counts.items() if number > 1]
    return {note: number for number, note in enumerate(shared, 1)}


def _card_rows(sections: Sequence[ProtocolSection]) -> list[CardRow]:
    """Give what is known of each detector, in the order of the study."""
    found: dict[str, ModelFacts | None] = {}
    for section in sections:
        found |= {who.name: None for who in section.view.contenders if who.name not in found}
        for (who, _), model in section.view.models.items():
            found[who.name] = found[who.name] or model
    return [
        CardRow(
            anchor=f"d-{number}",
            name=name,
            pretraining=(model.pretraining if model else None) or "not taken down",
            code=safe_address(model.card.code) if model and model.card else "",
            card=model.card if model else None,
            is_imported=bool(model and model.imported),
        )
        for number, (name, model) in enumerate(found.items(), 1)
    ]


def _folded_kinds(pictures: Sequence[Picture]) -> set[str]:
    """Name the kinds of which there are too many to show all at once."""
    counts = Counter(picture.kind for picture in pictures)
    return {kind for kind, number in counts.items() if number > MOST_SHOWN}


def training_rows(contents: RunContents, views: Sequence[ProtocolView]) -> list[TrainingRow]:
    """Give each model once, with the protocols it stands in."""
    found: dict[str, tuple[str, list[str]]] = {}
    for view in views:
        for (contender, _), model in view.models.items():
            names = found.setdefault(model.id, (contender.label, []))[1]
            if view.protocol.title not in names:
                names.append(view.protocol.title)
    return [
        TrainingRow(
            label=label,
            training=contents.models[model].training,
            protocols=names,
            facts=contents.models[model],
            scores=contents.scores(model).hash,
        )
        for model, (label, names) in found.items()
    ]


def _recipes(rows: Sequence[TrainingRow]) -> list[tuple[str, str]]:
    """State each recipe that says anything once, with all its values."""
    found: dict[tuple[str, str], None] = {}
    for row in rows:
        values = ", ".join(f"{k}: {_plain(v)}" for k, v in sorted(row.facts.recipe_values.items()))
        if values:
            found[row.facts.recipe, values] = None
    return list(found)


def _plain(value: Any) -> str:
    """Show a value of a recipe."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{k}: {_plain(v)}" for k, v in sorted(value.items())) + "}"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _on_two_sides(contents: RunContents) -> list[str]:
    """Say what training and tests of the run share, each sentence once."""
    said = [overlap_sentences(each, contents.samples) for each in contents.expansions.values()]
    return list(dict.fromkeys(sentence for sentences in said for sentence in sentences))


def _random_starts(rows: Sequence[TrainingRow]) -> list[tuple[list[str], str]]:
    """List the detectors that started from random weights, by what they are published with."""
    found: dict[str, list[str]] = {}
    for row in rows:
        published = row.facts.pretraining or ""
        if (
            row.is_of_catalog
            and row.facts.fit == "gradient"
            and row.facts.init == "random"
            and published != "none"
        ):
            labels = found.setdefault(published, [])
            if row.label not in labels:
                labels.append(row.label)
    return [(labels, published) for published, labels in found.items()]


def _tiny(rows: Sequence[TrainingRow]) -> list[str]:
    """List the detectors whose networks were cut down to a size that nobody has published."""
    cut = [row for row in rows if row.is_of_catalog and row.facts.size == "tiny"]
    return list(dict.fromkeys(row.label for row in cut if row.facts.fit == "gradient"))


def _by(
    rows: Sequence[TrainingRow], said: Callable[[ModelFacts], str]
) -> list[tuple[str, list[str]]]:
    """Give the detectors of models of which the same is said; those of which nothing is, not."""
    found: dict[str, dict[str, None]] = {}
    for row in rows:
        if told := said(row.facts):
            found.setdefault(told, {})[row.label] = None
    return [(told, list(labels)) for told, labels in found.items()]


def _counts(contents: RunContents) -> dict[str, int]:
    """Count what the run is made of."""
    entries = contents.facts.entries
    return {
        "detectors": len({entry.detector for entry in entries}),
        "models": len(contents.models),
        "gaps": sum(entry.model is None for entry in entries),
        "seeds": len({entry.seed for entry in entries}),
    }
