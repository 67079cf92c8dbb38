"""The audit of a manifest: findings, shortcuts, and their JSON."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from benchmark.data.audit.findings import Finding, findings
from benchmark.data.audit.measuring import measure
from benchmark.data.audit.shortcuts import TELLING, ClueValue, shortcuts
from benchmark.data.manifest import Manifest
from protocols.samples import OPTIONAL


@dataclass(frozen=True)
class Audit:
    """What an audit found.

    Attributes:
        manifest: Of what.
        findings: What makes results mean less; empty for a clean dataset.
        shortcuts: All that were measured, whether they tell or not.
        unstated: Columns that say nothing of any sample, so what they would tell is not known.
    """

    manifest: Manifest
    findings: tuple[Finding, ...]
    shortcuts: tuple[ClueValue, ...]
    unstated: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Give it as JSON has it."""
        return {
            "format": 1,
            "manifest": self.manifest.path.name,
            "images": len(self.manifest.samples),
            "clean": not self.findings,
            "findings": [{**asdict(each), "remedy": each.remedy} for each in self.findings],
            "shortcuts": [{**each._asdict(), "tells": each.tells} for each in self.shortcuts],
            "unstated": list(self.unstated),
        }


def audit(
    manifest: Manifest,
    *,
    seed: int = 0,
    workers: int | None = None,
    on_progress: Callable[[], None] = lambda: None,
) -> Audit:
    """Look for what would make results on a dataset mean less; every image is read once.

    Args:
        manifest: The dataset.
        seed: Of folds and draws.
        workers: Threads; None: as many as there are cores, 16 at most.
        on_progress: Called after each image.
    """
    samples = manifest.samples
    measures = measure(manifest, workers=workers, on_progress=on_progress)
    measured = shortcuts(samples, measures, seed=seed)
    told = [*findings(samples, measures), *_told(measured)]
    stated = {name for name in OPTIONAL if (samples[name] != "").any()}
    if (samples["group"] == samples["sample_id"]).all():
        stated.discard("group")
    unstated = [name for name in ("group", "identity", "pair") if name not in stated]
    return Audit(manifest, tuple(told), tuple(measured), tuple(unstated))


def _told(measured: list[ClueValue]) -> list[Finding]:
    """Make a finding of each subject that clues tell."""
    subjects: dict[tuple[str, str], list[ClueValue]] = {}
    for each in measured:
        if each.tells:
            subjects.setdefault((each.subject, each.reals), []).append(each)
    found = []
    for (subject, reals), clues in subjects.items():
        named = ", ".join(f"{each.clue} (AUC {each.auc:.2f})" for each in clues)
        found.append(
            Finding(
                "shortcuts",
                f"{subject}, real images of {_of(reals)}: {named} alone tell real from forged "
                f"(lower end of the interval above {TELLING})",
                len(clues),
            )
        )
    return found


def _of(reals: str) -> str:
    return "the same source" if reals == "same source" else reals
