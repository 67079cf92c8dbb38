"""The stages that the time of a run goes to, and what they say of its bottleneck."""

from collections.abc import Mapping

STAGES = {
    "idle": "waiting for images that are not ready",
    "transfer": "batches put together and handed to the device",
    "forward": "networks in evaluation mode, with the wait for the device",
    "step": "training: forward, backward and optimiser, with the wait for the device",
    "attack": "attacks that follow a gradient",
    "write": "scores, models and training states written to disk",
    "decode": "reading and decoding images and frames",
    "perturb": "perturbations, re-encoding and augmentation",
    "prepare": "resizing to a network's input, on the CPU",
}
"""Stage -> what is counted in it."""

LOADING = ("decode", "perturb", "prepare")
"""Stages of the loader's threads, which work beside all others and side by side."""

PHASES = {"train": "Training", "score": "Scoring"}

_REMEDIES = {
    "transfer": "larger images than the network takes are the usual reason",
    "forward": "a faster device or a smaller network would help, faster loading would not",
    "step": "a faster device or a smaller network would help, faster loading would not",
    "attack": "a faster device or fewer attack steps would help",
    "write": "a faster disk would help",
}


def bottleneck(seconds: float, stages: Mapping[str, float]) -> str:
    """Say in a sentence what a phase spends most of its time on, and what would help.

    Args:
        seconds: Wall time of the phase.
        stages: Seconds by stage, threads added up.
    """
    own = {name: spent for name, spent in stages.items() if name not in LOADING}
    most = max(own, key=lambda name: own[name], default=None)
    if most is None or seconds <= 0 or own[most] < rest(seconds, stages):
        return "most of the time went to no stage: start, planning, checks"
    share = f"{100 * min(1, own[most] / seconds):.0f} % of the time went to '{most}'"
    if most != "idle":
        return f"{share}; {_REMEDIES[most]}"
    loading = {name: stages[name] for name in LOADING if name in stages}
    slowest = max(loading, key=lambda name: loading[name], default=None)
    reason = f", most of which is '{slowest}'" if slowest else ""
    return f"{share}: networks wait for images{reason}; more processor cores would help"


def rest(seconds: float, stages: Mapping[str, float]) -> float:
    """Give the wall time of a phase that went to no stage, in seconds."""
    return max(0.0, seconds - sum(s for name, s in stages.items() if name not in LOADING))
