from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from detectors import DetectorError
from detectors.base import Batch
from detectors.c2p_clip import C2PClip
from detectors.parts.texts import read_texts
from tests.test_towers import small_clip


def batch_of(labels: list[int]) -> Batch:
    wanted = torch.tensor(labels).float()
    return Batch(inputs=torch.rand(len(labels), 3, 64, 64), labels=wanted, taxa=wanted.long())


def test_the_texts_are_common_prompt_and_caption_read_by_the_frozen_tower(tmp_path: Path) -> None:
    small_clip(tmp_path / "clip")
    source = str(tmp_path / "clip")
    detector = C2PClip(size="tiny", pretrained=source, input_size=64, caption="a face")
    texts = ["Camera. a face", "Deepfake. a face"]
    assert torch.equal(detector.texts, read_texts(texts, tmp_path / "clip", 24))
    assert not any("text" in name for name, _ in detector.named_parameters())


def test_the_contrast_draws_an_image_to_its_own_category() -> None:
    detector, batch = C2PClip(size="tiny", input_size=64, weight=0.5), batch_of([0, 1, 1])
    parts = detector.loss(batch)
    scores = detector.scale * detector.features(batch.inputs) @ detector.texts.T
    torch.testing.assert_close(parts["contrast"], F.cross_entropy(scores, batch.taxa))
    both = parts["classification"] + 0.5 * parts["contrast"]
    torch.testing.assert_close(parts["total"], both)
    alone = F.binary_cross_entropy_with_logits(detector(batch.inputs), batch.labels)
    torch.testing.assert_close(parts["classification"], alone)


def test_scores_do_not_depend_on_the_texts() -> None:
    detector, inputs = C2PClip(size="tiny", input_size=64), torch.rand(2, 3, 64, 64)
    before = detector(inputs)
    detector.texts.zero_()
    assert torch.equal(detector(inputs), before)


def test_other_categories_are_refused() -> None:
    with pytest.raises(DetectorError, match=r"c2p-clip's categories are .*, not .*forged"):
        C2PClip(size="tiny", categories={"forged": "Deepfake"})
