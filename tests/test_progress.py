"""What a study tells as it goes: how far it is, how long it takes, where its time went."""

import io
import json
import mmap
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from benchmark.cli.display import Display
from benchmark.cli.log import JsonLog
from benchmark.cli.preview import preview
from benchmark.cli.tally import Tally, duration, memory_bytes
from benchmark.cli.telling import telling
from benchmark.errors import BenchmarkError
from benchmark.progress import ModelWork, Progress, Several
from benchmark.study.resolved import resolve
from benchmark.timing import PhaseTimes, Spent
from leaderboard.report import report
from results.errors import ResultError
from results.host import read_sittings
from results.stages import bottleneck, rest
from tests.small_data import write_dataset, write_recipe
from tests.small_study import run
from tests.small_study import study as small_study

WORK = {
    "a": ModelWork(title="A", steps=100, scores=30, cells=2, step_seconds=0.5, score_seconds=0.1),
    "b": ModelWork(title="B", steps=50, scores=30, cells=2),
    "c": ModelWork(title="C", steps=0, scores=0, cells=0),
}


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def train(progress: Progress, clock: list[float], model: str, steps: int, each: float) -> None:
    progress.job(model, steps, models=[model])
    for _ in range(steps):
        clock[0] += each
        progress.advance(loss=0.5)
    progress.finish()


def test_time_left_is_of_what_was_measured_and_says_when_that_is_not_all(
    clock: list[float],
) -> None:
    tally = Tally()
    tally.study(WORK)
    tally.phase("train", 2)
    # 100 steps of 0.5 s as before; of b and of its scores nothing is known yet.
    assert str(tally.left) == "more than 50 s left"
    train(tally, clock, "a", 100, 2.0)
    assert tally.counts == {"models": (1, 2), "scores": (0, 60), "cells": (0, 4)}
    assert (tally.left.seconds, tally.left.is_whole) == (50 * 2.0, False)
    train(tally, clock, "b", 50, 4.0)
    tally.phase("score", 1)
    tally.job("2 models", 60, models=["a", "b"])
    clock[0] += 10
    tally.advance(20)
    assert (tally.left.seconds, tally.left.is_whole) == (20.0, True)
    assert str(tally.left) == "about 20 s left"
    tally.advance(40)
    tally.finish()
    assert tally.counts == {"models": (2, 2), "scores": (60, 60), "cells": (4, 4)}
    assert tally.left.seconds == 0


def test_steps_of_an_earlier_sitting_are_not_taken_again(clock: list[float]) -> None:
    tally = Tally()
    tally.study({"a": WORK["a"]})
    tally.phase("train", 1)
    tally.job("A", 100, 60, ["a"])
    assert tally.left.seconds == pytest.approx(40 * 0.5 + 30 * 0.1)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.25, "0.2 s"), (40, "40 s"), (600, "10 min"), (9000, "2.5 h"), (200_000, "2.3 days")],
)
def test_times_are_short(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_memory_is_what_this_process_holds() -> None:
    before = memory_bytes()
    # Pages of the system's own: what Python freed earlier is held already.
    with mmap.mmap(-1, 200_000_000) as held:
        for page in range(0, len(held), mmap.PAGESIZE):
            held[page] = 1
        assert memory_bytes() - before > 150_000_000
    assert memory_bytes() - before < 50_000_000


def shown(clock: list[float], *, terminal: bool) -> str:
    text = io.StringIO()
    console = Console(file=text, width=200, force_terminal=terminal)
    with Display(console) as display:
        display.study(WORK)
        display.phase("train", 2)
        train(display, clock, "a", 100, 2.0)
        display.phase("score", 1)
        times = {"forward": Spent(60, 10), "idle": Spent(30), "decode": Spent(70, 10)}
        display.took(PhaseTimes(phase="score", seconds=100, stages=times))
    return text.getvalue()


def test_a_log_says_how_far_the_whole_is_and_where_time_went(clock: list[float]) -> None:
    lines = shown(clock, terminal=False).splitlines()
    whole = [line for line in lines if line.startswith("  The whole: ")]
    # Every 60 s and a bit: after 31, 62 and 93 of the 100 steps.
    assert len(whole) == 3
    assert whole[0].startswith(
        "  The whole: 0 of 2 models, 0 of 60 scores, 0 of 4 cells, more than 4 min left, "
    )
    assert lines[-2] == (
        "Scoring took 2 min: forward 60 %, idle 30 %, rest 10 %; loader threads, all together: "
        "decode 70 s"
    )
    assert lines[-1] == (
        "  60 % of the time went to 'forward'; a faster device or a smaller network would help, "
        "faster loading would not"
    )
    assert "\x1b" not in shown(clock, terminal=False)


def test_a_terminal_has_a_line_for_the_whole(clock: list[float]) -> None:
    assert "0 of 2 models, 0 of 60 scores, 0 of 4 cells" in shown(clock, terminal=True)


def lines_of(path: Path) -> list[dict[str, Any]]:
    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    text = path.read_text(encoding="ascii")
    assert text.endswith("\n")
    return [json.loads(line, parse_constant=refuse) for line in text.splitlines()]


def test_a_log_is_strict_json_a_line_and_a_later_sitting_appends(
    tmp_path: Path, clock: list[float]
) -> None:
    path = tmp_path / "new" / "log.jsonl"
    with JsonLog(path) as log:
        log.study(WORK)
        log.phase("train", 2)
        log.job("A on [x] \x1b\u2028", 2, models=["a"])
        clock[0] += 11
        log.advance(loss=float("nan"), val_auc=0.5)
        log.advance(loss=0.25)
        log.finish()
        log.note("two\nlines")
        log.phase("score", 1)
        log.job("2 models", 60, models=["a", "b"])
        log.advance(60)
        log.unit("data/00000/clean")
        log.took(PhaseTimes(phase="score", seconds=2.0, stages={"idle": Spent(1.5, 3)}))
    first = lines_of(path)
    assert [line["event"] for line in first] == [
        *("start", "study", "phase", "job", "progress", "finish", "note"),
        *("phase", "job", "unit", "stages", "end"),
    ]
    for line in first:
        assert {"time", "event", "phase", "model", "models", "cell", "counts", "rates"} <= set(line)
    assert first[0]["schema"] == 1
    assert first[1]["counts"] == {"models": 2, "scores": 60, "cells": 4}
    assert first[4]["figures"] == {"loss": None, "val_auc": 0.5}
    assert first[4]["rates"] == {"per_second": pytest.approx(1 / 11)}
    assert first[4]["model"] == "a"
    assert (first[4]["counts"]["done"], first[4]["counts"]["total"]) == (1, 2)
    assert first[5]["counts"]["models_done"] == 1
    assert first[9]["cell"] == "data/00000/clean"
    assert (first[9]["model"], first[9]["models"]) == (None, ["a", "b"])
    assert first[10]["stages"] == {"idle": {"seconds": 1.5, "count": 3}}
    assert (first[11]["finished"], first[11]["error"]) == (True, None)

    with path.open("a") as file:
        file.write('{"time": "a process was killed he')

    def stopped() -> None:
        with JsonLog(path):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    then = lines_of(path)
    assert then[: len(first)] == first
    assert [line["event"] for line in then[len(first) :]] == ["start", "end"]
    assert (then[-1]["finished"], then[-1]["error"]) == (False, "KeyboardInterrupt")


@pytest.mark.parametrize("text", ["path,label\n", "{}\n", '{"time": 1}\n', "no line"])
def test_a_log_is_written_into_no_other_file(tmp_path: Path, text: str) -> None:
    path = tmp_path / "manifest.csv"
    path.write_text(text)
    with pytest.raises(BenchmarkError, match=r"manifest\.csv: holds something else"):
        JsonLog(path)
    assert path.read_text() == text


def test_a_log_that_cannot_be_written_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match=r"cannot be written \(Is a directory\)"):
        JsonLog(tmp_path)


def test_a_full_disk_names_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = JsonLog(tmp_path / "log.jsonl")

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space left") as error:
        log.note("x")
    assert error.value.filename == str(tmp_path / "log.jsonl")


def test_everyone_is_told_everything(tmp_path: Path) -> None:
    told: list[str] = []

    class Each(Progress):
        def __getattribute__(self, name: str) -> Any:
            def note(*_: object, **__: object) -> None:
                told.append(name)

            return note

    several = Several(Each(), Each())
    calls: list[Callable[[], None]] = [
        lambda: several.study(WORK),
        lambda: several.phase("train", 1),
        lambda: several.job("a", 1),
        several.advance,
        lambda: several.unit("u"),
        several.finish,
        lambda: several.note("n"),
        lambda: several.took(PhaseTimes(phase="score", seconds=1, stages={})),
    ]
    for call in calls:
        call()
    events = [name for name in vars(Progress) if not name.startswith("_")]
    assert sorted(told) == sorted([*events, *events])


@pytest.mark.parametrize(
    ("stages", "text"),
    [
        ({"idle": 80, "forward": 10, "decode": 100, "perturb": 150}, "most of which is 'perturb'"),
        ({"idle": 5, "step": 90}, "90 % of the time went to 'step'; a faster device"),
        ({"write": 60, "idle": 5}, "60 % of the time went to 'write'; a faster disk"),
        ({"forward": 10}, "most of the time went to no stage"),
        ({}, "most of the time went to no stage"),
    ],
)
def test_the_bottleneck_is_what_takes_most(stages: dict[str, float], text: str) -> None:
    assert text in bottleneck(100, stages)


def test_the_rest_is_never_negative() -> None:
    assert rest(10, {"forward": 4, "decode": 100}) == 6
    assert rest(10, {"forward": 40}) == 0


def test_tensorboard_has_the_figures_of_every_step(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for first in (0, 2):  # the second sitting goes on from step 2
        with telling(Console(file=io.StringIO()), tensorboard=tmp_path / "tb") as told:
            told.phase("train", 1)
            told.job("A", 4, first, ["a-1"])
            for number in range(3):
                told.advance(loss=10.0 * first + number)
            told.finish()
            told.phase("score", 1)
            told.job("1 models", 4, models=["a-1"])
            told.advance(4)
    curves = EventAccumulator(str(tmp_path / "tb" / "a-1"))
    curves.Reload()
    assert curves.Tags()["scalars"] == ["loss"]
    found = [(each.step, each.value) for each in curves.Scalars("loss")]
    assert found == [(1, 0.0), (2, 1.0), (3, 20.0), (4, 21.0), (5, 22.0)]


def test_tensorboard_that_is_not_installed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmark.cli.curves.find_spec", lambda _: None)
    with (
        pytest.raises(BenchmarkError, match=r"pip install 'forgerybench\[tensorboard\]'"),
        telling(Console(file=io.StringIO()), tensorboard=tmp_path / "tb"),
    ):
        pass
    assert not (tmp_path / "tb").exists()


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that wrote a log."""
    folder = tmp_path_factory.mktemp("told")
    manifest = write_dataset(folder / "data", count=6)
    with JsonLog(folder / "log.jsonl") as log:
        run(manifest, write_recipe(folder, steps=4), folder / "run", log)
    return folder / "run"


def test_a_run_tells_where_its_time_went_in_the_log_and_on_a_page(finished: Path) -> None:
    log = lines_of(finished.parent / "log.jsonl")
    stages = {line["phase"]: line["stages"] for line in log if line["event"] == "stages"}
    assert stages.keys() == {"train", "score"}
    assert {"step", "idle", "transfer", "decode", "prepare", "write"} <= stages["train"].keys()
    # 2 models of 4 steps; 4 classes of 6 images of the test split by 2 models, and validation.
    assert stages["train"]["step"]["count"] == 8
    scores = next(line["counts"]["scores"] for line in log if line["event"] == "study")
    assert stages["score"]["forward"]["count"] == stages["score"]["write"]["count"] == scores
    (sitting,) = read_sittings(finished)
    assert {name: each.count for name, each in sitting.stages["score"].items()} == {
        name: each["count"] for name, each in stages["score"].items()
    }
    page = (finished / "time.html").read_text(encoding="utf-8")
    assert "Scoring by stage" in page
    assert "Bottleneck: " in page
    assert 'href="time.html"' in (finished / "index.html").read_text(encoding="utf-8")


def test_a_report_twice_is_the_same_bytes_and_times_are_on_their_page_alone(
    finished: Path,
) -> None:
    def pages() -> list[bytes]:
        return [(finished / name).read_bytes() for name in ("index.html", "time.html")]

    before = pages()
    report(finished)
    assert pages() == before
    host = finished / "host.json"
    text = host.read_text()
    told = json.loads(text)
    told["sittings"][0]["stages"]["score"]["forward"]["seconds"] += 1000
    try:
        host.write_text(json.dumps(told))
        report(finished)
        assert pages()[0] == before[0]
        assert pages()[1] != before[1]
        for wrong in (-1, "x", float("inf")):
            told["sittings"][0]["stages"]["score"]["forward"]["seconds"] = wrong
            host.write_text(json.dumps(told))
            with pytest.raises(ResultError, match=r"host\.json"):
                read_sittings(finished)
    finally:
        host.write_text(text)
        report(finished)


def test_what_was_measured_is_known_to_the_next_study(finished: Path, tmp_path: Path) -> None:
    class Told(Progress):
        def study(self, work: Any) -> None:
            self.work = work

    told = Told()
    manifest = finished.parent / "data" / "manifest.csv"
    recipe = write_recipe(tmp_path, steps=4)
    store = finished.parent / "store"
    run(manifest, recipe, tmp_path / "run", told, store=store)
    assert told.work
    for work in told.work.values():
        assert work.steps == 0
        assert work.scores > 0
        assert work.step_seconds > 0
        assert work.score_seconds > 0
    # Nothing is left in the run that is there; in another one all is left to score.
    for out, said in ((tmp_path / "run", "about 0.0 s at most on "), (None, "s at most on cpu ")):
        resolved = resolve(small_study(recipe), manifest)
        *_, what = preview(resolved, out=out, store=store, device="cpu")[-1].rows
        assert what[0] == "time"
        assert said in what[1]
    *_, what = preview(resolved, store=store, device="cpu", threads=63)[-1].rows
    assert what[1].startswith("not known: none of these was trained or scored before on cpu (")
    assert what[1].endswith(", 63 threads")
    (store / "speeds.json").write_text("[]")
    with pytest.raises(BenchmarkError, match=r"speeds\.json: holds no speeds .* remove it"):
        run(manifest, recipe, tmp_path / "other", told, store=store)
