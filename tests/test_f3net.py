import math
from pathlib import Path

import pytest
import torch
from scipy.fft import dctn
from torch import Tensor

from detectors import DetectorError, WeightsError
from detectors.f3net import F3Net, FrequencyBands, MixBlock, WindowStatistics


def images(count: int, side: int = 32) -> Tensor:
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(3))


def test_the_three_bands_sum_to_the_image_and_the_fourth_is_it() -> None:
    inputs = images(2)
    split = FrequencyBands(32)(inputs).unflatten(1, (4, 3))
    torch.testing.assert_close(split[:, :3].sum(dim=1), inputs, atol=1e-5, rtol=0)
    torch.testing.assert_close(split[:, 3], inputs, atol=1e-5, rtol=0)


def test_the_bands_hold_a_sixteenth_another_and_the_rest() -> None:
    share = FrequencyBands(256).base.mean(dim=(1, 2, 3))
    assert share.tolist() == pytest.approx([1 / 16, 1 / 16, 7 / 8, 1], abs=5e-3)


def test_a_learned_filter_scales_its_frequency() -> None:
    bands, inputs = FrequencyBands(32), images(1)
    before = bands(inputs).detach()
    with torch.no_grad():
        bands.learned[2, 0, 5, 30] = 2 * math.atanh(0.5)
    change = (bands(inputs) - before).detach()
    assert not change[:, :6].any()
    assert not change[:, 9:].any()
    spectrum = dctn(inputs[0, 0].numpy(), norm="ortho")
    assert change[0, 6].norm() == pytest.approx(0.5 * abs(spectrum[5, 30]), rel=1e-3)


def test_window_statistics_equal_their_formula() -> None:
    inputs = images(1)
    found = WindowStatistics()(inputs)
    assert found.shape == (1, 6, 15, 15)
    luma = 255 * (inputs[0] * torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)).sum(dim=0)
    for i, j in ((2, 2), (4, 9)):
        top, left = 2 * i - 3, 2 * j - 3
        window = dctn(luma[top : top + 10, left : left + 10].numpy(), norm="ortho")
        for band in range(6):
            held = [
                abs(window[u, v])
                for u in range(10)
                for v in range(10)
                if 20 * band / 6 <= u + v < 20 * (band + 1) / 6
            ]
            expected = math.log10(1 + sum(held))
            assert found[0, band, i, j].item() == pytest.approx(expected, abs=1e-4)


def test_a_flat_image_has_no_local_frequencies_but_the_lowest() -> None:
    inner = WindowStatistics()(torch.full((1, 3, 32, 32), 0.7))[..., 2:-2, 2:-2]
    assert inner[:, 0].min() > 2
    assert inner[:, 1:].max() < 1e-2


def test_a_mix_block_passes_each_stream_what_the_other_sees() -> None:
    torch.manual_seed(0)
    block = MixBlock(4).eval()
    first, second = torch.rand(2, 4, 5, 5), torch.rand(2, 4, 5, 5)
    mixed = block(first, second)
    other = block(first, 2 * second)
    for stream, before, after in zip((first, second), mixed, other, strict=True):
        assert before.shape == stream.shape
        assert not torch.allclose(before, after)
    attention = (
        mixed[0] - first - 0.1 * block.get_parameter("pass_on.0.0.bias").view(1, 4, 1, 1)
    ) / second
    attention = attention / (0.1 * block.get_parameter("pass_on.0.0.weight").view(1, 4, 1, 1))
    sums = attention.sum(dim=3)
    torch.testing.assert_close(sums, torch.ones_like(sums), atol=1e-3, rtol=0)


@pytest.mark.parametrize(
    ("branches", "count"), [("both", 48_219_465), ("fad", 21_073_737), ("lfs", 20_810_465)]
)
def test_the_counts_are_those_of_the_card(branches: str, count: int) -> None:
    # Published for the decomposition alone: 22 M, with 1.05 M that are never run.
    with torch.device("meta"):
        detector = F3Net(branches=branches, pretrained=False)  # type: ignore[arg-type]
    assert sum(p.numel() for p in detector.parameters()) == count


@pytest.mark.parametrize("branches", ["fad", "lfs"])
def test_one_branch_works_alone(branches: str) -> None:
    detector = F3Net(size="tiny", branches=branches)  # type: ignore[arg-type]
    assert len(detector.mixing) == 0
    assert detector.eval()(images(2, 96)).shape == (2,)
    assert detector.config()["options"]["branches"] == branches


@pytest.mark.parametrize("side", [64, 90, 130])
def test_any_even_side_is_taken_and_an_odd_one_refused(side: int) -> None:
    assert F3Net(size="tiny", input_size=side).eval()(images(1, side)).shape == (1,)
    with pytest.raises(DetectorError, match=rf"f3net: input_size is even.* got {side + 1}"):
        F3Net(size="tiny", input_size=side + 1)


def test_branches_that_there_are_not_are_refused() -> None:
    with pytest.raises(DetectorError, match="f3net has the branches both, fad and lfs, not 'mix'"):
        F3Net(size="tiny", branches="mix")  # type: ignore[arg-type]


def as_deepfakebench(detector: F3Net) -> dict[str, torch.Tensor]:
    """Name a detector's tensors as DeepfakeBench does, with its fixed parts and two outputs."""
    side = detector.transform.size
    found = {"FAD_head._DCT_all": torch.eye(side), "FAD_head._DCT_all_T": torch.eye(side)}
    total = torch.arange(side)[:, None] + torch.arange(side)
    low, high = side // 2.82, side // 2
    edges = ((0, low), (low, high), (high, 2 * side), (0, 2 * side))
    learned = detector.state_dict()["heads.0.learned"]
    for number, (first, last) in enumerate(edges):
        band = ((first <= total) & (total <= last)).double()
        found[f"FAD_head.filters.{number}.base"] = band
        found[f"FAD_head.filters.{number}.learnable"] = learned[number, 0]
    for name, tensor in detector.state_dict().items():
        if name.startswith("head."):
            both = torch.cat([torch.rand_like(tensor), tensor])
            both[1] += both[0]
            found[name.replace("head.", "backbone.last_linear.1.")] = both
        elif name.startswith("streams.0.network."):
            found[name.replace("streams.0.network.", "backbone.")] = tensor
    return {**found, "backbone.adjust_channel.0.bias": torch.zeros(3)}


def test_deepfakebenchs_f3net_is_the_detector_that_it_was(tmp_path: Path) -> None:
    torch.manual_seed(2)
    trained = F3Net(size="tiny", branches="fad", touching=True, untrained=True).eval()
    trained.heads[0].learned.data.normal_(0, 0.3)  # type: ignore[operator]
    torch.save(as_deepfakebench(trained), tmp_path / "ckpt_best.pth")
    torch.manual_seed(3)
    detector = F3Net(size="tiny", pretrained=str(tmp_path / "ckpt_best.pth"))
    assert detector.trained
    assert (detector.branches, detector.touching) == ("fad", True)
    images = list(torch.rand(2, 3, 96, 96))
    torch.testing.assert_close(detector.logits(images), trained.logits(images))
    detector.save_pretrained(tmp_path / "saved")
    again = F3Net.from_pretrained(tmp_path / "saved")
    assert torch.equal(again.logits(images), detector.logits(images))
    with pytest.raises(
        WeightsError, match="its bands are not those of 64 pixels: pass the input_s"
    ):
        F3Net(size="tiny", input_size=64, pretrained=str(tmp_path / "ckpt_best.pth"))


def test_touching_bands_share_their_edges() -> None:
    apart, touching = (FrequencyBands(96, touching=each).base[:3, 0] for each in (False, True))
    assert torch.equal(apart.sum(0), torch.ones(96, 96))
    total = torch.arange(96)[:, None] + torch.arange(96)
    shared = (total == 96 // 2.82) | (total == 48)
    assert torch.equal(touching.sum(0), 1 + shared.float())
