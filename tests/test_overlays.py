"""Overlays: maps where the evidence is, patches where they lie, and no photograph of anyone."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from benchmark.analysis.overlays import _png, activation_map, chosen_patches, overlay
from benchmark.errors import BenchmarkError
from detectors.catalog import create_detector
from leaderboard.report import report
from results.errors import ResultError
from results.overlays import read_overlays, write_overlays
from results.store import read_run, read_samples
from tests.fake_run import make_run
from tests.small_data import Small

TAXA = [("real", "real", "real", "camera"), ("fake", "EFS", "GAN", "StyleGAN")]


class Bright(Small):
    """It calls fake what is bright; its one convolution passes brightness on."""

    def __init__(self) -> None:
        super().__init__(untrained=True)
        nn.init.constant_(self.conv.weight, 0.1)
        nn.init.zeros_(self.get_parameter("conv.bias"))
        nn.init.ones_(self.head.weight)

    def features(self, inputs: Tensor) -> Tensor:
        return self.conv(inputs).mean(dim=(2, 3))  # type: ignore[no-any-return]


def test_a_map_is_bright_where_the_evidence_is() -> None:
    inputs = torch.zeros(2, 3, 24, 24)
    inputs[0, :, :8, :8] = 1.0
    inputs[1, :, 16:, 16:] = 1.0
    maps, logits = activation_map(Bright().eval(), inputs)
    assert maps.shape == (2, 11, 11)
    assert logits.shape == (2,)
    for number, corner in ((0, (0, 0)), (1, (10, 10))):
        assert maps[number].max() == maps[number][corner] == 1.0
        assert maps[number][5, 5] == 0.0


def test_patches_are_the_ones_that_the_noise_branch_takes() -> None:
    detector = create_detector("mfclip", size="tiny", taxa=TAXA, untrained=True).eval()
    inputs = torch.full((2, 3, 128, 128), 0.5)
    inputs[0, :, 32:64, 96:128] = torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(0))
    found = chosen_patches(detector, inputs)
    assert found[0][:3] == [96, 32, 32]
    assert len(found[0]) == 3
    maps, _ = activation_map(detector, inputs)
    assert maps.shape[0] == 2


def test_a_detector_without_convolutions_is_told() -> None:
    detector = create_detector("spectrum", size="tiny", untrained=True)
    with pytest.raises(BenchmarkError, match="spectrum has no convolution whose activations"):
        activation_map(detector.eval(), torch.rand(2, 3, 128, 128))


def test_photographs_are_refused(tmp_path: Path) -> None:
    run = make_run(tmp_path, protocols=["cross-forgery"], detectors=["mfclip"])
    with pytest.raises(BenchmarkError, match="overlays are made of the embedded synthetic set"):
        overlay(run, data="manifest.csv")


def test_a_report_draws_them(tmp_path: Path) -> None:
    run = make_run(tmp_path, protocols=["cross-forgery"], detectors=["mfclip"], synthetic=True)
    names = read_samples(run)[["dataset", "sample_id"]].head(9)
    model = next(str(e.model) for e in read_run(run).entries if e.model)
    table = names.assign(
        image=[_png(torch.rand(3, 32, 32)) for _ in range(9)],
        patches=pd.Series([[0, 8, 8]] * 9, dtype=object),
        map_side=4,
        activation=pd.Series([np.linspace(0, 1, 16, dtype=np.float32)] * 9, dtype=object),
        logit=np.float32(1.5),
    )
    write_overlays(run, model, table)
    page = report(run)
    assert (run / "figures" / f"overlay-{model}.png").is_file()
    assert "Drawn faces of the embedded set" in page.read_text(encoding="utf-8")
    with pytest.raises(ResultError, match="there is no such file"):
        read_overlays(run, "other")
