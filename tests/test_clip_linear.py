import re
from pathlib import Path

import pytest
import torch
from huggingface_hub.errors import LocalEntryNotFoundError
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import CLIPConfig, CLIPModel, CLIPVisionConfig, CLIPVisionModelWithProjection

from detectors import DetectorError, WeightsError
from detectors.base import Batch
from detectors.catalog import load_detector
from detectors.clip_linear import ClipLinear
from detectors.parts.towers import CLIP_L14
from detectors.transform import Transform

# Of CLIP's published preprocessing.
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
SMALL = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "projection_dim": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "image_size": 64,
    "patch_size": 16,
}


def images(count: int, side: int) -> Tensor:
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(3))


def reference(tower: CLIPVisionModelWithProjection, inputs: Tensor) -> Tensor:
    pixels = (inputs - torch.tensor(CLIP_MEAN).view(3, 1, 1)) / torch.tensor(CLIP_STD).view(3, 1, 1)
    with torch.no_grad():
        embeds = tower.train(False)(pixel_values=pixels, interpolate_pos_encoding=True).image_embeds
    assert isinstance(embeds, Tensor)
    return embeds


@pytest.fixture
def tower() -> CLIPVisionModelWithProjection:
    torch.manual_seed(4)
    return CLIPVisionModelWithProjection(CLIPVisionConfig.from_dict(SMALL))


@pytest.fixture
def folder(tower: CLIPVisionModelWithProjection, tmp_path: Path) -> Path:
    tower.save_pretrained(tmp_path / "tower")
    return tmp_path / "tower"


def rewrite(folder: Path, new: dict[str, Tensor], *, drop: str = "") -> None:
    held = load_file(folder / "model.safetensors")
    held = {name: tensor for name, tensor in held.items() if name != drop}
    save_file({**held, **new}, folder / "model.safetensors", metadata={"format": "pt"})


@pytest.mark.parametrize("side", [64, 128, 100])  # native, larger, not divisible by a patch
def test_the_features_are_clips_image_embedding(
    tower: CLIPVisionModelWithProjection, folder: Path, side: int
) -> None:
    detector = ClipLinear(size="tiny", pretrained=str(folder), input_size=side)
    inputs = images(3, side)
    torch.testing.assert_close(detector.features(inputs), reference(tower, inputs))
    assert detector(inputs).shape == (3,)


def test_the_image_tower_is_taken_out_of_a_whole_clip(tmp_path: Path) -> None:
    text = {
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "vocab_size": 50_000,
    }
    torch.manual_seed(7)
    whole = CLIPModel(CLIPConfig(vision_config=SMALL, text_config=text, projection_dim=24))
    whole.save_pretrained(tmp_path / "whole")
    detector = ClipLinear(size="base", pretrained=str(tmp_path / "whole"))
    assert detector.transform.size == 224
    inputs = images(2, 224)
    pixels = (inputs - detector.image.mean) / detector.image.deviation
    with torch.no_grad():
        output = whole.train(False).get_image_features(pixels, interpolate_pos_encoding=True)
    torch.testing.assert_close(detector.features(inputs), output.pooler_output)


def test_init_names_the_weights_by_their_bytes(folder: Path) -> None:
    first = ClipLinear(size="tiny", pretrained=str(folder)).init
    assert first.startswith("clip:")
    assert len(first) == len("clip:") + 12
    assert ClipLinear(size="tiny", pretrained=str(folder)).init == first
    held = load_file(folder / "model.safetensors")["visual_projection.weight"]
    rewrite(folder, {"visual_projection.weight": held + 1})
    assert ClipLinear(size="tiny", pretrained=str(folder)).init != first


def test_a_tiny_tower_is_random_and_follows_the_seed() -> None:
    detectors = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        detectors.append(ClipLinear(size="tiny"))
    assert {detector.init for detector in detectors} == {"random"}
    first, same, other = (detector.features(images(2, 128)) for detector in detectors)
    assert torch.equal(first, same)
    assert not torch.allclose(first, other)
    assert sum(p.numel() for p in detectors[0].parameters()) < 300_000


def test_the_tower_stays_frozen_and_in_evaluation_mode() -> None:
    torch.manual_seed(0)
    detector = ClipLinear(size="tiny", tower={**SMALL, "attention_dropout": 0.5}, input_size=64)
    before = {name: tensor.clone() for name, tensor in detector.image.tower.state_dict().items()}
    detector.train()
    assert detector.training
    assert detector.head.training
    assert not any(module.training for module in detector.image.tower.modules())
    trainable = {name for name, p in detector.named_parameters() if p.requires_grad}
    assert trainable == {"head.weight", "head.bias"}
    optimiser = torch.optim.SGD(detector.parameters(), lr=1.0, weight_decay=0.1)
    labels = torch.tensor([0.0, 1.0, 0.0, 1.0])
    batch = Batch(inputs=images(4, 64), labels=labels, taxa=labels.long())
    first = detector.loss(batch)["total"]
    first.backward()  # type: ignore[no-untyped-call]
    optimiser.step()
    assert not torch.equal(first, detector.loss(batch)["total"])
    for name, tensor in detector.image.tower.state_dict().items():
        assert torch.equal(tensor, before[name]), name


def test_a_saved_detector_keeps_tower_and_origin(folder: Path, tmp_path: Path) -> None:
    detector = ClipLinear(size="tiny", pretrained=str(folder), input_size=96)
    detector.mark_trained()
    detector.save_pretrained(tmp_path / "model")
    for file in folder.iterdir():
        file.unlink()
    again = load_detector(tmp_path / "model")
    assert again.init == detector.init
    image = images(1, 96)[0]
    assert torch.equal(detector.logits([image]), again.logits([image]))


def test_half_precision_weights_are_widened(
    tower: CLIPVisionModelWithProjection, tmp_path: Path
) -> None:
    tower.save_pretrained(tmp_path / "half")
    held = load_file(tmp_path / "half" / "model.safetensors")
    rewrite(tmp_path / "half", {name: tensor.half() for name, tensor in held.items()})
    config = tmp_path / "half" / "config.json"
    config.write_text(config.read_text().replace("float32", "float16"))
    detector = ClipLinear(size="tiny", pretrained=str(tmp_path / "half"))
    assert {p.dtype for p in detector.parameters()} == {torch.float32}


def test_sharded_weights_are_taken(tower: CLIPVisionModelWithProjection, tmp_path: Path) -> None:
    tower.save_pretrained(tmp_path / "shards", max_shard_size="20KB")
    assert (tmp_path / "shards" / "model.safetensors.index.json").is_file()
    detector = ClipLinear(size="tiny", pretrained=str(tmp_path / "shards"), input_size=64)
    inputs = images(2, 64)
    torch.testing.assert_close(detector.features(inputs), reference(tower, inputs))


def test_a_missing_layer_is_never_random(folder: Path) -> None:
    rewrite(folder, {}, drop="visual_projection.weight")
    with pytest.raises(WeightsError, match=r"1 tensor is missing: visual_projection\.weight$"):
        ClipLinear(size="tiny", pretrained=str(folder))


def test_an_unknown_layer_is_named(folder: Path) -> None:
    rewrite(folder, {"vision_model.adapter.weight": torch.zeros(2)})
    with pytest.raises(WeightsError, match=r"1 tensor is unknown: vision_model\.adapter\.weight$"):
        ClipLinear(size="tiny", pretrained=str(folder))


def test_a_layer_of_another_shape_is_refused(folder: Path) -> None:
    rewrite(folder, {"visual_projection.weight": torch.zeros(5, 32)})
    with pytest.raises(
        WeightsError, match=f"CLIP weights '{folder}' are no folder .* or cannot be read"
    ):
        ClipLinear(size="tiny", pretrained=str(folder))


def test_a_truncated_file_is_named(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(
        WeightsError, match=f"CLIP weights '{folder}' are no folder .* or cannot be read"
    ):
        ClipLinear(size="tiny", pretrained=str(folder))


def test_pickled_weights_are_refused(folder: Path) -> None:
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(WeightsError, match=r"model\.safetensors only .pickled files can run code"):
        ClipLinear(size="tiny", pretrained=str(folder))


def test_another_kind_of_model_is_refused(folder: Path) -> None:
    (folder / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(WeightsError, match=r"config\.json says model_type 'bert', not clip"):
        ClipLinear(size="tiny", pretrained=str(folder))


def test_base_without_its_published_weights_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object, **options: object) -> None:
        raise LocalEntryNotFoundError("Got: no route to host")

    monkeypatch.setattr("huggingface_hub.snapshot_download", fail)
    with pytest.raises(WeightsError, match=f"weights '{CLIP_L14}'.*pass pretrained=False"):
        ClipLinear(size="base")
    with pytest.raises(WeightsError, match="clip-linear has no published weights of size tiny"):
        ClipLinear(size="tiny", pretrained=True)


def test_options_that_contradict_each_other_are_refused(folder: Path) -> None:
    with pytest.raises(DetectorError, match="leave it out or pass pretrained=False"):
        ClipLinear(size="tiny", pretrained=str(folder), tower=SMALL)
    with pytest.raises(DetectorError, match=r"input_size 15 is less than one patch \(16\)"):
        ClipLinear(size="tiny", tower=SMALL, input_size=15)


def test_each_crop_sees_what_it_says() -> None:
    image = images(1, 96)[0]
    side = 64
    seen = {
        crop: ClipLinear(size="tiny", tower=SMALL, input_size=side, crop=crop).prepare(image)
        for crop in ("whole", "resize", "centre")
    }
    assert torch.equal(seen["whole"], Transform(side)(image))
    assert torch.equal(seen["centre"], image[:, 16:80, 16:80])
    edge = (round(side * 256 / 224) - side) // 2
    assert torch.equal(seen["resize"], Transform(73)(image)[:, edge : edge + 64, edge : edge + 64])


def test_a_crop_that_there_is_not_is_refused() -> None:
    with pytest.raises(DetectorError, match="clip-linear's crop is whole, resize, centre, not 'x'"):
        ClipLinear(size="tiny", crop="x")  # type: ignore[arg-type]


def test_the_published_last_layer_is_read_onto_its_clip(folder: Path, tmp_path: Path) -> None:
    weight, bias = torch.randn(1, 24), torch.randn(1)
    torch.save({"weight": weight, "bias": bias}, tmp_path / "fc.pth")
    detector = ClipLinear(size="tiny", pretrained=folder, head=tmp_path / "fc.pth")
    assert detector.trained
    assert re.fullmatch(r"clip:\w{12}\+weights:\w{12}", detector.init)
    inputs = images(3, 128)
    expected = (detector.features(inputs) @ weight.T + bias)[:, 0]
    torch.testing.assert_close(detector(inputs), expected)
    detector.save_pretrained(tmp_path / "saved")
    (tmp_path / "fc.pth").unlink()
    assert torch.equal(ClipLinear.from_pretrained(tmp_path / "saved")(inputs), detector(inputs))


def test_a_last_layer_of_another_clip_or_of_none_is_refused(folder: Path, tmp_path: Path) -> None:
    torch.save({"weight": torch.zeros(1, 768), "bias": torch.zeros(1)}, tmp_path / "fc.pth")
    with pytest.raises(WeightsError, match=r"1 tensor is of another shape: weight$"):
        ClipLinear(size="tiny", pretrained=str(folder), head=str(tmp_path / "fc.pth"))
    with pytest.raises(DetectorError, match="a published last layer reads the embedding of a"):
        ClipLinear(size="tiny", head=str(tmp_path / "fc.pth"))
