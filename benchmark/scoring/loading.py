"""The models of a group: in the form that scores, and as trained where they are attacked."""

from collections.abc import Callable

from benchmark.scoring.ready import Form, scoring_form
from benchmark.scoring.store import ScoreStore
from benchmark.scoring.units import Group, Surrogates
from benchmark.training.engine import Engine
from detectors.base import Detector
from protocols.conditions import Condition


def load_group(
    group: Group,
    engine: Engine,
    store: ScoreStore,
    load: Callable[[str], Detector],
    *,
    surrogates: Surrogates,
    forms: dict[str, Form],
) -> dict[str, Detector]:
    """Load what a group needs: into ``forms`` its models; give those that are attacked, as trained.

    One after the other, so that a model that is not attacked is held once.
    """
    attacked = attacked_on(group, surrogates)
    trained: dict[str, Detector] = {}
    for model in dict.fromkeys((*group.models, *attacked)):
        if model in forms and model not in attacked:
            continue
        detector = load(model).to(engine.device).eval()
        if model in attacked:  # a copy for inference gives no gradient
            trained[model] = detector
        if model in group.models and model not in forms:
            forms[model] = scoring_form(detector, engine.precision)
            if forms[model].fell_back:
                told = f"{model} ({detector.card.title}) scores in {forms[model].told}"
                engine.progress.note(told)
            store.tell_form(model, forms[model].told)
    return trained


def attacked_on(group: Group, surrogates: Surrogates) -> list[str]:
    """Name the models that the attacks of a group's conditions are made on."""
    found = (
        surrogate_of(model, unit.condition, surrogates)
        for unit in group.units
        if unit.is_attack
        for model in unit.rows
    )
    return list(dict.fromkeys(found))


def surrogate_of(model: str, condition: Condition, surrogates: Surrogates) -> str:
    """Name the model that attacks on ``model`` are made on."""
    return surrogates[model, condition.surrogate] if condition.surrogate else model
