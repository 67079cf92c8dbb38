from importlib.resources import files
from pathlib import Path

import pytest
import yaml

from benchmark.errors import BenchmarkError
from benchmark.recipe import default_recipe, load_recipe, recipe_names
from protocols.errors import ProtocolError, UnknownNameError

FOLDER = Path(str(files("benchmark"))) / "recipes"


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_recipe_that_ships_is_valid(path: Path) -> None:
    recipe = load_recipe(path.stem)
    assert recipe.name == path.stem
    assert recipe.warmup < recipe.steps


def test_a_detector_has_its_own_recipe_or_the_one_of_its_size() -> None:
    assert default_recipe("xception", "tiny").name in ("tiny", "xception-tiny")
    assert default_recipe("my.module:Mine", "base").name == "base"
    for name in recipe_names():
        stem, _, size = name.rpartition("-")
        if stem:
            assert default_recipe(stem, size).name == name


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
        ({"precision": "fp64"}, r"'precision' is wrong: .*'fp32', 'bf16' or 'fp16'"),
        ({"schedule": "step"}, r"decay_every goes with schedule: step"),
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
