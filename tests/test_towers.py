"""What the detectors on a CLIP share, on a small CLIP of random weights that lies in a folder."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import CLIPConfig, CLIPModel

from detectors import DetectorError, WeightsError, create_detector
from detectors.cards import CARDS
from detectors.catalog import load_detector
from detectors.parts.clip import scale_of
from detectors.parts.texts import read_texts
from detectors.parts.tokens import clip_tokens
from tests.test_clip_linear import SMALL

TEXT = {
    "hidden_size": 16,
    "intermediate_size": 16,
    "projection_dim": 24,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "vocab_size": 49_408,
}
ON_TOWERS = ["c2p-clip", "clip-linear", "clip-lora", "clip-zeroshot", "effort", "gend"]
# Trainable parameters on CLIP ViT-L/14, and what they are made of.
LAYERS, WIDTH, EMBEDDING = 24, 1024, 768
COUNTS = {
    "c2p-clip": LAYERS * 3 * 6 * 2 * WIDTH + EMBEDDING + 1,
    "clip-linear": EMBEDDING + 1,
    "clip-lora": LAYERS * 2 * 8 * 2 * WIDTH + EMBEDDING + 1,
    "clip-zeroshot": 0,
    "effort": 196_704 + 2_050,
    "gend": (2 * LAYERS + 2) * 2 * WIDTH + 2 * WIDTH + 2,
}


def small_clip(folder: Path) -> Any:
    torch.manual_seed(7)
    clip: Any = CLIPModel(CLIPConfig(vision_config=SMALL, text_config=TEXT, projection_dim=24))
    clip.save_pretrained(folder)
    return clip.eval()


@pytest.fixture
def clip(tmp_path: Path) -> Any:
    return small_clip(tmp_path / "clip")


def inputs_of(side: int = 64) -> Tensor:
    return torch.rand(3, 3, side, side, generator=torch.Generator().manual_seed(5))


def image_features(clip: Any, detector: Any, inputs: Tensor) -> Tensor:
    pixels = (inputs - detector.image.mean) / detector.image.deviation
    with torch.no_grad():
        pooled = clip.vision_model(pixel_values=pixels).pooler_output
        embedding: Tensor = clip.visual_projection(pooled)
    return embedding


@pytest.mark.parametrize("name", ON_TOWERS)
def test_the_base_size_trains_as_many_parameters_as_published(name: str) -> None:
    with torch.device("meta"):
        detector = create_detector(name, pretrained=False)
    assert sum(p.numel() for p in detector.parameters() if p.requires_grad) == COUNTS[name]


@pytest.mark.parametrize("name", ON_TOWERS)
def test_a_folder_fills_the_tower_and_a_saved_detector_needs_it_no_more(
    name: str, clip: Any, tmp_path: Path
) -> None:
    detector: Any = create_detector(
        name, size="tiny", pretrained=str(tmp_path / "clip"), input_size=64
    ).eval()
    assert detector.init.startswith("clip:")
    inputs = inputs_of()
    # Whatever a detector adds to the tower changes nothing at first.
    torch.testing.assert_close(
        detector.image(inputs), image_features(clip, detector, inputs), atol=1e-5, rtol=1e-4
    )
    with torch.no_grad():
        before = detector(inputs)
    detector.save_pretrained(tmp_path / "saved")
    (tmp_path / "clip").rename(tmp_path / "elsewhere")
    again = load_detector(tmp_path / "saved")
    assert again.init == detector.init
    with torch.no_grad():
        assert torch.equal(again(inputs), before)


def test_what_pretrained_weights_define_is_marked() -> None:
    marked = {name for name, card in CARDS.items() if card.definition == "weights"}
    assert marked == {*ON_TOWERS, "clip-classes", "clip-finetune", "probe"}


def test_texts_are_read_as_clip_reads_them(clip: Any, tmp_path: Path) -> None:
    texts = ["a photo of a real face", "a photo of a fake face, entirely made up"]
    found = read_texts(texts, tmp_path / "clip", width=24)
    for text, embedding in zip(texts, found, strict=True):
        tokens = clip_tokens([text])
        with torch.no_grad():
            hidden = clip.text_model(input_ids=tokens.ids).last_hidden_state
            wanted = clip.text_projection(hidden[0, tokens.ends[0]])
        torch.testing.assert_close(embedding, wanted / wanted.norm(), atol=1e-5, rtol=0)


def test_the_temperature_is_the_checkpoints(clip: Any, tmp_path: Path) -> None:
    assert scale_of(tmp_path / "clip") == pytest.approx(math.exp(2.6592))
    path = tmp_path / "clip" / "model.safetensors"
    held = load_file(path)
    save_file({**held, "logit_scale": torch.tensor(3.0)}, path, metadata={"format": "pt"})
    assert scale_of(tmp_path / "clip") == pytest.approx(math.exp(3))
    del held["logit_scale"]
    save_file(held, path, metadata={"format": "pt"})
    with pytest.raises(WeightsError, match="has no logit_scale: name a whole CLIP"):
        scale_of(tmp_path / "clip")


@pytest.mark.parametrize("name", ON_TOWERS)
def test_a_layer_that_is_missing_is_never_random(name: str, clip: Any, tmp_path: Path) -> None:
    path = tmp_path / "clip" / "model.safetensors"
    held = load_file(path)
    del held["vision_model.post_layernorm.weight"]
    save_file(held, path, metadata={"format": "pt"})
    with pytest.raises(WeightsError, match=r"1 tensor is missing: .*post_layernorm\.weight$"):
        create_detector(name, size="tiny", pretrained=str(tmp_path / "clip"))


@pytest.mark.parametrize("name", ["clip-lora", "c2p-clip"])
def test_a_rank_below_one_is_refused(name: str) -> None:
    with pytest.raises(DetectorError, match="the rank of a low-rank addition is 1 or more, not 0"):
        create_detector(name, size="tiny", rank=0)


def test_lora_trains_while_the_rest_of_the_tower_stays() -> None:
    detector: Any = create_detector("clip-lora", size="tiny", rank=2)
    trained = {name for name, p in detector.image.named_parameters() if p.requires_grad}
    assert all(".lora_" in name for name in trained)
    assert {name.split(".lora_")[0].rsplit(".", 1)[1] for name in trained} == {"q_proj", "v_proj"}
    assert {p.shape[0] for name, p in detector.image.named_parameters() if ".lora_A" in name} == {2}


@pytest.mark.parametrize(
    ("tower", "said"),
    [
        ({"colour": 1}, "a tower is described by fields of CLIPVisionConfig, not colour"),
        ({"hidden_size": 33}, "CLIPVisionConfig takes no such tower: .* hidden size .33. is not"),
    ],
)
def test_a_tower_that_clip_does_not_have_is_refused(tower: dict[str, int], said: str) -> None:
    with pytest.raises(DetectorError, match=said):
        create_detector("clip-linear", size="tiny", tower=tower)
