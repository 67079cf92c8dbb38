"""Why a training set has no images of a class, in the words of the manifest, and what mends it."""

import pandas as pd

from protocols.expansion import TrainingSet
from protocols.schema import Protocol
from protocols.selection import Selection

SPLIT_REMEDY = (
    "give it some with 'forgerybench data index --splits 0.7,0.1,0.2' or 'forgerybench data fold'"
)


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
