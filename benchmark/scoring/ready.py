"""The form in which a trained detector scores: a copy made ready, where its logits are the same."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark.environment import is_out_of_memory
from detectors.base import Detector, Known
from detectors.inference import ready_for_inference

TOLERANCE = 1e-4
"""What a logit of the copy may differ in float32: so much, or that share of one beyond 1."""
# In half precision: nothing that tells good copies from bad ones but this.
_BROKEN = 0.1
_SIDE = 256
# What copying a network of one's own, or a pass through it, may raise.
_UNFIT = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    NotImplementedError,
    RuntimeError,
    TypeError,
    ValueError,
)


class Form(NamedTuple):
    """A detector as it scores.

    Attributes:
        detector: In evaluation mode. It is the one given, or a copy made ready.
        told: Precision and form, for readers; where it is the one given, why.
        fell_back: Whether it is another form than was wanted.
    """

    detector: Detector
    told: str
    fell_back: bool = False


def scoring_form(detector: Detector, precision: str = "float32") -> Form:
    """Give the form in which a trained detector scores.

    That is a copy made ready for inference if its logits of four drawn pictures are the detector's
    own, else the detector as it is. The pictures are always the same, so a model has one form
    whatever it scores, and a run that goes on scores as it began.

    Args:
        detector: Trained, on its device, in evaluation mode.
        precision: One of ``benchmark.environment.PRECISIONS``. In ``bfloat16`` P(fake) may move by
            about a hundredth; what cannot be computed in it scores in float32, which is told.
    """
    if not any(isinstance(each, nn.Conv2d | nn.Linear) for each in detector.modules()):
        return Form(detector, "float32, as trained: it has no layers to make ready")
    if "file" in detector.card.needs or detector.card.sanity:
        return Form(detector, "float32, as trained: it scores more than an image")
    half, why = precision != "float32", ""
    if half:
        form, why = _copied(detector, getattr(torch, precision))
        if form is not None:
            return Form(form, f"{precision}, made ready for inference")
        why = f"; in {precision} {why}"
    form, problem = _copied(detector, torch.float32)
    if form is not None:
        return Form(form, f"float32, made ready for inference{why}", fell_back=half)
    return Form(detector, f"float32, as trained: made ready {problem}{why}", fell_back=True)


def _copied(detector: Detector, dtype: torch.dtype) -> tuple[Detector | None, str]:
    """Copy a detector made ready; None, and why, if its logits are others."""
    try:
        ready = ready_for_inference(detector, dtype)
        own, others = (_logits(each) for each in (detector, ready))
    except _UNFIT as error:
        if is_out_of_memory(error):  # chance must not decide in which form a model scores
            raise
        said = " ".join(str(error).split())[:200]
        return None, f"it raises {type(error).__name__}: {said}"
    if dtype == torch.float32:
        differ, most = (own - others).abs() / own.abs().clamp(min=1), TOLERANCE
    else:
        differ, most = (own.sigmoid() - others.sigmoid()).abs(), _BROKEN
    both_none = own.isnan() & others.isnan()  # no number either way: scoring will tell
    worst = float(differ.masked_fill(both_none, 0.0).max())
    if worst <= most:
        return ready, ""
    what = "logits" if dtype == torch.float32 else "P(fake)"
    return None, f"its {what} differ by {worst:.1e}, over {most:g}"


def _logits(detector: Detector) -> Tensor:
    """Give the (4,) logits of the drawn pictures."""
    with torch.inference_mode():
        inputs = (detector.prepare(picture)[None] for picture in _pictures())
        return torch.cat([detector.answer(each, Known()).float() for each in inputs]).cpu()


def _pictures() -> Tensor:
    """Draw (4, 3, h, w) pictures in [0, 1]: smooth, with structure and noise of several strengths.

    Networks that look at noise see some, and edges are there for those that look at shapes.
    """
    random = torch.Generator().manual_seed(0)
    coarse = torch.rand(4, 3, 8, 8, generator=random)
    smooth = F.interpolate(coarse, (_SIDE, _SIDE), mode="bicubic").clamp(0, 1)
    strength = torch.tensor([0.0, 0.01, 0.03, 0.1]).view(4, 1, 1, 1)
    blocks = F.interpolate(torch.rand(4, 3, 32, 32, generator=random), (_SIDE, _SIDE)) - 0.5
    noise = torch.randn(4, 3, _SIDE, _SIDE, generator=random)
    drawn = smooth + strength * noise + 3 * strength * blocks
    return (drawn.clamp(0, 1) * 255).round() / 255
