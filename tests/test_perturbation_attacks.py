"""White-box attacks keep their bound, work, and depend on the sample alone."""

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
import yaml
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from torch import Tensor

import benchmark
from benchmark.data.images import image_tensor
from benchmark.errors import BenchmarkError, PerturbationError
from benchmark.perturbations.attacks import attacked
from benchmark.study.binding import load_protocols
from benchmark.study.schema import Study, StudyDetector, StudyProtocol
from detectors import CATALOG, create_detector, detector_class
from detectors.base import Detector
from detectors.card import Card
from protocols import ProtocolError, UnknownNameError, load_protocol
from protocols.conditions import Condition, condition
from protocols.schema import Perturbed
from results.attacks import attack_success
from results.errors import ResultError
from results.store import load_scores, read_run
from tests.small_data import SMALL, Small, write_dataset, write_recipe

pytest.importorskip("art", reason="forgerybench[attacks] is not installed")

Pixels = NDArray[np.uint8]
MakePixels = Callable[..., Pixels]
ATTACKS = ["adversarial/fgsm", "adversarial/pgd", "adversarial/apgd"]
LABELS = [True, False, True, False]


class Blind(Small):
    card: ClassVar[Card] = replace(Small.card, name="blind", title="Blind", image_gradient=False)

    def forward(self, inputs: Tensor) -> Tensor:
        return super().forward(inputs.detach())


@pytest.fixture
def images(draw: MakePixels) -> list[Pixels]:
    return [draw(40, 32, seed) for seed in range(3)] + [draw(30, 30, 3)]


@pytest.fixture
def detector(images: list[Pixels]) -> Small:
    """One whose scores of two images are above those of the others, and right for all."""
    for seed in range(100):
        torch.manual_seed(seed)
        found = Small(untrained=True).eval()
        logits = found.logits([image_tensor(image) for image in images])
        low, high = logits[[1, 3]].max(), logits[[0, 2]].min()
        if low < high:
            with torch.no_grad():
                found.head.bias.sub_((low + high) / 2)
            return found
    raise AssertionError("no seed gives such a detector")


def attack(
    name: str, severity: int, images: list[Pixels], detector: Detector, ids: str = "abcd"
) -> list[Pixels]:
    what = condition(name, severity, "model", "test")
    labels = LABELS[: len(images)]
    return attacked(what, images, labels, detector, noise_seed=1, sample_ids=list(ids))


def margins(images: list[Pixels], detector: Small) -> Tensor:
    logits = detector.logits([image_tensor(image) for image in images])
    return logits * torch.tensor([1.0 if label else -1.0 for label in LABELS[: len(images)]])


@pytest.mark.parametrize("severity", [1, 4])
@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_keeps_its_bound_and_works_on_both_classes(
    images: list[Pixels], detector: Small, name: str, severity: int
) -> None:
    before = [image.copy() for image in images]
    found = attack(name, severity, images, detector)
    bound = [1, 2, 4, 8][severity - 1]
    for image, old, new in zip(images, before, found, strict=True):
        np.testing.assert_array_equal(image, old)
        assert new.dtype == np.uint8
        assert np.abs(new.astype(int) - old).max() in ({0, bound} if "apgd" in name else {bound})
    after = margins(found, detector)
    weaker = after < margins(images, detector)
    if name == "adversarial/apgd":  # what withstands comes back with the random start
        assert (after < 0).any()
    else:
        assert weaker.all()


def test_more_steps_find_more(images: list[Pixels], detector: Small) -> None:
    fgsm, pgd, apgd = (margins(attack(name, 2, images, detector), detector) for name in ATTACKS)
    assert pgd.mean() <= fgsm.mean() + 1e-4
    assert (apgd < 0).sum() >= (fgsm < 0).sum() > 0


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_depends_on_the_sample_alone(
    images: list[Pixels], detector: Small, name: str
) -> None:
    together = attack(name, 3, images, detector)
    np.random.seed(7)  # noqa: NPY002 - global state must play no part
    expected = np.random.random()  # noqa: NPY002
    np.random.seed(7)  # noqa: NPY002
    for place in (3, 0, 2, 1):
        what = condition(name, 3, "model", "test")
        alone = attacked(
            what,
            [images[place]],
            [LABELS[place]],
            detector,
            noise_seed=1,
            sample_ids=["abcd"[place]],
        )
        differing = np.abs(alone[0].astype(int) - together[place])
        # A gradient's sign may turn where it is nought but for rounding.
        assert (differing > 0).mean() < 0.01
    assert np.random.random() == expected  # noqa: NPY002


def test_the_weights_and_their_training_stay_as_they_are(
    images: list[Pixels], detector: Small
) -> None:
    weights = [parameter.detach().clone() for parameter in detector.parameters()]
    attack("adversarial/pgd", 4, images, detector)
    for before, parameter in zip(weights, detector.parameters(), strict=True):
        assert torch.equal(before, parameter)
        assert parameter.requires_grad
        assert parameter.grad is None


def test_what_is_found_transfers_to_a_detector_like_the_surrogate(
    images: list[Pixels], detector: Small
) -> None:
    target = copy.deepcopy(detector)
    with torch.no_grad():
        for parameter in target.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    found = attack("adversarial/pgd", 4, images, detector)
    assert margins(found, target).mean() < margins(images, target).mean()


def test_a_detector_without_gradient_is_told(images: list[Pixels]) -> None:
    with pytest.raises(
        PerturbationError,
        match=r"blind gives no gradient with respect to the image.*image_gradient=False",
    ):
        attack("adversarial/fgsm", 1, images, Blind(untrained=True).eval())


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in CATALOG if detector_class(n).card.fit == "gradient"])
def test_a_card_tells_whether_there_is_a_gradient_to_follow(
    images: list[Pixels], name: str
) -> None:
    torch.manual_seed(0)
    taxa = [("real", "real", "real", "real"), ("fake", "EFS", "GAN", "StyleGAN")]
    found = create_detector(name, size="tiny", taxa=taxa, untrained=True).eval()
    try:
        attack("adversarial/fgsm", 1, images[:1], found, "a")
    except PerturbationError:
        assert not found.card.image_gradient
    else:
        assert found.card.image_gradient


def test_an_unknown_attack_is_told(images: list[Pixels], detector: Small) -> None:
    with pytest.raises(UnknownNameError, match="no attack is called 'adversarial/fgms'; did you"):
        attacked(
            Condition("adversarial/fgms", 1, stage="model"),
            images,
            LABELS,
            detector,
            noise_seed=1,
            sample_ids=list("abcd"),
        )


@pytest.mark.slow
def test_a_run_scores_attacks_and_leaves_out_what_has_no_gradient(tmp_path: Path) -> None:
    protocol = load_protocol("adversarial")
    attacks = [Perturbed(perturbation=name, severities=(4,), stage="model") for name in ATTACKS]
    short = protocol.model_copy(update={"name": "short", "conditions": ("clean", *attacks)})
    path = tmp_path / "short.yaml"
    path.write_text(yaml.safe_dump(short.model_dump(mode="json", exclude_defaults=True)))
    wanted = Study(
        name="attacks",
        title="Attacks",
        protocols=(StudyProtocol(protocol=str(path)),),
        detectors=(
            # The weights of the last step: those of the first good ones know no threshold yet.
            StudyDetector(
                detector=SMALL,
                label="small",
                recipe=write_recipe(tmp_path, steps=60, evaluate_every=60),
            ),
            StudyDetector(detector="spectrum"),
            StudyDetector(detector="tests.test_perturbation_attacks:Blind", label="blind"),
        ),
        size="tiny",
        seeds=(0,),
    )
    data = write_dataset(tmp_path / "data", count=8)
    out = tmp_path / "run"
    benchmark.run(wanted, data=data, out=out, store=tmp_path / "store")
    gaps = {entry.detector: entry.gap for entry in read_run(out).entries if entry.model is None}
    why = "attacks follow a gradient, and"
    assert gaps == {
        "spectrum": f"{why} Spectrum is not trained by one (fit: estimator)",
        "blind": f"{why} Blind gives none with respect to the image",
    }
    table = (out / "tables" / "short-attack-success.csv").read_text()
    assert "adversarial/pgd" in table
    scores = load_scores(out)
    scores = scores[scores["sample_id"].str.contains("test")].sort_values("sample_id")
    by_condition = {str(key): table for key, table in scores.groupby("condition")}
    clean = by_condition["clean"]
    fake = clean["sample_id"].str.contains("checker|tint", regex=True).to_numpy()
    before = roc_auc_score(fake, clean["logit"])
    assert before > 0.9
    for what in load_protocol(str(path)).expanded_conditions[1:]:
        found = by_condition[what.key]["logit"]
        success = attack_success(fake, clean["logit"], found)
        assert success is not None
        assert success > 0.3
        assert roc_auc_score(fake, found) < before - 0.2


def transfer(tmp_path: Path, surrogate: str, *detectors: StudyDetector) -> Study:
    stated = load_protocol("adversarial-transfer").model_dump(mode="json", exclude_defaults=True)
    entry = {"perturbation": ATTACKS[1], "severities": [4], "stage": "model"}
    stated |= {"name": "transfer", "conditions": ["clean", entry | {"surrogate": surrogate}]}
    path = tmp_path / "transfer.yaml"
    path.write_text(yaml.safe_dump(stated))
    return Study(
        name="transfer",
        title="Transfer",
        protocols=(StudyProtocol(protocol=str(path)),),
        detectors=detectors,
        size="tiny",
        seeds=(0,),
    )


@pytest.mark.slow
def test_attacks_on_a_surrogate_are_scored_by_all_detectors(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, steps=60, evaluate_every=60)
    blind = StudyDetector(
        detector="tests.test_perturbation_attacks:Blind",
        label="blind",
        options={"width": 12},
        recipe=recipe,
    )
    small = StudyDetector(detector=SMALL, label="small", recipe=recipe)
    data = write_dataset(tmp_path / "data", count=8)
    wanted = transfer(tmp_path, "small", blind, small, StudyDetector(detector="spectrum"))
    out = tmp_path / "run"
    benchmark.run(wanted, data=data, out=out, store=tmp_path / "store")
    assert all(entry.model for entry in read_run(out).entries)
    scores = load_scores(out).set_index(["model", "sample_id", "condition"])["logit"].unstack()
    attacked_at = "adversarial/pgd:small.v1@4[model]"
    scores = scores.dropna()
    fake = scores.index.get_level_values("sample_id").str.contains("checker|tint", regex=True)
    sign = np.where(fake, 1, -1)
    loss = (scores["clean"] - scores[attacked_at]) * sign
    means = loss.groupby(level="model").mean()
    assert len(means) == 3
    assert all(means[model] > 1 for model in means.index if not model.startswith("spectrum"))


def test_a_surrogate_must_be_there_and_have_a_gradient(tmp_path: Path) -> None:
    data = write_dataset(tmp_path / "data", count=2)
    small = StudyDetector(detector=SMALL, label="small", recipe=write_recipe(tmp_path))
    spectrum = StudyDetector(detector="spectrum")
    for surrogate, told in (
        ("xception", r"the surrogate 'xception', which study 'transfer' has 0 times among small"),
        ("spectrum", r"'spectrum' cannot be the surrogate.*not trained by one \(fit: estimator\)"),
    ):
        with pytest.raises(BenchmarkError, match=told):
            benchmark.run(
                transfer(tmp_path, surrogate, small, spectrum),
                data=data,
                out=tmp_path / "run",
                store=tmp_path / "store",
            )
    assert not (tmp_path / "store").exists()


def test_a_surrogate_is_for_attacks_alone() -> None:
    with pytest.raises(
        ValueError, match=r"surrogate is for attacks \(adversarial/\.\.\.\), not real"
    ):
        Perturbed(perturbation="real-world/jpeg", severities=(1,), stage="crop", surrogate="small")


def test_an_attack_at_another_stage_is_refused(tmp_path: Path) -> None:
    protocol = load_protocol("adversarial").model_dump(mode="json", exclude_defaults=True)
    stated = [{"perturbation": ATTACKS[0], "severities": [1], "stage": "crop"}]
    path = tmp_path / "wrong.yaml"
    path.write_text(yaml.safe_dump(protocol | {"name": "wrong", "conditions": stated}))
    wanted = Study(
        name="wrong",
        title="Wrong",
        protocols=(StudyProtocol(protocol=str(path)),),
        detectors=(StudyDetector(detector=SMALL),),
        size="tiny",
        seeds=(0,),
    )
    sentence = r"adversarial/fgsm cannot act at stage crop; say stage: model"
    with pytest.raises(ProtocolError, match=sentence):
        load_protocols(wanted)


def test_success_counts_what_was_right_and_is_wrong() -> None:
    labels = [1, 1, 1, 0, 0]
    clean = [2.0, 1.0, -1.0, -3.0, 1.0]  # right, right, wrong, right, wrong
    found = [-1.0, 1.0, -2.0, 0.5, -4.0]
    assert attack_success(labels, clean, found) == pytest.approx(2 / 3)
    assert attack_success([1], [-1.0], [-2.0]) is None
    with pytest.raises(ResultError, match="3 labels, 2 clean and 3 attacked"):
        attack_success([1, 1, 0], [1.0, 2.0], [1.0, 2.0, 3.0])
