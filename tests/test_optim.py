"""What a recipe makes of the learning rate."""

import math

import pytest

from benchmark.training.optim import make_optimizer, make_scheduler
from benchmark.training.recipe import ResolvedRecipe, load_recipe
from detectors import create_detector
from tests.contract import TAXA

STEPS, EVERY = 40, 15


def recipe_of(schedule: str, warmup: int) -> ResolvedRecipe:
    stated = load_recipe("tiny").resolved(100).model_dump()
    decay = EVERY if schedule == "step" else None
    changes = {"schedule": schedule, "warmup": warmup, "steps": STEPS, "decay_every": decay}
    return ResolvedRecipe(**{**stated, **changes})


def rates(recipe: ResolvedRecipe, stop: int | None = None) -> list[float]:
    """Give the rate of every step; stopped and gone on with after ``stop`` steps."""
    detector = create_detector("meso4", size="tiny", untrained=True)
    optimizer = make_optimizer(recipe, detector)
    scheduler = make_scheduler(recipe, optimizer)
    found = []
    for step in range(recipe.steps):
        if step == stop:
            saved = optimizer.state_dict(), scheduler.state_dict()
            optimizer = make_optimizer(recipe, detector)
            scheduler = make_scheduler(recipe, optimizer)
            optimizer.load_state_dict(saved[0])
            scheduler.load_state_dict(saved[1])
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return found


def stated_rate(recipe: ResolvedRecipe, step: int) -> float:
    """Give the rate by its formula: linear warm-up times the schedule."""
    warm = min(1.0, (step + 1) / recipe.warmup) if recipe.warmup else 1.0
    factor = {
        "constant": 1.0,
        "cosine": 0.5 * (1 + math.cos(math.pi * step / recipe.steps)),
        "step": 0.1 ** (step // EVERY),
    }[recipe.schedule]
    return recipe.lr * warm * factor


@pytest.mark.parametrize("schedule", ["constant", "cosine", "step"])
@pytest.mark.parametrize("warmup", [0, 1, 5, 20])
def test_the_rate_is_the_warm_up_times_the_schedule(schedule: str, warmup: int) -> None:
    recipe = recipe_of(schedule, warmup)
    expected = [stated_rate(recipe, step) for step in range(STEPS)]
    assert rates(recipe) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("schedule", ["constant", "cosine", "step"])
def test_a_stopped_schedule_goes_on_as_if_it_had_not_been(schedule: str) -> None:
    recipe = recipe_of(schedule, 5)
    assert rates(recipe, stop=17) == rates(recipe)


def test_a_saved_scheduler_holds_plain_values() -> None:
    recipe = recipe_of("cosine", 5)
    optimizer = make_optimizer(recipe, create_detector("meso4", size="tiny", untrained=True))
    state = make_scheduler(recipe, optimizer).state_dict()
    values = [value for part in state["_schedulers"] for value in part.values()]
    assert all(isinstance(v, (int, float, bool, list, str, type(None))) for v in values)


@pytest.mark.parametrize(
    "name",
    [
        *("c2p-clip", "clip-classes", "clip-finetune", "clip-linear", "clip-lora"),
        *("effort", "gend", "mfclip", "multitask", "npr", "ssp", "vit", "xception"),
        *("efficientnet-b4", "multitask-backbone", "resnet50-aug", "sbi"),
    ],
)
def test_towers_have_rates_by_depth_and_matrices_alone_decay(name: str) -> None:
    stated = load_recipe("tiny").resolved(100).model_dump()
    keys = {"rates": {"image": 0.5, "text": 0.1}, "layer_decay": 0.8, "decayed": "matrices"}
    recipe = ResolvedRecipe(**{**stated, **keys, "weight_decay": 0.3})
    detector = create_detector(name, size="tiny", taxa=TAXA, untrained=True)
    groups = make_optimizer(recipe, detector).param_groups
    place = {id(p): group for group in groups for p in group["params"]}
    names = {id(p): key for key, p in detector.named_parameters()}
    trained = {id(p) for p in detector.parameters() if p.requires_grad}
    assert place.keys() == trained
    in_towers = set()
    for tower, layers in detector.towers().items():
        for depth, layer in enumerate(reversed(layers)):
            factor = keys["rates"].get(tower, 1.0) * 0.8**depth  # type: ignore[attr-defined]
            for parameter in layer:
                in_towers.add(id(parameter))
                if parameter.requires_grad:
                    rate = place[id(parameter)]["lr"]
                    assert rate == pytest.approx(factor * recipe.lr), names[id(parameter)]
    assert trained - in_towers, "what decides is in no tower"
    for key, group in place.items():
        spared = group["weight_decay"] == 0
        name_of = names[key]
        if name_of.endswith("bias") or "norm" in name_of or "posi" in name_of or "cls" in name_of:
            assert spared, name_of
        if name_of.endswith(("qkv.weight", "head.1.weight", "conv1.weight", "fc1.weight")):
            assert not spared, name_of
        if key not in in_towers:
            assert group["lr"] == recipe.lr
    if "text" in detector.towers():
        assert place[id(detector.get_parameter("logit_scale"))]["weight_decay"] == 0


def test_without_keys_there_is_one_group() -> None:
    recipe = load_recipe("tiny").resolved(100)
    detector = create_detector("mfclip", size="tiny", taxa=TAXA, untrained=True)
    (group,) = make_optimizer(recipe, detector).param_groups
    assert (group["lr"], group["weight_decay"]) == (recipe.lr, recipe.weight_decay)
    assert group["params"] == [p for p in detector.parameters() if p.requires_grad]
    assert not {"rates", "layer_decay", "decayed"} & recipe.model_dump().keys()
