"""The losses between image and language."""

import math
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from detectors.parts.spread import uniformity

Prediction = Literal["kl", "cosine", "release"]
Apart = Literal["margin", "uniformity"]
APART = 0.5  # a cosine that prompts with the same words on some levels may have


def contrastive_loss(scores: Tensor, classes: Tensor, log_weights: Tensor) -> Tensor:
    """Contrast images with the texts of all classes, and texts with the images of a batch.

    Image to text, the mean over images i of class c:
        -log [ e^s[i,c] / (e^s[i,c] + sum over k != c of w[c,k] e^s[i,k]) ]
    Text to image, the mean over the classes k present of the mean over their images i:
        -log [ e^s[i,k] / (e^s[i,k] + sum over images j of classes c != k of w[c,k] e^s[j,k]) ]

    Images of the same class are no negatives of one another, so the floor is 0 whatever the batch
    holds. A weight is never a factor on a logit: that closes the gate on the hard pairs and takes
    their gradient.

    Args:
        scores: (B, K) float32 logits between images and the texts of K classes.
        classes: (B,) int64 class of each image; classes may be absent.
        log_weights: (K, K) ln w of ``SamplePairAttention``, 0 on the diagonal.

    Returns:
        The mean of the two directions, float32 whatever the precision around it, at least 0.
    """
    weighted = scores + log_weights[classes]  # (B, K)
    own = scores.gather(1, classes[:, None]).squeeze(1)  # (B,)
    image_to_text = (weighted.logsumexp(dim=1) - own).mean()

    members = F.one_hot(classes, scores.shape[1]).to(scores.dtype)  # (B, K)
    # A finite floor: a batch of one class has no negatives, and -inf would give NaN gradients.
    floor = torch.finfo(scores.dtype).min / 4
    others = weighted.masked_fill(members.bool(), floor).logsumexp(dim=0)  # (K,)
    each = torch.logaddexp(own, others[classes]) - own  # (B,)
    count = members.sum(dim=0)
    of_class = (members * each[:, None]).sum(dim=0) / count.clamp(min=1)
    text_to_image = of_class.sum() / (count > 0).sum()
    return (image_to_text + text_to_image) / 2


def crowding(text: Tensor) -> Tensor:
    """Measure how far different prompts are alike: 0 where no cosine is over a half.

    The mean over prompts of the sum over others of max(0, cosine - 1/2)^2. Without it the contrast
    may be lowered by making texts equal, which is its least value while images cannot be told
    apart.

    Args:
        text: (K, d) features of K prompts.
    """
    unit = F.normalize(text, dim=1)
    over = (unit @ unit.T - APART).clamp(min=0).square()
    return (over.sum() - over.diagonal().sum()) / len(text)


def apart_loss(text: Tensor, kind: Apart = "margin") -> Tensor:
    """Measure how far the (K, d) features of K prompts are alike.

    ``margin``: ``crowding``. ``uniformity``: ln of the mean over pairs of e^(-2 d^2), from -8
    (opposite) to 0 (equal), which pushes prompts away from one another at any distance.
    """
    if kind == "margin":
        return crowding(text)
    if len(text) < 2:
        return text.sum() * 0  # a single prompt has no other
    return uniformity(F.normalize(text.float(), dim=1))


def diagonal_loss(scores: Tensor) -> Tensor:
    """Contrast (B, B) logits symmetrically: image i belongs to text i, all others are negatives.

    The released contrast: images with the very same text are negatives of one another.
    """
    own = torch.arange(len(scores), device=scores.device)
    return (F.cross_entropy(scores, own) + F.cross_entropy(scores.T, own)) / 2


def released_prediction_loss(predicted: Tensor, text: Tensor) -> Tensor:
    """Give the released prediction loss of (B, d) features.

    The mean over images of sum q (ln q - ln p), p = softmax(predicted / 20) and
    q = 200 softmax(text / 20): no distribution, so 200 ln 200 = 1059.66 of it is constant. The text
    gets a gradient too.
    """
    target = 200 * (text / 20).softmax(dim=1)
    return F.kl_div((predicted / 20).log_softmax(dim=1), target, reduction="batchmean")


def prediction_loss(
    predicted: Tensor, text: Tensor, *, kind: Prediction = "kl", temperature: float = 1.0
) -> Tensor:
    """Ask that the language feature can be told from the image.

    ``kl``: T^2 KL(softmax(z(t) / T) || softmax(z(t^) / T)) with z(x) = sqrt(d) x / ||x||, so
    neither the scale of a feature nor its width sets how sharp the distributions are. ``cosine``:
    one minus the cosine. ``release``: as the release has it. The text is the teacher: detach it to
    give it no gradient.

    Args:
        predicted: (B, d) language features predicted from images.
        text: (B, d) the language features of their prompts.
        kind: Which of them.
        temperature: T of ``kl``.

    Returns:
        The mean over the batch, float32.
    """
    if kind == "cosine":
        return (1 - F.cosine_similarity(predicted.float(), text.float())).mean()
    if kind == "release":
        return released_prediction_loss(predicted.float(), text.float())
    student = _standard(predicted) / temperature
    teacher = _standard(text) / temperature
    log_q, log_p = student.log_softmax(dim=1), teacher.log_softmax(dim=1)
    return temperature**2 * F.kl_div(log_q, log_p, reduction="batchmean", log_target=True)


def _standard(features: Tensor) -> Tensor:
    """Scale (B, d) features to the norm sqrt(d)."""
    return F.normalize(features.float(), dim=1) * math.sqrt(features.shape[1])
