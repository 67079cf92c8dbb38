from pathlib import Path

import pytest
import timm
import torch
from huggingface_hub.errors import LocalEntryNotFoundError
from safetensors.torch import load_file, save_file
from torch import Tensor

from detectors import WeightsError
from detectors.base import Batch
from detectors.parts.backbones import BACKBONES
from detectors.xception import Xception


def images(count: int, side: int = 128) -> Tensor:
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(3))


@pytest.fixture
def tiny_folder(tmp_path: Path) -> Path:
    """A folder as timm leaves it, with the tiny network's tensors and its own last layer."""
    torch.manual_seed(5)
    tensors = Xception(size="tiny").network.state_dict()
    tensors["head.fc.weight"] = torch.zeros(1000, 192)
    tensors["head.fc.bias"] = torch.zeros(1000)
    save_file(
        {
            name: tensor.clone(memory_format=torch.contiguous_format)
            for name, tensor in tensors.items()
        },
        tmp_path / "model.safetensors",
    )
    return tmp_path


def change(folder: Path, **tensors: Tensor | None) -> None:
    held = load_file(folder / "model.safetensors")
    for name, tensor in tensors.items():
        key = name.replace("__", ".")
        held.pop(key, None)
        if tensor is not None:
            held[key] = tensor
    save_file(held, folder / "model.safetensors")


def test_tiny_is_tiny_and_random() -> None:
    detector = Xception(size="tiny")
    assert 50_000 < sum(p.numel() for p in detector.parameters()) < 300_000
    assert detector.init == "random"
    assert detector.transform.size == 128
    assert detector.config()["options"] == {"size": "tiny", "pretrained": False, "input_size": 128}


def test_base_is_the_published_network_with_one_logit() -> None:
    detector = Xception(size="base", pretrained=False).eval()
    # 22,855,952 parameters with 1000 classes (timm), whose last layer is 2048 x 1000 + 1000.
    expected = 22_855_952 - 2_049_000 + 2_049
    assert sum(p.numel() for p in detector.parameters()) == expected
    assert detector.transform.size == 256
    with torch.no_grad():
        assert detector.features(images(1, 256)).shape == (1, 2048)


def test_the_logit_is_the_last_layer_on_the_features() -> None:
    detector = Xception(size="tiny").eval()
    with torch.no_grad():
        inputs = images(3)
        last = detector.network.head.fc
        expected = detector.features(inputs) @ last.weight[0] + last.bias[0]
        torch.testing.assert_close(detector(inputs), expected)


def test_one_logit_is_the_two_way_softmax() -> None:
    detector, inputs = Xception(size="tiny"), images(4)
    labels = torch.tensor([0.0, 1.0, 1.0, 0.0])
    batch = Batch(inputs=inputs, labels=labels, taxa=labels.long())
    detector.eval()
    logits = detector(inputs)
    two_way = torch.stack([torch.zeros_like(logits), logits], dim=1)
    expected = torch.nn.functional.cross_entropy(two_way, labels.long())
    torch.testing.assert_close(detector.loss(batch)["total"], expected)


def test_the_network_sees_values_from_minus_one_to_one() -> None:
    detector = Xception(size="tiny").eval()
    seen: list[Tensor] = []
    detector.network.stem.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    extremes = torch.tensor([0.0, 0.5, 1.0]).view(3, 1, 1, 1).expand(3, 3, 128, 128)
    detector(extremes)
    assert seen[0][:, 0, 0, 0].tolist() == [-1, 0, 1]


def test_any_input_size_is_taken() -> None:
    for side in (64, 100, 299):
        detector = Xception(size="tiny", input_size=side, untrained=True)
        assert detector.logits([images(1, 90)[0]]).shape == (1,)
        assert detector.config()["options"]["input_size"] == side


def test_base_without_its_published_weights_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object, **options: object) -> None:
        raise LocalEntryNotFoundError("Got: no route to host")

    monkeypatch.setattr("huggingface_hub.snapshot_download", fail)
    published = BACKBONES["xception"].published
    with pytest.raises(WeightsError, match=f"weights '{published}'.*pass pretrained=False"):
        Xception(size="base")
    with pytest.raises(WeightsError, match="xception has no published weights of size tiny"):
        Xception(size="tiny", pretrained=True)


def test_published_weights_fill_all_but_the_last_layer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(6)
    published = timm.create_model("legacy_xception", pretrained=False)  # 1000 classes
    save_file(published.state_dict(), tmp_path / "model.safetensors")
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda name, **_: str(tmp_path))
    detector = Xception(size="base")
    assert detector.init == "imagenet"
    held, filled = published.state_dict(), detector.network.state_dict()
    assert filled["fc.weight"].shape == (1, 2048)
    for name, tensor in held.items():
        assert name.startswith("fc.") or torch.equal(filled[name], tensor), name


def test_a_folder_of_weights_is_named_by_its_bytes(tiny_folder: Path) -> None:
    detector = Xception(size="tiny", pretrained=str(tiny_folder))
    assert detector.init.startswith("weights:")
    assert len(detector.init) == len("weights:") + 12
    assert detector.config()["options"]["pretrained"] is False
    held = load_file(tiny_folder / "model.safetensors")
    key = "blocks.1.stack.conv3.conv_pw.weight"
    assert torch.equal(detector.network.state_dict()[key], held[key])
    assert detector.network.head.fc.weight.shape == (1, 128)


def test_weights_that_do_not_fit_are_named(tiny_folder: Path) -> None:
    def build() -> Xception:
        return Xception(size="tiny", pretrained=str(tiny_folder))

    change(tiny_folder, other=torch.zeros(1))
    with pytest.raises(WeightsError, match=r"1 tensor is unknown: other$"):
        build()
    change(tiny_folder, other=None, stem__0__bn__bias=torch.zeros(7))
    with pytest.raises(WeightsError, match=r"1 tensor is of another shape: stem\.0\.bn\.bias$"):
        build()
    change(tiny_folder, stem__0__bn__bias=None)
    with pytest.raises(WeightsError, match=r"1 tensor is missing: stem\.0\.bn\.bias$"):
        build()
    (tiny_folder / "model.safetensors").write_bytes(b"no tensors")
    with pytest.raises(WeightsError, match=r"model\.safetensors: cannot be read as safetensors"):
        build()
