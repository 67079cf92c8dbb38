"""From a study and its data to all that is to be done: what ``plan`` prints and ``run`` does."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

from benchmark.data.checking import SPLIT_REMEDY
from benchmark.data.encoding import Encoding, resolve
from benchmark.data.manifest import Manifest
from benchmark.errors import BenchmarkError
from benchmark.scoring.conditions import refuse_unfit as refuse_unfit_stages
from benchmark.study.binding import load_protocols
from benchmark.study.samples import MISSING_HASH, stated_samples
from benchmark.study.schema import Study, StudyDetector, StudyProtocol
from benchmark.study.tracks import options_of, recipe_of, track_of
from benchmark.training.jobs import AS_IS, TrainJob, train_job
from benchmark.training.sampling import Rows
from detectors import detector_class
from protocols.conditions import CLEAN, Condition
from protocols.expansion import Expansion, TrainingSet, expand
from protocols.overlaps import overlaps
from protocols.samples import fingerprint
from protocols.schema import Aligned, Protocol
from protocols.selection import Selection
from results.schema import Dataset, Entry


@dataclass(frozen=True, kw_only=True, eq=False)
class Plan:
    """A study on its data, expanded.

    Attributes:
        samples: The samples of all datasets, sorted by dataset and id.
        expansions: What each protocol asks, in the order of the study.
        jobs: The distinct models, in the order of the study, by id.
        entries: Every training set x detector x seed, with its model or gap.
        needs: Model id -> condition -> rows to score.
        encoding: What every image goes through; None: it is taken as it is.
        surrogates: (Model id, name of a surrogate) -> the model that its attacks are made on.
    """

    study: Study
    samples: pd.DataFrame
    data: Mapping[str, Dataset]
    roots: Mapping[str, Path]
    expansions: tuple[Expansion, ...]
    jobs: Mapping[str, TrainJob]
    entries: tuple[Entry, ...]
    needs: Mapping[str, Mapping[Condition, Rows]]
    encoding: Encoding | None
    surrogates: Mapping[tuple[str, str], str] = field(default_factory=dict)

    @property
    def noise_seed(self) -> int:
        """The one noise seed of its protocols."""
        return self.expansions[0].protocol.noise_seed

    @property
    def encoding_name(self) -> str:
        """Name the encoding, as models and tables do."""
        return self.encoding.name if self.encoding else AS_IS

    @property
    def unbound(self) -> tuple[str, ...]:
        """The roles that were left without a dataset."""
        return tuple(sorted({role for e in self.expansions for role in e.unbound}))


def make_plan(study: Study, manifests: Mapping[str, Manifest], samples: pd.DataFrame) -> Plan:
    """Expand a study; pure, but for reading protocol, recipe and detector files.

    Args:
        study: What to run.
        manifests: The manifest of each role.
        samples: Their samples, with ``problem`` and content hashes.

    Raises:
        BenchmarkError: Protocols disagree on noise seed or encoding, ``train_on`` names no training
            set, or a strict protocol meets data that stands on two sides.
        ProtocolError: A protocol does not fit the samples.
        UnknownNameError: There is no such protocol, recipe or detector.
    """
    protocols = load_protocols(study)
    expansions = tuple(_expand(protocol, samples, manifests) for protocol in protocols)
    encoding = encoding_of(protocols, samples)
    jobs: dict[str, TrainJob] = {}
    entries: list[Entry] = []
    needs: dict[str, dict[Condition, Rows]] = {}
    surrogates: dict[tuple[str, str], str] = {}
    job_of = partial(_job, study, samples=samples, encoding=encoding.name if encoding else AS_IS)
    for asked, expansion in zip(study.protocols, expansions, strict=True):
        protocol = expansion.protocol
        attacked_on = _surrogates(study, protocol)
        wanted = product(chosen(asked, expansion), study.detectors, study.seeds)
        for training, detector, seed in wanted:
            gap = training.gap or _spared(protocol, detector)
            job = job_of(detector, seed, training) if gap is None else None
            entries.append(
                Entry(
                    protocol=protocol.name,
                    training=training.name,
                    detector=detector.name,
                    seed=seed,
                    model=job.id if job else None,
                    gap=gap,
                )
            )
            if job is not None:
                jobs.setdefault(job.id, job)
                for name, other in attacked_on.items():
                    surrogates[job.id, name] = job_of(other, seed, training).id
                _add_needs(needs.setdefault(job.id, {}), expansion, training)
    return Plan(
        study=study,
        samples=samples,
        data=_datasets(manifests, samples),
        roots={role: manifest.root for role, manifest in manifests.items()},
        expansions=expansions,
        jobs=jobs,
        entries=tuple(entries),
        needs=needs,
        encoding=encoding,
        surrogates=surrogates,
    )


def refuse_nothing(plan: Plan) -> None:
    """Raise BenchmarkError if a plan has nothing to train, with the reasons and what mends them."""
    reasons = nothing_to_train(plan)
    if reasons:
        raise BenchmarkError(f"there is nothing to train: {'; '.join(reasons)}")


def nothing_to_train(plan: Plan) -> list[str]:
    """Say why a plan has no model; empty if it has one."""
    if plan.jobs:
        return []
    reasons = [
        explained(training.gap, training, expansion.protocol, plan.samples)
        for asked, expansion in zip(plan.study.protocols, plan.expansions, strict=True)
        for training in chosen(asked, expansion)
        if training.gap
    ]
    told = list(dict.fromkeys(reasons))
    return told or sorted({entry.gap for entry in plan.entries if entry.gap})


def _expand(
    protocol: Protocol, samples: pd.DataFrame, manifests: Mapping[str, Manifest]
) -> Expansion:
    """Expand a protocol; refuse what stands on two sides where it is strict."""
    expansion = expand(protocol, samples, set(protocol.roles) - set(manifests))
    refuse_unfit_stages(expansion, samples)
    shared = overlaps(expansion, samples) if protocol.strict else []
    if shared:
        first, more = shared[0], len(shared) - 1
        raise BenchmarkError(
            f"{protocol.name} is strict: {first.number} values of {first.kind} ('{first.first}' "
            f"first) stand in {first.side} of '{first.training}' and in {first.other}"
            f"{f', and {more} more overlaps' if more else ''}; split the data again by person and "
            "video"
        )
    return expansion


def encoding_of(protocols: Sequence[Protocol], samples: pd.DataFrame) -> Encoding | None:
    """Give the one encoding of some protocols, its side fixed for some samples.

    Raises:
        BenchmarkError: They have several, or the sizes of the images do not allow it.
    """
    stated = protocols[0].encoding
    if any(protocol.encoding != stated for protocol in protocols):
        names = ", ".join(protocol.name for protocol in protocols)
        raise BenchmarkError(
            f"{names}: their encodings differ; one study has one, since its models share images"
        )
    return resolve(stated, samples) if isinstance(stated, Aligned) else None


def refuse_unfit(study: Study, manifests: Mapping[str, Manifest]) -> None:
    """Raise what ``make_plan`` would raise, before any image is read."""
    samples = stated_samples(manifests).assign(problem="")
    samples["sha256"] = samples["sha256"].where(samples["sha256"] != "", MISSING_HASH)
    refuse_nothing(make_plan(study, manifests, samples))


def _spared(protocol: Protocol, detector: StudyDetector) -> str | None:
    """Say why a detector has no part in a protocol with attacks, or None."""
    if all(c.stage != "model" or c.surrogate for c in protocol.expanded_conditions):
        return None
    lacking = lacks_gradient(detector)
    return f"attacks follow a gradient, and {lacking}" if lacking else None


def _surrogates(study: Study, protocol: Protocol) -> dict[str, StudyDetector]:
    """Find the detectors of a study that a protocol's attacks are made on, by name."""
    names = [c.surrogate for c in protocol.expanded_conditions if c.surrogate]
    return {name: surrogate_of(study, protocol.name, name) for name in dict.fromkeys(names)}


def chosen(asked: StudyProtocol, expansion: Expansion) -> list[TrainingSet]:
    """Keep the training sets that the study asks for, in its order."""
    if asked.train_on is None:
        return list(expansion.training_sets)
    named = {training.name: training for training in expansion.training_sets}
    for name in asked.train_on:
        if name not in named:
            raise BenchmarkError(
                f"{expansion.protocol.name}: no training set is called '{name}'; "
                f"there are {', '.join(named)}"
            )
    return [named[name] for name in asked.train_on]


def _job(
    study: Study,
    detector: StudyDetector,
    seed: int,
    training: TrainingSet,
    *,
    samples: pd.DataFrame,
    encoding: str,
) -> TrainJob:
    """Describe the model for one entry."""
    recipe = recipe_of(detector, study)
    return train_job(
        label=detector.name,
        detector=detector.detector,
        options=options_of(detector, recipe, study.size),
        size=study.size,
        recipe=recipe,
        track=track_of(detector, study),
        seed=seed,
        training=training,
        samples=samples,
        encoding=encoding,
    )


def _add_needs(needs: dict[Condition, Rows], expansion: Expansion, training: TrainingSet) -> None:
    """Add what a model of ``training`` must be scored on: its cells, and its validation images."""
    wanted = [(CLEAN, training.val)]
    own = [cell for cell in expansion.cells if cell.training == training.name]
    wanted += [(cell.condition, cell.test.all_rows) for cell in own]
    for condition, rows in wanted:
        needs[condition] = np.union1d(needs[condition], rows) if condition in needs else rows


def _datasets(manifests: Mapping[str, Manifest], samples: pd.DataFrame) -> dict[str, Dataset]:
    """State the bound datasets."""
    found = {}
    for role, manifest in manifests.items():
        rows = samples[samples["dataset"] == role]
        found[role] = Dataset(
            name=manifest.name,
            fingerprint=fingerprint(rows),
            n_samples=len(rows),
            n_missing=int((rows["problem"] != "").sum()),
            synthetic=bool(rows["source"].str.startswith("embedded-").all()),
        )
    return found


def explained(gap: str, training: TrainingSet, protocol: Protocol, samples: pd.DataFrame) -> str:
    """Say more of a training set's gap: whose images there are instead, or how to get some.

    Args:
        gap: ``no forged images in split train``, say; anything else is given back.
        training: The set that has it.
        protocol: Of this protocol.
        samples: The samples of all roles, with ``dataset``.
    """
    kind, _, split = gap.removeprefix("no ").partition(" images in split ")
    if kind not in ("forged", "real"):
        return gap
    here = samples[
        (samples["dataset"] == (training.role if kind == "forged" else training.real_role))
        & (samples["label"] == ("fake" if kind == "forged" else "real"))
    ]
    selection = _selection(training, protocol)
    in_split = here[here["split"] == split]
    if in_split.empty:
        return f"{gap}; {SPLIT_REMEDY}"
    if kind == "real" or selection is None or selection.each is None or selection.all_but:
        return gap
    column = selection.each
    others = ", ".join(sorted(in_split[column].unique()))
    absent = training.name not in set(here[column])
    remedy = "" if absent else f"; {SPLIT_REMEDY}"
    return (
        f"no forged images of {column} {training.name} in split {split}; there are {others}{remedy}"
    )


def _selection(training: TrainingSet, protocol: Protocol) -> Selection | None:
    """Find the selection that a training set is of, if one alone can be."""
    fitting = [each for each in protocol.train if each.role == training.role]
    return fitting[0] if len(fitting) == 1 else None


def surrogate_of(study: Study, protocol: str, name: str) -> StudyDetector:
    """Find the detector of a study that attacks are made on, by its label or its detector.

    Raises:
        BenchmarkError: The study does not have it, has it several times, or it has no gradient.
    """
    there = study.detectors
    found = [d for d in there if d.name == name] or [d for d in there if d.detector == name]
    if len(found) != 1:
        raise BenchmarkError(
            f"{protocol}: its attacks are made on the surrogate '{name}', which study "
            f"'{study.name}' has {len(found)} times among {', '.join(d.name for d in there)}: "
            "it must be there once"
        )
    lacking = lacks_gradient(found[0])
    if lacking:
        raise BenchmarkError(
            f"{protocol}: '{name}' cannot be the surrogate, whose gradient is followed: {lacking}"
        )
    return found[0]


def lacks_gradient(detector: StudyDetector) -> str | None:
    """Say why no attack can follow a detector's gradient, or None."""
    card = detector_class(detector.detector).card
    if card.fit != "gradient":
        return f"{card.title} is not trained by one (fit: {card.fit})"
    if not card.image_gradient:
        return f"{card.title} gives none with respect to the image"
    return None
