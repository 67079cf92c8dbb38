"""The detector MFCLIP as a whole: its training, what is saved, which towers it takes."""

import functools
import inspect
import re
import shutil
from itertools import combinations
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import CLIPConfig, CLIPModel

from detectors import DetectorError, WeightsError, create_detector
from detectors.base import Batch
from detectors.catalog import load_detector
from detectors.mfclip import MFCLIP
from detectors.mfclip.attention import SamplePairAttention
from detectors.mfclip.language import Fle
from detectors.mfclip.release import MFCLIPRelease
from detectors.mfclip.vision import ConvStack

TAXA = (
    ("real", "real", "real", "camera"),
    ("fake", "EFS", "GAN", "StyleGAN3"),
    ("fake", "EFS", "GAN", "ProGAN"),
    ("fake", "EFS", "diffusion", "DDPM"),
    ("fake", "FS", "unknown", "DFDC-mixed"),
    ("real", "real", "real", "another camera"),
)
TOLERANCE = 1e-5
REPAIRED = [fle for fle in get_args(Fle) if fle != "release"]


def images_of(taxa: Tensor) -> Tensor:
    """Draw (B, 3, 128, 128) noise whose grain tells the taxon; the two kinds of real are alike."""
    generator = torch.Generator().manual_seed(len(taxa))
    images = []
    for taxon in taxa.tolist():
        grain = 1 + taxon % 5
        side = 128 // grain + 1
        noise = torch.randn(1, 3, side, side, generator=generator)
        image = F.interpolate(noise, scale_factor=grain)[0, :, :128, :128]
        images.append(0.5 + 0.03 * image)
    return torch.stack(images).clamp(0, 1)


def batch_of(taxa: Tensor) -> Batch:
    fake = torch.tensor([taxon[0] == "fake" for taxon in TAXA])
    return Batch(inputs=images_of(taxa), labels=fake[taxa].float(), taxa=taxa)


def every_taxon(each: int = 4) -> Tensor:
    return torch.arange(len(TAXA)).repeat(each)


def build(**options: Any) -> MFCLIP:
    torch.manual_seed(0)
    return MFCLIP(**{"size": "tiny", "taxa": TAXA, **options})


def train(detector: MFCLIP, steps: int, each: int = 4) -> list[dict[str, float]]:
    optimiser = torch.optim.AdamW(detector.parameters(), lr=5e-4)
    batch, history = batch_of(every_taxon(each)), []
    detector.train()
    for _ in range(steps):
        losses = detector.loss(batch)
        optimiser.zero_grad()
        losses["total"].backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        history.append({name: loss.item() for name, loss in losses.items()})
    detector.mark_trained()
    detector.eval()
    return history


@functools.cache
def trained(fle: Fle) -> MFCLIP:
    """Overfit a detector to one batch; shared, so a test must not change it."""
    detector = build(fle=fle)
    history = train(detector, 80, each=2)
    assert history[-1]["ce"] < 0.1 < history[0]["ce"]
    return detector


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small random CLIP in a folder, as published ones lie there."""
    tower = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
    tower |= {"num_attention_heads": 2, "projection_dim": 24}
    config = CLIPConfig(
        text_config={**tower, "vocab_size": 49_408},
        vision_config={**tower, "image_size": 64, "patch_size": 16},
        projection_dim=24,
    )
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("clip") / "tiny"
    CLIPModel(config).save_pretrained(folder)
    return folder


def damaged(clip: Path, folder: Path, **replaced: Tensor | None) -> Path:
    """Copy ``clip`` with tensors replaced, or left out for None."""
    shutil.copytree(clip, folder)
    tensors = load_file(folder / "model.safetensors")
    for name, tensor in replaced.items():
        del tensors[name.replace("__", ".")]
        if tensor is not None:
            tensors[name.replace("__", ".")] = tensor
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def test_a_score_does_not_depend_on_its_batch_place_or_order() -> None:
    detector = trained("packed")
    images = list(images_of(torch.tensor([0, 1, 2, 3, 4, 1, 0])))
    whole, order = detector.logits(images), [3, 0, 6, 1, 5, 2, 4]
    assert whole.std() > 100 * TOLERANCE
    alone = torch.cat([detector.logits([image]) for image in images])
    torch.testing.assert_close(whole, alone, atol=TOLERANCE, rtol=0)
    shuffled = detector.logits([images[i] for i in order])
    torch.testing.assert_close(shuffled, whole[order], atol=TOLERANCE, rtol=0)
    many = detector.logits(images * 8)
    torch.testing.assert_close(many, whole.repeat(8), atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("fle", REPAIRED)
def test_different_prompts_differ_more_after_training(fle: Fle) -> None:
    detector = trained(fle)
    with torch.no_grad():
        text = F.normalize(detector.language(), dim=1)
    assert len(text) == 5
    assert max(float(a @ b) for a, b in combinations(text, 2)) < 0.9


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"fle": "per-level"},
        {"k": 3},
        {"spa": "none"},
        {"patch": 64},
    ],
)
def test_every_parameter_gets_a_gradient(options: dict[str, Any]) -> None:
    detector = build(**options)
    train(detector, 1)  # zeros at the start (biases of attention) are left behind
    detector.train().zero_grad()
    detector.loss(batch_of(every_taxon()))["total"].backward()  # type: ignore[no-untyped-call]
    without = [n for n, p in detector.named_parameters() if p.grad is None or not p.grad.any()]
    assert without == []


def test_inference_does_not_run_the_language_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    detector = build(untrained=True)

    def refuse(*_: object) -> None:
        raise AssertionError("the language encoder ran")

    monkeypatch.setattr(detector.language, "forward", refuse)
    assert detector.logits(list(images_of(torch.tensor([0, 1])))).shape == (2,)
    with pytest.raises(AssertionError, match="the language encoder ran"):
        detector.loss(batch_of(every_taxon(1)))


def test_language_runs_once_a_prompt_not_once_an_image() -> None:
    detector, shapes = build(), []
    tower = detector.language.reader.tower
    assert tower is not None
    tower.register_forward_hook(lambda *call: shapes.append(call[1][0].shape))
    detector.loss(batch_of(every_taxon(5)))
    assert [len(shape) and shape[0] for shape in shapes] == [5]


def test_the_total_is_the_weighted_sum_of_its_parts() -> None:
    weights = {"lambda_ce": 1.5, "lambda_cmc": 0.5, "lambda_kl": 3.0, "lambda_apart": 9.0}
    losses = build(**weights).loss(batch_of(every_taxon(1)))
    assert set(losses) == {"ce", "cmc", "kl", "apart", "total"}
    total = 1.5 * losses["ce"] + 0.5 * losses["cmc"] + 3 * losses["kl"] + 9 * losses["apart"]
    torch.testing.assert_close(losses["total"], total)


def test_the_logit_is_the_heads_on_the_features() -> None:
    detector, inputs = trained("packed"), images_of(torch.tensor([0, 1, 2]))
    with torch.no_grad():
        features = detector.features(inputs)
        assert features.shape == (3, 64)
        torch.testing.assert_close(detector.head(features)[:, 0], detector(inputs))


@pytest.mark.parametrize("taxa", [[0, 0, 5], [1], [3, 3], [0, 2]])
def test_a_batch_without_some_classes_can_be_trained_on(taxa: list[int]) -> None:
    detector = build().train()
    losses = detector.loss(batch_of(torch.tensor([*taxa, *taxa])))
    assert all(loss.isfinite() for loss in losses.values())
    losses["total"].backward()  # type: ignore[no-untyped-call]
    gradients = [p.grad for p in detector.parameters() if p.grad is not None]
    assert all(gradient.isfinite().all() for gradient in gradients)


def test_the_temperature_is_limited() -> None:
    detector = build()
    nn.init.constant_(detector.logit_scale, 50.0)
    vision = torch.ones(1, 64)
    torch.testing.assert_close(detector.scores(vision, vision), torch.tensor([[100.0]]))


def test_running_means_move_in_training_only() -> None:
    detector = build().eval()
    assert isinstance(detector.spa, SamplePairAttention)
    detector.loss(batch_of(every_taxon(1)))
    assert not detector.spa.mean.any()
    detector.train().loss(batch_of(every_taxon(1)))
    assert detector.spa.mean.any()


def test_training_is_repeatable() -> None:
    first, second = build(), build()
    assert train(first, 3) == train(second, 3)
    for name, tensor in first.state_dict().items():
        assert torch.equal(tensor, second.state_dict()[name]), name


@pytest.mark.parametrize("options", [{}, {"fle": "per-level", "k": 2, "spa": "fixed", "levels": 2}])
def test_a_loaded_detector_scores_as_the_saved_one(options: dict[str, Any], tmp_path: Path) -> None:
    detector = build(**options)
    train(detector, 3)
    detector.save_pretrained(tmp_path / "saved")
    images = list(images_of(torch.tensor([0, 1, 2, 3])))
    loaded = load_detector(tmp_path / "saved")
    assert isinstance(loaded, MFCLIP)
    assert torch.equal(loaded.logits(images), detector.logits(images))
    with torch.no_grad():
        assert torch.equal(loaded.language(), detector.language())
    assert loaded.init == "random"


def test_clip_towers_are_loaded_and_saved_whole(clip: Path, tmp_path: Path) -> None:
    here = shutil.copytree(clip, tmp_path / "clip")
    detector = build(image_encoder=str(here), text_encoder=str(here))
    published = CLIPModel.from_pretrained(here)
    vision, text = detector.vision.image, detector.language.reader.tower
    weights = published.vision_model.state_dict()
    for name, tensor in vision.tower.vision_model.state_dict().items():  # type: ignore[union-attr]
        assert torch.equal(tensor, weights[name]), name
    assert text is not None
    assert torch.equal(text.project.weight, published.text_projection.weight)
    assert detector.init.startswith("clip:")
    assert len(detector.init) == 17
    train(detector, 2)
    detector.save_pretrained(tmp_path / "saved")
    shutil.rmtree(here)  # loading must need neither the folder nor the Hub
    loaded = MFCLIP.from_pretrained(tmp_path / "saved")
    images = list(images_of(torch.tensor([0, 1, 2])))
    assert torch.equal(loaded.logits(images), detector.logits(images))
    with torch.no_grad():
        assert torch.equal(loaded.language(), detector.language())
    assert loaded.init == detector.init


def test_a_clip_text_tower_reads_prompts_as_clip_does(clip: Path) -> None:
    detector = build(text_encoder=str(clip))
    published = CLIPModel.from_pretrained(clip)
    with torch.no_grad():
        ids = detector.language.reader.ids
        reference = published.get_text_features(input_ids=ids)
        reference = getattr(reference, "pooler_output", reference)
        text = detector.language.eval()()
        torch.testing.assert_close(text, reference, atol=1e-4, rtol=0)  # its own cosines stay
        centred = build(text_encoder=str(clip), centred=True).language.eval()()
        torch.testing.assert_close(centred, reference - reference.mean(dim=0), atol=1e-4, rtol=0)


@pytest.mark.parametrize("which", ["image_encoder", "text_encoder"])
def test_one_clip_tower_goes_with_a_scratch_one(clip: Path, which: str) -> None:
    detector = build(**{which: str(clip)})
    history = train(detector, 8)  # the noise starts small beside a tower
    assert history[-1]["total"] < history[0]["total"]


@pytest.mark.parametrize(
    ("which", "tensor"),
    [
        ("image_encoder", "vision_model.post_layernorm.weight"),
        ("text_encoder", "text_model.final_layer_norm.weight"),
    ],
)
def test_an_incomplete_clip_is_refused(clip: Path, tmp_path: Path, which: str, tensor: str) -> None:
    folder = damaged(clip, tmp_path / "less", **{tensor.replace(".", "__"): None})
    with pytest.raises(WeightsError, match=f"1 tensor is missing: {tensor}"):
        build(**{which: str(folder)})


def test_a_clip_of_another_shape_is_refused(clip: Path, tmp_path: Path) -> None:
    folder = damaged(clip, tmp_path / "other", visual_projection__weight=torch.zeros(8, 32))
    with pytest.raises(WeightsError, match=str(folder)):
        build(image_encoder=str(folder))


def test_a_clip_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="nothing' are no folder and not to be had from the Hub"):
        build(image_encoder=str(tmp_path / "nothing"))


def test_training_images_of_one_kind_are_refused() -> None:
    with pytest.raises(DetectorError, match="train it on real and fake images"):
        build(taxa=TAXA[:1])
    with pytest.raises(DetectorError, match="mfclip needs the taxonomy of its training images"):
        build(taxa=())


def test_an_unknown_option_is_refused() -> None:
    with pytest.raises(DetectorError, match=r"mfclip takes other options: .*'text_tower'"):
        create_detector("mfclip", size="tiny", taxa=TAXA, text_tower="x")


def test_options_are_by_keyword_and_json_can_hold_them() -> None:
    parameters = inspect.signature(MFCLIP).parameters.values()
    by_keyword = (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_KEYWORD)
    assert all(parameter.kind in by_keyword for parameter in parameters)
    assert build().config()["options"]["taxa"] == [list(taxon) for taxon in TAXA]


def test_the_base_size_has_the_parameters_that_the_card_states() -> None:
    with torch.device("meta"):
        detector = MFCLIP(size="base", taxa=TAXA)
    language = sum(p.numel() for p in detector.language.parameters())
    millions = round(sum(p.numel() for p in detector.parameters()) / 1e6, 1)
    at_inference = round((sum(p.numel() for p in detector.parameters()) - language) / 1e6, 1)
    assert f"{millions} M parameters in training" in detector.card.fidelity
    assert f"{at_inference} M at inference" in detector.card.fidelity


def stages_of(cnn: ConvStack) -> list[int]:
    """Give the width of each stage; a stage ends where the map is halved."""
    width, found = 0, list[int]()
    for layer in cnn:
        if isinstance(layer, nn.Conv2d):
            width = layer.out_channels
        elif isinstance(layer, nn.MaxPool2d):
            found.append(width)
    return found


def test_the_noise_branch_is_built_as_the_card_states() -> None:
    with torch.device("meta"):
        ours, release = MFCLIP(size="base", taxa=TAXA), MFCLIPRelease(size="base", taxa=TAXA)
        tiny = MFCLIP(size="tiny", taxa=TAXA).vision.noise
    noise = ours.vision.noise
    assert noise is not None
    assert tiny is not None
    said = re.search(
        r"noise branch, which has (\w+) stages for (\w+) \(widths ([\d, ]+)\) on a patch of (\d+) "
        r"px for (\d+),.* tiny: .*, (\d+) x \6 noise tokens a patch for (\d+) x \7\.",
        ours.card.fidelity,
    )
    assert said is not None
    count, theirs, widths, patch, their_patch, tiny_side, side = said.groups()
    built = stages_of(noise.cnn)
    assert built == [int(width) for width in widths.split(", ")]
    numbers = ["none", "one", "two", "three", "four"]
    assert count == numbers[len(built)]
    assert theirs == numbers[len(stages_of(release.vision.noise.cnn))]
    assert (int(patch), int(their_patch)) == (noise.patch, release.vision.patch)
    for branch, tokens in ((noise, int(side)), (tiny, int(tiny_side))):
        assert len(branch.summary.positions) == tokens**2 + 1
