import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor

from detectors import DetectorError
from detectors.base import Batch
from detectors.parts.blending import displaced, face_masks, recoloured, resharpened, self_blended
from detectors.sbi import SBI
from tests.contract import easy_image

MASKS = ["ellipse", "polygon"]


@pytest.fixture(scope="module")
def faces() -> Tensor:
    return torch.stack([easy_image(0, seed, side=64) for seed in range(32)])


def reals(inputs: Tensor) -> Batch:
    zeros = torch.zeros(len(inputs))
    return Batch(inputs=inputs, labels=zeros, taxa=zeros.long())


@pytest.mark.parametrize("mask", MASKS)
def test_a_blend_is_the_image_outside_and_something_else_inside(faces: Tensor, mask: str) -> None:
    flat = torch.full_like(faces, 0.5)
    torch.manual_seed(0)
    blended = self_blended(faces, mask)  # type: ignore[arg-type]
    assert blended.shape == faces.shape
    assert 0 <= blended.min() <= blended.max() <= 1
    assert all(not torch.equal(a, b) for a, b in zip(faces, blended, strict=True))
    # Of a flat image one side of the seam has another colour: the difference is the mask's shape.
    change = (self_blended(flat, mask) - flat).abs().mean(dim=1)  # type: ignore[arg-type]
    inside = change[:, 28:36, 28:36].mean(dim=(1, 2))
    corner = change[:, :4, :4].mean(dim=(1, 2))
    assert ((inside - corner).abs() > 0.005).float().mean() > 0.8
    # Half of the time the source is changed, half of the time the target is.
    assert 0.2 < (inside > corner).float().mean() < 0.8


@pytest.mark.parametrize("mask", MASKS)
def test_a_mask_covers_a_face_and_not_the_corners(faces: Tensor, mask: str) -> None:
    torch.manual_seed(0)
    masks = face_masks(faces, mask)  # type: ignore[arg-type]
    assert masks.shape == (32, 1, 64, 64)
    assert 0 <= masks.min() <= masks.max() <= 1
    assert masks[:, 0, 30:34, 30:34].min() > 0.9
    assert masks[:, 0, [0, 0, -1, -1], [0, -1, 0, -1]].max() < 0.01
    share = masks.mean(dim=(1, 2, 3))
    assert 0.15 < share.min() < share.max() < 0.65
    assert share.std() > 0.02


def test_a_polygon_lies_in_its_ellipse(faces: Tensor) -> None:
    drawn = []
    for mask in ("ellipse", "polygon"):
        torch.manual_seed(0)
        drawn.append(face_masks(faces, mask).mean())
    assert drawn[1] < 0.95 * drawn[0]


def test_the_steps_change_what_they_say(faces: Tensor) -> None:
    torch.manual_seed(0)
    detail = (faces - resharpened(faces)).mean(dim=(2, 3)).abs()
    assert detail.max() < 0.005, "sharpening and coarsening keep the mean colour"
    assert (recoloured(faces).mean(dim=(2, 3)) - faces.mean(dim=(2, 3))).abs().max() < 0.25
    side = 64
    ramp = torch.linspace(0, 1, side).expand(8, 3, side, side)
    shifted = displaced(ramp)[:, 0, side // 2, side // 2] - ramp[:, 0, side // 2, side // 2]
    assert 0 < shifted.abs().max() <= 0.035


def test_the_draws_are_those_of_the_seed(faces: Tensor) -> None:
    drawn = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        drawn.append(self_blended(faces[:4], "polygon"))
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


def test_it_learns_to_tell_blends_without_a_forgery(faces: Tensor) -> None:
    torch.manual_seed(0)
    detector, batch = SBI(size="tiny", input_size=64), reals(faces)
    optimiser = torch.optim.AdamW(detector.parameters(), lr=3e-3)
    for _ in range(40):
        optimiser.zero_grad()
        detector.loss(batch)["total"].backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    detector.eval()
    with torch.no_grad():
        logits = detector(torch.cat([faces, self_blended(faces, "polygon")]))
    assert roc_auc_score([0] * 32 + [1] * 32, logits.numpy()) > 0.8


def test_a_batch_without_a_real_image_is_refused(faces: Tensor) -> None:
    batch = Batch(inputs=faces, labels=torch.ones(32), taxa=torch.ones(32).long())
    with pytest.raises(DetectorError, match=r"sbi learns from real images .* balanced: true"):
        SBI(size="tiny").loss(batch)


@pytest.mark.parametrize("backbone", ["xception", "resnet50", "vit-b16"])
def test_any_backbone_is_taken_and_rebuilt(backbone: str) -> None:
    detector = SBI(size="tiny", backbone=backbone, mask="ellipse")
    options = detector.config()["options"]
    assert (options["backbone"], options["mask"]) == (backbone, "ellipse")
    assert type(SBI(**options).network) is type(detector.network)


def test_a_wrong_mask_or_backbone_is_answered_with_the_choices() -> None:
    with pytest.raises(DetectorError, match="mask is one of ellipse, polygon, not 'hull'"):
        SBI(size="tiny", mask="hull")  # type: ignore[arg-type]
    with pytest.raises(DetectorError, match="sbi has no backbone 'vgg'; there are xception"):
        SBI(size="tiny", backbone="vgg")
