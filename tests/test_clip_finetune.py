"""CLIP fine-tuned on prompts, and sample pair attention as a plug-in of it."""

from typing import Any

import pytest
import torch
from torch.nn import functional as F

from detectors import DetectorError
from detectors.clip_finetune import ClipFinetune
from detectors.mfclip.attention import SamplePairAttention
from tests.test_mfclip import TAXA, batch_of, every_taxon, images_of


def build(**options: Any) -> ClipFinetune:
    torch.manual_seed(0)
    return ClipFinetune(**{"size": "tiny", "taxa": TAXA, **options})


def test_coarse_prompts_are_two() -> None:
    detector = build()
    assert len(detector.language()) == 2
    assert detector.is_fake.tolist() == [False, True]


def test_the_logit_weighs_fake_prompts_against_real_ones() -> None:
    detector, inputs = build(levels=4).eval(), images_of(torch.tensor([0, 1, 2]))
    scores = detector.scores(inputs)
    assert scores.shape == (3, 5)
    share = scores.softmax(dim=1)[:, detector.is_fake].sum(dim=1)
    torch.testing.assert_close(detector(inputs).sigmoid(), share)


def test_with_two_prompts_attention_does_nothing() -> None:
    batch = batch_of(every_taxon(1))
    plain, attended = (build(spa=spa).train() for spa in ("none", "hard"))
    for _ in range(2):
        assert torch.equal(plain.loss(batch)["total"], attended.loss(batch)["total"])


def test_attention_changes_the_contrast_of_many_prompts() -> None:
    batch = batch_of(every_taxon(1))
    plain, attended = (build(spa=spa, levels=4).train() for spa in ("none", "hard"))
    assert torch.equal(plain.loss(batch)["total"], attended.loss(batch)["total"])  # knows nothing
    assert isinstance(attended.spa, SamplePairAttention)
    assert attended.spa.mean.any()
    assert not torch.equal(plain.loss(batch)["total"], attended.loss(batch)["total"])


def test_without_attention_one_direction_is_cross_entropy_over_prompts() -> None:
    detector, batch = build(levels=4).eval(), batch_of(every_taxon(1))
    scores, classes = detector.scores(batch.inputs), detector.class_of_taxon[batch.taxa]
    floor = F.cross_entropy(scores, classes) / 2
    assert detector.loss(batch)["total"] > floor


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"spa": "table24"}, "clip-finetune's spa is hard, fixed, none"),
        ({"image_encoder": "scratch"}, "has no 'scratch' towers"),
        ({"taxa": TAXA[:1]}, "train it on real and fake images"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(DetectorError, match=message):
        build(**options)
