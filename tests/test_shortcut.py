import io
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch import Tensor

import benchmark
from benchmark.data.source import ImageSource
from benchmark.scoring.files import score_paths
from detectors import InputError
from detectors.base import Batch, Known
from detectors.catalog import load_detector
from detectors.files import FACTS, file_facts, video_facts
from detectors.sanity import Oracle
from detectors.shortcut import Shortcut
from detectors.xception import Xception
from results.store import read_model, read_run, read_scores
from tests.small_data import Small, write_dataset


def noise(side: int = 40) -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (side, side + 8, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def facts_of(kind: str, **options: object) -> dict[str, float]:
    file = io.BytesIO()
    noise().save(file, kind, **options)
    facts = dict(zip(FACTS, file_facts(file.getvalue()), strict=True))
    assert facts["bytes"] == math.log(len(file.getvalue()))
    return facts


@pytest.mark.parametrize(
    ("kind", "named"), [("JPEG", "jpeg"), ("PNG", "png"), ("WEBP", "webp"), ("BMP", None)]
)
def test_facts_tell_the_format_and_the_size(kind: str, named: str | None) -> None:
    facts = facts_of(kind)
    assert [name for name in ("jpeg", "png", "webp", "video") if facts[name]] == (
        [named] if named else []
    )
    assert facts["width"] == math.log(48)
    assert facts["height"] == math.log(40)
    assert facts["bits_per_pixel"] == pytest.approx(facts["bytes"] + math.log(8 / (40 * 48)))


def test_facts_tell_the_tables_of_a_jpeg() -> None:
    fine, coarse = facts_of("JPEG", quality=95), facts_of("JPEG", quality=50, subsampling=0)
    # The standard's luminance table stands as it is at quality 50; its steps are 10 to 121.
    assert math.log(10) < coarse["luma_step"] < math.log(121)
    assert coarse["luma_step"] > fine["luma_step"] + 1
    assert coarse["chroma_step"] > fine["chroma_step"] + 1
    assert coarse["luma_tilt"] > 0.5
    assert (coarse["chroma_sampling"], fine["chroma_sampling"]) == (1, 3)
    png = facts_of("PNG")
    assert all(png[name] == 0 for name in FACTS[-5:])


def test_all_frames_of_a_video_have_its_facts() -> None:
    facts = dict(zip(FACTS, video_facts(1000), strict=True))
    assert {name: value for name, value in facts.items() if value} == {
        "bytes": math.log(1000),
        "video": 1.0,
    }


def batch(count: int, seed: int) -> Batch:
    """Facts are all alike but for the width, which is in the middle for fakes alone."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count).remainder(2).float()
    facts = torch.ones(count, len(FACTS))
    spread = torch.randn(count, generator=generator).sign() * (1 - labels)
    facts[:, 2] = 6 + spread + 0.1 * torch.randn(count, generator=generator)
    inputs = torch.rand(count, 3, 16, 16, generator=generator)
    return Batch(inputs=inputs, labels=labels, taxa=labels.long(), facts=facts)


def test_a_resolution_between_two_others_is_a_shortcut_too() -> None:
    detector = Shortcut(input_size=16)
    assert detector.fit([batch(60, 0)], [batch(60, 1)])["val_accuracy"] > 0.95
    assert len(detector.coef) == 152


def test_it_sees_no_pixel_but_their_mean() -> None:
    detector, held = Shortcut(input_size=16), batch(60, 0)
    detector.fit([held], [])
    known = Known(facts=held.facts)
    mixed = held.inputs.flatten(2)[..., torch.randperm(256)].view_as(held.inputs)
    logits: Tensor = detector.answer(held.inputs, known)
    torch.testing.assert_close(detector.answer(mixed, known), logits, atol=1e-4, rtol=0)
    redder = held.inputs * torch.tensor([1, 0.5, 0.5])[:, None, None]
    assert (detector.answer(redder, known) - logits).abs().max() > 1e-3


def test_without_facts_it_says_what_it_needs() -> None:
    with pytest.raises(InputError, match="shortcut looks at the files of images: pass known="):
        Shortcut(input_size=16)(torch.rand(1, 3, 16, 16))


def test_a_detector_is_told_what_its_card_needs_and_no_more(tmp_path: Path) -> None:
    manifest = write_dataset(tmp_path)
    table = pd.read_csv(manifest).rename(columns={"path": "sample_id"}).assign(dataset="d")
    source = ImageSource(table, {"d": tmp_path})
    rows = [3, 0, 5]
    known = source.known(rows, Shortcut(size="tiny"))
    files = [(tmp_path / table["sample_id"][row]).read_bytes() for row in rows]
    assert torch.equal(known.facts, torch.tensor([file_facts(file) for file in files]))  # type: ignore[arg-type]
    assert known.labels is None
    truth = [float(table["label"][row] == "fake") for row in rows]
    assert source.known(rows, Oracle()).labels.tolist() == truth  # type: ignore[union-attr]
    assert source.known(rows, Xception(size="tiny")) == Known()
    # Neither a card nor a subclass makes an oracle.
    assert source.known(rows, Claiming()) == source.known(rows, Posing()) == Known()


class Posing(Oracle):
    """An oracle in name."""


class Claiming(Small):
    """Its card asks for the truth."""

    card = replace(Small.card, needs=frozenset({"labels"}))


def test_a_study_scores_it_beside_the_checks_of_the_benchmark(tmp_path: Path) -> None:
    """Reals and fakes of one camera are files alike, so that only mean colour tells them apart."""
    (tmp_path / "data").mkdir()
    manifest = write_dataset(tmp_path / "data", count=6)
    benchmark.run(
        "everything",
        detectors=["shortcut", "constant", "oracle"],
        data=manifest,
        out=tmp_path / "run",
        store=tmp_path / "store",
        size="tiny",
    )
    ids = [entry.model for entry in read_run(tmp_path / "run").entries if entry.model]
    models = {facts.detector: facts for facts in (read_model(tmp_path / "run", m) for m in ids)}
    assert models.keys() == {"shortcut", "constant", "oracle"}
    assert models["oracle"].stopped == "nothing to train"
    by_detector = {
        name: read_scores(tmp_path / "run", facts.id).set_index("sample_id")["logit"]
        for name, facts in models.items()
    }
    assert set(by_detector["constant"]) == {0.0}
    truth = by_detector["oracle"]
    assert set(truth) == {-1.0, 1.0}
    assert all((truth[name] == -1) == ("/real/" in name) for name in truth.index)
    assert by_detector["shortcut"].std() > 0.01

    folder = tmp_path / "store" / models["shortcut"].id
    sample = truth.index[0]
    alone = score_paths([tmp_path / "data" / sample], model=str(folder), device="cpu")
    assert alone.scores[0].logit == pytest.approx(by_detector["shortcut"][sample], abs=1e-5)
    assert isinstance(load_detector(folder), Shortcut)
