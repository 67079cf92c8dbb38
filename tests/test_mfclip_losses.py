"""Sample pair attention and the losses of MFCLIP."""

import math
from collections import Counter

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from detectors import DetectorError
from detectors.mfclip.attention import (
    CLASS_MODES,
    LIMIT,
    SamplePairAttention,
    Spa,
    centred,
    log_weights,
)
from detectors.mfclip.losses import contrastive_loss, prediction_loss

K = 4
CLASSES = torch.tensor([0, 0, 0, 1, 2, 2, 3, 0, 1])
SHARED = [[4, 0, 0, 0], [0, 4, 3, 1], [0, 3, 4, 1], [0, 1, 1, 4]]
MODES = pytest.mark.parametrize("mode", CLASS_MODES)


def scores(seed: int = 0) -> Tensor:
    return 3 * torch.randn(len(CLASSES), K, generator=torch.Generator().manual_seed(seed))


def attention(seed: int = 1) -> Tensor:
    return torch.randn(K, K, generator=torch.Generator().manual_seed(seed))


def brute_force(s: Tensor, c: list[int], w: list[list[float]]) -> float:
    """Both directions as written in the docstring, in plain Python."""
    images, e = range(len(c)), [[math.exp(x) for x in row] for row in s.tolist()]

    def image_to_text(i: int) -> float:
        others = sum(w[c[i]][k] * e[i][k] for k in range(K) if k != c[i])
        return -math.log(e[i][c[i]] / (e[i][c[i]] + others))

    def text_to_image(i: int) -> float:
        k = c[i]
        others = sum(w[c[j]][k] * e[j][k] for j in images if c[j] != k)
        return -math.log(e[i][k] / (e[i][k] + others))

    first = sum(map(image_to_text, images)) / len(c)
    of_class = [
        sum(text_to_image(i) for i in images if c[i] == k) / c.count(k) for k in sorted(set(c))
    ]
    return (first + sum(of_class) / len(of_class)) / 2


def test_without_attention_the_loss_is_infonce() -> None:
    found = contrastive_loss(scores(), CLASSES, log_weights(torch.zeros(K, K)))
    plain = brute_force(scores(), CLASSES.tolist(), [[1.0] * K] * K)
    assert found.item() == pytest.approx(plain, abs=1e-5)


def test_with_attention_the_loss_is_as_written() -> None:
    weights = log_weights(attention())
    found = contrastive_loss(scores(), CLASSES, weights)
    reference = brute_force(scores(), CLASSES.tolist(), weights.exp().tolist())
    assert found.item() == pytest.approx(reference, abs=1e-5)
    assert found.item() != pytest.approx(
        brute_force(scores(), CLASSES.tolist(), [[1.0] * K] * K), abs=1e-3
    )


def test_weights_are_one_on_average_and_never_extreme() -> None:
    weights = log_weights(100 * attention()).exp().fill_diagonal_(0)
    torch.testing.assert_close(weights.sum(dim=1), torch.full((K,), K - 1.0))
    off = weights[~torch.eye(K, dtype=torch.bool)].reshape(K, K - 1)
    assert (off.amax(dim=1) / off.amin(dim=1)).max() <= math.exp(2 * LIMIT) + 1e-3


def test_centring_leaves_moderate_weights_as_they_are() -> None:
    small = 0.3 * attention()
    torch.testing.assert_close(log_weights(centred(small)), log_weights(small))
    offset = torch.tensor([[50.0], [-50.0], [0.0], [9.0]])
    torch.testing.assert_close(log_weights(centred(small + offset)), log_weights(small))


def test_the_loss_does_not_depend_on_the_order_of_images() -> None:
    order = torch.randperm(len(CLASSES), generator=torch.Generator().manual_seed(3))
    weights = log_weights(attention())
    torch.testing.assert_close(
        contrastive_loss(scores()[order], CLASSES[order], weights),
        contrastive_loss(scores(), CLASSES, weights),
    )


def test_the_loss_does_not_depend_on_the_order_of_classes() -> None:
    order = torch.tensor([2, 0, 3, 1])
    renamed = order.argsort()[CLASSES]
    swapped = log_weights(attention()[order][:, order])
    torch.testing.assert_close(swapped, log_weights(attention())[order][:, order])
    torch.testing.assert_close(
        contrastive_loss(scores()[:, order], renamed, swapped),
        contrastive_loss(scores(), CLASSES, log_weights(attention())),
    )


@MODES
def test_with_two_classes_attention_does_nothing(mode: Spa) -> None:
    spa = SamplePairAttention(mode, shared=[[1, 0], [0, 4]], beta=5)
    spa.observe(torch.randn(6, 2), torch.tensor([0, 1, 0, 1, 1, 0]))
    assert torch.equal(spa(), torch.zeros(2, 2))


def test_hard_attention_weighs_the_confused_pair_most() -> None:
    spa = SamplePairAttention("hard", shared=SHARED)
    assert torch.equal(spa(), torch.zeros(K, K))
    logits = F.one_hot(CLASSES, K) * 5.0
    logits[CLASSES == 1, 2] = 3.0  # images of class 1 resemble text 2
    for _ in range(5):
        spa.observe(logits, CLASSES)
    assert spa()[1].argmax() == 2
    assert spa()[1, 2] > 0.5
    assert spa()[0].abs().max() < 1e-6


def test_hard_attention_keeps_what_it_knows_of_absent_classes() -> None:
    spa = SamplePairAttention("hard", shared=SHARED)
    spa.observe(scores(), CLASSES)
    before = spa.mean.clone()
    spa.observe(scores(5)[:3], CLASSES[:3])  # class 0 alone
    assert not torch.equal(spa.mean[0], before[0])
    assert torch.equal(spa.mean[1:], before[1:])


def test_fixed_attention_follows_shared_levels() -> None:
    weights = SamplePairAttention("fixed", shared=SHARED)()
    assert weights[1, 2] > weights[1, 3] > weights[1, 0]
    assert weights[0].abs().max() < 1e-6


def test_attention_gets_no_gradient_from_scores() -> None:
    spa = SamplePairAttention("hard", shared=SHARED)
    spa.observe(scores().requires_grad_(), CLASSES)
    assert not spa().requires_grad


@pytest.mark.parametrize("present", [[2], [0, 2], [1, 1, 1, 3]])
def test_absent_classes_make_no_nan(present: list[int]) -> None:
    s = scores()[: len(present)].requires_grad_()
    loss = contrastive_loss(s, torch.tensor(present), log_weights(attention()))
    assert loss.item() == pytest.approx(
        brute_force(s.detach(), present, log_weights(attention()).exp().tolist()), abs=1e-5
    )
    loss.backward()  # type: ignore[no-untyped-call]
    assert s.grad is not None
    assert s.grad.isfinite().all()


def test_the_floor_is_zero_whatever_the_batch_holds() -> None:
    perfect = 40.0 * F.one_hot(CLASSES, K)
    loss = contrastive_loss(perfect, CLASSES, log_weights(attention()))
    assert loss.item() == pytest.approx(0, abs=1e-5)


@MODES
@pytest.mark.parametrize("counts", [(4, 4, 4, 4), (12, 2, 1, 1)])
def test_constant_image_features_cannot_solve_the_contrast(
    mode: Spa, counts: tuple[int, ...]
) -> None:
    classes = torch.arange(K).repeat_interleave(torch.tensor(counts))
    shares = [n / len(classes) for n in Counter(classes.tolist()).values()]
    entropy = -sum(p * math.log(p) for p in shares)
    torch.manual_seed(0)
    image = torch.nn.Parameter(torch.randn(8))
    text = torch.nn.Parameter(torch.randn(K, 8))
    scale = torch.nn.Parameter(torch.tensor(2.0))
    spa = SamplePairAttention(mode, shared=SHARED)
    optimiser = torch.optim.Adam([image, text, scale], lr=0.05)
    lowest = math.inf
    for _ in range(300):
        cosines = F.normalize(image, dim=0) @ F.normalize(text, dim=1).T
        logits = (scale.clamp(max=math.log(100)).exp() * cosines).expand(len(classes), K)
        loss = contrastive_loss(logits, classes, spa())
        spa.observe(logits.detach(), classes)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        lowest = min(lowest, loss.item())
    assert lowest > entropy


def test_the_prediction_loss_is_a_divergence_of_standardised_features() -> None:
    torch.manual_seed(0)
    predicted, text = torch.randn(3, 8, requires_grad=True), torch.randn(3, 8, requires_grad=True)
    loss = prediction_loss(predicted, text, temperature=2.0)
    z = [8**0.5 * x / x.norm(dim=1, keepdim=True) for x in (predicted, text)]
    q, p = ((x / 2).softmax(dim=1) for x in z)
    torch.testing.assert_close(loss, 4 * (p * (p / q).log()).sum(dim=1).mean())
    loss.backward()  # type: ignore[no-untyped-call]
    assert predicted.grad is not None
    assert text.grad is not None, "whether the teacher is detached is the caller's to say"
    assert prediction_loss(7 * text, text).item() == pytest.approx(0, abs=1e-6)


def test_an_unknown_mode_is_refused() -> None:
    with pytest.raises(DetectorError, match=r"spa is one of hard, fixed, .*, not 'soft'"):
        SamplePairAttention("soft", shared=SHARED)  # type: ignore[arg-type]


def test_a_momentum_that_never_moves_is_refused() -> None:
    with pytest.raises(DetectorError, match=r"momentum is in \[0, 1\), not 1"):
        SamplePairAttention("hard", shared=SHARED, momentum=1)
