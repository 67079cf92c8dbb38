"""Language that survives images which cannot be told apart, and what is measured of it."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from benchmark.data.images import decode, image_tensor
from benchmark.training.optim import measured_state
from detectors.base import Batch
from detectors.errors import DetectorError
from detectors.mfclip import MFCLIP
from detectors.mfclip.aligned import prompt_cosines
from detectors.mfclip.attention import SamplePairAttention
from detectors.mfclip.losses import apart_loss, crowding
from detectors.mfclip.vision import ScratchImage
from tests.test_mfclip import TAXA, batch_of, build, every_taxon

LIMIT = 0.9
STEPS = 40
SAME_SOURCE = ("140k", "dfdc-faces", "stargan-celeba")


def largest_cosines(detector: MFCLIP, inputs: Tensor, taxa: Tensor, fake: Tensor) -> list[float]:
    """Train as the recipe of size tiny does; give the largest cosine of prompts at every step."""
    optimiser = torch.optim.AdamW(detector.parameters(), lr=2e-3, weight_decay=1e-4)
    torch.manual_seed(1)
    detector.train()
    found = []
    for step in range(STEPS):
        chosen = torch.randperm(len(inputs))[:16]
        batch = Batch(inputs=inputs[chosen], labels=fake[taxa[chosen]].float(), taxa=taxa[chosen])
        for group in optimiser.param_groups:
            group["lr"] = 2e-3 * min(1, (step + 1) / 10)
        optimiser.zero_grad()
        detector.loss(batch)["total"].backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(detector.parameters(), 5.0)
        optimiser.step()
        with torch.no_grad():
            found.append(float(prompt_cosines(detector.language()).amax()))
    return found


def inseparable(**options: Any) -> list[float]:
    """Train on images of one kind whose classes are drawn by lot."""
    detector = build(input_size=32, **options)
    generator = torch.Generator().manual_seed(2)
    coarse = torch.rand(96, 3, 8, 8, generator=generator)
    taxa = torch.randint(len(TAXA), (96,), generator=generator)
    fake = torch.tensor([taxon[0] == "fake" for taxon in TAXA])
    return largest_cosines(detector, F.interpolate(coarse, 32, mode="bilinear"), taxa, fake)


def test_prompts_stay_apart_where_images_cannot_be_told_apart() -> None:
    assert max(inseparable()) < LIMIT


def test_without_what_keeps_them_apart_they_fall_together() -> None:
    assert max(inseparable(lambda_apart=0.0)) > LIMIT


def test_uniformity_keeps_them_apart_too() -> None:
    assert max(inseparable(apart="uniformity", lambda_apart=1.0)) < LIMIT


def test_prompts_stay_apart_on_real_faces(faces: Path) -> None:
    table = pd.read_csv(faces / "manifest.csv")
    table = table[table["source"].isin(SAME_SOURCE) & (table["split"] == "train")]
    table = table.groupby(["source", "label"]).head(16)
    names = ["label", "forgery", "family", "generator"]
    kinds = sorted({tuple(row) for row in table[names].to_numpy().tolist()}, reverse=True)
    detector = MFCLIP(size="tiny", input_size=64, taxa=kinds)
    images = [detector.prepare(image_tensor(decode(faces / path))) for path in table["path"]]
    taxa = torch.tensor([kinds.index(tuple(row)) for row in table[names].to_numpy().tolist()])
    fake = torch.tensor([kind[0] == "fake" for kind in kinds])
    assert len(kinds) == 4
    torch.manual_seed(0)
    assert max(largest_cosines(detector, torch.stack(images), taxa, fake)) < LIMIT


def test_uniformity_is_least_where_prompts_are_opposite_and_none_of_a_single_one() -> None:
    pair = torch.tensor([[1.0, 0.0], [-3.0, 0.0]])
    assert apart_loss(pair, "uniformity").item() == pytest.approx(-8)
    assert apart_loss(torch.ones(2, 3), "uniformity").item() == pytest.approx(0, abs=1e-6)
    assert apart_loss(pair[:1], "uniformity") == 0
    with pytest.raises(DetectorError, match="apart"):
        build(input_size=32, apart="far")


def test_crowding_is_of_cosines_over_a_half() -> None:
    assert crowding(torch.eye(3)) == 0
    close = torch.tensor([[1.0, 0.0], [0.8, 0.6], [-1.0, 0.0]])  # one pair of .8
    assert crowding(close).item() == pytest.approx(2 * 0.3**2 / 3)


def test_cosines_are_those_of_different_prompts() -> None:
    text = torch.randn(5, 8, generator=torch.Generator().manual_seed(0))
    unit = F.normalize(text, dim=1)
    expected = (unit @ unit.T)[~torch.eye(5, dtype=torch.bool)]
    torch.testing.assert_close(prompt_cosines(text), expected)


def test_what_is_measured_of_a_training_changes_nothing() -> None:
    detector, batch = build().train(), batch_of(every_taxon(1))
    detector.loss(batch)
    before = {name: tensor.clone() for name, tensor in detector.state_dict().items()}
    found = measured_state(detector, batch)
    assert detector.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in detector.state_dict().items())
    assert set(found) == {
        *("state_cosine_max", "state_cosine_mean", "state_scale", "state_saturated"),
        *("state_norm_text", "state_norm_image", "state_norm_noise"),
    }
    with torch.no_grad():
        cosines = prompt_cosines(detector.language())
    assert found["state_cosine_max"] == pytest.approx(float(cosines.amax()))
    assert found["state_scale"] == pytest.approx(1 / 0.07)
    assert measured_state(build(language="none"), batch).keys() == {
        "state_norm_image",
        "state_norm_noise",
    }


def test_by_the_logit_attention_is_at_its_limits_where_cosines_differ_by_a_tenth() -> None:
    shared = [[0] * 3] * 3
    cosines = torch.tensor([[0.5, 0.2, 0.0]] * 3)
    shares = {}
    for slope, factor in (("logit", 14.3), ("cosine", 1.0)):
        attention = SamplePairAttention("hard", shared=shared, momentum=0.0)
        attention.observe(factor * cosines, torch.arange(3))
        shares[slope] = float(attention.saturated())
    assert shares["logit"] > 0.5 > shares["cosine"] == 0


def test_slope_says_what_attention_observes() -> None:
    means = []
    for slope in ("logit", "cosine"):
        detector = build(slope=slope).train()
        detector.loss(batch_of(every_taxon(1)))
        assert isinstance(detector.spa, SamplePairAttention)
        means.append(detector.spa.mean)
    torch.testing.assert_close(means[0], means[1] / 0.07)


def test_a_warm_up_is_by_cross_entropy_alone() -> None:
    detector, batch = build(language_from=2).train(), batch_of(every_taxon(1))
    shares = []
    for _ in range(3):
        losses = detector.loss(batch)
        late = losses["total"] - losses["ce"]
        shares.append(float(late))
    assert shares[:2] == [0, 0]
    assert shares[2] > 1
    assert detector.steps == 3
    losses = detector.eval().loss(batch)
    assert losses["total"] > losses["ce"]
    assert detector.steps == 3


def test_a_limit_holds_the_temperature() -> None:
    detector = build(scale_limit=20.0)
    torch.nn.init.constant_(detector.logit_scale, 50.0)
    assert float(detector.factor()) == pytest.approx(20)


@pytest.mark.parametrize("noise", ["richest", "none"])
def test_noise_starts_small_beside_a_tower(noise: str) -> None:
    tower = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
    tower |= {"num_attention_heads": 2, "projection_dim": 24, "image_size": 64, "patch_size": 16}
    detector = build(image_encoder=tower, noise_choice=noise).eval()
    with torch.no_grad():
        image, residual = detector.vision.branches(batch_of(every_taxon(1)).inputs)
    if noise == "none":
        assert residual is None
        return
    assert residual is not None
    ratio = residual.norm(dim=1).mean() / image.norm(dim=1).mean()
    assert 0.05 < ratio < 0.2
    scratch = build().eval()
    assert scratch.vision.gain is None


def test_both_sizes_have_the_same_parts_in_the_same_order() -> None:
    with torch.device("meta"):
        both = [MFCLIP(size=size, taxa=TAXA).vision for size in ("tiny", "base")]
    kinds = []
    for vision in both:
        modules = [type(module).__name__ for module in vision.modules()]
        # What differs is how often a part follows itself: convolutions of a stage, layers.
        assert isinstance(vision.image, ScratchImage)
        pools = sum(isinstance(module, torch.nn.MaxPool2d) for module in vision.image.cnn)
        kinds.append((pools, sorted(set(modules))))
        assert vision.noise is not None
        assert vision.noise.k == 1
        tokens = vision.noise.summary.positions.shape[0] - 1
        assert round(np.sqrt(tokens)) in (7, 8)
    assert kinds[0] == kinds[1]
