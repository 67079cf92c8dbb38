"""The options of MFCLIP: its controls, its ablations, the release's defects put back."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark.training.optim import gradient_norms
from detectors import DetectorError, InputError, Taxon
from detectors.catalog import load_detector
from detectors.mfclip.attention import PLACES, PairTable, SamplePairAttention, log_weights
from detectors.mfclip.losses import prediction_loss
from detectors.mfclip.native import WithNative, halves
from detectors.mfclip.patches import choose, homogeneity
from detectors.mfclip.prompts import prompt_of, prompts_of
from detectors.mfclip.vision import ScratchImage
from detectors.parts.clip import Tuning
from detectors.transform import Transform
from tests.test_mfclip import TAXA, batch_of, build, every_taxon, images_of, train

TOWER = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
TOWER |= {"num_attention_heads": 2, "projection_dim": 24}
CLIP = {
    "image_encoder": {**TOWER, "image_size": 64, "patch_size": 16},
    "text_encoder": {**TOWER, "vocab_size": 49_408},
}
KINDS = [Taxon(*taxon) for taxon in TAXA]
OPTIONS: list[dict[str, Any]] = [
    {"language": "none"},
    {"fle": "concat308"},
    {"fle": "table"},
    {"fle": "release"},
    {"fle": "orthonormal"},
    {"centred": False},
    {"input_size": 64},
    {"slope": "cosine", "scale_limit": 20.0},
    {"spa": "learned-max"},
    {"spa": "learned-min"},
    {"spa": "table24"},
    {"noise_choice": "poorest"},
    {"noise_choice": "random"},
    {"noise_choice": "centre"},
    {"noise_choice": "whole"},
    {"noise_choice": "none"},
    {"noise_input": "native"},
    {"noise_units": 1},
    {"noise_choice": "none", "widened": True},
    {"resize": "aliased"},
    {"positions": "row"},
    {"prompts": "permuted"},
    {"prompts": "nonsense"},
    {"prediction": "cosine"},
    {"prediction": "release", "train_teacher": True},
]


def named(options: dict[str, Any]) -> str:
    return "-".join(map(str, options.values()))


@pytest.mark.parametrize("options", OPTIONS, ids=named)
def test_every_option_trains_scores_and_is_saved(options: dict[str, Any], tmp_path: Path) -> None:
    detector = build(**options)
    batch = batch_of(every_taxon(2))
    images = list(images_of(torch.tensor([0, 1, 2, 3])))
    if {"noise_input", "input_size"} & options.keys():
        batch = type(batch)(
            inputs=torch.stack([detector.prepare(image) for image in batch.inputs]),
            labels=batch.labels,
            taxa=batch.taxa,
        )
    optimiser = torch.optim.AdamW(detector.parameters(), lr=5e-4)
    for _ in range(2):  # what starts at zero gets its gradient after the first step
        optimiser.zero_grad()
        detector.train().loss(batch)["total"].backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    trained = [(n, p) for n, p in detector.named_parameters() if p.requires_grad]
    dead = [n for n, p in trained if p.grad is None or not p.grad.any()]
    assert dead == []
    detector.mark_trained()
    whole = detector.eval().logits(images)
    if detector.card.batch_dependent is None:
        alone = torch.cat([detector.logits([image]) for image in images])
        torch.testing.assert_close(whole, alone, atol=1e-5, rtol=0)
    detector.save_pretrained(tmp_path / "saved")
    assert torch.equal(load_detector(tmp_path / "saved").logits(images), whole)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"noise_choice": "best"}, "noise_choice is one of richest, poorest, .*, not 'best'"),
        ({"noise_input": "raw"}, "noise_input is one of resized, native, not 'raw'"),
        ({"noise_units": 2}, "noise_units is 255 or 1, not 2"),
        ({"resize": "cubic"}, "resize is one of antialiased, aliased, not 'cubic'"),
        ({"resize": "aliased", "noise_input": "native"}, "native is not resized"),
        ({"positions": "batch"}, "positions is one of patch, row, not 'batch'"),
        ({"positions": "row", "image_encoder": CLIP["image_encoder"]}, "positions='row' is for"),
        ({"widened": True, "noise_choice": "none", **CLIP}, "widened=True is for image_encoder"),
        ({"widened": True}, "widened=True .*: use it with noise_choice='none'"),
        ({"language": "text"}, "language is one of prompts, none, not 'text'"),
        ({"prompts": "random"}, "prompts is one of taxonomy, permuted, nonsense, not 'random'"),
        ({"prediction": "mse"}, "prediction is one of kl, cosine, release, not 'mse'"),
        ({"image_tuning": "lora"}, "image_tuning='lora' is for a CLIP tower"),
        ({"text_tuning": "half"}, "text_tuning is one of full, frozen, lora, layernorm"),
        ({"text_encoder": CLIP["text_encoder"], "fle": "table"}, "leave text_encoder at 'scratch'"),
        ({"slope": "step"}, "slope is one of logit, cosine, not 'step'"),
        ({"scale_limit": 0.5}, "scale_limit is 1 to 1000 per cosine, not 0.5"),
        ({"input_size": 16}, "mfclip: input_size is 32 or more, not 16"),
        ({"wording": {"label": {}}}, "wording is of forgery, family and generator, not 'label'"),
        ({"wording": {"family": {"GAN": 3}}}, "wording of family maps names to texts"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(DetectorError, match=message):
        build(**options)


@pytest.mark.parametrize("size", ["tiny", "base"])
def test_a_widened_image_branch_has_the_parameters_of_both(size: str) -> None:
    def count(**options: Any) -> int:
        with torch.device("meta"):
            detector = build(size=size, language="none", **options)
        return sum(p.numel() for p in detector.parameters() if p.requires_grad)

    full, alone = count(), count(noise_choice="none")
    widened = count(noise_choice="none", widened=True)
    assert alone < 0.95 * full
    assert widened == pytest.approx(full, rel=0.02)


def test_positions_of_rows_make_a_score_depend_on_its_place(tmp_path: Path) -> None:
    detector = build(positions="row")
    train(detector, 2)
    image = images_of(torch.tensor([1]))[0]
    found = detector.logits([image] * 30)
    assert found[:24].std() > 1e-3
    torch.testing.assert_close(found[24:], found[:6], atol=1e-5, rtol=0)
    detector.save_pretrained(tmp_path / "saved")
    loaded = load_detector(tmp_path / "saved")
    assert loaded.card.batch_dependent == 24
    assert build().card.batch_dependent is None
    with pytest.raises(InputError, match="has 24 places, the batch 30 images: use a recipe"):
        detector(images_of(torch.tensor([1] * 30)))


def test_the_patches_of_an_image_share_its_row() -> None:
    detector = build(positions="row", k=2)
    assert detector.vision.noise is not None
    summary = detector.vision.noise.summary
    with torch.no_grad():
        summary.positions[1:] += 1
    tokens = torch.zeros(4, 16, summary.enter.in_features)
    found = summary(tokens)
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[2], found[3])
    assert not torch.equal(found[0], found[2])


def test_only_a_resize_without_anti_aliasing_turns_fine_detail_into_noise() -> None:
    image = (torch.arange(384) % 2).float().expand(3, 384, 384)  # stripes of one pixel
    smooth, aliased = (build(resize=r).prepare(image) for r in ("antialiased", "aliased"))
    assert smooth.std() < 0.2 * aliased.std()
    fitting = images_of(torch.tensor([0]))[0]
    assert torch.equal(build(resize="aliased").prepare(fitting), fitting)
    assert build(resize="aliased").transform.hash != Transform(128).hash


def test_a_transposed_image_is_the_same_task_to_an_encoder_from_scratch() -> None:
    """So that defect has no row in the ablation: transposed filters and positions undo it."""
    plain, other = (build().eval().vision.image for _ in range(2))
    assert isinstance(plain, ScratchImage)
    assert isinstance(other, ScratchImage)
    with torch.no_grad():
        for layer in other.cnn:
            if isinstance(layer, nn.Conv2d):
                layer.weight.copy_(layer.weight.transpose(2, 3).clone())
        places = other.summary.positions[1:].reshape(4, 4, -1).transpose(0, 1).flatten(0, 1)
        other.summary.positions[1:] = places.clone()
        images = images_of(torch.tensor([0, 1, 2]))
        torch.testing.assert_close(other(images.transpose(2, 3)), plain(images))
        assert not torch.allclose(plain(images.transpose(2, 3)), plain(images), atol=1e-3)


def test_without_language_there_is_cross_entropy_alone() -> None:
    detector = build(language="none")
    assert set(detector.loss(batch_of(every_taxon(1)))) == {"ce", "total"}
    assert not [n for n, _ in detector.named_parameters() if n.startswith(("language", "spa"))]


@pytest.mark.parametrize("tuning", ["frozen", "lora", "layernorm", "full"])
def test_tuning_says_what_of_a_tower_is_trained(tuning: Tuning, tmp_path: Path) -> None:
    detector = build(**CLIP, image_tuning=tuning, text_tuning=tuning)
    before = {n: p.detach().clone() for n, p in detector.named_parameters()}
    train(detector, 2)
    tower = detector.vision.image.tower
    assert isinstance(tower, nn.Module)
    assert detector.train().vision.image.training == (tuning != "frozen")
    towers = ("vision.image.tower.", "language.reader.tower.")
    moved = {n for n, p in detector.named_parameters() if not torch.equal(p, before[n])}
    moved = {n for n in moved if n.startswith(towers)}
    mark = {"frozen": "no such", "lora": "lora_", "layernorm": "norm", "full": ""}[tuning]
    assert all(mark in name for name in moved)
    assert bool(moved) == (tuning != "frozen")
    images = list(images_of(torch.tensor([0, 1])))
    detector.save_pretrained(tmp_path / "saved")
    loaded = load_detector(tmp_path / "saved")
    assert torch.equal(loaded.logits(images), detector.eval().logits(images))


def test_the_released_reading_cannot_tell_prompts_of_one_first_level() -> None:
    with torch.no_grad():
        text = build(fle="release").language()
    assert torch.equal(text[1], text[2])
    assert not torch.equal(text[0], text[1])


def test_reading_the_whole_concatenation_tells_them() -> None:
    with torch.no_grad():
        text = F.normalize(build(fle="concat308").language(), dim=1)
    assert (text @ text.T).fill_diagonal_(-1).max() < 0.98


def test_permuted_prompts_are_the_same_ones_elsewhere() -> None:
    plain, permuted = prompts_of(KINDS), prompts_of(KINDS, control="permuted")
    assert set(plain.distinct) == set(permuted.distinct)
    assert plain.class_of_taxon == permuted.class_of_taxon
    pairs = zip(plain.distinct, permuted.distinct, strict=True)
    assert all(own != other for own, other in pairs)


def test_nonsense_prompts_agree_where_the_prompts_did() -> None:
    plain, nonsense = prompts_of(KINDS), prompts_of(KINDS, control="nonsense")
    assert plain.shared_levels() == nonsense.shared_levels()
    assert len(set(nonsense.packed())) == len(plain.packed())
    words = {word for text in plain.packed() for word in text.replace(",", "").split()}
    assert not words & set(" ".join(nonsense.packed()).replace(",", "").split())


def test_a_generator_and_a_forgery_of_ones_own_are_said() -> None:
    mine = Taxon("fake", "MO", "flow", "sd15")
    assert prompt_of(mine._replace(forgery="FS"))[3][1].endswith("is sd15")
    wording = {
        "forgery": {"MO": "a photo of a morphed face"},
        "generator": {"sd15": "Stable Diffusion 1.5"},
    }
    assert prompts_of([KINDS[0], mine], wording=wording).packed()[1] == (
        "a photo of a fake face, a photo of a morphed face, a photo generated by the flow-based "
        "model, the source generative model of this photo is Stable Diffusion 1.5"
    )
    with pytest.raises(DetectorError, match=r"no prompt for the forgery 'MO'.*wording adds others"):
        prompt_of(mine)


@pytest.mark.parametrize(("mode", "sign"), [("learned-max", 1), ("learned-min", -1)])
def test_learned_attention_goes_for_or_against_the_hard_pair(mode: Any, sign: int) -> None:
    attention = SamplePairAttention(mode, shared=[[0] * 4] * 4)
    scores = torch.tensor([[5.0, 4.0, 0.0, 0.0]] * 4)
    optimiser = torch.optim.SGD(attention.parameters(), lr=1.0)
    for _ in range(20):
        own = scores[:, 0] - (scores + attention()[0]).logsumexp(dim=1)
        optimiser.zero_grad()
        (-own.mean()).backward()
        optimiser.step()
    weights = attention()[0].exp()
    assert sign * (weights[1] - weights[2]) > 0.5
    assert weights[1:].mean().item() == pytest.approx(1)


def test_learned_attention_decays_where_nothing_pulls() -> None:
    attention = SamplePairAttention("learned-max", shared=[[0] * 3] * 3)
    nn.init.ones_(attention.attention)
    (attention() * 0).sum().backward()
    assert attention.attention.grad is not None
    torch.testing.assert_close(attention.attention.grad, torch.full((3, 3), 0.05))


def test_the_released_table_takes_24_images_at_most() -> None:
    table = PairTable()
    assert table(torch.ones(PLACES, PLACES)).mean() == 0.5
    with pytest.raises(InputError, match="has 24 places, the batch 25 images"):
        table(torch.ones(25, 25))


def test_the_released_table_is_solved_without_looking() -> None:
    """Constant image features: the repaired contrast stays over the prior, the table does not."""
    table, scale = PairTable(), torch.tensor(14.3)
    text = F.normalize(torch.randn(24, 8, generator=torch.Generator().manual_seed(0)), dim=1)
    vision = F.normalize(text.mean(dim=0), dim=0).expand(24, -1)
    optimiser = torch.optim.Adam(table.parameters(), lr=0.3)
    own = torch.arange(24)
    for _ in range(200):
        pairs = table(scale * (vision @ text.T).abs())
        loss = (F.cross_entropy(pairs, own) + F.cross_entropy(pairs.T, own)) / 2
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    assert loss < 0.5 * np.log(24)
    assert torch.equal(log_weights(torch.zeros(5, 5)), torch.zeros(5, 5))


def test_the_teacher_moves_only_if_asked() -> None:
    for train_teacher in (False, True):
        detector = build(train_teacher=train_teacher)
        losses = detector.loss(batch_of(every_taxon(1)))
        norms = gradient_norms({"kl": losses["kl"]}, detector.language.parameters())
        assert (norms["kl"] > 0) == train_teacher


def test_the_cosine_loss_is_zero_at_the_text() -> None:
    text = torch.randn(3, 8, generator=torch.Generator().manual_seed(0))
    assert prediction_loss(2 * text, text, kind="cosine").item() == pytest.approx(0, abs=1e-6)
    assert prediction_loss(-text, text, kind="cosine").item() == pytest.approx(2)


def uneven() -> Tensor:
    generator = torch.Generator().manual_seed(4)
    strength = torch.rand(5, 1, 4, 4, generator=generator).repeat_interleave(16, 2)
    noise = torch.rand(5, 3, 64, 64, generator=generator)
    return (0.5 + 0.4 * strength.repeat_interleave(16, 3) * (noise - 0.5)).clamp(0, 1)


def test_patches_are_chosen_as_asked() -> None:
    images = uneven()
    evenness = homogeneity(images, 16)
    assert torch.equal(choose(images, 16, 1, "poorest")[:, 0], evenness.argmax(dim=1))
    assert torch.equal(choose(images, 16, 1, "richest")[:, 0], evenness.argmin(dim=1))
    assert choose(images, 16, 4, "centre").sort(dim=1).values.tolist() == [[5, 6, 9, 10]] * 5


def test_a_random_patch_is_the_images_own() -> None:
    images = uneven()
    places = choose(images, 16, 3, "random")
    assert torch.equal(choose(images[2:4], 16, 3, "random"), places[2:4])
    assert len(set(places.flatten().tolist())) > 4
    assert all(len(set(row)) == 3 for row in places.tolist())


def test_native_pixels_are_not_resampled() -> None:
    image = torch.rand(3, 300, 200, generator=torch.Generator().manual_seed(0))
    prepared = WithNative(128)(image)
    assert prepared.shape == WithNative(128).shape == (3, 256, 128)
    resized, native = halves(prepared[None])
    assert torch.equal(native[0], image[:, 86:214, 36:164])
    assert torch.equal(resized[0], Transform(128)(image))
    assert WithNative(128).hash != Transform(128).hash


def test_a_small_native_image_is_mirrored() -> None:
    image = torch.rand(3, 10, 40, generator=torch.Generator().manual_seed(0))
    native = WithNative(32)(image)[:, 32:]
    assert torch.equal(native[:, 11:21], image[:, :, 4:36])
    assert torch.equal(native[:, 21:31], image[:, :, 4:36].flip(1))


def test_units_of_the_release_keep_the_truncation_from_acting() -> None:
    inputs = images_of(torch.tensor([0, 1, 2]))
    acting, idle = (build(noise_units=units).vision.noise for units in (255, 1))
    assert acting is not None
    assert idle is not None
    places = acting.places(inputs)
    assert (acting.residuals(inputs, places).abs() == 1).any()
    assert (idle.residuals(inputs, places).abs() < 1).all()
