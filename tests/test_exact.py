"""What a graphics card would round or wait for, found without one.

TF32 is simulated by rounding what goes into a convolution to 11 bits, and a GPU by tensors that
have a place there and no values: whatever reads a value then fails.
"""

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from detectors.base import Batch, Detector
from detectors.cards import CARDS
from detectors.clip_finetune import TINY_TEXT
from detectors.mfclip import MFCLIP
from detectors.mfclip.patches import Residuals
from detectors.mfclip.release import RELEASE_SHAPES, ReleaseVision
from detectors.parts.filters import srm_kernels, whole_bank
from detectors.parts.texts import TextReader
from detectors.patchcraft import PatchCraft
from detectors.srm import SRM, NoiseOfMaps
from detectors.ssp import SSP
from tests.contract import NAMES, TAXA, build, easy_batch

GRADIENT = [name for name in NAMES if CARDS[name].fit == "gradient"]
EVERY = pytest.mark.parametrize("name", GRADIENT)
plain_convolution = F.conv2d


def tf32(values: Tensor) -> Tensor:
    """Round to the nearest number of 11 significant bits, as a GPU's tensor cores read float32."""
    fraction, exponent = torch.frexp(values.double())
    return torch.ldexp((fraction * 2**11).round() / 2**11, exponent).float()


def rounding_convolution(inputs: Tensor, weight: Tensor, *rest: Any, **options: Any) -> Tensor:
    return plain_convolution(tf32(inputs), tf32(weight), *rest, **options)


@pytest.fixture
def on_tensor_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(F, "conv2d", rounding_convolution)


def photographs(side: int = 128) -> Tensor:
    """Draw two images that are brightened and not in 8 bits, as a resize leaves them."""
    generator = torch.Generator().manual_seed(5)
    coarse = torch.rand(2, 3, 9, 9, generator=generator)
    smooth = F.interpolate(coarse, (side, side), mode="bicubic")
    noise = torch.randn(2, 3, side, side, generator=generator)
    return (0.5 + 0.4 * smooth + 0.004 * noise).clamp(0, 1)


def residual_of(images: Tensor, *, padding: int = 2) -> Tensor:
    """Filter in float64."""
    kernels = srm_kernels().double()
    exact = torch.tensor([4.0, 12.0, 2.0], dtype=torch.double)[:, None, None, None]
    whole = (kernels * exact).round()
    found = plain_convolution(images.double(), whole, padding=padding) / exact[None, :, 0]
    return found.clamp(-3, 3).float()


def test_the_simulation_moves_a_plain_residual_by_a_tenth_of_a_grey_level() -> None:
    images = 255 * photographs()
    plain = rounding_convolution(images, srm_kernels(), padding=2).clamp(-3, 3)
    assert (plain - residual_of(images)).abs().max() > 0.1
    even = rounding_convolution(torch.full((1, 3, 9, 9), 200.3), srm_kernels())
    assert even.abs().max() > 0.03  # brightness, where there is no noise


@pytest.mark.usefixtures("on_tensor_cores")
def test_noise_residuals_are_exact_on_tensor_cores() -> None:
    images = photographs()
    whole = Residuals(128)(images, torch.zeros(2, 1, dtype=torch.long))[:, 0]
    padded = F.pad(images, [2] * 4, mode="reflect")
    expected = residual_of(255 * padded, padding=0) / 3
    torch.testing.assert_close(whole, expected, atol=1e-4, rtol=0)
    for normalised, found in (
        (2 * images - 1, SRM(size="tiny").residual),
        (3 * images - 1.5, SSP(size="tiny").filters),
    ):
        torch.testing.assert_close(found(normalised), residual_of(normalised), atol=1e-5, rtol=0)


@pytest.mark.usefixtures("on_tensor_cores")
def test_the_released_residual_is_exact_on_tensor_cores() -> None:
    vision = ReleaseVision(RELEASE_SHAPES["tiny"])
    images = (photographs(32) * 255).round().repeat(1, 1, 2, 2) / 255  # equal patches: the first
    expected = residual_of(images[..., :32, :32])
    torch.testing.assert_close(vision.residual(images), expected, atol=1e-6, rtol=0)


@pytest.mark.usefixtures("on_tensor_cores")
def test_the_bank_of_patchcraft_is_exact_on_tensor_cores() -> None:
    images = 255 * photographs(64)
    filters, centres = whole_bank()
    total = images.double().sum(dim=1, keepdim=True)
    exact = plain_convolution(total, filters[:, None].double(), padding=2)
    expected = exact / (3 * torch.tensor(centres))[:, None, None]
    found = PatchCraft(size="tiny").bank(images)
    torch.testing.assert_close(found, expected.float(), atol=2e-4, rtol=0)


@pytest.mark.usefixtures("on_tensor_cores")
def test_even_maps_have_no_noise_on_tensor_cores() -> None:
    noise, seen = NoiseOfMaps(4), []
    noise.mix.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    noise(torch.full((1, 4, 9, 9), 2.7182))
    assert torch.equal(seen[0][..., 2:-2, 2:-2], torch.zeros(1, 12, 5, 5))


def test_the_gradient_of_a_residual_is_that_of_the_filters() -> None:
    images = (255 * photographs(32)).requires_grad_()
    residual = PatchCraft(size="tiny").bank(images)
    (found,) = torch.autograd.grad(residual.square().sum(), images)
    filters, centres = whole_bank()
    kernels = (filters[:, None] / torch.tensor(centres)[:, None, None, None] / 3).repeat(1, 3, 1, 1)
    plain = plain_convolution(images, kernels, padding=2)
    (expected,) = torch.autograd.grad(plain.square().sum(), images)
    torch.testing.assert_close(found, expected, atol=5e-3, rtol=1e-4)


@EVERY
def test_half_precision_stops_at_the_features(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given the features of images and texts, no loss and no logit is of fewer bits.
    detector = build(name, untrained=True).eval()
    batch = easy_batch(detector)
    shape = detector.features(batch.inputs).shape
    features = torch.randn(shape, generator=torch.Generator().manual_seed(2))

    monkeypatch.setattr(detector, "features", lambda _: features)
    if isinstance(language := getattr(detector, "language", None), nn.Module):
        texts = torch.randn(language().shape, generator=torch.Generator().manual_seed(3))
        monkeypatch.setattr(language, "forward", lambda: texts)

    def asked() -> list[Tensor]:
        torch.manual_seed(1)
        losses = detector.loss(batch)
        return [detector(batch.inputs), *losses.values()]

    whole = asked()
    with torch.autocast("cpu", torch.bfloat16):
        half = asked()
    for first, second in zip(whole, half, strict=True):
        assert second.dtype == torch.float32
        torch.testing.assert_close(first, second, atol=1e-6, rtol=0)


class Watched(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Refuses copies between the host and the device, for which one waits for the other."""

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        found = func(*args, **(kwargs or {}))
        if func is torch.ops.aten._to_copy.default and not (kwargs or {}).get("non_blocking"):
            assert args[0].device.type == found.device.type, f"a copy to {found.device}"
        if func is torch.ops.aten.copy_.default:
            assert args[1].device.type == found.device.type, f"a copy to {found.device}"
        return found


@pytest.fixture(scope="module")
def fake() -> FakeTensorMode:
    return FakeTensorMode()


def on_a_gpu(detector: Detector, fake: FakeTensorMode) -> Detector:
    """Give every parameter and buffer a place on a GPU, without values."""
    for module in detector.modules():
        for held in (module._parameters, module._buffers):
            for name, tensor in held.items():
                if tensor is None:
                    continue
                with fake:
                    there: Tensor = torch.empty_strided(
                        tensor.shape, tensor.stride(), dtype=tensor.dtype, device="cuda"
                    )
                    if isinstance(tensor, nn.Parameter):
                        there = nn.Parameter(there, requires_grad=tensor.requires_grad)
                held[name] = there  # type: ignore[assignment]
    return detector


@EVERY
def test_nothing_waits_for_a_gpu(
    name: str, fake: FakeTensorMode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Tensor, "pin_memory", lambda values: values)  # for which there must be one
    batch = easy_batch(detector := build(name, untrained=True))
    detector = on_a_gpu(detector, fake)
    with fake:
        there = Batch(
            inputs=torch.empty(batch.inputs.shape, device="cuda"),
            labels=torch.empty(batch.labels.shape, device="cuda"),
            taxa=torch.empty(batch.taxa.shape, device="cuda", dtype=torch.long),
            reals=len(batch.labels) // 2,
        )
    with fake, Watched(), torch.autocast("cuda", torch.bfloat16):  # type: ignore[no-untyped-call]
        detector.eval()
        logits = detector(there.inputs)
        detector.train()
        losses = detector.loss(there)
    assert logits.device.type == "cuda"
    assert {loss.device.type for loss in losses.values()} == {"cuda"}


def test_a_frozen_text_tower_reads_its_prompts_once() -> None:
    options: dict[str, Any] = {"size": "tiny", "taxa": TAXA, "text_encoder": TINY_TEXT}
    detector = MFCLIP(text_tuning="frozen", **options).train()
    reader = detector.language.reader
    assert isinstance(reader, TextReader)
    calls: list[object] = []
    assert isinstance(reader.tower, nn.Module)
    reader.tower.register_forward_hook(lambda *_: calls.append(_))
    batch = easy_batch(detector)
    detector.loss(batch)
    detector.loss(batch)
    assert calls == []
    read = MFCLIP(text_tuning="full", **options)
    read.load_state_dict(detector.state_dict())
    torch.testing.assert_close(detector.language(), read.language())
    # Filled with other weights, it reads again.
    other = MFCLIP(text_tuning="frozen", **options)
    assert not torch.equal(other.language(), detector.language())
    other.load_state_dict(detector.state_dict())
    assert torch.equal(other.language(), detector.language())


@pytest.mark.parametrize("reads", [Tensor.item, Tensor.nonzero, lambda t: t.to("cpu")])
def test_what_reads_a_value_is_found(reads: Any, fake: FakeTensorMode) -> None:
    with fake:
        there = torch.ones((), device="cuda")
        with pytest.raises(Exception), Watched():  # type: ignore[no-untyped-call]  # noqa: B017, PT011
            reads(there)
