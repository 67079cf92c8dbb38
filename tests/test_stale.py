"""What was changed since it was written or checked is refused by name, or computed anew."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from benchmark.analysis.embedding import load_model
from benchmark.data.content import check_large_content
from benchmark.data.images import OpenFile, Place, decode, frames_of, locate, stored_facts
from benchmark.environment import one_thread
from benchmark.errors import BenchmarkError, ImageError
from benchmark.progress import Progress
from benchmark.scoring.files import score_paths
from benchmark.training.checksums import broken, write_checksums
from benchmark.training.store import ModelStore
from benchmark.training.train import train
from detectors.errors import WeightsError
from results.files import file_hash
from results.schema import ModelFacts
from results.store import load_scores
from tests.small_data import write_dataset, write_recipe
from tests.small_study import Counting, run
from tests.test_training import StopAt, Stopped, make_engine, make_job, source, weights

__all__ = ["source"]


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("data"), count=8)


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_recipe(tmp_path_factory.mktemp("recipe"), steps=4)


@pytest.fixture
def stored(manifest: Path, recipe: str, tmp_path: Path) -> Path:
    """Carry a run out; give the folder of one of its models."""
    run(manifest, recipe, tmp_path / "run")
    return sorted((tmp_path / "store").glob("small-*"))[0]


def flip(path: Path, at: float = 0.5) -> None:
    """Flip a bit of a file."""
    data = bytearray(path.read_bytes())
    data[int(len(data) * at)] ^= 0x40
    path.write_bytes(bytes(data))


def test_weights_that_were_changed_are_used_by_nothing(
    stored: Path, manifest: Path, recipe: str, tmp_path: Path
) -> None:
    flip(stored / "model.safetensors", 0.99)
    said = rf"{stored.name}/model.safetensors: was changed after training \(sha256 .*train .* anew"
    with pytest.raises(BenchmarkError, match=said):
        run(manifest, recipe, tmp_path / "other")
    with pytest.raises(BenchmarkError, match=said):
        load_model(tmp_path / "run", stored.name, ModelStore(stored.parent), {"tests.small_data"})
    image = manifest.parent / "one/real/test0.png"
    for model in (stored.name, str(stored)):
        with pytest.raises(BenchmarkError, match=said):
            score_paths([image], model=model, store=stored.parent, allow_code=["tests.small_data"])
    (stored / "model.safetensors").unlink()
    with pytest.raises(BenchmarkError, match="safetensors: is not there; remove"):
        run(manifest, recipe, tmp_path / "another")


def test_settings_that_were_changed_are_refused(
    stored: Path, manifest: Path, recipe: str, tmp_path: Path
) -> None:
    config = stored / "config.json"
    config.write_text(config.read_text().replace('"tiny"', '"base"'))
    with pytest.raises(BenchmarkError, match=r"config\.json: was changed after training"):
        run(manifest, recipe, tmp_path / "other")


def test_weights_that_are_no_numbers_are_refused(stored: Path, manifest: Path) -> None:
    path = stored / "model.safetensors"
    tensors = load_file(path)
    tensors["head.bias"] = torch.full_like(tensors["head.bias"], torch.nan)
    save_file(tensors, path)
    facts = stored / "facts.json"
    text = facts.read_text()
    old = ModelFacts.model_validate_json(text).weights
    facts.write_text(text.replace(str(old), file_hash(path)))
    image = manifest.parent / "one/real/test0.png"
    with pytest.raises(WeightsError, match=r"'head\.bias' holds a NaN or an infinity"):
        score_paths(
            [image], model=stored.name, store=stored.parent, allow_code=["tests.small_data"]
        )


def test_a_score_that_is_no_number_is_told_and_not_shown(
    stored: Path, manifest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "tests.small_data.Small.forward", lambda _, x: torch.full((len(x),), torch.nan)
    )
    image = manifest.parent / "one/real/test0.png"
    found = score_paths(
        [image], model=stored.name, store=stored.parent, allow_code=["tests.small_data"]
    )
    assert not found.scores
    assert found.problems == (f"{image}: Small gives it nan, which is no score",)


@pytest.mark.parametrize("name", ["best.pt", "optimizer.bin", "model.safetensors", "progress.json"])
def test_a_damaged_state_is_named_and_the_training_begins_anew(
    source: object, tmp_path: Path, name: str
) -> None:
    images = source
    (tmp_path / "whole").mkdir()
    job = make_job(images, tmp_path)  # type: ignore[arg-type]
    whole = make_engine(images, tmp_path / "whole")  # type: ignore[arg-type]
    train(job, whole)
    with pytest.raises(Stopped):
        train(job, make_engine(images, tmp_path, StopAt(14)))  # type: ignore[arg-type]
    (path,) = (tmp_path / "store").glob(f"*.resume/step-*/**/{name}")
    flip(path)
    progress = StopAt()
    engine = make_engine(images, tmp_path, progress)  # type: ignore[arg-type]
    train(job, engine)
    assert [note for note in progress.notes if f"{path} was changed, so the training" in note]
    assert progress.taken == 24
    assert weights(engine.models.load(job)) == weights(whole.models.load(job))


def test_checksums_tell_what_is_missing_and_what_was_added(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    assert "checksums.json cannot be read" in str(broken(tmp_path))
    write_checksums(tmp_path)
    assert broken(tmp_path) is None
    (tmp_path / "b").write_text("b")
    assert broken(tmp_path) == f"{tmp_path / 'b'} was added"
    (tmp_path / "b").unlink()
    (tmp_path / "a").unlink()
    assert broken(tmp_path) == f"{tmp_path / 'a'} is missing"
    (tmp_path / "checksums.json").write_text("[]")
    assert "is no list of checksums" in str(broken(tmp_path))


class Replacing(Progress):
    """Replaces an image when a phase begins."""

    def __init__(self, phase: str, image: Path) -> None:
        self._phase, self._image = phase, image

    def phase(self, name: str, jobs: int) -> None:
        if name == self._phase:
            Image.fromarray(np.zeros((24, 24, 3), np.uint8)).save(self._image)


@pytest.mark.parametrize(("phase", "split"), [("train", "train"), ("score", "test")])
def test_an_image_that_is_replaced_after_the_check_is_not_read(
    recipe: str, tmp_path: Path, phase: str, split: str
) -> None:
    made = write_dataset(tmp_path / "data", count=4)
    image = tmp_path / "data" / f"one/real/{split}0.png"
    with pytest.raises(ImageError, match=rf"{split}0\.png: has changed since it was checked \(sha"):
        run(made, recipe, tmp_path / "run", Replacing(phase, image))


def test_what_a_file_says_of_itself_is_of_the_checked_file_too(manifest: Path) -> None:
    image = manifest.parent / "one/real/test0.png"
    assert stored_facts(Place(image), stated=file_hash(image)) == stored_facts(Place(image))
    with pytest.raises(ImageError, match="has changed since it was checked"):
        stored_facts(Place(image), stated="0" * 64)
    place = locate(manifest.parent, "one/real/test0.png")
    with OpenFile(frames_of) as file:
        assert (file.picture(place, file_hash(image)) == decode(image)).all()


def test_a_video_is_hashed_again_when_it_was_replaced(tmp_path: Path) -> None:
    video = tmp_path / "a.mp4"
    video.write_bytes(b"first")
    stated = file_hash(video)
    check_large_content(video, stated)
    check_large_content(video, "")
    video.write_bytes(b"other")
    with pytest.raises(ImageError, match=r"a\.mp4: has changed since it was checked"):
        check_large_content(video, stated)
    video.unlink()
    with pytest.raises(ImageError, match="unreadable: No such file"):
        check_large_content(video, stated)


class StopScoring(Progress):
    """Stops at the second unit of scores; remembers notes."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self._scoring, self._units = False, 0

    def phase(self, name: str, jobs: int) -> None:
        self._scoring = name == "score"

    def advance(self, amount: int = 1, **values: float) -> None:
        self._units += self._scoring
        if self._units == 1:
            raise Stopped


class Noting(Counting):
    def __init__(self) -> None:
        super().__init__()
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


def test_a_damaged_unit_of_scores_is_computed_again(
    manifest: Path, recipe: str, tmp_path: Path
) -> None:
    with pytest.raises(Stopped):
        run(manifest, recipe, tmp_path / "run", StopScoring())
    (unit,) = (tmp_path / "run" / "units").glob("*.parquet")
    flip(unit)
    progress = Noting()
    run(manifest, recipe, tmp_path / "run", progress)
    assert [n for n in progress.notes if f"{unit} was damaged: what it held is scored again" in n]
    assert progress.jobs["score"] == 1
    run(manifest, recipe, tmp_path / "undisturbed")
    assert load_scores(tmp_path / "run").equals(load_scores(tmp_path / "undisturbed"))


def test_training_does_not_depend_on_the_number_of_threads(source: object, tmp_path: Path) -> None:
    images = source
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            folder = tmp_path / str(threads)
            folder.mkdir()
            # Large enough for torch to share a sum among threads.
            job = make_job(images, folder, detector="xception", steps=4)  # type: ignore[arg-type]
            engine = make_engine(images, folder)  # type: ignore[arg-type]
            train(job, replace(engine, batch_size=64))
            assert torch.get_num_threads() == threads
            found.append(file_hash(engine.models.root / job.id / "model.safetensors"))
    finally:
        torch.set_num_threads(before)
    assert len(set(found)) == 1


def test_the_number_of_threads_comes_back_after_an_error() -> None:
    before = torch.get_num_threads()

    def failing() -> None:
        with one_thread():
            assert torch.get_num_threads() == 1
            raise ValueError("now")

    with pytest.raises(ValueError, match="now"):
        failing()
    assert torch.get_num_threads() == before
