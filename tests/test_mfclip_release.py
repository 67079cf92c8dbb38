"""MFCLIP as released: the same tensors give the same numbers, defects included."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from skimage.feature import graycomatrix, graycoprops
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from detectors import DetectorError, InputError, WeightsError
from detectors.base import Batch
from detectors.inference import ready_for_inference
from detectors.mfclip import MFCLIPRelease
from detectors.mfclip.losses import released_prediction_loss
from detectors.mfclip.release import RELEASE_SHAPES, SquashedBytes
from detectors.mfclip.release_weights import own_name, read_release
from detectors.parts.filters import srm_kernels
from tests.released_checkpoint import Tensors, published_shapes, published_tensors

TAXA = (
    ("real", "real", "real", "camera"),
    ("fake", "FS", "diffusion", "DiffFace"),
    ("fake", "EFS", "GAN", "StyleGAN3"),
)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("release") / "best.pth"
    state = {f"module.{name}": tensor for name, tensor in published_tensors().items()}
    torch.save({"state_dict": state, "min_loss": 1060.2}, path)
    return path


@pytest.fixture(scope="module")
def detector(checkpoint: Path) -> MFCLIPRelease:
    return MFCLIPRelease.from_release(checkpoint, taxa=TAXA, size="tiny")


def photographs(count: int, side: int = 64) -> Tensor:
    """Draw (count, 3, side, side) 8-bit images of uneven texture, in [0, 1]."""
    generator = torch.Generator().manual_seed(7)
    coarse = torch.rand(count, 3, 5, 5, generator=generator)
    smooth = F.interpolate(coarse, size=(side, side), mode="bicubic")
    strength = F.interpolate(torch.rand(count, 1, 2, 2, generator=generator), size=(side, side))
    noise = torch.randn(count, 3, side, side, generator=generator)
    return ((smooth + 0.1 * strength * noise).clamp(0, 1) * 255).round() / 255


def reference_residual(image: NDArray[np.uint8]) -> Tensor:
    """Give the residual of one (S, S, 3) RGB image the released way, patch by patch."""
    matrix_of: Callable[..., Any] = graycomatrix
    property_of: Callable[..., Any] = graycoprops
    side = image.shape[0] // 2
    pixels = torch.tensor(image.astype(np.float32)).permute(2, 0, 1) / 255
    best, lowest = pixels, np.inf
    for row in (0, side):
        for column in (0, side):
            patch = pixels[:, row : row + side, column : column + side]
            grey = 0.2989 * patch[0] + 0.587 * patch[1] + 0.114 * patch[2]
            levels = (grey * 255).numpy().astype(np.uint8)
            matrix = matrix_of(levels, [1], [0], levels=256, symmetric=True, normed=True)
            evenness = property_of(matrix, "homogeneity")[0, 0]
            if evenness < lowest:
                best, lowest = patch, evenness
    return F.hardtanh(F.conv2d(best[None], srm_kernels(), padding=2), -3, 3)[0]


def reference_branch(tensors: Tensors, images: Tensor, names: tuple[str, str, str, str]) -> Tensor:
    """Run one released branch: (features, enter, suffix of the tables, suffix of the class)."""
    cnn, enter, suffix, cls = names
    place, x = 0, images
    while f"visual.{cnn}.{place}.weight" in tensors:
        p = f"visual.{cnn}.{place}"
        n = f"visual.{cnn}.{place + 1}"
        x = F.conv2d(x, tensors[f"{p}.weight"], tensors[f"{p}.bias"], padding=1)
        statistics = tensors[f"{n}.running_mean"], tensors[f"{n}.running_var"]
        x = F.batch_norm(x, *statistics, tensors[f"{n}.weight"], tensors[f"{n}.bias"]).relu()
        place += 3
        if f"visual.{cnn}.{place}.weight" not in tensors:
            x, place = F.max_pool2d(x, 2), place + 1
    token = _apply(tensors, f"visual.{enter}_to_embedding", x.permute(0, 2, 3, 1).flatten(1))
    cls_token = tensors[f"visual.cls_token{cls}"].expand(len(x), -1, -1)
    x = torch.cat([cls_token, token[:, None]], dim=1)
    x = x + tensors[f"visual.pos_embedding{suffix}"][: len(x)]
    layer, width = 0, x.shape[-1]
    while f"visual.transformer{suffix}.layers.{layer}.0.fn.norm.weight" in tensors:
        first, second = (f"visual.transformer{suffix}.layers.{layer}.{j}.fn" for j in (0, 1))
        normed = _apply(tensors, f"{first}.norm", x, norm=True)
        qkv = (normed @ tensors[f"{first}.fn.to_qkv.weight"].T).chunk(3, dim=-1)
        q, k, v = (part.reshape(len(x), 2, 4, -1).transpose(1, 2) for part in qkv)
        seen = (q @ k.transpose(2, 3) * width**-0.5).softmax(-1) @ v
        x = x + _apply(tensors, f"{first}.fn.to_out", seen.transpose(1, 2).flatten(2))
        hidden = _apply(
            tensors, f"{second}.fn.net.0", _apply(tensors, f"{second}.norm", x, norm=True)
        )
        x = x + _apply(tensors, f"{second}.fn.net.2", F.gelu(hidden))
        layer += 1
    return x[:, 0]


def _apply(tensors: Tensors, name: str, x: Tensor, *, norm: bool = False) -> Tensor:
    weight, bias = tensors[f"{name}.weight"], tensors[f"{name}.bias"]
    return F.layer_norm(x, x.shape[-1:], weight, bias) if norm else F.linear(x, weight, bias)


def reference_vision(tensors: Tensors, images: Tensor) -> Tensor:
    """Run the released vision encoder on (B, 3, S, S) 8-bit images in [0, 1]."""
    pixels = (images * 255).round().to(torch.uint8).permute(0, 2, 3, 1)
    residuals = torch.stack([reference_residual(image) for image in pixels.numpy()])
    swapped = pixels.permute(0, 3, 2, 1).float()
    image = reference_branch(tensors, swapped, ("features", "patch", "", ""))
    noise = reference_branch(tensors, residuals, ("features_SRM", "patchsrm", "_srm", "_rm"))
    return F.normalize(image + noise, dim=1)


@pytest.mark.parametrize("count", [1, 5, 24])
@torch.no_grad()
def test_equal_weights_give_equal_logits_at_every_place(
    detector: MFCLIPRelease, count: int
) -> None:
    tensors, images = published_tensors(), photographs(count)
    vision = reference_vision(tensors, images)
    torch.testing.assert_close(detector.features(images), vision, atol=1e-4, rtol=0)
    logits = _apply(tensors, "mlp_head.1", _apply(tensors, "mlp_head.0", vision, norm=True))
    assert logits.std() > 0.01 or count == 1
    torch.testing.assert_close(detector(images), logits[:, 1] - logits[:, 0], atol=1e-4, rtol=0)
    score = detector.score(list(images))
    torch.testing.assert_close(score, logits.double().softmax(1)[:, 1], atol=1e-4, rtol=0)


@pytest.mark.parametrize("count", [3, 24])
@torch.no_grad()
def test_equal_weights_give_equal_pair_logits(detector: MFCLIPRelease, count: int) -> None:
    tensors, images = published_tensors(), photographs(count)
    generator = torch.Generator().manual_seed(3)
    text = torch.randn(count, 64, generator=generator)
    vision = reference_vision(tensors, images)
    pairs = tensors["logit_scale"].exp() * vision @ F.normalize(text, dim=1).T
    pairs = pairs * torch.sigmoid(tensors["SPA"][:count, :count])
    found = detector.pair_logits(detector.features(images), text)
    torch.testing.assert_close(found, pairs, atol=1e-4, rtol=0)


@torch.no_grad()
def test_equal_weights_give_equal_language(detector: MFCLIPRelease) -> None:
    tensors = published_tensors()
    ids, ends = detector.language.ids, detector.language.ends
    x = tensors["token_embedding.weight"][ids] + tensors["positional_embedding"]
    mask = torch.full((308, 308), -torch.inf).triu(1)
    for layer in range(2):
        block = f"transformer.resblocks.{layer}"
        attention = nn.MultiheadAttention(64, 4, batch_first=True)
        prefix = f"{block}.attn."
        own = {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}
        attention.load_state_dict(own)
        normed = _apply(tensors, f"{block}.ln_1", x, norm=True)
        x = x + attention(normed, normed, normed, attn_mask=mask)[0]
        hidden = _apply(
            tensors, f"{block}.mlp.c_fc", _apply(tensors, f"{block}.ln_2", x, norm=True)
        )
        x = x + _apply(tensors, f"{block}.mlp.c_proj", hidden * torch.sigmoid(1.702 * hidden))
    x = _apply(tensors, "ln_final", x, norm=True)
    reference = x[torch.arange(len(x)), ends] @ tensors["text_projection"]
    torch.testing.assert_close(detector.language(), reference, atol=1e-4, rtol=1e-4)


def test_the_base_size_is_the_released_network() -> None:
    with torch.device("meta"):
        network = MFCLIPRelease(size="base", taxa=TAXA)
    own = {n: tuple(t.shape) for n, t in network.state_dict().items() if n != "trained"}
    published = {
        own_name(n): shape for n, shape in published_shapes(RELEASE_SHAPES["base"]).items()
    }
    assert published == own
    parameters = sum(p.numel() for p in network.parameters())
    decides = (*network.vision.parameters(), *network.head.parameters())
    at_inference = sum(p.numel() for p in decides)
    assert (round(parameters / 1e6, 2), round(at_inference / 1e6, 2)) == (141.66, 77.85)
    with FlopCounterMode(display=False) as counter:
        network.vision.image(torch.empty(1, 3, 224, 224, device="meta"))
        network.vision.noise(torch.empty(1, 3, 112, 112, device="meta"))
    assert 7.0 < counter.get_total_flops() / 2e9 < 7.2


def test_ids_are_the_released_ones(detector: MFCLIPRelease) -> None:
    ids, ends = detector.language.ids, detector.language.ends
    assert ids.shape == (3, 308)
    real, fake = ids.reshape(3, 4, 77)[:2]
    assert (real == real[0]).all(), "a real image says level 1 four times"
    assert (fake.argmax(dim=1) == (fake == 49407).int().argmax(dim=1)).all()
    assert ends.tolist() == [7, 7, 7]


@torch.no_grad()
def test_the_score_depends_on_the_place_in_the_batch(detector: MFCLIPRelease) -> None:
    image = photographs(1)
    same = detector(image.expand(24, -1, -1, -1))
    assert same.std() > 1e-3


@torch.no_grad()
def test_levels_after_the_first_change_nothing() -> None:
    network = MFCLIPRelease(size="tiny", taxa=TAXA).eval()
    real, first, second = network.language()
    assert torch.equal(first, second)
    assert not torch.equal(real, first)


def test_more_images_than_places_are_refused_in_one_batch(detector: MFCLIPRelease) -> None:
    images = photographs(25)
    with pytest.raises(InputError, match="has positions for 24 images a batch, not 25"):
        detector(images)
    chunks = torch.cat([detector(images[:24]), detector(images[24:])])
    torch.testing.assert_close(detector.logits(list(images)), chunks.detach())


def test_the_loss_is_the_released_sum(detector: MFCLIPRelease) -> None:
    taxa = torch.arange(6) % 3
    batch = Batch(inputs=photographs(6), labels=(taxa > 0).float(), taxa=taxa)
    losses = detector.loss(batch)
    vision, text = detector.features(batch.inputs), detector.language()[taxa]
    pairs, own = detector.pair_logits(vision, text), torch.arange(6)
    contrast = (F.cross_entropy(pairs, own) + F.cross_entropy(pairs.T, own)) / 2
    student = F.log_softmax(detector.predictor(vision) / 20, dim=1)
    teacher = F.softmax(text / 20, dim=1) * 0.5 * 20 * 20
    divergence = nn.KLDivLoss(reduction="batchmean")(student, teacher)
    entropy = F.cross_entropy(detector.decide(vision), batch.labels.long())
    total = contrast + divergence + 1.5 * entropy
    torch.testing.assert_close(losses["total"], total)
    assert set(losses) == {"ce", "cmc", "kl", "total"}


def test_most_of_the_released_prediction_loss_is_constant() -> None:
    features = torch.randn(4, 512, generator=torch.Generator().manual_seed(0))
    constant = released_prediction_loss(features, features)
    assert constant.item() == pytest.approx(200 * np.log(200), abs=1e-2)


def test_the_teacher_of_the_release_is_not_detached(detector: MFCLIPRelease) -> None:
    text = torch.randn(2, 8, requires_grad=True)
    released_prediction_loss(torch.randn(2, 8), text).backward()  # type: ignore[no-untyped-call]
    assert text.grad is not None
    assert text.grad.any()


def changed(path: Path, folder: Path, change: Callable[[Tensors], object]) -> Path:
    saved = torch.load(path, weights_only=True)
    change(saved["state_dict"])
    torch.save(saved, folder / "changed.pth")
    return folder / "changed.pth"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda state: state.pop("module.predictor.bias"),
            r"1 tensor is missing: predictor\.bias$",
        ),
        (
            lambda state: state.update({"module.extra": torch.zeros(1)}),
            r"1 tensor is unknown: module\.extra$",
        ),
        (
            lambda state: state.update({"module.SPA": torch.zeros(8, 8)}),
            r"1 tensor is of another shape: module\.SPA \(8, 8\)$",
        ),
    ],
)
def test_a_checkpoint_that_is_not_the_networks_is_refused(
    checkpoint: Path, tmp_path: Path, change: Callable[[Tensors], object], message: str
) -> None:
    path = changed(checkpoint, tmp_path, change)
    with pytest.raises(WeightsError, match=message):
        MFCLIPRelease.from_release(path, taxa=TAXA, size="tiny")


class Harmful:
    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, ("harm",)


def test_a_checkpoint_with_code_in_it_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": {"SPA": Harmful()}}, "bad.pth")
    with pytest.raises(WeightsError, match="holds more than tensors, which is not read"):
        read_release(Path("bad.pth"), {})
    assert not Path("harm").exists()


def test_what_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.pth").write_text("hello")
    with pytest.raises(WeightsError, match="cannot be read as a checkpoint"):
        read_release(tmp_path / "text.pth", {})
    with pytest.raises(WeightsError, match=r"none\.pth: No such file or directory"):
        read_release(tmp_path / "none.pth", {})
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(WeightsError, match="holds no state dict"):
        read_release(tmp_path / "list.pth", {})


def test_a_loaded_release_says_where_it_is_from(detector: MFCLIPRelease) -> None:
    assert detector.init.startswith("weights:")
    assert detector.config()["detector"] == "mfclip-release"


@pytest.mark.parametrize("shape", [(97, 131), (256, 256), (40, 300)])
def test_the_resize_is_opencvs_within_one_grey_level(shape: tuple[int, int]) -> None:
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (*shape, 3), dtype=np.uint8)
    reference = cv2.resize(pixels, (64, 64), interpolation=cv2.INTER_LINEAR).astype(np.float32)
    image = torch.from_numpy(pixels).permute(2, 0, 1).float() / 255
    found = (SquashedBytes(64)(image) * 255).permute(1, 2, 0).numpy()
    assert np.abs(found - reference).max() <= 1.001
    many = SquashedBytes(64).resize(torch.stack([image, image]))
    assert torch.equal(many[1], SquashedBytes(64)(image))


def test_an_inference_copy_scores_alike(detector: MFCLIPRelease) -> None:
    images = photographs(24)
    ready = ready_for_inference(detector)
    assert not [m for m in ready.modules() if isinstance(m, nn.BatchNorm2d)]
    assert [m for m in detector.modules() if isinstance(m, nn.BatchNorm2d)]
    with torch.inference_mode():
        whole = detector(images)
        assert whole.std() > 0.01
        torch.testing.assert_close(ready(images), whole, atol=1e-4, rtol=0)
        half = ready_for_inference(detector, torch.bfloat16)(images)
        torch.testing.assert_close(half, whole, atol=0.05, rtol=0)
        assert not torch.equal(half, whole)


def test_training_images_of_one_kind_are_refused() -> None:
    with pytest.raises(DetectorError, match="train it on real and fake images"):
        MFCLIPRelease(size="tiny", taxa=TAXA[:1])
