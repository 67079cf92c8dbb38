"""Forward passes: what does not fit is halved, and the device is waited for once."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from benchmark.errors import BenchmarkError
from benchmark.progress import Progress
from benchmark.scoring import forward
from benchmark.scoring.forward import Forward
from detectors.base import Known
from tests.small_data import Small


class Told(Progress):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


class Tight(Small):
    """Has memory for so many images at once, and takes down how many it was given."""

    most = 5
    error: Exception = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.")

    def answer(self, inputs: Tensor, known: Known) -> Tensor:
        self.given.append(len(inputs))
        if len(inputs) > self.most:
            raise self.error
        return super().answer(inputs, known)

    @property
    def given(self) -> list[int]:
        found: list[int] = self.__dict__.setdefault("_given", [])
        return found


def tight(most: int) -> Tight:
    torch.manual_seed(1)
    detector = Tight(untrained=True).eval()
    detector.most = most
    return detector


def images(count: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return list(torch.rand(count, 3, 24, 24, generator=generator))


@pytest.mark.parametrize(
    "error",
    [
        Tight.error,
        RuntimeError("[enforce fail] . DefaultCPUAllocator: can't allocate memory: 9 bytes"),
    ],
)
def test_a_batch_that_does_not_fit_is_halved_and_the_scores_are_the_same(error: Exception) -> None:
    told, inputs = Told(), images(21)
    detector = tight(5)
    detector.error = error
    forward_passes = Forward(16, told)
    found = forward_passes.logits(detector, inputs, Known())
    assert detector.given == [16, 8, 4, 4, 4, 4, 4, 1]
    whole = Forward(16, told).logits(tight(99), inputs, Known())
    np.testing.assert_allclose(found, whole, atol=1e-6)
    assert found.dtype == np.float32
    assert told.notes[1] == (
        "Small: 8 images do not fit into the memory of cpu; it goes on with 4 at once"
    )
    detector.given.clear()
    forward_passes.logits(detector, inputs[:9], Known())
    assert detector.given == [4, 4, 1]  # what does not fit is not tried again


def test_another_error_stops_at_once() -> None:
    detector = tight(5)
    detector.error = RuntimeError("shapes differ")
    with pytest.raises(RuntimeError, match="shapes differ"):
        Forward(16, Told()).logits(detector, images(8), Known())
    assert detector.given == [8]


def test_what_is_known_stays_with_its_image_in_halves() -> None:
    class Oracle(Tight):
        def answer(self, inputs: Tensor, known: Known) -> Tensor:
            super().answer(inputs, known)
            assert known.labels is not None
            return known.labels

    detector = Oracle(untrained=True).eval()
    detector.most = 3
    labels = torch.arange(10.0)
    found = Forward(8, Told()).logits(detector, images(10), Known(labels=labels))
    assert found.tolist() == labels.tolist()


def test_one_image_that_does_not_fit_is_an_error() -> None:
    with pytest.raises(BenchmarkError, match=r"Small: one image of 24 pixels .* memory of cpu"):
        Forward(4, Told()).logits(tight(0), images(4), Known())


def test_parts_that_belong_together_are_never_halved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forward, "pinned", lambda _: 6)
    detector = tight(5)
    with pytest.raises(BenchmarkError, match="6 images, which belong together, of 24 pixels"):
        Forward(16, Told()).logits(detector, images(12), Known())
    assert detector.given == [6]


def test_the_device_is_waited_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[str] = []

    def counted(name: str) -> None:
        real = getattr(Tensor, name)

        def wait(self: Tensor, *rest: object) -> object:
            waits.append(name)
            return real(self, *rest)

        monkeypatch.setattr(Tensor, name, wait)

    for name in ("cpu", "numpy", "item", "tolist", "nonzero"):
        counted(name)
    inputs: Sequence[Tensor] = images(40)
    found = Forward(4, Told()).logits(tight(99), inputs, Known())
    assert waits == ["cpu", "numpy"]
    assert found.shape == (40,)
