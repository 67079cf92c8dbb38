import json
from importlib.resources import files
from pathlib import Path

import pandas as pd
import pytest
import yaml

from docs.scripts.protocols import with_page
from protocols.conditions import CLEAN, condition, perturbations
from protocols.diagram import diagram
from protocols.errors import ProtocolError, UnknownNameError
from protocols.examples import example_samples
from protocols.expansion import expand
from protocols.samples import validate
from protocols.schema import Protocol, load_protocol, protocol_names
from tests.protocol_hashes import HASHES

FOLDER = Path(str(files("protocols")))
DOCS = Path(__file__).parents[1] / "docs"


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


@pytest.mark.parametrize("name", protocol_names())
def test_every_protocol_fits_the_data_it_expects(name: str) -> None:
    protocol = load_protocol(name)
    expansion = expand(protocol, example_samples(protocol))
    assert not [t.name for t in expansion.training_sets if t.gap]
    assert not [c.test.name for c in expansion.cells if c.test.gap]
    assert any(cell.headline for cell in expansion.cells)
    assert set(protocol.expected) in (set(), set(protocol.roles))


def test_a_released_version_never_changes() -> None:
    released = json.loads(HASHES.read_text(encoding="utf-8"))
    for name in protocol_names():
        protocol = load_protocol(name)
        told = "raise its version, then run: python -m tests.protocol_hashes"
        assert released.get(name, {}).get(str(protocol.version)) == protocol.hash, (name, told)


def test_the_page_shows_the_protocols_as_their_files_are() -> None:
    text = (DOCS / "protocols.md").read_text(encoding="utf-8")
    assert with_page(text) == text, "run: make protocol-page"


def test_a_page_without_a_place_for_the_protocols_is_refused() -> None:
    with pytest.raises(ValueError, match="the page has no '<!-- made by: make protocol-page"):
        with_page("# Protocols")


def test_a_diagram_marks_what_is_seen_unseen_and_outside_the_means() -> None:
    lines = diagram(load_protocol("genface-cross-diffusion")).splitlines()
    assert lines[0].split() == ["train", "\\", "test", "1", "2", "3", "4", "5"]
    assert lines[1].split() == ["DDPM", "■", "□", "□", "□", "·"]
    matched = diagram(load_protocol("genface-cross-diffusion-matched")).splitlines()
    assert matched[5].split() == ["Diffae", "□", "□", "□", "□", "■"]


def test_siblings_are_left_out_together() -> None:
    lines = diagram(load_protocol("leave-one-generator-out")).splitlines()
    row = next(line for line in lines if line.startswith("all but StarGAN + StarGANv2"))
    assert row.split()[-5:] == ["■", "■", "□", "□", "■"]


def test_the_two_tests_of_deeperforensics_differ_in_their_real_images() -> None:
    protocol = load_protocol("ffpp-cross-dataset")
    cells = expand(protocol, example_samples(protocol)).cells
    tests = {cell.test.name: cell for cell in cells}
    targets, actors = tests["df1-ff-reals"], tests["df1-actor-reals"]
    assert (targets.test.real_role, targets.headline) == ("ffpp-c23", True)
    assert (actors.test.reals_sources, actors.headline) == (("DF-1.0 actors",), False)
    assert {cell.level for cell in cells} == {"image", "video"}


def test_what_a_file_leaves_at_its_default_is_no_part_of_its_hash() -> None:
    protocol = load_protocol("cross-generator")
    again = Protocol.model_validate(protocol.model_dump() | {"draw_seed": 0, "strict": False})
    assert again.hash == protocol.hash
    assert Protocol.model_validate(protocol.model_dump() | {"strict": True}).hash != protocol.hash


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
        ({"metrics": [3]}, r"own\.yaml: 'metrics\.0' is wrong: input should be a valid string"),
        ({"roles": ["faces"]}, r"role 'data' is not among its roles faces"),
        ({"name": "other"}, r"own\.yaml: its name must be 'own', not 'other'"),
        ({"conditions": ["clean", "clean"]}, r"a condition stands there twice"),
        (
            {"train": [{"role": "data", "reals": ["training-source"]}]},
            r"training-source describes the reals of a test",
        ),
        (
            {"train": [{"role": "data", "reals": ["pooled"], "only": ["A"]}]},
            r"only goes with each",
        ),
        (
            {"test": [{"role": "data", "reals": ["stated"]}]},
            r"the policy stated and real_sources go together",
        ),
        (
            {"test": [{"role": "data", "reals": ["pooled"], "also": ["pooled"]}]},
            r"a policy stands twice",
        ),
        (
            {
                "test": [
                    {"role": "data", "reals": ["pooled"], "siblings": [["a*"]], "each": "source"}
                ]
            },
            r"siblings describes a training set, not a test",
        ),
        (
            {"test": [{"role": "data", "reals": ["pooled"], "reals_role": "faces"}]},
            r"role 'faces' is not among its roles data",
        ),
        ({"budget": {"train": 0, "val": 1}}, r"train is a number from 1, or smallest"),
        ({"encoding": {"side": 64, "quality": [90, 80]}}, r"the lowest and the highest"),
        ({"encoding": {"side": 0, "quality": [80, 90]}}, r"a number of pixels from 1"),
        ({"summaries": ["mean"]}, r"'summaries\.0' is 'mean', not one of mean-seen"),
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
        (
            {
                "conditions": [
                    {"perturbation": "real-world/jpeg", "severities": [1], "stage": "crop"}
                ]
            },
            r"own: its conditions lack clean",
        ),
        ({"conditions": ["jpeg"]}, r"'conditions\.0\.clean' is 'jpeg', not one of clean"),
        (
            {"conditions": [{"perturbation": "x", "severities": [1], "stage": "image"}]},
            r"'conditions\.0\.perturbed\.stage' is 'image', not one of video, frame, crop, model",
        ),
        ({"version": True}, r"'version' is wrong: input should be a valid integer, got True"),
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


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"name: own\ntitle: \xff\n", r"own\.yaml: not UTF-8 text \(byte 17\); save it as UTF-8"),
        (b"name: own\nname: own\n", r"own\.yaml: not YAML \(the key 'name' stands there twice"),
        (b"[" * 100_000, r"own\.yaml: not YAML that can be read \(nested too deeply\)"),
        (b"", r"own\.yaml: a mapping is expected, found NoneType"),
        (b"name: &a [*a]\n", r"own\.yaml: not YAML \(write out what '\*a' stands for"),
    ],
)
def test_a_file_that_is_no_yaml_mapping_is_told_in_one_line(
    tmp_path: Path, content: bytes, sentence: str
) -> None:
    path = tmp_path / "own.yaml"
    path.write_bytes(content)
    with pytest.raises(ProtocolError, match=sentence) as told:
        load_protocol(str(path))
    assert "\n" not in str(told.value)


def test_aliases_that_stand_for_gigabytes_cost_nothing(tmp_path: Path) -> None:
    lines = ["version: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"name{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    path = tmp_path / "own.yaml"
    path.write_text("\n".join([*lines, "title: *a11"]))
    with pytest.raises(ProtocolError) as told:
        load_protocol(str(path))
    assert len(str(told.value)) < 1000


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


@pytest.mark.parametrize("name", protocol_names())
def test_example_samples_are_as_validation_leaves_them(name: str) -> None:
    samples = example_samples(load_protocol(name), count=2)
    for role, rows in samples.groupby("dataset"):
        table = rows.drop(columns=["dataset", "problem"]).reset_index(drop=True)
        pd.testing.assert_frame_equal(validate(table, str(role)), table, check_dtype=False)
    keys = list(zip(samples["dataset"], samples["sample_id"], strict=True))
    assert keys == sorted(set(keys))
