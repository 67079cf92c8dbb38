import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub.errors import LocalEntryNotFoundError
from safetensors.torch import load_file, save_file
from torch import Tensor

from detectors import WeightsError
from detectors.catalog import load_detector
from detectors.spectrum import Spectrum
from detectors.weights import hub_folder
from detectors.xception import Xception


@pytest.fixture
def model(tmp_path: Path) -> Path:
    detector = Spectrum(size="tiny")
    detector.coef.normal_(generator=torch.Generator().manual_seed(0))
    detector.mark_trained()
    detector.save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def change_config(model: Path, change: Callable[[dict[str, Any]], object]) -> None:
    config = json.loads((model / "config.json").read_text())
    change(config)
    (model / "config.json").write_text(json.dumps(config))


def change_tensors(model: Path, change: Callable[[dict[str, Tensor]], object]) -> None:
    tensors = load_file(model / "model.safetensors")
    change(tensors)
    save_file(tensors, model / "model.safetensors")


def test_a_saved_detector_is_two_files_that_all_may_read(model: Path) -> None:
    assert sorted(path.name for path in model.iterdir()) == ["config.json", "model.safetensors"]
    umask = os.umask(0)
    os.umask(umask)
    assert model.stat().st_mode & 0o777 == 0o777 & ~umask
    assert [path.name for path in model.parent.iterdir()] == ["model"]


def test_config_json_tells_what_rebuilds_the_detector(model: Path) -> None:
    assert json.loads((model / "config.json").read_text()) == {
        "format": 1,
        "detector": "spectrum",
        "init": "none",
        "options": {"size": "tiny", "pretrained": False, "input_size": 128},
    }


def test_taxa_are_saved_whatever_they_were_given_as(tmp_path: Path) -> None:
    taxa = [("real",) * 4, ("fake", "EFS", "GAN", "StyleGAN")]
    Spectrum(size="tiny", taxa=iter(taxa)).save_pretrained(tmp_path / "model")
    assert list(load_detector(tmp_path / "model").taxa) == taxa


def test_nothing_is_saved_over(model: Path) -> None:
    with pytest.raises(WeightsError, match=r"model exists already: choose another folder"):
        Spectrum(size="tiny").save_pretrained(model)


def test_a_save_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(tensors: dict[str, Tensor], path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr("detectors.weights.save_file", fail)
    with pytest.raises(OSError, match="disk full"):
        Spectrum(size="tiny").save_pretrained(tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def test_channels_last_weights_are_saved_and_loaded(tmp_path: Path) -> None:
    detector = Xception(size="tiny")
    assert not detector.network.stem[0].conv.weight.is_contiguous()
    detector.save_pretrained(tmp_path / "model")
    again = Xception.from_pretrained(tmp_path / "model").state_dict()
    assert all(torch.equal(value, again[key]) for key, value in detector.state_dict().items())


def test_a_truncated_file_is_named(model: Path) -> None:
    path = model / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(WeightsError, match=f"^{path}: cannot be read as safetensors"):
        load_detector(model)


def test_a_file_that_is_not_there_is_named(model: Path) -> None:
    (model / "model.safetensors").unlink()
    with pytest.raises(WeightsError, match=r"model\.safetensors: cannot be read as safetensors"):
        load_detector(model)
    (model / "config.json").unlink()
    with pytest.raises(WeightsError, match=r"config\.json: is not there; its folder holds nothing"):
        load_detector(model)


def test_a_missing_tensor_is_named(model: Path) -> None:
    change_tensors(model, lambda tensors: tensors.pop("coef"))
    with pytest.raises(WeightsError, match=r"model\.safetensors: 1 tensor is missing: coef$"):
        load_detector(model)


def test_an_unknown_tensor_is_named(model: Path) -> None:
    change_tensors(model, lambda tensors: tensors.update(extra=torch.zeros(2)))
    with pytest.raises(WeightsError, match=r"model\.safetensors: 1 tensor is unknown: extra$"):
        load_detector(model)


def test_a_tensor_of_another_shape_is_named(model: Path) -> None:
    change_tensors(model, lambda tensors: tensors.update(coef=torch.zeros(7)))
    with pytest.raises(WeightsError, match=r"1 tensor is of another shape: coef$"):
        load_detector(model)


def test_a_detector_of_another_class_is_refused(model: Path) -> None:
    with pytest.raises(WeightsError, match=r"config\.json: holds 'spectrum', not 'xception'"):
        Xception.from_pretrained(model)


@pytest.mark.parametrize("name", ["nonsense", "os:system", "this_module_would_run:Mine"])
def test_a_file_cannot_name_what_is_imported(
    model: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (model.parent / "this_module_would_run.py").write_text("raise SystemExit('imported')\n")
    monkeypatch.syspath_prepend(model.parent)
    change_config(model, lambda config: config.update(detector=name))
    with pytest.raises(WeightsError, match=f"config.json: '{name}' is not in the catalog"):
        load_detector(model)


@pytest.mark.parametrize("options", [{"pretrained": "someone/else"}, {"untrained": True}])
def test_a_file_cannot_have_weights_fetched_nor_untrained_scores_allowed(
    model: Path, options: dict[str, Any]
) -> None:
    change_config(model, lambda config: config["options"].update(options))
    with pytest.raises(WeightsError, match="its options may not set pretrained or untrained"):
        load_detector(model)


def test_an_option_that_is_not_the_detectors_is_named(model: Path) -> None:
    change_config(model, lambda config: config["options"].update(colour="red"))
    with pytest.raises(WeightsError, match=r"config\.json: .*'colour'"):
        load_detector(model)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", r"config\.json: not JSON"),
        ("[]", r"config\.json: not a JSON object"),
        ('{"format": 2}', r"config\.json: not a detector of format 1"),
        ('{"format": 1, "detector": "spectrum"}', r"'options' and 'init' must be there"),
    ],
)
def test_a_config_that_is_none_is_refused(model: Path, text: str, said: str) -> None:
    (model / "config.json").write_text(text)
    with pytest.raises(WeightsError, match=said):
        load_detector(model)


@pytest.mark.parametrize("name", ["/nowhere/at/all", "nowhere", "./owner/name", "~/model"])
def test_a_folder_that_is_not_there_is_not_asked_of_the_hub(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.snapshot_download", None)
    with pytest.raises(WeightsError, match=f"there is no folder '{name}'"):
        load_detector(name)


def test_a_hub_that_cannot_be_reached_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object, **options: object) -> None:
        raise LocalEntryNotFoundError("Got: no route to host\nMore lines")

    monkeypatch.setattr("huggingface_hub.snapshot_download", fail)
    said = r"'owner/name' is no folder and not to be had from the Hub: Got: no route to host$"
    with pytest.raises(WeightsError, match=said):
        load_detector("owner/name")


def test_only_the_two_files_are_fetched_from_the_hub(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []

    def give(name: str, *, allow_patterns: list[str], local_files_only: bool) -> str:
        asked.extend([name, allow_patterns])
        return str(model)

    monkeypatch.setattr("huggingface_hub.snapshot_download", give)
    assert isinstance(load_detector("owner/name"), Spectrum)
    assert asked == ["owner/name", ["config.json", "model.safetensors"]]


@pytest.mark.parametrize(
    ("name", "repository", "revision"),
    [("owner/name", "owner/name", None), ("owner/name@v1.0", "owner/name", "v1.0")],
)
def test_a_repository_of_the_hub_is_taken_at_the_revision_that_is_named(
    name: str,
    repository: str,
    revision: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[tuple[str, str | None]] = []

    def give(
        repo: str,
        *,
        allow_patterns: list[str],
        local_files_only: bool,
        revision: str | None = None,
    ) -> str:
        asked.append((repo, revision))
        return str(tmp_path)

    monkeypatch.setattr("huggingface_hub.snapshot_download", give)
    assert hub_folder(name, ["*.json"]) == tmp_path
    assert asked == [(repository, revision)]


@pytest.mark.parametrize("name", ["owner/name@", "a/b/c@d", "name@v1", "@", "../a@b"])
def test_what_names_no_revision_is_not_asked_for(name: str) -> None:
    with pytest.raises(WeightsError, match="there is no folder"):
        hub_folder(name, ["*.json"])
