"""A study with all that it names read once: what planning, running and the checks are handed.

No torch here: a wrong name, file or folder is told before it is loaded.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmark.data.encoding import AS_IS, Encoding, fixed_encoding
from benchmark.data.manifest import Manifest
from benchmark.data.originals import check_originals, picture_roots
from benchmark.errors import BenchmarkError
from benchmark.study.binding import Data, bound_paths, load_protocols, read_bound, stands_for
from benchmark.study.samples import dataset_facts, stated_samples
from benchmark.study.schema import Study
from benchmark.study.tracks import recipes_of
from benchmark.training.recipe import Recipe
from detectors.catalog import is_trained_elsewhere
from protocols.conditions import perturbation_of
from protocols.expansion import Expansion, TrainingSet, expand
from protocols.overlaps import overlaps
from protocols.schema import Aligned, Protocol, changed_from_shipped
from protocols.sets import TRAINED_ELSEWHERE
from results.schema import Dataset

# What an id must have for a stage, or the picture that it is a crop of; and what a manifest lacks.
_NEEDS = {
    "frame": (
        "xywh=",
        "has no box and is no crop of a known picture: give the manifest a column box, or cut "
        "faces out with 'forgerybench data crop'",
    ),
    "video": (
        "#frame=",
        "is no frame of a video file, and no crop of one: give the manifest videos and their "
        "frames, or crops of them by 'forgerybench data crop'",
    ),
}


@dataclass(frozen=True, kw_only=True, eq=False)
class ResolvedStudy:
    """A study on its data.

    Attributes:
        study: What is to be run.
        manifests: The manifest of each role that is bound.
        recipes: The recipe of each detector, by its name in the study.
        samples: The samples of all datasets, sorted by dataset and id: as the manifests state them,
            or as they were found (``on``).
        expansions: What each protocol asks of the samples, in the order of the study.
        encoding: What every image goes through; None: it is taken as it is.
        allow_missing: Whether images that cannot be read are left out, and counted.
        note: What the user's own word for a role stands for, or None.
    """

    study: Study
    manifests: Mapping[str, Manifest]
    recipes: Mapping[str, Recipe]
    samples: pd.DataFrame
    expansions: tuple[Expansion, ...]
    encoding: Encoding | None
    allow_missing: bool = False
    note: str | None = None

    @property
    def protocols(self) -> tuple[Protocol, ...]:
        """Its protocols, in the order of the study."""
        return tuple(expansion.protocol for expansion in self.expansions)

    @property
    def noise_seed(self) -> int:
        """The one noise seed of its protocols."""
        return self.protocols[0].noise_seed

    @property
    def notes(self) -> list[str]:
        """What the user should read before anything is trained, a line each."""
        return [note for note in (self.note, mixed_videos(self.protocols, self.samples)) if note]

    @property
    def encoding_name(self) -> str:
        """Name the encoding, as models and tables do."""
        return self.encoding.name if self.encoding else AS_IS

    @property
    def unbound(self) -> tuple[str, ...]:
        """The roles that were left without a dataset."""
        return tuple(sorted({role for e in self.expansions for role in e.unbound}))

    @property
    def roots(self) -> dict[str, Path]:
        """The folder of each dataset's images."""
        return {role: manifest.root for role, manifest in self.manifests.items()}

    @property
    def pictures(self) -> dict[str, Path]:
        """The folder of the pictures of each dataset of crops."""
        return picture_roots(self.manifests)

    @property
    def data(self) -> dict[str, Dataset]:
        """State the bound datasets."""
        return dataset_facts(self.manifests, self.samples)

    def trainings(self) -> Iterator[tuple[Expansion, tuple[TrainingSet, ...]]]:
        """Give the training sets that the study trains on, protocol by protocol."""
        for stated, expansion in zip(self.study.protocols, self.expansions, strict=True):
            named = {t.name: t for t in expansion.training_sets if t is not TRAINED_ELSEWHERE}
            wanted = named if stated.train_on is None else stated.train_on
            yield expansion, tuple(named[name] for name in wanted)

    def on(self, samples: pd.DataFrame) -> Self:
        """Give the same study on samples that were read: with content hashes and problems."""
        if (samples["problem"] == self.samples["problem"]).all():
            return replace(self, samples=samples)  # what is selected depends on problems alone
        expansions = expanded(self.protocols, self.manifests, samples, self.study)
        encoding = encoding_of(self.protocols, samples)
        return replace(self, samples=samples, expansions=expansions, encoding=encoding)


def resolve(study: Study, data: Data, *, allow_missing: bool = False) -> ResolvedStudy:
    """Read all that a study names, bind its data and select its samples; no image is read.

    Args:
        study: What is to be run.
        data: The manifest; or manifests by role.
        allow_missing: A role may be left without a manifest; what needs it is a stated gap.

    Raises:
        BenchmarkError: A role is unbound or unknown; protocols disagree on noise seed or encoding;
            ``train_on`` names no training set; a strict protocol meets data that stands on two
            sides; a condition needs more of a sample than its manifest gives.
        ManifestError: A manifest cannot be read.
        ProtocolError: A protocol breaks the schema, or does not fit the samples.
        UnknownNameError, UnknownDetectorError: There is no such protocol, recipe or detector.
    """
    protocols, recipes = load_protocols(study), recipes_of(study)
    paths = bound_paths(protocols, data, allow_missing=allow_missing)
    resolved = _resolved(study, protocols, recipes, read_bound(paths))
    return replace(resolved, allow_missing=allow_missing, note=stands_for(protocols, data))


def resolve_on(study: Study, manifests: Mapping[str, Manifest]) -> ResolvedStudy:
    """Do what ``resolve`` does on manifests that were read or made; every role has one."""
    return _resolved(study, load_protocols(study), recipes_of(study), manifests)


def _resolved(
    study: Study,
    protocols: Sequence[Protocol],
    recipes: Mapping[str, Recipe],
    manifests: Mapping[str, Manifest],
) -> ResolvedStudy:
    """Put what was read together and select its samples."""
    samples = stated_samples(manifests).assign(problem="")
    resolved = ResolvedStudy(
        study=study,
        manifests=manifests,
        recipes=recipes,
        samples=samples,
        expansions=expanded(protocols, manifests, samples, study),
        encoding=encoding_of(protocols, samples),
    )
    _check_training_sets(resolved)
    return resolved


def mixed_videos(protocols: Sequence[Protocol], samples: pd.DataFrame) -> str | None:
    """Tell how videos count that hold real and forged faces, where videos are scored."""
    scoring = [protocol for protocol in protocols if set(protocol.levels) != {"image"}]
    roles = {role for protocol in scoring for role in protocol.roles}
    here = samples[samples["dataset"].isin(roles)]
    labels = here.groupby(["dataset", "group"], sort=True)["label"].nunique()
    mixed = labels.index[labels > 1]
    if not len(mixed):
        return None
    names = ", ".join(protocol.name for protocol in scoring)
    return (
        f"{names}: {len(mixed)} of {len(labels)} videos ('{mixed[0][1]}' first) hold real and "
        "forged samples; each counts as two, its real faces and its forged ones; if these are not "
        "faces of one video, correct the column group of the manifest"
    )


def _check_training_sets(resolved: ResolvedStudy) -> None:
    """Raise BenchmarkError where a study names a training set that its protocol does not have."""
    for stated, expansion in zip(resolved.study.protocols, resolved.expansions, strict=True):
        known = [t.name for t in expansion.training_sets if t is not TRAINED_ELSEWHERE]
        for name in stated.train_on or ():
            if name not in known:
                raise BenchmarkError(
                    f"{expansion.protocol.name}: no training set is called '{name}'; "
                    f"there are {', '.join(known)}"
                )


def expanded(
    protocols: Sequence[Protocol],
    manifests: Mapping[str, Manifest],
    samples: pd.DataFrame,
    study: Study,
) -> tuple[Expansion, ...]:
    """Expand protocols for the detectors of a study; refuse what does not fit them.

    Raises:
        BenchmarkError: A strict protocol meets data that stands on two sides, or a condition needs
            more of a sample than its manifest gives.
        ProtocolError: A protocol does not fit the samples.
    """
    elsewhere = [is_trained_elsewhere(entry.detector) for entry in study.detectors]
    return tuple(_expand(protocol, samples, manifests, elsewhere) for protocol in protocols)


def _expand(
    protocol: Protocol,
    samples: pd.DataFrame,
    manifests: Mapping[str, Manifest],
    elsewhere: Sequence[bool],
) -> Expansion:
    """Expand a protocol; ``elsewhere`` tells of each detector whether it was trained elsewhere."""
    if changed_from_shipped(protocol) is not None:
        raise BenchmarkError(
            f"{protocol.name}: version {protocol.version} of it ships and is another "
            f"({protocol.hash} here): give a protocol that was changed a name of its own"
        )
    unbound = set(protocol.roles) - set(manifests)
    expansion = expand(
        protocol, samples, unbound, trained=not all(elsewhere), elsewhere=any(elsewhere)
    )
    _check_conditions(expansion, samples, picture_roots(manifests))
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


def _check_conditions(
    expansion: Expansion, samples: pd.DataFrame, pictures: Mapping[str, Path]
) -> None:
    """Raise BenchmarkError where a condition needs more of a sample than its manifest gives."""
    ids, looked_at = samples["sample_id"], set[tuple[str, bytes]]()
    for cell in expansion.cells:
        stage = cell.condition.stage
        marker, lacking = _NEEDS.get(stage, ("", ""))
        rows: npt.NDArray[np.int64] = cell.test.all_rows
        key = stage, rows.tobytes()
        if not marker or cell.condition.name == "clean" or key in looked_at:
            continue
        looked_at.add(key)
        rows = rows[~ids.iloc[rows].str.contains(marker, regex=False).to_numpy()]
        without = (
            check_originals(samples.iloc[rows], pictures, must_be_videos=stage == "video")
            if len(rows)
            else None
        )
        if without is not None:
            other = "crop" in perturbation_of(cell.condition.name).stages
            raise BenchmarkError(
                f"{expansion.protocol.name}: '{cell.condition.name}' is for stage "
                f"{stage}, but '{without}' {lacking}"
                f"{', or say stage: crop, which is another test' if other else ''}"
            )


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
    return fixed_encoding(stated, samples) if isinstance(stated, Aligned) else None
