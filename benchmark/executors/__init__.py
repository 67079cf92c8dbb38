"""Who carries out what a plan has left to do: a table of names, each loaded when it is chosen."""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

from protocols.errors import UnknownNameError

if TYPE_CHECKING:
    from benchmark.scoring.store import ScoreStore
    from benchmark.scoring.units import Group, Surrogates
    from benchmark.training.engine import Engine
    from benchmark.training.jobs import TrainJob
    from protocols.gaps import Gap

EXECUTORS = {"local": "benchmark.executors.local:LocalExecutor"}
"""Name -> ``module:Class`` of an ``Executor``."""


class Executor(Protocol):
    """Carries out training jobs and score units; whoever does it, the same bytes come out."""

    def train(self, jobs: Sequence["TrainJob"], engine: "Engine") -> "dict[str, Gap]":
        """Train jobs whose models the engine's store does not have, and put them there.

        Returns:
            By model id, why there is no model: the others are trained all the same.
        """

    def score(
        self,
        groups: Sequence["Group"],
        engine: "Engine",
        scores: "ScoreStore",
        jobs: Mapping[str, "TrainJob"],
        *,
        noise_seed: int,
        surrogates: "Surrogates",
    ) -> "dict[str, Gap]":
        """Compute every unit of ``groups`` and put it into ``scores``.

        Args:
            groups: From ``benchmark.scoring.units.plan_groups``.
            engine: The images, the trained models and the device.
            scores: Where finished units go.
            jobs: What each model id stands for.
            noise_seed: Seed of the perturbed pixels, from the protocol.
            surrogates: On which models the attacks of conditions with a surrogate are made.

        Returns:
            By model id, why it has no scores: the others are scored all the same.
        """


def create_executor(name: str) -> Executor:
    """Build the executor called ``name``.

    Raises:
        UnknownNameError: There is none of that name.
    """
    check_executor(name)
    module, _, attribute = EXECUTORS[name].partition(":")
    return cast(Callable[[], Executor], getattr(import_module(module), attribute))()


def check_executor(name: str) -> None:
    """Raise UnknownNameError unless there is an executor called ``name``; none is loaded."""
    if name not in EXECUTORS:
        raise UnknownNameError("executor", name, EXECUTORS)
