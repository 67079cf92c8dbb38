"""What is fetched: nothing that was not asked for. Code that weights lie beside is not run."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from transformers import ViTConfig, ViTForImageClassification, ViTModel
from typer.testing import CliRunner

from benchmark.cli.app import app
from detectors import CATALOG, DetectorError, WeightsError, create_detector, detector_class
from detectors.fetching import is_offline
from detectors.huggingface import HuggingFace
from detectors.probe import Probe
from detectors.weights import hub_folder

ROOT = Path(__file__).parents[1]
TAXA = [["real", "real", "real", "camera"], ["fake", "EFS", "GAN", "StyleGAN"]]
LABELS = {"real": ["human"], "fake": ["artificial"]}
PROCESSOR = {"size": {"height": 32, "width": 32}, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}


class BuiltError(Exception):
    """The network was built: its tensors would be read now."""


def saved(folder: Path, detector: str, **options: Any) -> Path:
    """Write the config of a saved detector that was built with ``options``, and nothing else."""
    config = {"format": 1, "detector": detector, "init": "random", "options": options}
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.fixture
def nothing_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch(*args: object, **options: object) -> None:
        raise AssertionError(f"fetched: {args}")

    def read(*args: object) -> None:
        raise BuiltError

    monkeypatch.setattr("huggingface_hub.snapshot_download", fetch)
    monkeypatch.setattr("huggingface_hub.hf_hub_download", fetch)
    monkeypatch.setattr("socket.create_connection", fetch)
    monkeypatch.setattr("socket.socket.connect", fetch)
    monkeypatch.setattr("detectors.base.read_tensors", read)


@pytest.mark.usefixtures("nothing_fetched")
@pytest.mark.parametrize("size", ["base", None])
@pytest.mark.parametrize("name", sorted(CATALOG))
def test_a_saved_detector_is_built_with_nothing_fetched(
    name: str, size: str | None, tmp_path: Path
) -> None:
    """Whatever its config leaves out: 'pretrained' most of all."""
    found = detector_class(name)
    options = {} if size is None else {"size": size}
    folder = saved(tmp_path / "model", name, taxa=TAXA, **options)
    with (
        torch.device("cpu" if found.card.fit == "estimator" else "meta"),
        pytest.raises((BuiltError, WeightsError)) as caught,
    ):
        found.from_pretrained(folder)
    # Two have no description of their network but the one that they save.
    undescribed = {"clip-classes", "clip-finetune", "probe"}
    assert caught.type is (WeightsError if name in undescribed else BuiltError), caught.value
    if name in undescribed:
        said = "config.json: a saved detector fetches nothing, and its options ask for '"
        assert said in str(caught.value)


@pytest.mark.usefixtures("nothing_fetched")
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("mfclip", {"image_encoder": "some/where"}),
        ("mfclip", {"text_encoder": "some/where"}),
        ("clip-finetune", {"image_encoder": "some/where"}),
        ("probe", {"backbone": "some/where"}),
        ("probe", {"backbone": "vit_base_patch16_clip_224.openai"}),
    ],
)
def test_no_option_of_a_saved_detector_has_something_fetched(
    name: str, options: dict[str, str], tmp_path: Path
) -> None:
    folder = saved(tmp_path / "model", name, taxa=TAXA, size="tiny", **options)
    with pytest.raises(WeightsError, match="a saved detector fetches nothing"):
        detector_class(name).from_pretrained(folder)


def test_what_a_caller_asks_for_is_still_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch(name: str, **options: object) -> None:
        raise OSError(f"asked for {name}")

    monkeypatch.setattr("huggingface_hub.snapshot_download", fetch)
    for each in ("FORGERYBENCH_OFFLINE", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(each, raising=False)
    with pytest.raises(WeightsError, match=r"asked for timm/legacy_xception\.tf_in1k"):
        create_detector("xception", size="base")


@pytest.mark.parametrize("name", ["FORGERYBENCH_OFFLINE", "HF_HUB_OFFLINE"])
def test_offline_what_was_fetched_before_is_taken_and_nothing_else(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub.errors import LocalEntryNotFoundError

    def kept(repository: str, *, allow_patterns: list[str], local_files_only: bool) -> str:
        assert local_files_only
        if repository == "known/one":
            return str(tmp_path)
        raise LocalEntryNotFoundError("many\nlines")

    for each in ("FORGERYBENCH_OFFLINE", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(each, raising=False)
    assert not is_offline()
    monkeypatch.setenv(name, "1")
    assert is_offline()
    monkeypatch.setattr("huggingface_hub.snapshot_download", kept)
    assert hub_folder("known/one", ["*.json"]) == tmp_path
    said = r"'other/one' is no folder and was not fetched before, and nothing is fetched offline"
    with pytest.raises(WeightsError, match=said) as caught:
        hub_folder("other/one", ["*.json"])
    assert "\n" not in str(caught.value)


def run_python(code: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    clean = {k: v for k, v in os.environ.items() if not k.endswith("_OFFLINE")}
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=clean | variables,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


NO_NETWORK = """
import socket, sys
def refuse(*a, **k): raise SystemExit('the network was asked')
socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
"""


def test_a_variable_says_that_a_command_is_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    states = []

    def names() -> list[str]:
        states.append(is_offline())
        return []

    monkeypatch.setattr("protocols.schema.protocol_names", names)
    for value in ("", "1"):
        env = {"FORGERYBENCH_OFFLINE": value, "HF_HUB_OFFLINE": ""}
        done = CliRunner().invoke(app, ["list", "protocols"], env=env)
        assert done.exit_code == 0, done.output
    assert states == [False, True]


def test_offline_refuses_every_download_with_one_line(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "x.png")
    code = f"""{NO_NETWORK}
image = {str(tmp_path / "x.png")!r}
sys.argv = ['forgerybench', '--offline', 'score', image, '--model', 'nobody/nothing']
from benchmark.cli.app import main
assert 'huggingface_hub' not in sys.modules
try: main()
except SystemExit as end: assert end.code == 1, end.code
import huggingface_hub.constants
assert huggingface_hub.constants.HF_HUB_OFFLINE
"""
    home = {"HF_HOME": str(tmp_path / "hub"), "FORGERYBENCH_HOME": str(tmp_path / "home")}
    done = run_python(code, **home)
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert len(lines) == 1
    assert "nothing is fetched offline (--offline, FORGERYBENCH_OFFLINE=1)" in lines[0]


def checkpoint(folder: Path, kind: Any = ViTForImageClassification, **config: Any) -> Path:
    """Write a small network in transformers' layout, with more in its config."""
    names = dict(enumerate(("artificial", "human")))
    fields: dict[str, Any] = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    fields |= {"intermediate_size": 32, "image_size": 32, "patch_size": 8, "id2label": names}
    kind(ViTConfig(**fields)).save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(PROCESSOR))
    raw = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(raw | config))
    return folder


AUTO = {
    "AutoConfig": "theirs.TheirConfig",
    "AutoModel": "theirs.TheirModel",
    "AutoModelForImageClassification": "theirs.TheirModel",
}


def test_code_beside_weights_is_never_run_and_nobody_is_asked(tmp_path: Path) -> None:
    """What transformers has a class of its own for is read by that, and the rest refused."""
    marker, built = tmp_path / "ran", []
    for kind in ("vit", "theirs"):
        for use, network in (("checkpoint", ViTForImageClassification), ("probe", ViTModel)):
            folder = checkpoint(tmp_path / kind / use, network, auto_map=AUTO, model_type=kind)
            (folder / "theirs.py").write_text(f"open({str(marker)!r}, 'w')\n")
            built += [
                (f"hf:{folder}", {"labels": LABELS})
                if use == "checkpoint"
                else ("probe", {"backbone": str(folder), "input_size": 32})
            ]
    code = f"""
from detectors import create_detector, WeightsError
for name, options in {built!r}:
    try: print('built', create_detector(name, **options).card.name)
    except WeightsError as error: print('error:', error)
"""
    done = run_python(code, HF_HOME=str(tmp_path / "hub"))
    assert done.returncode == 0, done.stderr
    assert not marker.exists()
    assert "[y/N]" not in done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert lines[:2] == ["built huggingface", "built probe"]
    assert len(lines) == 4
    for line in lines[2:]:
        assert "it is built by code of its own (auto_map), which is never run" in line


def test_a_described_network_names_no_code_either(tmp_path: Path) -> None:
    detector = create_detector(f"hf:{checkpoint(tmp_path / 'theirs')}", labels=LABELS)
    detector.save_pretrained(tmp_path / "saved")
    path = tmp_path / "saved" / "config.json"
    raw = json.loads(path.read_text())
    network = raw["options"]["network"]["config"]
    network["auto_map"] = {name: f"some/where--{target}" for name, target in AUTO.items()}
    path.write_text(json.dumps(raw))
    HuggingFace.from_pretrained(tmp_path / "saved")  # by transformers' own class
    for change, said in (
        ({"model_type": "theirs"}, "describes no network of transformers"),
        ({"model_type": None}, "describes no network of transformers"),
        ({"attn_implementation": "some/kernel"}, "may be code to fetch and run"),
        ({"attn_implementation": {"": "flash_attention_2"}}, "may be code to fetch and run"),
        ({"sub": [{"_attn_implementation": "some/kernel"}]}, "may be code to fetch and run"),
    ):
        raw["options"]["network"]["config"] = network | change
        path.write_text(json.dumps(raw))
        with pytest.raises(WeightsError, match=said):
            HuggingFace.from_pretrained(tmp_path / "saved")


def test_a_checkpoint_says_not_how_it_is_computed(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "theirs", attn_implementation="some/kernel")
    with pytest.raises(WeightsError, match="'attn_implementation' is 'some/kernel', which may be"):
        create_detector(f"hf:{folder}", labels=LABELS)
    (folder / "adapter_config.json").write_text('{"base_model_name_or_path": "some/where"}')
    with pytest.raises(WeightsError, match=r"holds an adapter of other weights"):
        create_detector(f"hf:{folder}", labels=LABELS)


DESCRIBED = {"timm": "test_vit", "arguments": {}, "mean": [0.5] * 3, "std": [0.5] * 3}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"timm": "hf-hub:some/where"}, "a described backbone is a network of timm"),
        ({"timm": "local-dir:/tmp"}, "a described backbone is a network of timm"),
        ({"timm": "some/where"}, "a described backbone is a network of timm"),
        ({"timm": ["test_vit"]}, "a described backbone is a network of timm"),
        ({"arguments": {"pretrained": True}}, "arguments of its network alone, not 'pretrained'"),
        ({"arguments": {"checkpoint_path": "x.pth"}}, "alone, not 'checkpoint_path'"),
        ({"arguments": {"pretrained_cfg": {"url": "x"}}}, "alone, not 'pretrained_cfg'"),
        ({"arguments": {"pretrained_cfg_overlay": {"file": "x"}}}, "not 'pretrained_cfg_overlay'"),
    ],
)
def test_a_described_network_of_timm_reads_and_fetches_nothing(
    change: dict[str, Any], said: str, tmp_path: Path
) -> None:
    described = DESCRIBED | change
    with pytest.raises(DetectorError, match=said):
        Probe(size="tiny", backbone=described)
    # The same in the layout of timm, which somebody else has published.
    (tmp_path / "config.json").write_text(
        json.dumps(
            {
                "architecture": described["timm"],
                "model_args": described["arguments"],
                "pretrained_cfg": {"mean": [0.5] * 3, "std": [0.5] * 3},
            }
        )
    )
    (tmp_path / "model.safetensors").touch()
    with pytest.raises(DetectorError, match=said):
        Probe(size="tiny", backbone=str(tmp_path))


def test_options_that_are_none_are_one_line(tmp_path: Path) -> None:
    for name, options in (
        ("huggingface", {"checkpoint": "x", "network": {"side": "x"}}),
        ("huggingface", {"checkpoint": "x", "network": {"side": 32}}),
        ("huggingface", {"checkpoint": "x", "network": 3}),
        ("probe", {"backbone": {"transformers": 3, "mean": 1, "std": 2}}),
        ("xception", {"taxa": [1]}),
        ("xception", {"taxa": [["real"]]}),
        ("f3net", {"input_size": "wide"}),
    ):
        found = HuggingFace if name == "huggingface" else detector_class(name)
        folder = saved(tmp_path / "model", name, **{"size": "tiny", **options})
        with pytest.raises(DetectorError) as caught:
            found.from_pretrained(folder)
        assert "\n" not in str(caught.value)
