from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import Tensor

from detectors import WeightsError, create_detector
from detectors.parts.streams import STREAM_BACKBONE, Stream, fill_streams, map_side


def images(channels: int, side: int) -> Tensor:
    return torch.rand(2, channels, side, side, generator=torch.Generator().manual_seed(3))


def entry(stream: Stream, inputs: Tensor) -> Tensor:
    return stream.blocks(stream.stem(stream.stem(inputs, 1), 2), 1, 3)


def write(stream: Stream, path: Path, **changes: Tensor | None) -> str:
    tensors = {**stream.network.state_dict(), "fc.weight": torch.zeros(10, 3), **changes}
    held = {name: t.contiguous() for name, t in tensors.items() if t is not None}
    save_file(held, path)
    return str(path)


def test_run_in_parts_it_is_the_published_network() -> None:
    torch.manual_seed(0)
    published = timm.create_model("legacy_xception", num_classes=0, global_pool="").eval()
    stream = Stream("base").eval()
    stream.network.load_state_dict(published.state_dict())
    inputs = images(3, 71)
    with torch.no_grad():
        torch.testing.assert_close(stream(inputs), published(inputs))


@pytest.mark.parametrize("side", [64, 100, 128, 130])
def test_a_stream_at_half_size_meets_one_at_whole_size(side: int) -> None:
    whole, half = Stream("tiny"), Stream("tiny", channels=6, stride=1)
    first, second = entry(whole, images(3, side)), entry(half, images(6, side // 2 - 1))
    assert first.shape == second.shape == (2, whole.middle, map_side(side), map_side(side))


def test_a_shallow_stream_has_no_middle_flow() -> None:
    with torch.device("meta"):
        counts = [
            sum(p.numel() for p in Stream("base", shallow=shallow).parameters())
            for shallow in (False, True)
        ]
    block = 3 * (728 * 9 + 728 * 728 + 2 * 728)
    assert counts == [20_806_952, 20_806_952 - 8 * block]


def test_one_set_of_weights_fills_streams_of_other_channels(tmp_path: Path) -> None:
    torch.manual_seed(1)
    source = Stream("tiny")
    path = write(source, tmp_path / "x.safetensors")
    streams = [Stream("tiny"), Stream("tiny", channels=6, stride=1), Stream("tiny", shallow=True)]
    assert fill_streams(streams, path, "d").startswith("weights:")
    kernel = source.network.conv1.weight
    assert torch.equal(streams[0].network.conv1.weight, kernel)
    torch.testing.assert_close(streams[1].network.conv1.weight, torch.cat([kernel, kernel], 1) / 2)
    for name, tensor in streams[2].network.state_dict().items():
        assert torch.equal(tensor, source.network.state_dict()[name]), name


def test_weights_that_do_not_fit_are_named(tmp_path: Path) -> None:
    path = write(
        Stream("tiny"),
        tmp_path / "x.safetensors",
        **{"bn1.bias": torch.zeros(5), "bn2.bias": None, "other": torch.zeros(1)},
    )
    said = (
        r"x\.safetensors: 1 tensor is missing: bn2\.bias; 1 tensor is unknown: other; "
        r"1 tensor is of another shape: bn1\.bias$"
    )
    with pytest.raises(WeightsError, match=said):
        fill_streams([Stream("tiny")], path, "d")


@pytest.mark.parametrize("outputs", [1, 2])
def test_a_trained_last_layer_is_never_dropped_without_a_word(outputs: int, tmp_path: Path) -> None:
    layer = torch.zeros(outputs, 3)
    path = write(Stream("tiny"), tmp_path / "x.safetensors", **{"fc.weight": layer})
    said = (
        rf"x\.safetensors: a trained detector, with a last layer of {outputs} outputs?, and "
        r"another network than d, which cannot take that layer: .* last_layer='drop'$"
    )
    with pytest.raises(WeightsError, match=said):
        fill_streams([Stream("tiny")], path, "d")
    assert fill_streams([Stream("tiny")], path, "d", last_layer="drop").startswith("weights:")
    with pytest.raises(WeightsError, match="and another network than srm"):
        create_detector("srm", size="tiny", pretrained=path)
    assert not create_detector("srm", size="tiny", pretrained=path, last_layer="drop").trained


def test_the_published_weights_are_those_of_the_catalogs_xception() -> None:
    assert STREAM_BACKBONE.published == "timm/legacy_xception.tf_in1k"
