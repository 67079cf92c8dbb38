import pytest
import torch

from detectors import DetectorError
from detectors.meso import Meso4


def test_it_has_the_papers_parameters() -> None:
    assert sum(p.numel() for p in Meso4(size="base").parameters()) == 27_977


def test_its_features_are_the_sixteen_hidden_units() -> None:
    detector = Meso4(size="base").eval()
    inputs = torch.rand(2, 3, 256, 256, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        features = detector.features(inputs)
        last = detector.head[1]
        assert isinstance(last, torch.nn.Linear)
        expected = features @ last.weight[0] + last.bias[0]
        assert features.shape == (2, 16)
        torch.testing.assert_close(detector(inputs), expected)


def test_its_wrong_options_are_refused() -> None:
    with pytest.raises(DetectorError, match=r"meso4 has no weights .*: leave pretrained out"):
        Meso4(pretrained=True)
    with pytest.raises(DetectorError, match="meso4: input_size is at least 32, not 16"):
        Meso4(input_size=16)
