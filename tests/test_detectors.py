"""The contract that every detector of the catalog keeps, at size tiny.

Scores of an untrained network hardly vary, so that most wrong implementations would pass; what is
said about logits here is said of a briefly trained detector whose logits are shown to vary first.
"""

import copy
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from sklearn.metrics import roc_auc_score

from detectors import (
    CATALOG,
    Card,
    InputError,
    UntrainedDetectorError,
    create_detector,
    detector_class,
)
from detectors.base import Detector, Known
from detectors.card import Need
from detectors.cards import CARDS
from detectors.cards.counts import counts
from detectors.catalog import load_detector
from detectors.files import file_facts
from tests.contract import (
    EVERY,
    NAMES,
    TOLERANCE,
    ask,
    briefly_trained,
    build,
    easy_batch,
    easy_images,
    known_for,
    stored,
    timed_training,
    train,
    varied_logits,
)

SECONDS = 15
# The mean standard deviation of what values are normalised by, and what a card says of it.
SAID = {0.5: "to [-1, 1]", 0.23: "of ImageNet", 0.27: "of CLIP"}
# Trainable parameters at size base with one logit, as papers, public code or timm count them; those
# on CLIP are in tests/test_towers.py, rounded ones beside the networks that they are of.
PUBLISHED = {
    "efficientnet-b4": 19_341_616 - (1792 * 1000 + 1000) + 1793,
    "meso4": 27_977,
    "npr": 1_437_761,
    "resnet50-aug": 25_557_032 - (2048 * 1000 + 1000) + 2049,
    "sbi": 19_341_616 - (1792 * 1000 + 1000) + 1793,
    "ssp": 25_557_032 - (2048 * 1000 + 1000) + 2049,
    "vit": 86_567_656 - (768 * 1000 + 1000) + 769,
    "xception": 22_855_952 - (2048 * 1000 + 1000) + 2049,
}


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    # Two threads that share their cores with other work wait for each other: up to 20 times slower.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@EVERY
def test_a_detector_gives_one_float32_logit_an_image(name: str) -> None:
    detector, images = briefly_trained(name), list(easy_images()[0][:5])
    inputs = torch.stack([detector.prepare(image) for image in images])
    assert inputs.shape == (5, *detector.transform.shape)
    assert inputs.dtype == torch.float32
    with torch.no_grad():
        known = known_for(detector, images)
        logits = detector.answer(inputs, known)
        if known == Known():
            assert torch.equal(logits, detector(inputs))
            features = detector.features(inputs)
            assert features.ndim == 2
            assert len(features) == 5
    assert logits.shape == (5,)
    assert logits.dtype == torch.float32
    torch.testing.assert_close(ask(detector, images), logits, atol=TOLERANCE, rtol=0)


@EVERY
def test_a_score_is_the_float64_sigmoid_of_the_logit(name: str) -> None:
    detector, images = briefly_trained(name), list(easy_images()[0][:4])
    score = detector.score(images, known_for(detector, images))
    assert score.dtype == torch.float64
    assert torch.equal(score, torch.sigmoid(varied_logits(detector, images).double()))


@EVERY
def test_a_score_does_not_depend_on_its_batch(name: str) -> None:
    detector, images = briefly_trained(name), list(easy_images()[0][:7])
    whole = varied_logits(detector, images)
    alone = torch.cat([ask(detector, [image]) for image in images])
    if detector.card.batch_dependent is not None:
        torch.testing.assert_close(whole[:1], alone[:1], atol=TOLERANCE, rtol=0)
        assert (whole - alone).abs().max() > 100 * TOLERANCE, "its card says that scores depend"
        return
    torch.testing.assert_close(whole, alone, atol=TOLERANCE, rtol=0)
    order = [4, 0, 6, 2, 5, 1, 3]
    mixed = ask(detector, [images[i] for i in order])
    torch.testing.assert_close(whole[order], mixed, atol=TOLERANCE, rtol=0)
    crowd = ask(detector, [*easy_images()[0][7:], *images])
    torch.testing.assert_close(whole, crowd[-7:], atol=TOLERANCE, rtol=0)


@EVERY
def test_scoring_repeats_and_leaves_no_mark(name: str) -> None:
    detector, images = briefly_trained(name), list(easy_images()[0][:6])
    before = {key: value.clone() for key, value in detector.state_dict().items()}
    stream = torch.get_rng_state()
    detector.train()
    try:
        first, second = ask(detector, images), ask(detector, images)
        assert detector.training, "logits changed the mode it was called in"
    finally:
        detector.eval()
    assert torch.equal(first, second)
    assert torch.equal(first, ask(detector, images))
    assert torch.equal(stream, torch.get_rng_state())
    for key, value in detector.state_dict().items():
        assert torch.equal(before[key], value), key


@EVERY
def test_one_seed_trains_one_detector(name: str) -> None:
    first, second = (train(build(name), 2).state_dict() for _ in range(2))
    assert first.keys() == second.keys()
    for key, value in first.items():
        assert torch.equal(value, second[key]), key


@EVERY
def test_a_gradient_reaches_every_trainable_parameter(name: str) -> None:
    detector = build(name)
    if detector.card.fit != "gradient":
        assert not [p for p in detector.parameters() if p.requires_grad]
        return
    detector.train()
    batch = easy_batch(detector)
    trainable = {key: p for key, p in detector.named_parameters() if p.requires_grad}
    assert trainable
    reached = set()
    for _ in range(2):  # a low-rank product starts with one factor at 0, which holds up the other
        losses = detector.loss(batch)
        assert all(loss.shape == () and loss.isfinite() for loss in losses.values())
        losses["total"].backward()  # type: ignore[no-untyped-call]
        reached |= {k for k, p in trainable.items() if p.grad is not None and p.grad.abs().sum()}
        torch.optim.SGD(trainable.values(), lr=1e-3).step()
    assert sorted(trainable.keys() - reached) == []
    frozen = [p for p in detector.parameters() if not p.requires_grad]
    assert all(p.grad is None for p in frozen)


@EVERY
@pytest.mark.parametrize("shape", [(64, 64), (1024, 1024), (64, 1024), (1024, 64), (97, 131)])
def test_an_image_of_any_size_is_taken(name: str, shape: tuple[int, int]) -> None:
    detector = briefly_trained(name)
    image = torch.rand(3, *shape, generator=torch.Generator().manual_seed(1))
    prepared = detector.prepare(image)
    assert prepared.shape == detector.transform.shape
    assert prepared.min() >= 0
    assert prepared.max() <= 1
    assert ask(detector, [image]).isfinite().all()


@EVERY
def test_a_saved_detector_gives_the_same_scores(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    detector, images = briefly_trained(name), list(easy_images()[0][:6])
    detector.save_pretrained(tmp_path / "model")

    def refuse(*args: object, **options: object) -> None:
        raise AssertionError("a saved detector is rebuilt with nothing fetched")

    monkeypatch.setattr("huggingface_hub.snapshot_download", refuse)
    for load in (load_detector, type(detector).from_pretrained):
        again = load(tmp_path / "model")
        assert type(again) is type(detector)
        assert not again.training
        assert (again.init, again.taxa, again.size) == (
            detector.init,
            detector.taxa,
            detector.size,
        )
        assert again.transform.hash == detector.transform.hash
        assert torch.equal(varied_logits(detector, images), ask(again, images))
    again.save_pretrained(tmp_path / "copy")
    for file in ("config.json", "model.safetensors"):
        first, second = (tmp_path / folder / file for folder in ("model", "copy"))
        assert first.read_bytes() == second.read_bytes(), file
    assert json.loads((tmp_path / "model" / "config.json").read_text())["detector"] == name


def seeded_loss(detector: Detector) -> float:
    torch.manual_seed(1)
    fresh = copy.deepcopy(detector).train()
    return float(fresh.loss(easy_batch(detector))["total"].detach())


@EVERY
def test_easy_images_are_told_apart(name: str) -> None:
    if CARDS[name].learns_from == "reals":  # it never sees these forgeries: its loss must fall
        assert seeded_loss(briefly_trained(name)) < 0.9 * seeded_loss(build(name))
        return
    images, taxa = easy_images()
    logits = ask(briefly_trained(name), images)
    if CARDS[name].fit == "none":  # nothing is learned, and a random network knows nothing
        assert torch.equal(logits, ask(build(name, untrained=True), images))
        return
    assert roc_auc_score(taxa.numpy() > 0, logits.numpy()) == 1.0
    assert logits[taxa > 0].mean() > 0 > logits[taxa == 0].mean(), "positive must mean fake"


@EVERY
def test_an_untrained_detector_refuses_to_score(name: str, tmp_path: Path) -> None:
    image = easy_images()[0][0]
    detector = build(name)
    said = (
        f"{name} is not trained, so its scores would be noise: train it, load it with "
        r"from_pretrained, or build it with untrained=True"
    )
    for method in (detector.logits, detector.score):
        with pytest.raises(UntrainedDetectorError, match=said):
            method([image])
    assert ask(build(name, untrained=True), [image]).shape == (1,)
    # The permission is the builder's: it does not travel with the weights.
    build(name, untrained=True).save_pretrained(tmp_path / "model")
    with pytest.raises(UntrainedDetectorError, match=said):
        load_detector(tmp_path / "model").logits([image])


@EVERY
def test_a_card_is_complete(name: str) -> None:
    card = detector_class(name).card
    assert isinstance(card, Card)
    assert card.name == name
    texts = [card.title, card.paper, card.fidelity, card.licence, card.pretraining]
    texts.append(card.normalisation)
    assert all(text and text == text.strip() for text in texts)
    assert 2017 <= card.year <= 2026
    assert card.kind in {"spatial", "frequency", "vision-language", "foundation", "floor"}
    assert card.fit in {"gradient", "estimator", "none"}
    assert card.needs <= set(get_args(Need))
    assert "labels" not in card.needs, "a detector that is told the truth is none"


def test_detectors_of_one_input_size_share_the_prepared_tensor() -> None:
    detectors = [briefly_trained(name) for name in NAMES]
    hashes = {detector.transform.size: detector.transform.hash for detector in detectors}
    assert len(set(hashes.values())) == len(hashes)
    image = torch.rand(3, 150, 100, generator=torch.Generator().manual_seed(2))
    for detector in detectors:
        assert detector.transform.hash == hashes[detector.transform.size]
        same = next(d for d in detectors if d.transform.size == detector.transform.size)
        assert torch.equal(detector.prepare(image), same.prepare(image))


@EVERY
def test_an_image_of_the_input_size_is_not_touched(name: str) -> None:
    detector = briefly_trained(name)
    image = torch.rand(3, detector.transform.size, detector.transform.size)
    assert torch.equal(detector.prepare(image), image), "a resize would destroy up-sampling traces"


@EVERY
def test_half_precision_moves_no_logit_far(name: str) -> None:
    detector, images = briefly_trained(name), list(easy_images()[0][:8])
    whole = varied_logits(detector, images)
    with torch.autocast("cpu", torch.bfloat16):
        half = ask(detector, images)
    assert half.dtype == torch.float32
    # bfloat16 keeps 8 bits: a hundredth of the spread of the logits is what it costs a layer.
    assert (half - whole).abs().max() < 0.15 * ask(detector, easy_images()[0]).std()


@EVERY
def test_the_loss_looks_at_the_images_that_its_card_says(name: str) -> None:
    detector = build(name)
    if detector.card.fit != "gradient":
        assert detector.card.learns_from == "both"
        return
    detector.train()
    batch = easy_batch(detector)
    fakes = (batch.labels > 0).view(-1, *[1] * (batch.inputs.ndim - 1))
    other = replace(batch, inputs=torch.where(fakes, 1 - batch.inputs, batch.inputs))
    losses = []
    for each in (batch, batch, other):
        torch.manual_seed(1)
        losses.append(copy.deepcopy(detector).loss(each)["total"])
    assert torch.equal(losses[0], losses[1])
    assert torch.equal(losses[0], losses[2]) == (detector.card.learns_from == "reals")


@EVERY
def test_a_stack_of_images_is_taken_as_their_list(name: str) -> None:
    detector, images = briefly_trained(name), list(easy_images()[0][:3])
    known = known_for(detector, images)
    stack = torch.stack(images)
    assert torch.equal(detector.logits(images, known), detector.logits(stack, known))  # type: ignore[arg-type]


@EVERY
def test_only_a_detector_that_needs_files_looks_at_them(name: str) -> None:
    detector, images = briefly_trained(name), list(easy_images()[0][:4])
    facts = torch.tensor([file_facts(stored(image)) for image in images])
    if "file" in detector.card.needs:
        with pytest.raises(InputError, match=f"{name} looks at the files of images: pass known="):
            detector.logits(images)
        changed = detector.logits(images, Known(facts=facts + 1))
        assert not torch.equal(changed, detector.logits(images, Known(facts=facts)))
        return
    assert torch.equal(detector.logits(images), detector.logits(images, Known(facts=facts)))


@EVERY
def test_a_tiny_detector_trains_in_seconds(name: str) -> None:
    # Of this process alone: what else runs on the machine does not count.
    assert timed_training(name)[1] < SECONDS


@EVERY
def test_a_card_says_how_values_are_normalised(name: str) -> None:
    detector: Any = build(name)
    buffers = dict(detector.named_buffers())
    scales = [buffers.get(key) for key in ("std", "image.deviation", "vision.image.deviation")]
    for scale in scales:
        if scale is not None and scale.ndim > 1:
            assert CARDS[name].normalisation.endswith((SAID[round(float(scale.mean()), 2)], "'s"))


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_base_size_has_the_published_parameters(name: str) -> None:
    with torch.device("meta"):
        detector = create_detector(name, pretrained=False)
    counts = [p.numel() for p in detector.parameters() if p.requires_grad]
    assert sum(counts) == PUBLISHED[name]


@EVERY
def test_the_numbers_on_a_card_are_counted(name: str) -> None:
    said, held = CARDS[name].fidelity, counts()[name]["base"]
    exact = [int(found.replace(",", "")) for found in re.findall(r"\d{1,3}(?:,\d{3})+", said)]
    assert sum(exact) in (0, held.trained), "its parts add up to what is trained"
    for millions in re.findall(r"([\d.]+) M parameters", said):
        digits = len(millions.partition(".")[2])
        assert float(millions) == round(held.parameters / 1e6, digits)


def test_listing_the_detectors_loads_no_torch() -> None:
    code = (
        "import sys, detectors; print(sorted(detectors.CATALOG)); "
        "heavy = {'torch', 'timm', 'transformers', 'sklearn', 'numpy'} & set(sys.modules); "
        "assert not heavy, heavy"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        check=False,
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[1],
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(sorted(CATALOG))
