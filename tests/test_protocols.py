from importlib.resources import files
from pathlib import Path

import pytest
import yaml

from protocols.conditions import CLEAN, condition, perturbations
from protocols.errors import ProtocolError, UnknownNameError
from protocols.schema import Protocol, load_protocol, protocol_names

FOLDER = Path(str(files("protocols")))


def changed(tmp_path: Path, **changes: object) -> str:
    raw = yaml.safe_load((FOLDER / "cross-generator.yaml").read_text(encoding="utf-8"))
    raw |= {"name": "own"} | changes
    path = tmp_path / "own.yaml"
    path.write_text(yaml.safe_dump({k: v for k, v in raw.items() if v is not None}))
    return str(path)


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_protocol_that_ships_is_valid_and_says_what_it_shows(path: Path) -> None:
    protocol = load_protocol(path.stem)
    assert protocol.name == path.stem
    assert len(protocol.summary) > 80
    assert protocol.metrics[0] == "AUC"


def test_all_four_kinds_ship() -> None:
    kinds = {"cross-generator", "cross-forgery", "cross-dataset", "robustness"}
    assert kinds <= set(protocol_names())


def test_an_unknown_protocol_is_told_what_it_may_have_meant() -> None:
    with pytest.raises(
        UnknownNameError,
        match="no protocol is called 'cross-generators'; did you mean 'cross-generator'",
    ):
        load_protocol("cross-generators")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"seed": 3}, r"own\.yaml: unknown key 'seed'; the keys are name, version"),
        ({"noise_seed": None}, r"own\.yaml: key 'noise_seed' is missing"),
        ({"metrics": ["AUROC"]}, r"own\.yaml: 'metrics\.0' is 'AUROC', not one of AUC, AP, "),
        ({"roles": ["faces"]}, r"role 'data' is not among its roles faces"),
        ({"name": "other"}, r"own\.yaml: its name must be 'own', not 'other'"),
        ({"conditions": ["clean", "clean"]}, r"a condition stands there twice"),
        (
            {"train": [{"role": "data", "reals": ["training-source"]}]},
            r"training-source describes the reals of a test",
        ),
        (
            {"train": [{"role": "data", "reals": ["pooled"], "nope": 1}]},
            r"unknown key 'train\.0\.nope'",
        ),
        (
            {"conditions": [{"perturbation": "x/jpg", "severities": [1], "stage": "crop"}]},
            r"no perturbation is called 'x/jpg'",
        ),
        (
            {
                "conditions": [
                    {"perturbation": "real-world/jpeg", "severities": [6], "stage": "crop"}
                ]
            },
            r"real-world/jpeg has the severities 1 to 5, not 6",
        ),
    ],
)
def test_a_wrong_protocol_file_is_named_with_key_and_choices(
    tmp_path: Path, changes: dict[str, object], sentence: str
) -> None:
    with pytest.raises(ProtocolError, match=sentence):
        load_protocol(changed(tmp_path, **changes))


def test_yaml_cannot_build_objects(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text("!!python/object/apply:os.system ['true']")
    with pytest.raises(ProtocolError, match=r"own\.yaml: not YAML"):
        load_protocol(str(path))


def test_the_hash_follows_every_stated_value() -> None:
    protocol = load_protocol("cross-generator")
    assert protocol.hash == load_protocol("cross-generator").hash
    for changes in ({"noise_seed": 1}, {"summary": "x"}, {"version": 9}):
        raw = protocol.model_dump() | changes
        assert Protocol.model_validate(raw).hash != protocol.hash


def test_a_protocol_survives_being_written_into_a_run() -> None:
    for name in protocol_names():
        protocol = load_protocol(name)
        again = Protocol.model_validate(protocol.model_dump(mode="json"))
        assert again == protocol
        assert again.hash == protocol.hash


def test_a_condition_key_names_all_that_moves_its_pixels() -> None:
    jpeg = condition("real-world/jpeg", 3, "crop", "test")
    assert jpeg.key == "real-world/jpeg.v1@3[crop]"
    assert (jpeg.parameter, jpeg.value) == ("quality", 75)
    assert CLEAN.key == "clean"


def test_levels_are_the_published_ones() -> None:
    table = perturbations()
    assert table["real-world/jpeg"].levels == (95, 85, 75, 60, 40)
    assert table["real-world/resize"].levels == (0.9, 0.75, 0.5, 0.35, 0.25)
    assert table["deeperforensics/gaussian-blur"].levels == (7, 9, 13, 17, 21)
    assert table["deeperforensics/gaussian-noise"].levels == (0.001, 0.002, 0.005, 0.01, 0.05)
