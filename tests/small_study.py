"""A study of the small detector on the small dataset, carried out."""

from pathlib import Path
from typing import Any

import benchmark
from benchmark.progress import Progress
from benchmark.study.schema import Study, StudyDetector, StudyProtocol
from tests.small_data import SMALL


class Counting(Progress):
    def __init__(self) -> None:
        self.jobs: dict[str, int] = {}

    def phase(self, name: str, jobs: int) -> None:
        self.jobs[name] = jobs


def study(recipe: str, *, protocol: str = "cross-generator", detector: str = SMALL) -> Study:
    return Study(
        name="small",
        title="Small",
        protocols=(StudyProtocol(protocol=protocol),),
        detectors=(StudyDetector(detector=detector, label="small", recipe=recipe),),
        size="tiny",
        seeds=(0,),
    )


def run(
    manifest: Path, recipe: str, out: Path, progress: Progress | None = None, **changes: Any
) -> Path:
    options = {"store": out.parent / "store"} | changes
    wanted = options.pop("study", None) or study(recipe)
    return benchmark.run(wanted, data=manifest, out=out, progress=progress or Progress(), **options)
