import json
import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F

from detectors import InputError, WeightsError
from detectors.base import Batch
from detectors.gend import GenD
from detectors.parts.spread import alignment, uniformity


def sphere(count: int = 6, width: int = 5) -> torch.Tensor:
    return F.normalize(torch.randn(count, width, generator=torch.Generator().manual_seed(1)), dim=1)


def test_alignment_is_the_mean_squared_distance_within_classes() -> None:
    features, labels = sphere(), torch.tensor([0.0, 1, 0, 1, 1, 0])
    pairs = [(i, j) for i in range(6) for j in range(i) if labels[i] == labels[j]]
    wanted = sum(float((features[i] - features[j]).square().sum()) for i, j in pairs) / len(pairs)
    assert float(alignment(features, labels)) == pytest.approx(wanted, abs=1e-6)


def test_uniformity_is_the_log_of_a_mean_over_all_pairs() -> None:
    features = sphere()
    squared = torch.pdist(features).square()
    wanted = math.log(float((-2 * squared).exp().mean()))
    assert float(uniformity(features)) == pytest.approx(wanted, abs=1e-6)


def test_equal_features_have_a_gradient() -> None:
    features = torch.ones(4, 3, requires_grad=True)
    total = alignment(F.normalize(features, dim=1), torch.zeros(4)) + uniformity(features)
    total.backward()  # type: ignore[no-untyped-call]
    assert features.grad is not None
    assert features.grad.isfinite().all()


def test_the_loss_is_the_weighted_sum_of_its_parts() -> None:
    detector = GenD(size="tiny", alignment_weight=0.3, uniformity_weight=0.7)
    labels = torch.tensor([0.0, 1, 0, 1])
    batch = Batch(inputs=torch.rand(4, 3, 128, 128), labels=labels, taxa=labels.long())
    parts = detector.loss(batch)
    logits = detector(batch.inputs)
    torch.testing.assert_close(
        parts["classification"], F.binary_cross_entropy_with_logits(logits, labels)
    )
    total = parts["classification"] + 0.3 * parts["alignment"] + 0.7 * parts["uniformity"]
    torch.testing.assert_close(parts["total"], total)


def test_two_outputs_and_their_cross_entropy_are_one_logit() -> None:
    detector, inputs = GenD(size="tiny"), torch.rand(4, 3, 128, 128)
    labels = torch.tensor([0, 1, 1, 0])
    two_way = F.cross_entropy(detector.head(detector.features(inputs)), labels)
    one = F.binary_cross_entropy_with_logits(detector(inputs), labels.float())
    torch.testing.assert_close(one, two_way)


def test_layer_norms_alone_are_trained_and_features_have_norm_one() -> None:
    detector = GenD(size="tiny")
    trained = {name for name, p in detector.image.named_parameters() if p.requires_grad}
    norms = {"pre_layrnorm", "layer_norm1", "layer_norm2", "post_layernorm"}
    assert {name.split(".")[-2] for name in trained} == norms
    found = detector.features(torch.rand(3, 3, 128, 128)).norm(dim=1)
    torch.testing.assert_close(found, torch.ones(3))


def test_a_single_image_has_no_pair() -> None:
    batch = Batch(
        inputs=torch.rand(1, 3, 128, 128), labels=torch.ones(1), taxa=torch.ones(1).long()
    )
    with pytest.raises(InputError, match="gend's losses are over pairs"):
        GenD(size="tiny").loss(batch)


def as_published(detector: GenD) -> dict[str, Tensor]:
    """Name a detector's tensors as the authors' code does."""
    return {
        name.replace("image.tower.", "feature_extractor.").replace("head.", "model.linear."): tensor
        for name, tensor in detector.state_dict().items()
        if name != "trained"
    }


def published(folder: Path, tensors: dict[str, Tensor], head: str = "LinearNorm") -> str:
    folder.mkdir()
    save_file(tensors, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({"model_type": "GenD", "head": head}))
    return str(folder)


def test_a_published_checkpoint_is_read_and_answers_at_once(tmp_path: Path) -> None:
    torch.manual_seed(2)
    trained, inputs = GenD(size="tiny").eval(), torch.rand(3, 3, 128, 128)
    tensors = as_published(trained)
    tensors["feature_extractor.vision_model.embeddings.position_ids"] = torch.arange(65)
    detector = GenD(size="tiny", pretrained=published(tmp_path / "gend", tensors))
    assert detector.trained
    assert detector.init.startswith("weights:")
    assert torch.equal(detector.eval()(inputs), trained(inputs))
    detector.save_pretrained(tmp_path / "saved")
    assert torch.equal(GenD.from_pretrained(tmp_path / "saved")(inputs), trained(inputs))
    torch.save({"state_dict": tensors}, tmp_path / "gend.ckpt")
    again = GenD(size="tiny", pretrained=str(tmp_path / "gend.ckpt")).eval()
    assert torch.equal(again(inputs), trained(inputs))


def test_another_network_of_its_authors_is_refused_on_both_sides(tmp_path: Path) -> None:
    tensors = as_published(GenD(size="tiny"))
    tensors["feature_extractor.backbone.norm.weight"] = tensors.pop("model.linear.bias")
    said = r"1 tensor is missing: head\.bias; 1 tensor is unknown: image\.tower\.backbone\.norm"
    with pytest.raises(WeightsError, match=said):
        GenD(size="tiny", pretrained=published(tmp_path / "gend", tensors))


def test_a_last_layer_on_features_of_any_norm_is_refused(tmp_path: Path) -> None:
    source = published(tmp_path / "gend", as_published(GenD(size="tiny")), head="linear")
    with pytest.raises(WeightsError, match=r"config\.json says head 'linear', not LinearNorm"):
        GenD(size="tiny", pretrained=source)
