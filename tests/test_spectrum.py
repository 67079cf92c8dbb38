import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from detectors import DetectorError
from detectors.base import Batch
from detectors.spectrum import LEAST_POWER, Spectrum

Array = NDArray[np.float64]


def faces(count: int, *, seed: int, fakes: float = 0.25) -> tuple[Tensor, Tensor]:
    """Draw noise images; a fake is a little noisier, a hard task: its AUC is well below 1."""
    generator = torch.Generator().manual_seed(seed)
    labels = (torch.rand(count, generator=generator) < fakes).float()
    noise = torch.randn(count, 3, 64, 64, generator=generator)
    inputs = 0.5 + (0.1 + 0.003 * labels[:, None, None, None]) * noise
    return inputs.clamp(0, 1), labels


def batches(inputs: Tensor, labels: Tensor, size: int = 50) -> list[Batch]:
    pairs = zip(torch.split(inputs, size), torch.split(labels, size), strict=True)
    return [Batch(inputs=part, labels=real, taxa=real.long()) for part, real in pairs]


def reference_spectra(inputs: Tensor) -> Array:
    """The detector's documented recipe once more, as plain loops over NumPy arrays."""
    rows = []
    for image in inputs.double().numpy():
        grey = 0.299 * image[0] + 0.587 * image[1] + 0.114 * image[2]
        side = len(grey)
        log_power = np.log(np.abs(np.fft.fft2(grey) / side) ** 2 + 1e-8)
        sums: dict[int, list[float]] = {}
        for i in range(side):
            for j in range(side):
                u, v = (k if k < side / 2 else k - side for k in (i, j))
                sums.setdefault(math.isqrt(u * u + v * v), []).append(log_power[i, j])
        rows.append([np.mean(sums[r]) for r in sorted(sums)])
    return np.array(rows)


def test_it_equals_its_reference() -> None:
    train, labels = faces(150, seed=0)
    test, truth = faces(100, seed=1)
    detector = Spectrum(input_size=64)
    detector.fit(batches(train, labels), [])
    reference = make_pipeline(
        StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=10_000)
    )
    reference.fit(reference_spectra(train), labels.numpy())
    expected = reference.decision_function(reference_spectra(test))
    logits = detector(test).numpy()
    assert expected.std() > 0.1
    np.testing.assert_allclose(logits, expected, atol=1e-3)
    auc = roc_auc_score(truth, expected)
    assert 0.6 < auc < 0.99
    assert abs(roc_auc_score(truth, logits) - auc) < 0.01


def test_the_spectrum_of_an_odd_side_equals_the_reference() -> None:
    inputs = torch.rand(2, 3, 33, 33, generator=torch.Generator().manual_seed(0))
    spectra = Spectrum(input_size=33).spectrum(inputs).numpy()
    assert spectra.shape == (2, math.floor(math.hypot(16, 16)) + 1)
    np.testing.assert_allclose(spectra, reference_spectra(inputs), atol=1e-9)


def test_a_wave_shows_at_its_frequency() -> None:
    wave = 0.5 + 0.4 * torch.cos(torch.arange(128) * 2 * math.pi * 17 / 128)
    detector = Spectrum(size="tiny")
    for image in (wave.expand(3, 128, 128), wave[:, None].expand(3, 128, 128)):
        spectrum = detector.spectrum(image[None])[0]
        assert spectrum[1:].argmax() == 16  # r = 17, counted from 1
    # Up-sampling by two leaves a checkerboard: the highest frequency there is.
    line = torch.arange(128) % 2
    board = 0.5 + 0.1 * (line[:, None] ^ line[None, :])
    spectrum = detector.spectrum(board.expand(1, 3, 128, 128))[0]
    assert spectrum[1:].argmax() == len(spectrum) - 2
    assert len(spectrum) - 1 == math.floor(128 / math.sqrt(2))


def test_a_flat_image_has_the_floor_at_every_frequency_but_zero() -> None:
    spectrum = Spectrum(size="tiny").spectrum(torch.full((1, 3, 128, 128), 0.5))[0]
    expected = torch.full((90,), math.log(LEAST_POWER), dtype=torch.float64)
    torch.testing.assert_close(spectrum[1:], expected)
    assert spectrum[0] == pytest.approx(math.log((0.5 * 128) ** 2))


def test_a_shifted_image_has_the_same_spectrum() -> None:
    image = torch.rand(1, 3, 128, 128, generator=torch.Generator().manual_seed(0))
    detector = Spectrum(size="tiny")
    moved = detector.spectrum(image.roll((5, 40), dims=(2, 3)))
    torch.testing.assert_close(moved, detector.spectrum(image), atol=1e-9, rtol=0)


def test_the_fit_does_not_depend_on_the_batches() -> None:
    train, labels = faces(60, seed=2)
    fitted = []
    for size in (7, 60):
        detector = Spectrum(input_size=64)
        detector.fit(batches(train, labels, size), [])
        fitted.append(detector(train))
    torch.testing.assert_close(*fitted, atol=1e-5, rtol=0)


def test_fit_tells_what_it_did_and_marks_the_detector_trained() -> None:
    train, labels = faces(60, seed=2)
    detector = Spectrum(input_size=64)
    assert not detector.trained
    facts = detector.fit(batches(train, labels), batches(*faces(30, seed=3)))
    assert detector.trained
    assert facts.keys() == {"images", "iterations", "train_accuracy", "val_accuracy"}
    assert facts["images"] == 60
    right = ((detector(train) > 0) == (labels > 0.5)).double().mean()
    assert facts["train_accuracy"] == pytest.approx(right.item())
    assert "val_accuracy" not in detector.fit(batches(train, labels), [])


def test_validation_images_do_not_move_the_fit() -> None:
    train, labels = faces(60, seed=2)
    with_val, without = Spectrum(input_size=64), Spectrum(input_size=64)
    with_val.fit(batches(train, labels), batches(*faces(30, seed=3)))
    without.fit(batches(train, labels), [])
    assert torch.equal(with_val(train), without(train))


def test_a_frequency_that_never_varies_does_no_harm() -> None:
    base = torch.full((8, 3, 32, 32), 0.25)
    base[4:] += 0.25
    labels = torch.tensor([0.0] * 4 + [1.0] * 4)
    detector = Spectrum(input_size=32)
    detector.fit(batches(base, labels), [])
    logits = detector(base)
    assert logits.isfinite().all()
    assert logits[4:].min() > logits[:4].max()


def test_an_unfitted_detector_knows_nothing() -> None:
    detector = Spectrum(size="tiny", untrained=True)
    image = torch.rand(3, 128, 128, generator=torch.Generator().manual_seed(0))
    assert detector.logits([image]).tolist() == [0.0]


@pytest.mark.parametrize(
    ("labels", "have"),
    [([0.0, 0.0], "2 real and 0 fake"), ([1.0], "0 real and 1 fake"), ([], "0 real and 0 fake")],
)
def test_one_class_cannot_be_fitted(labels: list[float], have: str) -> None:
    inputs = torch.rand(len(labels), 3, 64, 64)
    train = batches(inputs, torch.tensor(labels)) if labels else []
    detector = Spectrum(input_size=64)
    with pytest.raises(DetectorError, match=f"spectrum needs real and fake .*: got {have}"):
        detector.fit(train, [])
    assert not detector.trained


def test_there_are_no_weights_to_start_from() -> None:
    with pytest.raises(DetectorError, match="spectrum has no pretrained weights"):
        Spectrum(pretrained=True)


def test_the_sizes_are_inputs_of_128_and_256() -> None:
    assert Spectrum(size="tiny").transform.size == 128
    assert Spectrum(size="base").transform.size == 256
    assert len(Spectrum(size="base").coef) == math.floor(256 / math.sqrt(2)) + 1
