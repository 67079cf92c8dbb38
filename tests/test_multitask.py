import math

import pytest
import torch
from torch import Tensor

from detectors import DetectorError, create_detector
from detectors.base import Batch
from detectors.card import Taxon
from detectors.mfclip.model import MFCLIP
from detectors.multitask import Multitask, MultitaskBackbone, TaxonomyHeads, total_loss

TAXA = (
    Taxon("fake", "EFS", "GAN", "StyleGAN"),
    Taxon("fake", "EFS", "diffusion", "LDM"),
    Taxon("real", "real", "real", "camera"),
    Taxon("fake", "FS", "GAN", "FSGAN"),
)


def batch(side: int = 128) -> Batch:
    inputs = torch.rand(8, 3, side, side, generator=torch.Generator().manual_seed(0))
    taxa = torch.tensor([0, 1, 2, 3] * 2)
    return Batch(inputs=inputs, labels=(taxa != 2).float(), taxa=taxa)


def test_each_level_has_the_classes_of_the_training_images() -> None:
    heads = TaxonomyHeads(5, TAXA)
    assert heads.names == {
        "forgery": ["EFS", "FS", "real"],
        "family": ["GAN", "diffusion", "real"],
        "generator": ["FSGAN", "LDM", "StyleGAN", "camera"],
    }
    assert heads.get_buffer("classes_of_family").tolist() == [0, 1, 2, 0]


def test_a_level_without_a_choice_has_no_layer() -> None:
    taxa = [Taxon("fake", "FS", "GAN", "one"), Taxon("real", "real", "GAN", "one")]
    heads = TaxonomyHeads(5, taxa)
    assert heads.names == {"forgery": ["FS", "real"]}
    assert set(total_loss(torch.tensor(1.0), {}, 2.0)) == {"ce", "total"}


def test_a_level_asks_for_its_own_class() -> None:
    heads = TaxonomyHeads(3, TAXA)
    with torch.no_grad():
        for layer in heads.layers.values():
            layer.weight.zero_()  # type: ignore[operator]
            layer.bias.zero_()  # type: ignore[operator]
        heads.layers["family"].bias[1] = 30.0  # type: ignore[operator]
    losses = heads.losses(torch.ones(1, 3), torch.tensor([1]))
    assert losses["family"].item() == pytest.approx(0, abs=1e-6)
    assert losses["forgery"].item() == pytest.approx(math.log(3))
    assert losses["generator"].item() == pytest.approx(math.log(4))


@pytest.mark.parametrize("cls", [Multitask, MultitaskBackbone])
def test_the_total_weighs_the_mean_of_the_levels(
    cls: type[Multitask] | type[MultitaskBackbone],
) -> None:
    detector = cls(size="tiny", taxa=TAXA, lambda_taxa=0.5)
    losses = detector.loss(batch())
    levels: list[Tensor] = [losses[level] for level in ("forgery", "family", "generator")]
    torch.testing.assert_close(losses["total"], losses["ce"] + 0.5 * sum(levels) / 3)


def test_it_sees_what_mfclip_sees() -> None:
    torch.manual_seed(0)
    ours = Multitask(size="tiny", taxa=TAXA)
    torch.manual_seed(0)
    theirs = MFCLIP(size="tiny", taxa=TAXA, language="none")
    inputs = batch().inputs
    ours.eval()
    theirs.eval()
    with torch.no_grad():
        assert torch.equal(ours.features(inputs), theirs.features(inputs))
        assert torch.equal(ours(inputs), theirs(inputs))


def test_any_backbone_is_taken() -> None:
    detector = MultitaskBackbone(size="tiny", taxa=TAXA, backbone="resnet50")
    assert detector.config()["options"]["backbone"] == "resnet50"
    assert detector(batch(64).inputs).shape == (8,)


@pytest.mark.parametrize("name", ["multitask", "multitask-backbone"])
def test_without_a_taxonomy_it_says_what_it_needs(name: str) -> None:
    with pytest.raises(DetectorError, match=f"{name} needs the taxonomy of its training images"):
        create_detector(name, size="tiny")
