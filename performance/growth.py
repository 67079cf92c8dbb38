"""The stages of a run on a table of many rows, each timed alone: ``performance.engine`` calls it.

python -m performance.growth STAGE FOLDER ROWS
"""

import hashlib
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from protocols import Protocol

MANIFEST = "manifest.csv"
GENERATORS = 10
DETECTORS = 27
PER_VIDEO = 10


def prepare(folder: Path, rows: int, splits: tuple[int, int] = (8, 9)) -> None:
    """Write the manifest of ``rows`` frames of videos: half of them real, ten generators.

    Of ten videos so many train, and so many train or validate; the others test.
    """
    number = np.arange(rows)
    video = number // PER_VIDEO
    fake = video % 2 == 1
    generator = np.where(fake, np.char.add("generator", (video // 2 % GENERATORS).astype(str)), "")
    split = np.array(["train", "val", "test"])[np.searchsorted(splits, video // 20 % 10, "right")]
    table = pd.DataFrame(
        {
            "path": [f"images/{v:06d}/{n:07d}.png" for v, n in zip(video, number, strict=True)],
            "label": np.where(fake, "fake", "real"),
            "forgery": np.where(fake, "EFS", "real"),
            "family": np.where(fake, "GAN", "real"),
            "generator": np.where(fake, generator, "camera"),
            "split": split,
            "source": "one",
            "group": [f"images/{v:06d}" for v in video],
            "sha256": [hashlib.sha256(str(n).encode()).hexdigest() for n in number],
        }
    )
    table.to_csv(folder / MANIFEST, index=False)


def read(folder: Path, _: int) -> Callable[[], object]:
    """Read the manifest."""
    from benchmark.data.manifest import read_manifest

    return lambda: read_manifest(folder / MANIFEST)


def plan(folder: Path, _: int) -> Callable[[], object]:
    """Read the manifest and plan 27 detectors with 3 seeds over all its generators."""
    from benchmark.scoring.store import ScoreStore
    from benchmark.study.planning import left_to_score, make_plan
    from benchmark.study.resolved import resolve
    from benchmark.study.schema import study_of

    study = study_of("cross-generator", detectors=["xception"], size="tiny", seeds=[0, 1, 2])
    first = study.detectors[0]
    many = [first.model_copy(update={"name": f"d{n}"}) for n in range(DETECTORS)]
    study = study.model_copy(update={"detectors": many})

    def planned() -> object:
        made = make_plan(resolve(study, folder / MANIFEST))
        return left_to_score(ScoreStore(folder / "run"), made)

    return planned


def go_on(folder: Path, _: int) -> Callable[[], object]:
    """Find that the manifest is that of a run which was begun."""
    from benchmark.data.manifest import read_manifest
    from benchmark.progress import Progress
    from benchmark.study.samples import run_samples, stated_samples
    from results.store import write_samples

    manifests = {"data": read_manifest(folder / MANIFEST)}
    out = folder / "begun"
    out.mkdir(exist_ok=True)
    write_samples(out, stated_samples(manifests).assign(problem=""))
    (out / "run.json").write_text("{}", encoding="utf-8")

    def found() -> object:
        samples, fresh = run_samples(out, manifests, False, Progress())
        assert not fresh
        return samples

    return found


def order(_: Path, rows: int) -> Callable[[], object]:
    """Draw the batches of 100 steps of training."""
    from benchmark.training.sampling import BatchOrder

    half = np.arange(rows // 2)
    batches = BatchOrder(half, half + rows // 2, batch_size=32, balanced=True, seed=0)
    return lambda: [batches.batch(step) for step in range(100)]


def merge(folder: Path, rows: int) -> Callable[[], object]:
    """Merge the units of two models' scores of every image."""
    from benchmark.data.manifest import read_manifest
    from benchmark.scoring.store import ScoreStore
    from benchmark.scoring.units import plan_groups
    from benchmark.study.samples import stated_samples
    from protocols.conditions import CLEAN

    samples = stated_samples({"data": read_manifest(folder / MANIFEST)})
    store = ScoreStore(folder / "merged")
    everything = np.arange(rows)
    needs = {model: {CLEAN: everything} for model in ("a", "b")}
    ids = samples["sample_id"].to_numpy()
    for group in plan_groups(samples, needs, store.done(), 8):
        for unit in group.units:
            parts = [
                pd.DataFrame(
                    {
                        "model": model,
                        "dataset": unit.dataset,
                        "sample_id": ids[at],
                        "condition": unit.condition.key,
                        "logit": np.zeros(len(at), dtype=np.float32),
                    }
                )
                for model, at in unit.rows.items()
            ]
            store.add(unit, pd.concat(parts, ignore_index=True))
    return lambda: store.merge(["a", "b"])


def scored_run(folder: Path, protocol: "str | Protocol" = "robustness") -> Path:
    """Write a run of 27 detectors under the 36 conditions of ``robustness`` on the manifest."""
    from benchmark.data.manifest import read_manifest
    from benchmark.study.samples import stated_samples
    from tests.fake_run import make_run

    samples = stated_samples({"data": read_manifest(folder / MANIFEST)}).assign(problem="")
    names = [f"d{n}" for n in range(DETECTORS)]
    return make_run(folder / "scored", samples=samples, protocols=[protocol], detectors=names)


def scores(folder: Path, _: int) -> Callable[[], object]:
    """Read the scores of 27 detectors under 36 conditions, and look up those of every cell."""
    from results.run import RunContents

    run = scored_run(folder)

    def found() -> object:
        contents = RunContents(run)
        cells = contents.expansions["robustness"].cells
        return [
            contents.scored(str(entry.model), cell).scores.sum()
            for entry in contents.entries("robustness")
            for cell in cells
        ]

    return found


def report(folder: Path, _: int) -> Callable[[], object]:
    """Build the report of those scores: intervals of 1,000 resamples, tables, figures, page."""
    from leaderboard.report import report as build

    run = scored_run(folder)
    return lambda: build(run)


def large_report(folder: Path, _: int) -> Callable[[], object]:
    """Build the report of 27 detectors under 60 conditions."""
    from leaderboard.report import report as build
    from protocols import Protocol, load_protocol
    from protocols.reading import parse

    stated = load_protocol("robustness").model_dump(mode="json")
    more = [
        {"perturbation": f"imagenet-c/{name}", "severities": [1, 2, 3, 4, 5], "stage": "crop"}
        for name in ("gaussian-noise", "shot-noise", "impulse-noise", "speckle-noise")
    ]
    more.append({"perturbation": "real-world/jpeg", "severities": [1, 2, 3, 4], "stage": "crop"})
    stated |= {"name": "sixty-conditions", "conditions": stated["conditions"] + more}
    run = scored_run(folder, parse(Protocol, stated, "sixty conditions"))
    return lambda: build(run)


STAGES: dict[str, Callable[[Path, int], Callable[[], object]]] = {
    "read": read,
    "plan": plan,
    "go_on": go_on,
    "order": order,
    "merge": merge,
    "scores": scores,
    "report": report,
    "large report": large_report,
}


def main() -> None:
    """Time one stage and print it as JSON; what it needs is made first and is not counted."""
    stage, folder, rows = sys.argv[1:]
    call = STAGES[stage](Path(folder), int(rows))
    start = time.process_time()
    call()
    seconds = time.process_time() - start
    print(json.dumps({"seconds": seconds, "peak MB": _peak()}))


def _peak() -> float:
    """Give the most memory that this process took, in MB; ``getrusage`` tells its parent's too."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1000


if __name__ == "__main__":
    main()
