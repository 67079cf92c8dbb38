"""A run as its tables and figures see it: every cell of every contender, gaps included.

A *contender* is a detector with a training seed: what has a row in a summary. It has one model for
each training set of a protocol, or the reason why there is none.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import product
from typing import Any, NamedTuple, TypeVar

from protocols import ELSEWHERE, Cell, Condition, Expansion, Protocol
from results.literature import Literature
from results.metrics.registry import METRICS, Metric
from results.run import RunContents
from results.schema import CellRecord, ModelFacts, Record, Value
from results.statistics.joint import Bootstrap

FEWEST_SAMPLES = 100
FEW_CLUSTERS = 20
FEW_TELLS = (
    f"fewer than {FEWEST_SAMPLES} real or forged samples, or {FEW_CLUSTERS} clusters of them"
)

Shared = TypeVar("Shared")


class Contender(NamedTuple):
    """A detector with a training seed.

    Attributes:
        label: Its name in tables, unique in the run.
        name: The label without the seed.
    """

    detector: str
    seed: int
    label: str
    name: str


class Test(NamedTuple):
    """A test set; ``label`` is its name in tables, unique in the protocol."""

    role: str
    name: str
    label: str


class Summary(NamedTuple):
    """The mean of some cells.

    Attributes:
        value: The mean over the headline cells; None where there are none, or one has no value.
        covered: Headline cells with a value; ``total`` how many cells there are.
        small: Whether one of them has few samples or clusters (``is_small``).
        worst: The cell with the worst value.
        reason: Why there is no mean.
    """

    value: float | None
    covered: int
    total: int
    small: bool
    worst: "Result | None"
    reason: str | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Result:
    """One cell of one contender.

    Attributes:
        cell: What the protocol asks.
        record: Its numbers; None where there is no model.
        gap: Why there is no model, or None.
        model: The model, or None.
    """

    contender: Contender
    test: Test
    cell: Cell
    record: CellRecord | None
    gap: str | None
    model: ModelFacts | None

    @property
    def small(self) -> bool:
        """Whether a class has few samples or clusters (``is_small``): shown grey, never bold."""
        return self.record is not None and (
            is_small(self.record.n_real, self.record.clusters_real)
            or is_small(self.record.n_fake, self.record.clusters_fake)
        )

    @property
    def pooled(self) -> bool:
        """Whether its real images are of other sources, so that it stands in no mean."""
        return self.record is not None and self.cell.test.gap is None and not self.cell.headline

    def value(self, metric: str) -> Value:
        """Give a metric, or the reason why there is none."""
        if self.record is None:
            return Value(value=None, reason=f"no model: {self.gap}")
        return self.record.metrics[metric]


@dataclass(frozen=True, kw_only=True, eq=False)
class ProtocolView:
    """All results under one protocol.

    Attributes:
        contenders: In the order of the study.
        trainings: Names of the training sets that the run has, in the order of the protocol.
        tests: In the order of the protocol.
        results: By contender, training set, test set, condition's key and level.
        models: By contender and training set; absent where there is a gap.
        elsewhere: The contenders that were trained elsewhere, so that they have no other training
            set, nor anything seen or unseen.
    """

    protocol: Protocol
    expansion: Expansion
    contenders: tuple[Contender, ...]
    trainings: tuple[str, ...]
    tests: tuple[Test, ...]
    results: dict[tuple[Contender, str, Test, str, str], Result]
    models: dict[tuple[Contender, str], ModelFacts]
    elsewhere: frozenset[Contender] = frozenset()

    @property
    def name(self) -> str:
        """The protocol's name."""
        return self.protocol.name

    def trainings_of(self, contender: Contender) -> tuple[str, ...]:
        """Name the training sets that a contender has rows for, in the order of the protocol."""
        return tuple(t for t in self.trainings if (t == ELSEWHERE) == self.is_elsewhere(contender))

    def is_elsewhere(self, contender: Contender) -> bool:
        """Tell whether a contender was trained elsewhere: it has one model for all cells."""
        return contender in self.elsewhere

    @property
    def detectors(self) -> dict[str, str]:
        """Names of the detectors without their seeds, by what the study calls them."""
        return {who.detector: who.name for who in self.contenders}

    @property
    def metric(self) -> str:
        """The headline metric's name."""
        return self.protocol.metrics[0]

    @property
    def headline(self) -> Metric:
        """What there is to know of the headline metric."""
        return METRICS[self.metric]

    @property
    def level(self) -> str:
        """The headline level: video where video is scored."""
        return "video" if "video" in self.protocol.levels else self.protocol.levels[0]

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """All conditions, in the protocol's order."""
        return self.protocol.expanded_conditions

    @property
    def base(self) -> Condition:
        """The condition of matrices: clean where the protocol has it."""
        return min(self.conditions, key=lambda condition: condition.name != "clean")

    @property
    def damaged(self) -> tuple[Condition, ...]:
        """The conditions that are not clean, where there is clean to compare them with."""
        if self.base.name != "clean":
            return ()
        return tuple(condition for condition in self.conditions if condition.name != "clean")

    @property
    def is_matrix(self) -> bool:
        """Whether training x test sets are more than what its curves already show."""
        return not self.damaged or len(self.trainings) * len(self.tests) > 1

    def of(
        self, contender: Contender, condition: Condition, level: str, seen: bool | None = None
    ) -> list[Result]:
        """List a contender's results under one condition: the seen, the unseen, or all."""
        return [
            result
            for result in self.at(condition, level)
            if result.contender == contender and seen in (None, result.cell.seen)
        ]

    def at(self, condition: Condition, level: str) -> Iterator[Result]:
        """Give all results under one condition."""
        for key, result in self.results.items():
            if key[3:] == (condition.key, level):
                yield result

    def has(self, seen: bool) -> bool:
        """Whether any cell's forgeries were seen in training, or were not."""
        return any(result.cell.seen is seen for result in self.results.values())


@dataclass(frozen=True, kw_only=True, eq=False)
class Context:
    """What the tables and figures of one protocol are built from.

    Attributes:
        view: The protocol's results.
        contents: The run: its samples, and the scores of single images.
        bootstrap: The run's resamples: all intervals and ranks are of the same.
        literature: All published numbers.
    """

    view: ProtocolView
    contents: RunContents
    bootstrap: Bootstrap
    literature: Literature
    _shared: dict[Callable[["Context"], Any], Any] = field(
        default_factory=dict, init=False, repr=False
    )

    def shared(self, compute: Callable[["Context"], Shared]) -> Shared:
        """Give what several figures are drawn from; it is computed once."""
        if compute not in self._shared:
            self._shared[compute] = compute(self)
        found: Shared = self._shared[compute]
        return found


def is_small(n: int, clusters: int | None) -> bool:
    """Whether samples of a class are too few to rank or to stand out by.

    Args:
        n: How many samples.
        clusters: How many clusters they are; None where they were not counted.
    """
    return n < FEWEST_SAMPLES or (clusters is not None and clusters < FEW_CLUSTERS)


def is_better(metric: str, left: float, right: float) -> bool:
    """Whether ``left`` is the better value of ``metric``."""
    return left > right if METRICS[metric].higher_is_better else left < right


def headline_results(results: Iterable[Result]) -> list[Result]:
    """Keep what may be averaged: the headline cells; all where there are none, and marked so."""
    found = list(results)
    return [result for result in found if result.cell.headline] or found


def summarise(results: Iterable[Result], metric: str, *, strict: bool = True) -> Summary:
    """Average a metric over cells, so that a hole never helps.

    Args:
        results: Of one contender.
        metric: One of the protocol's.
        strict: Only headline cells; otherwise ``headline_results``.
    """
    found = list(results)
    chosen = [r for r in found if r.cell.headline] if strict else headline_results(found)
    each = [(result.value(metric).value, result) for result in chosen]
    values = [(value, result) for value, result in each if value is not None]
    total, covered = len(found), len(values)
    small = any(result.small for _, result in values)
    if not values or covered < len(chosen):
        reason = f"{covered} of the {len(chosen)} cells that count have a value"
        if not chosen:
            reason = "no cell has real images of its own sources" if found else "no such cell"
        return Summary(None, covered, total, small, None, reason)
    worst = values[0]
    for pair in values[1:]:
        worst = pair if is_better(metric, worst[0], pair[0]) else worst
    return Summary(sum(value for value, _ in values) / covered, covered, total, small, worst[1])


def views(contents: RunContents, records: list[Record]) -> list[ProtocolView]:
    """Lay the records of a run out by protocol, contender and cell."""
    contenders = _contenders(contents)
    found: dict[tuple[str, ...], CellRecord] = {
        (record.protocol, record.model, *_cell_key(cell)): cell
        for record in records
        for cell in record.cells
    }
    return [
        _view(contents, expansion, contenders, found) for expansion in contents.expansions.values()
    ]


def _view(
    contents: RunContents,
    expansion: Expansion,
    contenders: dict[tuple[str, int], Contender],
    found: dict[tuple[str, ...], CellRecord],
) -> ProtocolView:
    """Lay out one protocol."""
    name = expansion.protocol.name
    entries = {(contenders[e.detector, e.seed], e.training): e for e in contents.entries(name)}
    here = tuple(dict.fromkeys(contender for contender, _ in entries))
    known = {who for who, training in entries if training != ELSEWHERE}
    elsewhere = frozenset(here) - known
    trainings = contents.trainings(name)
    tests = named_tests(expansion)
    results: dict[tuple[Contender, str, Test, str, str], Result] = {}
    models: dict[tuple[Contender, str], ModelFacts] = {}
    for contender, training in product(here, trainings):
        if (training == ELSEWHERE) != (contender in elsewhere):
            continue
        entry = entries.get((contender, training))
        model = entry.model if entry else None
        if model:
            models[contender, training] = contents.models[model]
        for cell in expansion.cells:
            if cell.training != training:
                continue
            test = tests[cell.test.role, cell.test.name]
            key = (cell.test.role, cell.test.name, cell.condition.key, cell.level)
            results[contender, training, test, cell.condition.key, cell.level] = Result(
                contender=contender,
                test=test,
                cell=cell,
                record=found[name, model, training, *key] if model else None,
                gap=entry.gap if entry else "not part of this run",
                model=contents.models[model] if model else None,
            )
    return ProtocolView(
        protocol=expansion.protocol,
        expansion=expansion,
        contenders=here,
        trainings=tuple(trainings),
        tests=tuple(tests.values()),
        results=results,
        models=models,
        elsewhere=elsewhere,
    )


def _cell_key(cell: CellRecord) -> tuple[str, str, str, str, str]:
    """Name a cell within its record."""
    return cell.training, cell.role, cell.test, cell.condition, cell.level


def named_tests(expansion: Expansion) -> dict[tuple[str, str], Test]:
    """Name the test sets; the role is added where two roles have a set of one name."""
    pairs = dict.fromkeys((cell.test.role, cell.test.name) for cell in expansion.cells)
    names = [name for _, name in pairs]
    return {
        (role, name): Test(role, name, f"{name} ({role})" if names.count(name) > 1 else name)
        for role, name in pairs
    }


def _contenders(contents: RunContents) -> dict[tuple[str, int], Contender]:
    """Name the contenders: by title, then by what tells those of equal title apart."""
    titles: dict[tuple[str, int], str] = {}
    for entry in contents.facts.entries:
        key = (entry.detector, entry.seed)
        if entry.model:
            titles[key] = contents.models[entry.model].title
        titles.setdefault(key, entry.detector)
    seeds = {seed for _, seed in titles}
    found = {}
    for (detector, seed), title in titles.items():
        name = _name(detector, title, titles)
        label = f"{name}, seed {seed}" if len(seeds) > 1 else name
        found[detector, seed] = Contender(detector, seed, label, name)
    return found


def _name(detector: str, title: str, titles: dict[tuple[str, int], str]) -> str:
    """Name one detector."""
    namesakes = {other for (other, _), its in titles.items() if its == title}
    return f"{title} ({detector})" if len(namesakes) > 1 else title
