"""This machine: one model after the other, in this process and those launched beside it."""

from collections.abc import Mapping, Sequence

from filelock import FileLock

from benchmark.errors import ModelGapError
from benchmark.scoring.score import score
from benchmark.scoring.store import ScoreStore
from benchmark.scoring.units import Group, Surrogates
from benchmark.training.distributed import Leader
from benchmark.training.engine import Engine
from benchmark.training.jobs import TrainJob
from benchmark.training.train import train
from protocols.gaps import Gap


class LocalExecutor:
    """Carries out everything here.

    Several processes that ``accelerate launch`` or ``torchrun`` started train a model together; the
    first of them scores.
    """

    def train(self, jobs: Sequence[TrainJob], engine: Engine) -> dict[str, Gap]:
        """Train jobs one after the other; what another run trains meanwhile is waited for."""
        models = engine.models
        models.root.mkdir(parents=True, exist_ok=True)
        leader = Leader(engine)
        gaps: dict[str, Gap] = {}
        for job in jobs:
            with FileLock(models.root / f".{job.id}.lock"):
                if not models.has(job.id):  # another run may have trained it while this one waited
                    leader.announce(job)
                    try:
                        train(job, engine)
                    except ModelGapError as error:
                        gaps[job.id] = error.gap
                        engine.progress.note(f"{error}; it is left out, the others go on")
        leader.dismiss()
        return gaps

    def score(
        self,
        groups: Sequence[Group],
        engine: Engine,
        scores: ScoreStore,
        jobs: Mapping[str, TrainJob],
        *,
        noise_seed: int,
        surrogates: Surrogates,
    ) -> dict[str, Gap]:
        """Score group after group."""
        return score(
            groups,
            engine,
            scores,
            lambda model: engine.models.load(jobs[model]),
            noise_seed=noise_seed,
            surrogates=surrogates,
        )
