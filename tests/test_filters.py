import numpy as np
import torch
from scipy.fft import dctn
from torch import Tensor

from detectors.parts.filters import dct_bands, dct_matrix, grey, srm_kernels, whole_bank


def test_the_cosine_matrix_is_the_orthonormal_transform() -> None:
    image = torch.rand(12, 12, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    matrix = dct_matrix(12)
    transformed = matrix @ image @ matrix.T
    np.testing.assert_allclose(transformed, dctn(image.numpy(), norm="ortho"), atol=1e-12)
    torch.testing.assert_close(matrix.T @ transformed @ matrix, image)


def test_bands_split_the_frequencies() -> None:
    bands = dct_bands(10, [0, 3.5, 5, 19])
    assert torch.equal(bands.sum(dim=0), torch.ones(10, 10))
    assert bands[0].sum() == 1 + 2 + 3 + 4  # u + v of 0 to 3
    assert bands[1, 0, 4] == bands[2, 0, 5] == 1


def test_grey_is_the_luma() -> None:
    image = torch.rand(2, 3, 4, 5, generator=torch.Generator().manual_seed(1))
    expected = 0.299 * image[:, :1] + 0.587 * image[:, 1:2] + 0.114 * image[:, 2:]
    torch.testing.assert_close(grey(image), expected)


def bank_of_centre_one() -> Tensor:
    filters, centres = whole_bank()
    assert torch.equal(filters, filters.round())
    return (filters / torch.tensor(centres)[:, None, None])[:, None]


def test_the_bank_is_thirty_different_filters_that_see_no_constant() -> None:
    bank = bank_of_centre_one()
    assert bank.shape == (30, 1, 5, 5)
    assert len({tuple(kernel.flatten().tolist()) for kernel in bank}) == 30
    assert torch.equal(bank[:, 0, 2, 2].abs(), torch.ones(30))
    torch.testing.assert_close(bank.sum(dim=(1, 2, 3)), torch.zeros(30), atol=1e-6, rtol=0)


def test_the_orders_of_difference_vanish_on_what_they_should() -> None:
    place = torch.arange(5, dtype=torch.float32)
    ramp, bowl = (place[:, None] + 2 * place, (place[:, None] + 2 * place) ** 2)
    bank = bank_of_centre_one()[:, 0]
    second, third = bank[8:12], bank[12:20]
    assert ((bank[:8] * ramp).sum(dim=(1, 2)).abs() > 0.5).all()
    assert ((second * ramp).sum(dim=(1, 2)).abs() < 1e-5).all()
    assert ((second * bowl).sum(dim=(1, 2)).abs() > 0.5).all()
    assert ((third * bowl).sum(dim=(1, 2)).abs() < 1e-4).all()


def test_the_common_three_are_of_the_bank() -> None:
    common, bank = srm_kernels(), bank_of_centre_one()
    assert common.shape == (3, 3, 5, 5)
    for kernel, place in zip(common, (20, 25, 8), strict=True):
        assert torch.equal(kernel[0], kernel[2])
        torch.testing.assert_close(kernel[0] / kernel[0, 2, 2].abs(), bank[place, 0])
