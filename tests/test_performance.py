"""The speed scripts run and print what they should; no time is judged here."""

import json
from itertools import product
from pathlib import Path

import pytest
import torch

from benchmark.study.schema import StudyDetector
from detectors.cards import CARDS
from detectors.cards.counts import counts
from performance import base_steps, measuring, mfclip_speed

CPU = torch.device("cpu")


def run(tmp_path: Path, part: str) -> list[measuring.Row]:
    arguments = ["--size", "tiny", "--batch", "4", "--rounds", "1", "--recipe", "tiny"]
    path = tmp_path / "report.json"
    mfclip_speed.main([*arguments, "--parts", part, "--json", str(path)])
    told = json.loads(path.read_text(encoding="utf-8"))
    assert "core CPU" in told["hardware"]
    rows: list[measuring.Row] = told["tables"][f"{part}, tiny, batch 4"]
    return rows


def test_every_way_to_score_gives_the_same_logits(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = run(tmp_path, "inference")
    assert [(row["detector"], row["path"]) for row in rows] == [
        ("mfclip-release", "image by image"),
        *product(("mfclip-release", "mfclip"), ("plain", "ready", "ready")),
    ]
    for row in rows:
        # Equality says something only where logits differ between images.
        assert row["spread of logits"] > 100 * mfclip_speed.EQUAL["fp32"], row
        if row["computed in"] == "float32":
            assert row["as equal as asked"], row
    assert "bfloat16" in rows[3]["computed in"]
    assert rows[0]["times the released path"] == 1
    assert "| detector | path | computed in | images/s |" in capsys.readouterr().out


def test_training_from_files_is_compared_with_resident_images(tmp_path: Path) -> None:
    rows = run(tmp_path, "training")
    assert [row["step"] for row in rows] == ["images on the device", "from JPEG files"]
    assert rows[0]["of the resident rate"] == 1
    assert all(row["images/s"] > 0 and row["peak MB of a step"] > 0 for row in rows)


def test_growth_covers_batch_patches_and_side(tmp_path: Path) -> None:
    rows = run(tmp_path, "growth")
    shapes = [(row["batch"], row["patches"], row["side"]) for row in rows]
    assert shapes == [
        (1, 1, 128), (2, 1, 128), (4, 1, 128), (2, 4, 128), (2, 16, 128), (2, 1, 192), (2, 1, 256)
    ]  # fmt: skip


def test_the_cost_of_the_release_is_the_published_one(tmp_path: Path) -> None:
    mfclip_speed.main(["--parts", "cost", "--json", str(tmp_path / "cost.json")])
    rows = json.loads((tmp_path / "cost.json").read_text())["tables"]["cost, base, batch 24"]
    published = [row for row in rows if row["published"] is not None]
    assert [row["published"] for row in published] == ["141.66", "77.85", "7.1"]
    assert all(row["agrees"] for row in published)


def test_a_ratio_is_of_pairs_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    # After the pair that does not count the machine gets five times slower: 4 s and 1 s, then 20
    # and 5.
    times = iter([9, 9, 4, 1, 20, 5])
    monkeypatch.setattr(measuring, "seconds", lambda call, device: next(times))
    found = measuring.paired({"one": lambda: None, "two": lambda: None}, 2, CPU)
    assert found == {"one": {"seconds": 12, "ratio": 1}, "two": {"seconds": 3, "ratio": 4}}


def test_peak_memory_is_what_a_call_takes() -> None:
    megabytes = measuring.peak_megabytes(lambda: torch.ones(25_000_000), CPU)
    assert megabytes == pytest.approx(100, abs=20)


def test_a_part_that_does_not_exist_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        mfclip_speed.main(["--parts", "speed"])
    assert "there is no part 'speed'; there are cost, inference" in capsys.readouterr().err


def test_the_steps_of_a_gpu_study_are_tried_for_every_trained_detector() -> None:
    stated = base_steps.entries("base")
    names = [entry.name for entry in stated]
    assert names[:2] == ["mfclip", "mfclip-release"]
    assert len(set(names)) == len(names)
    trained = {name for name, card in CARDS.items() if card.fit != "none" and not card.sanity}
    assert {entry.detector for entry in stated} == trained


def test_a_detector_that_fails_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    wrong = StudyDetector(detector="meso4", label="wrong", options={"depth": 3})
    (row,) = base_steps.attempts(wrong, "tiny", ["fp32"])
    assert not row["works"]
    assert "depth" in row["loss"]
    (row,) = base_steps.attempts(StudyDetector(detector="meso4"), "tiny", ["bf16"])
    assert row["works"], row
    assert row["parameters"] == counts()["meso4"]["tiny"].parameters


@pytest.mark.slow
def test_every_trained_detector_takes_two_steps_at_its_published_size() -> None:
    base_steps.main([])
