"""From a resolved study to all that is to be done: what ``plan`` prints and ``run`` does."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from benchmark.data.checking import SPLIT_REMEDY
from benchmark.data.loader import Rows
from benchmark.errors import BenchmarkError
from benchmark.scoring.store import ScoreStore
from benchmark.scoring.units import Group, plan_groups
from benchmark.study.checks import lacks_gradient, surrogate_entry
from benchmark.study.resolved import ResolvedStudy
from benchmark.study.schema import StudyDetector
from benchmark.study.tracks import options_of, track_of
from benchmark.training.jobs import Identities, TrainJob, train_job
from detectors.catalog import is_trained_elsewhere
from protocols.conditions import CLEAN, Condition
from protocols.expansion import Expansion, TrainingSet
from protocols.gaps import Gap, NoImages
from protocols.schema import Protocol
from protocols.sets import TRAINED_ELSEWHERE
from results.schema import Dataset, Entry

# How many models share one decoding of the images; at base size each takes up to 1 GB.
GROUP_SIZE = {"tiny": 64, "base": 8}


@dataclass(frozen=True, kw_only=True, eq=False)
class Plan:
    """All that is to be trained and scored for a study on its data.

    Attributes:
        resolved: The study on samples whose contents are known.
        data: Name, fingerprint and counts of each role's dataset.
        jobs: The distinct models, in the order of the study, by id.
        entries: Every training set x detector x seed, with its model or gap.
        needs: Model id -> condition -> rows to score.
        surrogates: (Model id, name of a surrogate) -> the model that its attacks are made on.
    """

    resolved: ResolvedStudy
    data: Mapping[str, Dataset]
    jobs: Mapping[str, TrainJob]
    entries: tuple[Entry, ...]
    needs: Mapping[str, Mapping[Condition, Rows]]
    surrogates: Mapping[tuple[str, str], str] = field(default_factory=dict)


class WantedModel(NamedTuple):
    """One model that a study wants, or why there is none."""

    expansion: Expansion
    training: TrainingSet
    detector: StudyDetector
    seed: int
    gap: str | None


def make_plan(resolved: ResolvedStudy) -> Plan:
    """Plan a study; pure, but for reading the files that detectors start from.

    Args:
        resolved: On samples with content hashes, from which the models' ids follow.

    Raises:
        BenchmarkError: A surrogate is not among its detectors, or cannot be one.
        UnknownDetectorError: There is no such detector.
    """
    jobs: dict[str, TrainJob] = {}
    entries: list[Entry] = []
    asked: dict[str, dict[tuple[Expansion, TrainingSet], None]] = {}
    surrogates: dict[tuple[str, str], str] = {}
    job_of = partial(_job, resolved, Identities(resolved.samples), options=_options(resolved))
    for expansion, training, detector, seed, gap in wanted_models(resolved):
        job = job_of(detector, seed, training) if gap is None else None
        entries.append(
            Entry(
                protocol=expansion.protocol.name,
                training=training.name,
                detector=detector.name,
                seed=seed,
                model=job.id if job else None,
                gap=gap,
            )
        )
        if job is not None:
            jobs.setdefault(job.id, job)
            for name, other in _surrogates(resolved, expansion.protocol).items():
                surrogates[job.id, name] = job_of(other, seed, training).id
            asked.setdefault(job.id, {})[expansion, training] = None
    needs_of = cache(_needs)  # detectors and seeds are scored on the same images
    return Plan(
        resolved=resolved,
        data=resolved.data,
        jobs=jobs,
        entries=tuple(entries),
        needs={model: needs_of(tuple(sets)) for model, sets in asked.items()},
        surrogates=surrogates,
    )


def wanted_models(resolved: ResolvedStudy) -> Iterator[WantedModel]:
    """List the models that a study wants, in its order; nothing is hashed or built.

    Raises:
        BenchmarkError: A surrogate is not among its detectors, or cannot be one.
    """
    study = resolved.study
    here, elsewhere = [
        [each for each in study.detectors if is_trained_elsewhere(each.detector) is wanted]
        for wanted in (False, True)
    ]
    for expansion, trainings in resolved.trainings():
        _surrogates(resolved, expansion.protocol)
        for training, detector, seed in product(trainings, here, study.seeds):
            gap = str(training.gap) if training.gap else _spared(expansion.protocol, detector)
            yield WantedModel(expansion, training, detector, seed, gap)
        for detector in elsewhere:  # one model, whatever the training sets and seeds
            gap = _spared(expansion.protocol, detector) or _unmatched(expansion.protocol)
            yield WantedModel(expansion, TRAINED_ELSEWHERE, detector, study.seeds[0], gap)


def refuse_nothing(resolved: ResolvedStudy) -> None:
    """Raise BenchmarkError if a study has nothing to train: the reasons and what mends them."""
    reasons = nothing_to_train(resolved)
    if reasons:
        raise BenchmarkError(f"there is nothing to train: {'; '.join(reasons)}")


def nothing_to_train(resolved: ResolvedStudy) -> list[str]:
    """Say why a study trains no model; empty if it trains one."""
    models = list(wanted_models(resolved))
    if any(model.gap is None for model in models):
        return []
    reasons = [
        explained(training.gap, resolved.samples)
        for _, trainings in resolved.trainings()
        for training in trainings
        if training.gap
    ]
    told = list(dict.fromkeys(reasons))
    return told or sorted({model.gap for model in models if model.gap})


def left_to_score(scores: ScoreStore, plan: Plan) -> tuple[Group, ...]:
    """Tell what is left to score of a plan in a run that has some ``scores``."""
    size = GROUP_SIZE[plan.resolved.study.size]
    return plan_groups(plan.resolved.samples, plan.needs, scores.done(), size)


def _spared(protocol: Protocol, detector: StudyDetector) -> str | None:
    """Say why a detector has no part in a protocol with attacks, or None."""
    if all(c.stage != "model" or c.surrogate for c in protocol.expanded_conditions):
        return None
    lacking = lacks_gradient(detector)
    return f"attacks follow a gradient, and {lacking}" if lacking else None


def _unmatched(protocol: Protocol) -> str | None:
    """Say why what was trained elsewhere has no part in attacks on a surrogate, or None."""
    if any(condition.surrogate for condition in protocol.expanded_conditions):
        return "attacks are made on a surrogate of the same training set, and it has none here"
    return None


def _surrogates(resolved: ResolvedStudy, protocol: Protocol) -> dict[str, StudyDetector]:
    """Find the detectors of a study that a protocol's attacks are made on, by name."""
    names = [c.surrogate for c in protocol.expanded_conditions if c.surrogate]
    return {
        name: surrogate_entry(resolved.study, protocol.name, name) for name in dict.fromkeys(names)
    }


def _job(
    resolved: ResolvedStudy,
    identities: Identities,
    detector: StudyDetector,
    seed: int,
    training: TrainingSet,
    *,
    options: Callable[[str], dict[str, Any]],
) -> TrainJob:
    """Describe the model for one entry."""
    study, recipe = resolved.study, resolved.recipes[detector.name]
    return train_job(
        label=detector.name,
        detector=detector.detector,
        options=options(detector.name),
        size=study.size,
        recipe=recipe,
        track="unknown" if training is TRAINED_ELSEWHERE else track_of(detector, study),
        seed=seed,
        training=training,
        identities=identities,
        encoding=resolved.encoding_name,
    )


def _options(resolved: ResolvedStudy) -> Callable[[str], dict[str, Any]]:
    """Give what finds the options of a detector by its name in the study, once."""
    named = {detector.name: detector for detector in resolved.study.detectors}
    size = resolved.study.size
    return cache(lambda name: options_of(named[name], resolved.recipes[name], size))


def _needs(sets: Sequence[tuple[Expansion, TrainingSet]]) -> dict[Condition, Rows]:
    """Tell what a model of some training sets is scored on: its cells and validation images."""
    wanted: dict[Condition, list[Rows]] = {}
    for expansion, training in sets:
        wanted.setdefault(CLEAN, []).append(training.val)
        for cell in expansion.cells:
            # What was trained elsewhere is compared with models of all sets, on their cells.
            if training is TRAINED_ELSEWHERE or cell.training == training.name:
                wanted.setdefault(cell.condition, []).append(cell.test.all_rows)
    return {condition: np.unique(np.concatenate(rows)) for condition, rows in wanted.items()}


def explained(gap: Gap, samples: pd.DataFrame) -> str:
    """Say more of a training set's gap: whose images there are instead, or how to get some.

    Args:
        gap: Why the set cannot train.
        samples: The samples of all roles, with ``dataset``.
    """
    if not isinstance(gap, NoImages):
        return str(gap)
    here = samples[(samples["dataset"] == gap.role) & (samples["label"] == gap.label)]
    in_split = here[here["split"] == gap.split]
    if in_split.empty:
        return f"{gap}; {SPLIT_REMEDY}"
    if gap.label == "real" or gap.column is None:
        return str(gap)
    # A value that the dataset has nowhere is in no new split either.
    remedy = f"; {SPLIT_REMEDY}" if here[gap.column].isin(gap.values).any() else ""
    return f"{gap.beside(sorted(in_split[gap.column].unique()))}{remedy}"
