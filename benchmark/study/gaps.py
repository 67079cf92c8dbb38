"""Models that a study leaves out while it runs: stated gaps, and the others go on."""

from collections.abc import Collection, Mapping
from dataclasses import replace

from benchmark.errors import BenchmarkError
from benchmark.study.planning import Plan
from protocols.gaps import Gap, NoSurrogate
from results.schema import RunFacts

_MOST_TOLD = 3


class LeftOutError(BenchmarkError):
    """A study was carried out and reported, but some of its models are gaps."""


def without_surrogates(plan: Plan, gaps: Mapping[str, Gap]) -> dict[str, Gap]:
    """Add to the models that were not trained those whose attacks are made on one of them."""
    found = dict(gaps)
    for (model, _), other in plan.surrogates.items():
        if other in gaps and model not in found:
            found[model] = NoSurrogate(surrogate=plan.jobs[other].label, reason=gaps[other])
    return found


def without(plan: Plan, gaps: Collection[str]) -> Plan:
    """Leave models out of what is to be done; the entries stay as they are."""
    if not gaps:
        return plan
    return replace(
        plan,
        jobs={model: job for model, job in plan.jobs.items() if model not in gaps},
        needs={model: needs for model, needs in plan.needs.items() if model not in gaps},
    )


def with_gaps(facts: RunFacts, gaps: Mapping[str, Gap]) -> RunFacts:
    """State why entries have no model, in place of the models."""
    entries = [
        entry.model_copy(update={"model": None, "gap": str(gaps[entry.model])})
        if entry.model is not None and entry.model in gaps
        else entry
        for entry in facts.entries
    ]
    return facts.model_copy(update={"entries": entries})


def refuse_left_out(plan: Plan, gaps: Mapping[str, Gap], page: str) -> None:
    """Raise LeftOutError where a study that is otherwise done has left models out."""
    if not gaps:
        return
    told = [f"{plan.jobs[model].title}: {gap}" for model, gap in gaps.items()]
    more = f"; and {len(told) - _MOST_TOLD} more" if len(told) > _MOST_TOLD else ""
    raise LeftOutError(
        f"left out {len(gaps)} of {len(plan.jobs)} models: {'; '.join(told[:_MOST_TOLD])}{more}; "
        f"all else is in {page}, with gaps in their place; the same command tries them again"
    )
