from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import load_file, save_file

from detectors import DetectorError, WeightsError, create_detector
from detectors.efficientnet import EfficientNetB4
from detectors.parts.backbones import BACKBONES, BackboneDetector
from detectors.resnet_aug import ResNetAug
from detectors.vit import ViT

# Parameters that timm and the papers count with 1000 classes, and the width before the last layer.
PUBLISHED = {
    "xception": (22_855_952, 2048),
    "efficientnet-b4": (19_341_616, 1792),
    "resnet50": (25_557_032, 2048),
    "vit-b16": (86_567_656, 768),
}
CLASSES = {"efficientnet-b4": EfficientNetB4, "resnet50": ResNetAug, "vit-b16": ViT}


def size_of(network: torch.nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize("name", BACKBONES)
def test_the_base_size_is_the_published_network_with_one_logit(name: str) -> None:
    total, width = PUBLISHED[name]
    with torch.device("meta"):
        network = BACKBONES[name].base(1)
    assert size_of(network) == total - (width * 1000 + 1000) + width + 1


@pytest.mark.parametrize("name", BACKBONES)
def test_the_tiny_size_is_tiny_and_has_a_head_of_the_stated_name(name: str) -> None:
    with torch.device("meta"):
        network = BACKBONES[name].tiny(1)
    assert size_of(network) < 500_000
    assert any(key.startswith(BACKBONES[name].head) for key in network.state_dict())


@pytest.mark.parametrize("name", BACKBONES)
def test_inputs_are_brought_to_the_statistics_of_the_published_weights(name: str) -> None:
    model = BACKBONES[name].published.removeprefix("timm/")
    published = timm.get_pretrained_cfg(model)
    assert published is not None
    assert BACKBONES[name].statistics == (published.mean, published.std)


@pytest.mark.parametrize("name", CLASSES)
def test_the_logit_is_the_last_layer_on_the_features(name: str) -> None:
    detector = CLASSES[name](size="tiny").eval()
    with torch.no_grad():
        inputs = torch.rand(3, 3, 128, 128, generator=torch.Generator().manual_seed(1))
        last = detector.network.get_classifier()
        expected = detector.features(inputs) @ last.weight[0] + last.bias[0]
        torch.testing.assert_close(detector(inputs), expected)


@pytest.mark.parametrize("name", CLASSES)
@pytest.mark.parametrize("side", [64, 100, 200])
def test_any_input_size_is_taken(name: str, side: int) -> None:
    detector = CLASSES[name](size="tiny", input_size=side, untrained=True)
    assert detector.logits([torch.rand(3, 90, 70)]).shape == (1,)
    assert detector.config()["options"]["input_size"] == side


@pytest.mark.parametrize("name", CLASSES)
def test_weights_fill_all_but_the_last_layer_strictly(name: str, tmp_path: Path) -> None:
    torch.manual_seed(2)
    held = BACKBONES[name].tiny(10).state_dict()
    save_file({key: t.contiguous() for key, t in held.items()}, tmp_path / "model.safetensors")
    detector = CLASSES[name](size="tiny", pretrained=str(tmp_path))
    assert detector.init.startswith("weights:")
    for key, tensor in detector.network.state_dict().items():
        if key.startswith(BACKBONES[name].head):
            assert len(tensor) == 1
        else:
            assert torch.equal(tensor, held[key]), key
    tensors = load_file(tmp_path / "model.safetensors")
    lost = next(iter(tensors))
    del tensors[lost]
    save_file(tensors, tmp_path / "model.safetensors")
    with pytest.raises(WeightsError, match=f"1 tensor is missing: {lost}$"):
        CLASSES[name](size="tiny", pretrained=str(tmp_path))


def test_380_pixels_are_efficientnets_own() -> None:
    with torch.device("meta"):
        detector = EfficientNetB4(pretrained=False, input_size=380)
        default = EfficientNetB4(pretrained=False)
    assert (detector.transform.size, default.transform.size) == (380, 256)


def test_base_asks_for_its_published_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def fail(name: str, **options: object) -> None:
        asked.append(name)
        raise OSError("no route to host")

    monkeypatch.setattr("huggingface_hub.snapshot_download", fail)
    for name in ("efficientnet-b4", "resnet50-aug", "vit"):
        with pytest.raises(WeightsError, match=f"{name} starts from the published weights"):
            create_detector(name)
    assert asked == [BACKBONES[name].published for name in CLASSES]


def test_a_backbone_is_a_name_of_the_table() -> None:
    class Other(BackboneDetector):
        card = ViT.card
        backbone = "vgg"

    with pytest.raises(DetectorError, match="vit has no backbone 'vgg'; there are xception, effic"):
        Other(size="tiny")
