from pathlib import Path
from typing import Any

import pytest
import timm
import torch
import torchvision
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


def trained(
    name: str, path: Path, *, outputs: int = 1, changes: dict[str, torch.Tensor] | None = None
) -> Any:
    """Write a trained network of another's code, and give it."""
    torch.manual_seed(2)
    network = BACKBONES[name].tiny(outputs).eval()
    held = {**network.state_dict(), **(changes or {})}
    torch.save({"model": held, "total_steps": 5}, path, _use_new_zipfile_serialization=False)
    return network


def logits_of(name: str, network: Any, images: torch.Tensor) -> torch.Tensor:
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in BACKBONES[name].statistics)
    with torch.no_grad():
        found: torch.Tensor = network((images - mean) / std)
    return found


@pytest.mark.parametrize("name", CLASSES)
def test_a_trained_last_layer_of_one_output_is_kept(name: str, tmp_path: Path) -> None:
    network = trained(name, tmp_path / "x.pth")
    detector = CLASSES[name](size="tiny", pretrained=str(tmp_path / "x.pth"))
    assert detector.trained
    assert detector.init.startswith("weights:")
    images = torch.rand(3, 3, 128, 128, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(
        detector.logits(list(images)), logits_of(name, network, images)[:, 0]
    )


@pytest.mark.parametrize("name", CLASSES)
def test_two_outputs_become_the_logit_of_their_softmax(name: str, tmp_path: Path) -> None:
    network = trained(name, tmp_path / "x.pth", outputs=2)
    detector = CLASSES[name](size="tiny", pretrained=str(tmp_path / "x.pth"))
    images = torch.rand(3, 3, 128, 128, generator=torch.Generator().manual_seed(1))
    both = logits_of(name, network, images)
    torch.testing.assert_close(detector.logits(list(images)), both[:, 1] - both[:, 0])
    torch.testing.assert_close(detector.score(list(images)).float(), both.softmax(dim=1)[:, 1])


def test_a_last_layer_is_dropped_where_that_is_asked_for(tmp_path: Path) -> None:
    network = trained("resnet50", tmp_path / "x.pth")
    torch.manual_seed(3)
    fresh = ResNetAug(size="tiny")
    torch.manual_seed(3)
    path = str(tmp_path / "x.pth")
    detector = ResNetAug(size="tiny", pretrained=path, last_layer="drop")
    assert not detector.trained
    held = network.state_dict()
    for key, tensor in detector.network.state_dict().items():
        source = fresh.network.state_dict() if key.startswith("fc.") else held
        assert torch.equal(tensor, source[key]), key
    with pytest.raises(DetectorError, match="resnet50-aug: last_layer is keep or drop, not 'lose'"):
        ResNetAug(size="tiny", pretrained=path, last_layer="lose")  # type: ignore[arg-type]


def test_a_last_layer_that_lacks_a_part_is_told(tmp_path: Path) -> None:
    trained("resnet50", tmp_path / "x.pth", changes={"fc.scale": torch.zeros(1)})
    with pytest.raises(WeightsError, match=r"x\.pth: 1 tensor is unknown: fc\.scale$"):
        ResNetAug(size="tiny", pretrained=str(tmp_path / "x.pth"))


def test_cnndetections_checkpoint_is_the_detector_that_it_was(tmp_path: Path) -> None:
    """It holds torchvision's ResNet-50 with one output, its optimiser and a count of steps."""
    torch.manual_seed(2)
    names = torchvision.models.resnet50(num_classes=1).eval()
    optimiser = {"state": {0: {"step": 3}}, "param_groups": [{"lr": 1e-4}]}
    held = {"model": names.state_dict(), "optimizer": optimiser, "total_steps": 7}
    torch.save(held, tmp_path / "blur_jpg_prob0.1.pth", _use_new_zipfile_serialization=False)
    detector = ResNetAug(size="base", pretrained=str(tmp_path / "blur_jpg_prob0.1.pth"))
    images = torch.rand(2, 3, 224, 224, generator=torch.Generator().manual_seed(1))
    expected = logits_of("resnet50", names, images)[:, 0]
    torch.testing.assert_close(detector.logits(list(images)), expected, atol=1e-5, rtol=1e-4)


def test_deepfakebenchs_xception_is_the_detector_that_it_was(tmp_path: Path) -> None:
    torch.manual_seed(2)
    network = timm.create_model("legacy_xception", num_classes=2).eval()
    held = {
        f"backbone.{n.replace('fc.', 'last_linear.')}": t for n, t in network.state_dict().items()
    }
    held["backbone.adjust_channel.0.weight"] = torch.zeros(2)
    torch.save(held, tmp_path / "xception_best.pth")
    detector = create_detector(f"xception={tmp_path / 'xception_best.pth'}", size="base")
    images = torch.rand(1, 3, 256, 256, generator=torch.Generator().manual_seed(1))
    both = logits_of("xception", network, images)
    expected = both[:, 1] - both[:, 0]
    torch.testing.assert_close(detector.logits(list(images)), expected, atol=1e-5, rtol=1e-4)


def test_another_network_of_that_name_is_refused_with_a_sentence(tmp_path: Path) -> None:
    torch.save({"backbone.efficientnet._bn0.bias": torch.zeros(3)}, tmp_path / "x.pth")
    with pytest.raises(
        WeightsError, match=r"x\.pth: DeepfakeBench's EfficientNet-B4, whose first l"
    ):
        EfficientNetB4(size="base", pretrained=str(tmp_path / "x.pth"))
