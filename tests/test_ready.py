"""The form in which a trained detector scores: made ready where its logits stay, else as it is."""

import csv
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from typer.testing import CliRunner

from benchmark.cli.app import app
from benchmark.errors import BenchmarkError
from benchmark.scoring.ready import TOLERANCE, scoring_form
from detectors.inference import ready_for_inference
from leaderboard.board.entries import run_entries
from results.store import read_model, read_run
from results.verifying import verify
from tests.contract import EVERY, ask, briefly_trained, easy_images
from tests.small_data import Small, write_dataset, write_recipe
from tests.small_study import run


def trained(detector: Small) -> Small:
    detector.mark_trained()
    return detector.eval()


@EVERY
def test_a_detector_scores_in_a_form_with_its_own_logits(name: str) -> None:
    detector, images = briefly_trained(name), list(easy_images()[0])
    form = scoring_form(detector)
    assert not form.fell_back, form.told
    layers = any(isinstance(each, nn.Conv2d | nn.Linear) for each in detector.modules())
    assert (form.detector is detector) == (not layers)
    assert form.told.startswith("float32, made ready" if layers else "float32, as trained")
    own = ask(detector, images)
    assert ((ask(form.detector, images) - own).abs() / own.abs().clamp(min=1)).max() <= TOLERANCE


@pytest.mark.parametrize("name", ["mfclip", "mfclip-release", "xception", "meso4", "clip-linear"])
def test_half_precision_moves_scores_little(name: str) -> None:
    detector, images = briefly_trained(name), list(easy_images()[0])
    form = scoring_form(detector, "bfloat16")
    assert (form.told, form.fell_back) == ("bfloat16, made ready for inference", False)
    own, half = ask(detector, images), ask(form.detector, images)
    assert not torch.equal(own, half)
    assert (own.sigmoid() - half.sigmoid()).abs().max() < 0.1


class Unsteady(Small):
    """Has other logits as a copy made for inference."""

    def forward(self, inputs: Tensor) -> Tensor:
        logits: Tensor = super().forward(inputs)
        return logits + (0.0 if self.conv.weight.requires_grad else 0.25)


def test_a_copy_with_other_logits_is_not_used() -> None:
    detector = trained(Unsteady())
    form = scoring_form(detector)
    assert form.detector is detector
    assert form.fell_back
    assert form.told == (
        "float32, as trained: made ready its logits differ by 2.5e-01, over 0.0001"
    )


class Exact(Small):
    """Computes with what has no half precision."""

    def forward(self, inputs: Tensor) -> Tensor:
        logits: Tensor = super().forward(inputs)
        if torch.is_autocast_enabled("cpu"):
            raise RuntimeError("Unsupported dtype\nBFloat16")
        return logits


def test_what_lacks_half_precision_scores_in_single() -> None:
    form = scoring_form(trained(Exact()), "bfloat16")
    assert form.fell_back
    assert form.told == (
        "float32, made ready for inference; in bfloat16 it raises RuntimeError: "
        "Unsupported dtype BFloat16"
    )


def test_lack_of_memory_decides_no_form() -> None:
    class Large(Small):
        def forward(self, inputs: Tensor) -> Tensor:
            raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(torch.OutOfMemoryError):
        scoring_form(trained(Large()))


class Branches(nn.Module):
    """A network whose layers are no sequence: two norms may be folded, three may not."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.stem_norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)
        self.late, self.late_norm = nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4)
        self.twice, self.twice_norm = nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4)
        self.left, self.right = nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1)
        self.right_norm, self.sum_norm = nn.BatchNorm2d(4), nn.BatchNorm2d(4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem_norm(self.stem(x))
        x = self.late_norm(self.late(x).relu_())  # what it takes was changed in place
        x = self.twice(self.twice_norm(self.twice(x)))
        x = self.sum_norm(self.left(x) + self.right_norm(self.right(x)))
        return x.mean((2, 3))


class Branched(Small):
    def __init__(self) -> None:
        super().__init__()
        self.branches = Branches()
        self.head = nn.Linear(4, 1)

    def features(self, inputs: Tensor) -> Tensor:
        found: Tensor = self.branches(inputs)
        return found


def test_norms_are_folded_wherever_a_convolution_alone_feeds_them() -> None:
    torch.manual_seed(0)
    detector = Branched()
    with torch.no_grad():  # statistics that are not those of a norm at rest
        for _ in range(5):
            detector.train()(torch.rand(8, 3, 24, 24))
    trained(detector)
    copy = ready_for_inference(detector)
    kinds = {name: type(each).__name__ for name, each in copy.branches.named_children()}
    norms = {name: kind for name, kind in kinds.items() if name.endswith("norm")}
    assert norms == {
        "stem_norm": "Identity",
        "late_norm": "BatchNorm2d",
        "twice_norm": "BatchNorm2d",
        "right_norm": "Identity",
        "sum_norm": "BatchNorm2d",
    }
    inputs = torch.rand(4, 3, 24, 24)
    with torch.no_grad():
        torch.testing.assert_close(copy(inputs), detector(inputs), atol=1e-6, rtol=0)
    assert isinstance(detector.branches.stem_norm, nn.BatchNorm2d)


def test_the_precision_of_scores_is_named_and_never_mixed(tmp_path: Path) -> None:
    manifest = write_dataset(tmp_path / "data", count=8)
    recipe = write_recipe(tmp_path)
    single = run(manifest, recipe, tmp_path / "single")
    half = run(manifest, recipe, tmp_path / "half", precision="bfloat16")
    model = str(read_run(tmp_path / "half").entries[0].model)
    first, second = (read_model(tmp_path / name, model) for name in ("single", "half"))
    assert (first.scored, second.scored) == (
        "float32, made ready for inference",
        "bfloat16, made ready for inference",
    )
    assert first.weights == second.weights  # the same model, of the same store
    assert first.scores != second.scores
    assert read_run(tmp_path / "half").versions["precision of scores"] == "bfloat16"
    said = "the scores of small were computed in bfloat16"
    assert said in half.read_text(encoding="utf-8")
    assert said not in single.read_text(encoding="utf-8")
    assert "Scored in float32, made ready for inference: small" in single.read_text()
    with pytest.raises(BenchmarkError, match="precision of scores bfloat16, not float32"):
        run(manifest, recipe, tmp_path / "half")
    with pytest.raises(BenchmarkError, match="--precision is float32 or bfloat16, not 'int8'"):
        run(manifest, recipe, tmp_path / "third", precision="int8")
    assert verify(tmp_path / "half").faults == ()
    one, other = (run_entries(tmp_path / name)[0] for name in ("single", "half"))
    assert (other.entry, other.title) == (f"{one.entry}-in-bfloat16", f"{one.title} in bfloat16")


def test_a_run_from_before_forms_were_taken_down_keeps_its_seal(tmp_path: Path) -> None:
    run(write_dataset(tmp_path / "data", count=8), write_recipe(tmp_path), tmp_path / "run")
    path = next((tmp_path / "run" / "models").glob("*.json"))
    facts = read_model(tmp_path / "run", path.stem)
    before = facts.model_copy(update={"scored": None}).model_dump(mode="json", by_alias=True)
    assert "scored" not in before
    assert facts.model_dump(mode="json", by_alias=True) == {**before, "scored": facts.scored}


def test_files_are_scored_in_the_precision_that_is_named(tmp_path: Path) -> None:
    manifest = write_dataset(tmp_path / "data", count=8)
    run(manifest, write_recipe(tmp_path), tmp_path / "run")
    model = str(read_run(tmp_path / "run").entries[0].model)
    image = next(manifest.parent.rglob("*.png"))
    common = ["score", str(image), "--model", model, "--store", str(tmp_path / "store")]
    common += ["--allow-code", "tests.small_data"]
    for precision in ("float32", "bfloat16"):
        out = tmp_path / f"{precision}.csv"
        done = CliRunner().invoke(app, [*common, "--precision", precision, "--out", str(out)])
        assert done.exit_code == 0, done.output
        assert f"({precision}, made ready for inference)" in " ".join(done.output.split())
        (row,) = csv.DictReader(out.read_text().splitlines())
        assert row["precision"] == precision
    wrong = CliRunner().invoke(app, [*common, "--precision", "int8"])
    assert wrong.exit_code == 1
    assert "--precision is float32 or bfloat16, not 'int8'" in wrong.output
