"""Being told to stop while a study is at work: what is soon done is kept, and nothing is lost."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmark.cli.signals import SIGNALS, stop_when_told
from benchmark.data.source import ImageSource
from benchmark.errors import BenchmarkError
from benchmark.progress import Progress
from benchmark.stopping import Stopped, finishing, is_told, stop_if_told, tell
from benchmark.training.gradient import GradientTraining
from benchmark.training.train import train
from results.host import read_sittings
from results.store import load_scores
from tests.small_data import write_dataset, write_recipe
from tests.small_study import run
from tests.test_training import make_engine, make_job, source, weights

__all__ = ["source"]


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Handle signals as the command line does, and leave them as they were."""
    numbers = [getattr(signal, name) for name in SIGNALS]
    before = [signal.getsignal(number) for number in numbers]
    stop_when_told()
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


class Signalling(Progress):
    """Sends this process signals as soon as something is said to have happened."""

    def __init__(self, phase: str, at: int, *, times: int = 1) -> None:
        self.notes: list[str] = []
        self.taken = 0
        self._phase, self._at, self._times = phase, at, times
        self._now = ""

    def phase(self, name: str, jobs: int) -> None:
        self._now = name

    def advance(self, amount: int = 1, **values: float) -> None:
        if self._now == self._phase:
            self.taken += 1
            if self.taken == self._at:
                for _ in range(self._times):
                    os.kill(os.getpid(), signal.SIGTERM)

    def note(self, text: str) -> None:
        self.notes.append(text)


def test_the_first_signal_is_noted_where_something_is_finished_and_the_second_stops() -> None:
    said: list[str] = []
    with pytest.raises(Stopped) as stopped:
        os.kill(os.getpid(), signal.SIGINT)
    assert stopped.value.code == 130
    with finishing(said.append):
        os.kill(os.getpid(), signal.SIGTERM)
        assert is_told()
        assert said == [
            "told to stop: what is under way is finished and kept first; told again, it is dropped "
            "at once"
        ]
        with pytest.raises(Stopped):
            tell(signal.SIGTERM)
    with pytest.raises(Stopped) as stopped, finishing(said.append):
        pass  # what comes next is not begun
    assert stopped.value.code == 128 + signal.SIGTERM
    stop_if_told()
    with pytest.raises(Stopped):
        tell(signal.SIGHUP)


@pytest.mark.parametrize("step", [3, 12], ids=["between-measurements", "at-one"])
def test_a_training_that_is_told_to_stop_saves_its_step_and_goes_on_from_there(
    source: ImageSource, tmp_path: Path, step: int
) -> None:
    job = make_job(source, tmp_path)
    (tmp_path / "whole").mkdir()
    whole = make_engine(source, tmp_path / "whole")
    train(job, whole)
    told = Signalling("", step)
    with pytest.raises(Stopped):
        train(job, make_engine(source, tmp_path, told))
    assert told.taken == step
    (state,) = (tmp_path / "store").glob("*.resume/step-*")
    assert state.name == f"step-{step:09d}"
    again = Signalling("", 0)
    engine = make_engine(source, tmp_path, again)
    train(job, engine)
    assert again.taken == job.recipe.steps - step
    assert any(f"going on from step {step}" in note for note in again.notes)
    assert weights(engine.models.load(job)) == weights(whole.models.load(job))


def test_a_training_that_is_told_twice_drops_its_step(source: ImageSource, tmp_path: Path) -> None:
    job = make_job(source, tmp_path)
    with pytest.raises(Stopped):
        train(job, make_engine(source, tmp_path, Signalling("", 1, times=2)))
    assert not list((tmp_path / "store").glob("*.resume/step-*"))
    with pytest.raises(Stopped):  # the next test begins as if nothing had happened
        stop_if_told()


def test_a_study_that_is_told_to_stop_keeps_its_unit_and_ends_with_the_same_scores(
    tmp_path: Path,
) -> None:
    manifest = write_dataset(tmp_path / "data", count=6)
    recipe = write_recipe(tmp_path, steps=4)
    changes: dict[str, Any] = {"store": tmp_path / "store"}
    run(manifest, recipe, tmp_path / "undisturbed", **changes)
    told = Signalling("score", 1)
    with pytest.raises(Stopped):
        run(manifest, recipe, tmp_path / "run", told, **changes)
    assert told.taken == 1
    assert len(list((tmp_path / "run" / "units").glob("*.parquet"))) == 1
    assert [sitting.stopped for sitting in read_sittings(tmp_path / "run")] == [True]
    run(manifest, recipe, tmp_path / "run", **changes)
    assert [sitting.stopped for sitting in read_sittings(tmp_path / "run")] == [True, False]
    assert load_scores(tmp_path / "run").equals(load_scores(tmp_path / "undisturbed"))
    pages = [(tmp_path / name / "index.html").read_bytes() for name in ("run", "undisturbed")]
    assert pages[0] == pages[1]


def test_a_training_that_does_not_fit_into_memory_says_what_would(
    source: ImageSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(GradientTraining, "one_step", full)
    with pytest.raises(BenchmarkError, match=r"images at once do not fit .* accumulate; saved"):
        train(make_job(source, tmp_path), make_engine(source, tmp_path))
