import hashlib
import json
import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub.errors import LocalEntryNotFoundError
from safetensors.torch import save_file

from detectors import WeightsError
from detectors.loading import check_fit, read_json, read_tensors
from detectors.meso import Meso4
from detectors.npr import NPR
from detectors.pretrained import (
    Pretrained,
    read_checkpoint,
    read_weights,
    renamed,
    resolve_weights,
    tensor_files,
    weights_fingerprint,
    weights_folder,
)
from tests.traps import MakesFolder


@pytest.mark.parametrize(
    ("pretrained", "size", "source"),
    [
        (None, "base", "owner/published"),
        (None, "tiny", None),
        (False, "base", None),
        (False, "tiny", None),
        (True, "base", "owner/published"),
        ("a/folder", "base", "a/folder"),
        ("a/folder", "tiny", "a/folder"),
    ],
)
def test_the_source_of_the_first_weights_follows_size_and_choice(
    pretrained: Pretrained, size: str, source: str | None
) -> None:
    assert (
        resolve_weights(pretrained, size=size, published="owner/published", detector="d") == source
    )


def test_published_weights_of_a_size_that_has_none_are_refused() -> None:
    with pytest.raises(WeightsError, match="d has no published weights of size tiny: pass"):
        resolve_weights(True, size="tiny", published="owner/published", detector="d")


def test_weights_that_are_not_to_be_had_are_never_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object, **options: object) -> None:
        raise LocalEntryNotFoundError("Got: no route to host")

    monkeypatch.setattr("huggingface_hub.snapshot_download", fail)
    said = (
        "d starts from the published weights 'owner/published', which are not to be had: .*no "
        "route to host.* pass pretrained=<folder>, or pass pretrained=False for random weights"
    )
    with pytest.raises(WeightsError, match=said):
        weights_folder("owner/published", "d")


def test_nothing_pickled_is_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def give(name: str, *, allow_patterns: list[str], local_files_only: bool) -> str:
        assert allow_patterns == ["*.safetensors", "*.json"]
        return str(tmp_path)

    monkeypatch.setattr("huggingface_hub.snapshot_download", give)
    assert weights_folder("owner/published", "d") == tmp_path


def test_nothing_pickled_is_read(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(2)}, tmp_path / "pytorch_model.bin")
    said = r"model\.safetensors only \(pickled files can run code\); there is pytorch_model\.bin"
    with pytest.raises(WeightsError, match=said):
        tensor_files(tmp_path)


def test_an_empty_folder_is_said_to_be_empty(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"there is nothing$"):
        tensor_files(tmp_path)


def test_shards_are_read_as_one(tmp_path: Path) -> None:
    names = {"b": "model-00002-of-00002.safetensors", "a": "model-00001-of-00002.safetensors"}
    for value, (tensor, file) in enumerate(names.items()):
        save_file({tensor: torch.full((2,), float(value))}, tmp_path / file)
    index = {"weight_map": names}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    files = tensor_files(tmp_path)
    assert [file.name for file in files] == sorted(names.values())
    assert read_tensors(files)["b"].tolist() == [0, 0]
    assert read_tensors(files)["a"].tolist() == [1, 1]
    (tmp_path / names["b"]).unlink()
    with pytest.raises(WeightsError, match=r"model-00002-of-00002\.safetensors: cannot be read"):
        read_tensors(files)
    with pytest.raises(WeightsError, match=r"model-00002-of-00002\.safetensors: No such file"):
        weights_fingerprint(files)


def test_a_fingerprint_is_of_the_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"first")
    (tmp_path / "b").write_bytes(b"second")
    expected = hashlib.sha256(b"firstsecond").hexdigest()[:12]
    assert weights_fingerprint([tmp_path / "a", tmp_path / "b"]) == expected


@pytest.mark.parametrize(
    ("text", "said"), [("{", "x.json: not JSON"), ("[]", "x.json: not a JSON object")]
)
def test_json_that_is_no_object_is_refused(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(WeightsError, match=said):
        read_json(tmp_path / "x.json")
    with pytest.raises(WeightsError, match=r"y\.json: is not there; its folder holds x\.json$"):
        read_json(tmp_path / "y.json")


def test_a_checkpoint_is_read_without_what_wraps_it(tmp_path: Path) -> None:
    tensor = torch.arange(3.0)
    for number, held in enumerate(({"a": tensor}, {"model": {"a": tensor}})):
        path = tmp_path / f"{number}.pth"
        torch.save(held, path)
        assert torch.equal(read_checkpoint(path)["a"], tensor)
        tensors, digest = read_weights(str(path), "d")
        assert torch.equal(tensors["a"], tensor)
        assert digest == weights_fingerprint([path])
    save_file({"b": tensor}, tmp_path / "x.safetensors")
    assert list(read_weights(str(tmp_path / "x.safetensors"), "d")[0]) == ["b"]


def test_names_are_translated_or_left_out_on_purpose() -> None:
    tensors = {name: torch.zeros(1) for name in ("net.fc1.bias", "net.conv.weight", "kernel")}
    names = [(r"^net\.", ""), (r"^fc1\.", "fc."), (r"^kernel$", None)]
    assert sorted(renamed(tensors, names)) == ["conv.weight", "fc.bias"]


def test_what_does_not_fit_is_listed_on_both_sides() -> None:
    given = {"a": torch.zeros(1), "b": torch.zeros(2), "x": torch.zeros(1)}
    wanted = {"a": torch.zeros(1), "b": torch.zeros(3), "y": torch.zeros(1)}
    said = "here: 1 tensor is missing: y; 1 tensor is unknown: x; 1 tensor is of another shape: b"
    with pytest.raises(WeightsError, match=f"^{said}$"):
        check_fit(given, wanted, "here")
    check_fit(given, given, "here")


def test_a_checkpoint_that_could_run_code_is_not_read(tmp_path: Path) -> None:
    torch.save({"state_dict": {"x": Path("x")}}, tmp_path / "x.pth")
    with pytest.raises(WeightsError, match=r"x\.pth: holds more than tensors, which is not read"):
        read_checkpoint(tmp_path / "x.pth")


@pytest.mark.parametrize("pretrained", [5, ["a"], 0.0])
def test_what_names_no_weights_is_refused(pretrained: Any) -> None:
    with pytest.raises(WeightsError, match="d: pretrained is true, false or the name of a folder"):
        resolve_weights(pretrained, size="base", published="owner/published", detector="d")


def test_weights_are_named_by_text_or_by_path(tmp_path: Path) -> None:
    for name in ("folder/x.safetensors", Path("folder/x.safetensors")):
        found = resolve_weights(name, size="tiny", published="owner/published", detector="d")
        assert found == "folder/x.safetensors"
    Meso4(size="tiny").save_pretrained(str(tmp_path / "model"))
    for folder in (tmp_path / "model", str(tmp_path / "model")):
        with pytest.raises(WeightsError, match=r"model: 56 tensors are missing: bn1\.bias"):
            NPR(size="tiny", pretrained=folder)


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_file_of_an_older_pytorch_is_read(wrapped: bool, tmp_path: Path) -> None:
    held = {"a": torch.arange(3.0)}
    path = tmp_path / "x.pth"
    torch.save({"model": held} if wrapped else held, path, _use_new_zipfile_serialization=False)
    assert not zipfile.is_zipfile(path)
    assert read_checkpoint(path)["a"].tolist() == [0, 1, 2]


def test_an_older_file_that_could_run_code_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "x.pth"
    torch.save({"a": torch.zeros(1), "b": Path("x")}, path, _use_new_zipfile_serialization=False)
    with pytest.raises(WeightsError, match=r"x\.pth: holds more than tensors, which is not read"):
        read_checkpoint(path)
    ran = tmp_path / "ran"
    path.write_bytes(pickle.dumps(MakesFolder(ran), protocol=2))
    with pytest.raises(WeightsError, match=r"x\.pth: holds more than tensors, which is not read"):
        read_checkpoint(path)
    assert not ran.exists()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not a checkpoint at all",
        b"PK\x03\x04 a broken archive",
        b"\x80\x02.",
        b"\x80\x02K\x01.",
        pickle.dumps({"a": 1}),
        pickle.dumps([1, 2]) * 3,
        bytes(range(256)) * 4,
    ],
)
def test_what_is_no_checkpoint_is_said_to_be_none(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.pth").write_bytes(content)
    with pytest.raises(WeightsError, match=r"x\.pth: cannot be read as a checkpoint \("):
        read_checkpoint(tmp_path / "x.pth")


def test_every_truncation_of_an_older_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / "x.pth"
    torch.save({"a": torch.arange(8.0)}, path, _use_new_zipfile_serialization=False)
    whole = path.read_bytes()
    for size in range(0, len(whole) - 1, 7):
        path.write_bytes(whole[:size])
        with pytest.raises(WeightsError, match=r"x\.pth: "):
            read_checkpoint(path)
