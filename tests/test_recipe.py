from importlib.resources import files
from pathlib import Path

import pytest
import yaml

from benchmark.errors import BenchmarkError
from benchmark.training.optim import Step, compile_step
from benchmark.training.recipe import common_recipe, load_recipe
from detectors import create_detector
from protocols.errors import ProtocolError, UnknownNameError

FOLDER = Path(str(files("benchmark"))) / "recipes"


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_recipe_that_ships_is_valid(path: Path) -> None:
    recipe = load_recipe(path.stem).resolved(1000)
    assert recipe.name == path.stem
    assert recipe.warmup < recipe.steps
    assert recipe.evaluate_every <= recipe.steps


def test_a_detector_has_the_recipe_of_its_size_or_its_exception_from_it() -> None:
    assert common_recipe("xception", "tiny").name == "tiny"
    assert common_recipe("clip-linear", "tiny").name == "clip-linear-tiny"
    assert common_recipe("my.module:Mine", "base").name == "base"


def own(tmp_path: Path, **changes: object) -> str:
    raw = yaml.safe_load((FOLDER / "tiny.yaml").read_text(encoding="utf-8")) | {"name": "own"}
    path = tmp_path / "own.yaml"
    path.write_text(yaml.safe_dump(raw | changes))
    return str(path)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"learning_rate": 1}, r"own\.yaml: unknown key 'learning_rate'; the keys are name"),
        ({"lr": 0}, r"own\.yaml: 'lr' is wrong: .*greater than 0"),
        ({"precision": "fp64"}, r"'precision' is .*fp32.*bf16.*fp16"),
        ({"schedule": "step"}, r"decay_every goes with schedule: step"),
        (
            {"steps": "3 weeks"},
            r"'steps' is wrong: .*a number of steps, or text such as '15 epochs'",
        ),
        ({"steps": "0 epochs"}, r"'steps' is wrong: .*a number of steps, or text such as"),
        ({"evaluate_every": 0}, r"'evaluate_every' is wrong: .*it lasts at least one step"),
        ({"warmup": -1}, r"'warmup' is wrong: .*a number of steps, or text such as"),
        ({"steps": True}, r"'steps' is wrong: .*a number of steps, or text such as"),
        ({"ema": 1.0}, r"'ema' is wrong: .*less than 1"),
        ({"accumulate": 5}, r"a batch of 32 images does not fall into accumulate: 5 equal parts"),
        ({"name": "mine"}, r"its name must be 'own', not 'mine'"),
    ],
)
def test_a_wrong_recipe_is_named_with_its_key(
    tmp_path: Path, changes: dict[str, object], sentence: str
) -> None:
    with pytest.raises((BenchmarkError, ProtocolError), match=sentence):
        load_recipe(own(tmp_path, **changes))


def test_an_unknown_recipe_is_told_what_there_is() -> None:
    with pytest.raises(UnknownNameError, match="no recipe is called 'tinny'; did you mean 'tiny'"):
        load_recipe("tinny")


def test_epochs_become_steps_of_the_training_set(tmp_path: Path) -> None:
    changes: dict[str, object] = {"steps": "6 epochs", "schedule": "step", "decay_every": "1 epoch"}
    recipe = load_recipe(own(tmp_path, **changes))
    assert recipe.steps == "6 epochs"
    # 6 epochs of 100 images are 18.75 batches of 32: the last images count too.
    resolved = recipe.resolved(100)
    assert (resolved.steps, resolved.decay_every, resolved.evaluate_every) == (19, 4, 20)
    assert recipe.resolved(320).steps == 60


def test_steps_do_not_depend_on_the_training_set() -> None:
    recipe = load_recipe("tiny")
    assert recipe.resolved(7).model_dump() == recipe.resolved(7000).model_dump()
    assert recipe.resolved(7).model_dump() == recipe.model_dump()


def test_the_released_recipe_is_the_released_one() -> None:
    recipe = load_recipe("release").resolved(2400)
    assert (recipe.optimizer, recipe.lr, recipe.weight_decay) == ("adam", 1e-4, 1e-3)
    assert (recipe.decay_every, recipe.steps, recipe.evaluate_every) == (1500, 10_000, 100)
    assert (recipe.batch_size, recipe.patience) == (24, 5)


def test_a_recipe_names_the_mode_of_compilation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[str, str]] = []
    monkeypatch.setattr(Step, "compile", lambda _, **options: asked.append(options))
    step = Step(create_detector("meso4", size="tiny"))
    for compiled in (False, True, {"mode": "reduce-overhead"}):
        recipe = load_recipe(own(tmp_path, compile=compiled)).resolved(100)
        assert recipe.model_dump()["compile"] == compiled
        compile_step(recipe, step)
    assert asked == [{}, {"mode": "reduce-overhead"}]
