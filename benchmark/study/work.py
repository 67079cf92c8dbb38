"""What is left to do for each model of a study, and how long that took before."""

from collections import Counter
from collections.abc import Iterable, Mapping

from benchmark.progress import ModelWork
from benchmark.scoring.units import Group
from benchmark.study.planning import Plan
from benchmark.study.speeds import SCORE, STEP, Speeds
from benchmark.training.store import ModelStore
from detectors.catalog import detector_class
from protocols.sets import TRAINED_ELSEWHERE


def work_of(
    groups: Iterable[Group], plan: Plan, models: ModelStore, speeds: Speeds
) -> dict[str, ModelWork]:
    """Tell what is left to do for the models of a plan, by id.

    Args:
        groups: What is left to score, from ``left_to_score``.
        plan: All that the study wants.
        models: The trained models that there are.
        speeds: What such models took before.
    """
    scores: Counter[str] = Counter()
    for group in groups:
        for unit in group.units:
            scores.update({model: len(rows) for model, rows in unit.rows.items()})
    cells = _cells(plan)
    return {
        model: ModelWork(
            title=job.title,
            steps=0 if models.has(model) else _steps(plan, model),
            scores=scores[model],
            cells=cells[model] if scores[model] else 0,
            step_seconds=speeds.of(STEP, job),
            score_seconds=speeds.of(SCORE, job),
        )
        for model, job in plan.jobs.items()
    }


def _steps(plan: Plan, model: str) -> int:
    """Count the steps of a training at most; what is fitted at once is one."""
    job = plan.jobs[model]
    if job.training is TRAINED_ELSEWHERE:
        return 0
    fit = detector_class(job.detector).card.fit
    return {"gradient": job.recipe.steps, "estimator": 1}.get(fit, 0)


def _cells(plan: Plan) -> Mapping[str, int]:
    """Count the cells of each model, over all protocols that it stands in."""
    cells: Counter[str] = Counter()
    expansions = {each.protocol.name: each for each in plan.resolved.expansions}
    for entry in plan.entries:
        if entry.model is not None:
            elsewhere = entry.training == TRAINED_ELSEWHERE.name
            cells[entry.model] += sum(
                elsewhere or cell.training == entry.training
                for cell in expansions[entry.protocol].cells
            )
    return cells
