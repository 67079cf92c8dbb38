"""Linear probes on small networks of random weights that lie in folders."""

import json
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import load_file, save_file
from timm.models import save_for_hf
from torch import Tensor
from transformers import Dinov2Config, Dinov2Model, SiglipConfig, SiglipModel

from detectors import DetectorError, WeightsError
from detectors.catalog import load_detector
from detectors.probe import Probe

STATISTICS = {"image_mean": [0.4, 0.5, 0.6], "image_std": [0.2, 0.3, 0.4]}
SMALL: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "mlp_ratio": 2,
    "image_size": 64,
    "patch_size": 16,
}


def inputs_of(side: int) -> Tensor:
    return torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(5))


def timm_folder(folder: Path, name: str = "test_vit", **options: Any) -> Any:
    torch.manual_seed(3)
    network = timm.create_model(name, num_classes=10, **options)
    save_for_hf(network, str(folder), safe_serialization=True)
    return network.eval()


def transformers_folder(folder: Path, kind: str) -> Any:
    torch.manual_seed(3)
    model: Any
    if kind == "dinov2":
        model = Dinov2Model(Dinov2Config(**SMALL))
    else:
        text = {**SMALL, "vocab_size": 50, "projection_size": 32}
        model = SiglipModel(SiglipConfig(vision_config=SMALL, text_config=text))
    model.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(STATISTICS))
    return model.eval()


@pytest.mark.parametrize("name", ["test_vit", "test_resnet", "test_convnext", "test_efficientnet"])
def test_the_features_are_timms_pooled_ones(name: str, tmp_path: Path) -> None:
    network = timm_folder(tmp_path / "net", name)
    side = network.pretrained_cfg["input_size"][-1]
    detector = Probe(size="tiny", backbone=str(tmp_path / "net"), input_size=side)
    inputs = inputs_of(side)
    network.reset_classifier(0)
    with torch.no_grad():
        wanted = network((inputs - detector.mean) / detector.std)
    torch.testing.assert_close(detector.features(inputs), wanted, atol=1e-5, rtol=1e-4)
    assert detector.init.startswith("weights:")


@pytest.mark.parametrize("kind", ["dinov2", "siglip"])
def test_the_features_are_transformers_pooled_ones(kind: str, tmp_path: Path) -> None:
    model = transformers_folder(tmp_path / "net", kind)
    detector = Probe(size="tiny", backbone=str(tmp_path / "net"), input_size=64)
    inputs = inputs_of(64)
    pixels = (inputs - torch.tensor([0.4, 0.5, 0.6]).view(3, 1, 1)) / torch.tensor(
        [0.2, 0.3, 0.4]
    ).view(3, 1, 1)
    with torch.no_grad():
        wanted = getattr(model, "vision_model", model)(pixels).pooler_output
    torch.testing.assert_close(detector.features(inputs), wanted, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("kind", ["timm", "dinov2", "siglip"])
@pytest.mark.parametrize("side", [64, 96])
def test_a_saved_probe_needs_its_backbone_no_more(kind: str, side: int, tmp_path: Path) -> None:
    folder = tmp_path / "net"
    if kind == "timm":
        timm_folder(folder, img_size=64)
    else:
        transformers_folder(folder, kind)
    detector = Probe(size="tiny", backbone=str(folder), input_size=side)
    detector.save_pretrained(tmp_path / "saved")
    folder.rename(tmp_path / "elsewhere")
    again = load_detector(tmp_path / "saved")
    assert again.init == detector.init
    with torch.no_grad():
        assert torch.equal(again(inputs_of(side)), detector(inputs_of(side)))


def test_the_head_alone_is_trained() -> None:
    detector = Probe(size="tiny").train()
    assert {n for n, p in detector.named_parameters() if p.requires_grad} == {
        "head.weight",
        "head.bias",
    }
    assert not any(module.training for module in detector.network.modules())


@pytest.mark.parametrize(
    ("name", "width", "mean"),
    [
        ("vit_large_patch14_dinov2.lvd142m", 1024, 0.485),
        ("vit_large_patch16_dinov3.lvd1689m", 1024, 0.485),
        ("vit_so400m_patch14_siglip_224.v2_webli", 1152, 0.5),
        ("vit_pe_core_large_patch14_336.fb", 1024, 0.5),
    ],
)
def test_published_backbones_are_known_by_timms_names(name: str, width: int, mean: float) -> None:
    # On no device: the shapes alone.
    with torch.device("meta"):
        detector = Probe(backbone=name, pretrained=False)
        assert detector.features(torch.zeros(1, 3, 224, 224)).shape == (1, width)
    assert detector.backbone["mean"][0] == mean


def test_a_missing_layer_is_never_random(tmp_path: Path) -> None:
    timm_folder(tmp_path / "net")
    path = tmp_path / "net" / "model.safetensors"
    held = load_file(path)
    del held["norm.weight"]
    save_file(held, path)
    with pytest.raises(WeightsError, match=r"1 tensor is missing: norm\.weight$"):
        Probe(size="tiny", backbone=str(tmp_path / "net"))


def test_a_missing_layer_of_transformers_is_never_random(tmp_path: Path) -> None:
    transformers_folder(tmp_path / "net", "dinov2")
    path = tmp_path / "net" / "model.safetensors"
    held = load_file(path)
    del held["layernorm.weight"]
    save_file(held, path, metadata={"format": "pt"})
    with pytest.raises(WeightsError, match=r"1 tensor is missing: layernorm\.weight$"):
        Probe(size="tiny", backbone=str(tmp_path / "net"))


def test_statistics_that_are_not_stated_are_not_guessed(tmp_path: Path) -> None:
    transformers_folder(tmp_path / "net", "dinov2")
    (tmp_path / "net" / "preprocessor_config.json").write_text("{}")
    with pytest.raises(WeightsError, match="mean and std of the three channels are not there"):
        Probe(size="tiny", backbone=str(tmp_path / "net"))


def test_what_is_no_backbone_is_said() -> None:
    with pytest.raises(WeightsError, match="backbone 'dinov9' is no folder, no Hub repository"):
        Probe(size="tiny", backbone="dinov9")
    with pytest.raises(DetectorError, match=r"only networks of timm .* not 'dinov9'"):
        Probe(size="tiny", backbone="dinov9", pretrained=False)
    with pytest.raises(
        DetectorError, match="test_vit takes no input of 100 px: it has patches of 16"
    ):
        Probe(size="tiny", input_size=100)
