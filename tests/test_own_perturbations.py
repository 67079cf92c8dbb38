"""A function of the user's own as a perturbation: the command line names it, a file cannot."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner, Result

from benchmark.cli.app import app
from benchmark.errors import BenchmarkError
from benchmark.perturbations import apply, function_of
from benchmark.scoring.own import bound, with_code
from detectors.errors import DetectorError
from protocols import Protocol, load_protocol
from protocols.errors import ProtocolError
from results.store import load_scores
from tests.own_detector import Write, detector, edit, identity_of
from tests.small_data import SMALL, write_dataset, write_recipe

FOG = """
import numpy as np
{more}
def fog(image, random, severity):
    noise = random.normal(0, 4 * severity, image.shape)
    return np.clip(0.8 * image + 50 + noise, 0, 255).astype(np.uint8)
"""
HEAD = "import numpy as np\ndef fog(image, random, severity):\n    "


def write_protocol(folder: Path, **entry: object) -> Path:
    raw = yaml.safe_load(Path("protocols/robustness-basic.yaml").read_text())
    own = {"perturbation": "own/fog", "severities": [1, 2], "stage": "crop"} | entry
    path = folder / "foggy.yaml"
    path.write_text(yaml.safe_dump(raw | {"name": "foggy", "conditions": ["clean", own]}))
    return path


@pytest.fixture
def protocol(tmp_path: Path) -> Protocol:
    return load_protocol(str(write_protocol(tmp_path)))


@pytest.fixture
def fog(own: Write) -> Path:
    own("fog.py", FOG.format(more="from haze import EDGE"))
    return own("haze.py", "EDGE = 1")


def call(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_a_file_alone_runs_no_code(protocol: Protocol, fog: Path) -> None:
    said = "may not say which code is run: name it with --perturbation fog=FILE.py:function"
    with pytest.raises(BenchmarkError, match=f"foggy: 'own/fog' .*{said}; named are none$"):
        with_code(protocol)
    with bound({"fog": "fog:fog"}):
        random = np.random.default_rng(0)
        found = function_of("own/fog")(np.zeros((64, 64, 3), np.uint8), random, severity=0)
    assert found.tolist() == np.full((64, 64, 3), 50).tolist()  # FOG's, without its noise
    with pytest.raises(ProtocolError, match="own/fog"):
        function_of("own/fog")


def test_the_code_is_part_of_the_condition(
    protocol: Protocol, fog: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with bound({"fog": "fog:fog"}):
        first = with_code(protocol)
        again = with_code(first)
    assert again == first
    keys = [condition.key for condition in first.expanded_conditions]
    code = first.expanded_conditions[1].code
    assert keys == ["clean", f"own/fog.{code}@1[crop]", f"own/fog.{code}@2[crop]"]
    assert first.hash != protocol.hash
    assert Protocol.model_validate(first.model_dump(mode="json")) == first
    for name in ("fog", "haze"):  # what it imports counts as it does
        monkeypatch.setattr("benchmark.training.identity._LOADED", {})
        with monkeypatch.context() as edited:
            edit(edited, name)
            with bound({"fog": "fog:fog"}):
                other = with_code(protocol)
                assert other.expanded_conditions[1].key != keys[1]
                with pytest.raises(BenchmarkError, match=f"states the code {code}, and fog:fog is"):
                    with_code(first)


def test_an_image_depends_on_the_sample_and_the_seed_alone(protocol: Protocol, fog: Path) -> None:
    image = np.full((20, 30, 3), 90, np.uint8)
    with bound({"fog": "fog:fog"}):
        what = with_code(protocol).expanded_conditions[2]
        one, same = (apply(what, image, noise_seed=1, sample_id="a") for _ in range(2))
        other = apply(what, image, noise_seed=1, sample_id="b")
        seed = apply(what, image, noise_seed=2, sample_id="a")
    assert np.array_equal(one, same)
    assert (image == 90).all()
    assert not np.array_equal(one, other)
    assert not np.array_equal(one, seed)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("return image[:10]", r"gives \(10, 96, 3\) uint8 at severity 1 for an image of"),
        ("return image / 255", r"gives \(96, 96, 3\) float64 at severity 1"),
        ("return None", "gives <class 'NoneType'> at severity 1"),
        ("return image[severity]", r"gives \(96, 3\) uint8"),
        ("return [][0]", "fails at severity 1: IndexError: list index out of range"),
        ("return np.random.randint(0, 255, image.shape).astype('u1')", "gives two images for the"),
        ("return image if severity < 2 else 1", "gives <class 'int'> at severity 2"),
    ],
)
def test_what_gives_no_image_is_refused_before_anything_is_done(
    body: str, said: str, protocol: Protocol, own: Write
) -> None:
    own("fog.py", HEAD + body)
    with bound({"fog": "fog:fog"}), pytest.raises(BenchmarkError, match=said):
        with_code(protocol)


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("nowhere:fog", "cannot be loaded: ModuleNotFoundError"),
        ("fog:mist", "fog has no function 'mist'"),
        ("fog:np.abs", "one's own is named FILE.py:function"),
        ("fog", "one's own is named FILE.py:function"),
    ],
)
def test_what_is_no_function_is_refused(target: str, said: str, fog: Path) -> None:
    with pytest.raises(BenchmarkError, match=said), bound({"fog": target}):
        pass


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"perturbation": "own/os:system"}, "one's own is called own/name"),
        ({"perturbation": "own/../x"}, "one's own is called own/name"),
        ({"code": "import os"}, "code"),
        ({"severities": [11]}, "has the severities 1 to 10, not 11"),
        ({"stage": "video"}, "say stage: frame or crop"),
        ({"perturbation": "real-world/jpeg", "code": "0" * 12}, "of one's own"),
    ],
)
def test_a_file_that_says_more_is_refused(
    entry: dict[str, object], said: str, tmp_path: Path
) -> None:
    with pytest.raises(ProtocolError, match=said):
        load_protocol(str(write_protocol(tmp_path, **entry)))


def test_the_command_line_names_a_file_and_its_edit_is_another_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    data = write_dataset(tmp_path / "data", count=8)
    file = tmp_path / "fog_of_mine.py"
    file.write_text(FOG.format(more=""))
    chosen = ("--data", data, "--detectors", SMALL, "--size", "tiny")
    common = (write_protocol(tmp_path), *chosen, "--recipe", write_recipe(tmp_path))
    said = call("plan", *common)
    assert said.exit_code == 1
    assert "--perturbation fog=FILE.py:function" in said.stderr
    named = ("--perturbation", f"fog={file}:fog")
    assert call("plan", *common, *named).exit_code == 0
    run = ("run", *common, "--out", tmp_path / "run", "--store", tmp_path / "store")
    assert call(*run).exit_code == 1
    assert not (tmp_path / "run").exists()
    done = call(*run, *named)
    assert done.exit_code == 0, done.output
    found = set(load_scores(tmp_path / "run")["condition"])
    (stated,) = json.loads((tmp_path / "run" / "run.json").read_text())["protocols"]
    code = stated["conditions"][1]["code"]
    assert found == {"clean", f"own/fog.{code}@1[crop]", f"own/fog.{code}@2[crop]"}
    again = call("report", tmp_path / "run")
    assert again.exit_code == 0, again.output


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import sys; sys.exit(0)", r"fails at severity 1: SystemExit: 0 \(quits.py, line 3\)"),
        ("raise type('Mine', (Exception,), {})('x')", "fails at severity 1: Mine: x"),
        ("return np.zeros(10**15, np.uint8)", "fails at severity 1: MemoryError: Unable"),
    ],
)
def test_whatever_code_of_ones_own_raises_is_told(
    code: str, said: str, protocol: Protocol, own: Write
) -> None:
    own("quits.py", HEAD + code)
    with bound({"fog": "quits:fog"}), pytest.raises(BenchmarkError, match=said):
        with_code(protocol)


def test_code_that_exits_when_it_is_loaded_ends_no_command(own: Write) -> None:
    own("leaves.py", "import sys\nsys.exit(0)")
    with (
        pytest.raises(BenchmarkError, match="cannot be loaded: SystemExit"),
        bound({"fog": "leaves:fog"}),
    ):
        pass


def test_a_buffer_that_is_used_again_changes_no_image_before(own: Write) -> None:
    own("again.py", "import numpy as np\nROOM = np.zeros((8, 8, 3), np.uint8)\n" + HEAD + (
        "ROOM[:] = image\n    return ROOM"
    ))  # fmt: skip
    random = np.random.default_rng(0)
    with bound({"fog": "again:fog"}):
        first = function_of("own/fog")(np.full((8, 8, 3), 7, np.uint8), random, severity=1)
        function_of("own/fog")(np.zeros((8, 8, 3), np.uint8), random, severity=1)
    assert set(first.flat) == {7}


def test_a_detector_that_exits_ends_no_command(own: Write) -> None:
    own("mine.py", detector(imports="import sys", constructor="sys.exit(0)"))
    with pytest.raises(DetectorError, match="cannot be built: SystemExit"):
        identity_of()
