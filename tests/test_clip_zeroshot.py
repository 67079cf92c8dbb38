from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from detectors import DetectorError
from detectors.clip_zeroshot import ClipZeroshot
from detectors.parts.clip import scale_of
from detectors.parts.texts import read_texts
from tests.test_towers import inputs_of, small_clip


def test_the_logit_is_that_of_clips_two_way_softmax(tmp_path: Path) -> None:
    small_clip(tmp_path / "clip")
    detector = ClipZeroshot(size="tiny", pretrained=str(tmp_path / "clip"), input_size=64)
    inputs = inputs_of()
    texts = read_texts(["a photo of a real face", "a photo of a fake face"], tmp_path / "clip", 24)
    image = F.normalize(detector.image(inputs), dim=1)
    share = (scale_of(tmp_path / "clip") * image @ texts.T).softmax(dim=1)[:, 1]
    torch.testing.assert_close(detector(inputs).sigmoid(), share, atol=1e-5, rtol=0)


def test_with_weights_it_scores_at_once_and_trains_nothing(tmp_path: Path) -> None:
    small_clip(tmp_path / "clip")
    detector = ClipZeroshot(size="tiny", pretrained=str(tmp_path / "clip"))
    assert detector.logits([torch.rand(3, 80, 70)]).shape == (1,)
    assert not any(p.requires_grad for p in detector.parameters())


def test_several_texts_count_as_their_mean(tmp_path: Path) -> None:
    small_clip(tmp_path / "clip")
    prompts = {"real": ["a real face"], "fake": ["a fake face", "a forged face", "a made up face"]}
    detector = ClipZeroshot(size="tiny", pretrained=str(tmp_path / "clip"), prompts=prompts)
    each = [read_texts(texts, tmp_path / "clip", 24) for texts in prompts.values()]
    wanted = torch.stack([F.normalize(texts.mean(dim=0), dim=0) for texts in each])
    torch.testing.assert_close(detector.texts, wanted, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    "prompts",
    [{"real": ["a"]}, {"real": ["a"], "fake": []}, {"real": "a", "fake": ["b"]}],
)
def test_a_class_without_a_list_of_texts_is_refused(prompts: dict[str, list[str]]) -> None:
    with pytest.raises(DetectorError, match="clip-zeroshot's prompts are lists of texts of both"):
        ClipZeroshot(size="tiny", prompts=prompts)
