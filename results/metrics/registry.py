"""One record a metric: what it is called, what it needs, how it is computed, what it means.

A new metric is one file of this folder that defines ``METRICS``, a tuple of records, and its test.
Everything that asks about metrics (protocols, records, intervals, tables, figures, exports, docs)
asks here.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from math import inf
from pkgutil import iter_modules
from typing import Literal, NamedTuple

from protocols.errors import ProtocolError, UnknownNameError
from protocols.schema import Protocol
from results.metrics.checking import Floats
from results.metrics.roc import Ranked
from results.metrics.samples import SampleColumns, Samples

MetricNeed = Literal["real", "forged", "threshold", "probabilities"]
BOTH: frozenset[MetricNeed] = frozenset({"real", "forged"})


class Ranks(NamedTuple):
    """A metric of the order of scores.

    Attributes:
        of: Of one order, or of b resamples' at once, shape (b,).
    """

    of: Callable[[Ranked], Floats]

    def value(self, samples: Samples) -> float:
        """Compute it of the samples as they are."""
        return float(self.of(samples.ranked))


class Sums(NamedTuple):
    """A metric of sums over samples: means, rates, calibration.

    Attributes:
        columns: What each of n samples adds, shape (n, k). Metrics that share the function share
            its sums.
        of: Of the sums, shape (..., k) to (...).
    """

    columns: Callable[[Samples], SampleColumns]
    of: Callable[[Floats], Floats]

    def value(self, samples: Samples) -> float:
        """Compute it of the samples as they are."""
        return float(self.of(samples.sums(self.columns)))


@dataclass(frozen=True, kw_only=True)
class Metric:
    """What there is to know of a metric.

    Attributes:
        name: What protocols, records and tables call it.
        title: What it is, in words.
        order: Its place among all, the smallest first.
        computed: How: written once, for the samples as they are and for all resamples.
        needs: What it has no value without: ``real`` samples, ``forged`` ones, a ``threshold``
            that validation samples chose, ``probabilities`` (P(fake), not the order of scores).
        real_clusters: How many clusters its real samples must be, or it is the noise of a few.
        only: The class whose samples alone it is of; None: of all.
        higher_is_better: Whether greater is better.
        bounds: Its least and its greatest value; intervals keep within finite ones.
        chance: Its value where scores know nothing of the class; None where there is no one value.
        not_resampled: Why resamples do not tell how sure it is; None: they do.
        counted: Whether at an end of its range all of some independent chances went one way, so
            that their number bounds it.
        beside: Whether a record has it of every undamaged cell, whatever its protocol lists.
        note: What a table of several metrics says of it; "" where the name says all.
        hub: What the Hugging Face Hub calls it; None: it has no name for it.
    """

    name: str
    title: str
    order: int
    computed: Ranks | Sums
    needs: frozenset[MetricNeed] = frozenset()
    real_clusters: int = 0
    only: Literal["real", "forged"] | None = None
    higher_is_better: bool = True
    bounds: tuple[float, float] = (0.0, 1.0)
    chance: float | None = None
    not_resampled: str | None = None
    counted: bool = False
    beside: bool = False
    note: str = ""
    hub: str | None = None

    @property
    def best(self) -> float:
        """Its best value, which may be infinite."""
        return self.bounds[1] if self.higher_is_better else self.bounds[0]

    @property
    def is_bounded(self) -> bool:
        """Whether it has a least and a greatest value."""
        return -inf < self.bounds[0] and self.bounds[1] < inf


class _Found(Mapping[str, Metric]):
    """The metrics of this folder, looked for when one is first asked for.

    Modules of metrics import this one, so that it cannot have imported them before.
    """

    def __getitem__(self, name: str) -> Metric:
        return self._by_name[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_name)

    def __len__(self) -> int:
        return len(self._by_name)

    @cached_property
    def _by_name(self) -> dict[str, Metric]:
        found: dict[str, Metric] = {}
        package = import_module("results.metrics")
        for module in iter_modules(package.__path__, f"{package.__name__}."):
            if module.name == __name__:
                continue
            for each in getattr(import_module(module.name), "METRICS", ()):
                if each.name in found:
                    raise ValueError(f"{module.name}: another metric is called '{each.name}'")
                found[each.name] = each
        by_order = sorted(found.values(), key=lambda each: (each.order, each.name))
        return {each.name: each for each in by_order}


METRICS: Mapping[str, Metric] = _Found()
"""All metrics by name, in the order of tables."""


def metric(name: str) -> Metric:
    """Give the metric called ``name``.

    Raises:
        UnknownNameError: There is none.
    """
    if name not in METRICS:
        raise UnknownNameError("metric", name, METRICS)
    return METRICS[name]


def beside() -> tuple[str, ...]:
    """Name what a record tells of every cell without damage, whatever its protocol lists."""
    return tuple(name for name, each in METRICS.items() if each.beside)


def check_metrics(protocol: Protocol) -> None:
    """Refuse a protocol that lists a metric which does not exist.

    Raises:
        ProtocolError: It does; the choices are told.
    """
    for place, name in enumerate(protocol.metrics):
        if name not in METRICS:
            raise ProtocolError(
                f"{protocol.name}: 'metrics.{place}' is {name!r}, not one of {', '.join(METRICS)}"
            )
