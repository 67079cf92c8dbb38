"""Where the time goes: counted once, in whatever thread, and it moves no number."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from benchmark import timing
from benchmark.timing import Spent, by_stage, counters, since, timed


class Clock:
    """A clock that stands still until it is told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        monkeypatch.setattr(timing, "perf_counter", lambda: self.now)


def test_a_stage_inside_another_is_taken_out_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, before = Clock(monkeypatch), counters()
    with timed("forward", "a-model", 5):
        clock.now += 1
        with timed("transfer", count=5):
            clock.now += 10
            with timed("decode"):
                clock.now += 100
        clock.now += 1000
    with timed("forward", "b-model", 2):
        clock.now += 10000
    assert since(before) == {
        ("decode", ""): Spent(100, 0),
        ("transfer", ""): Spent(10, 5),
        ("forward", "a-model"): Spent(1001, 5),
        ("forward", "b-model"): Spent(10000, 2),
    }
    assert by_stage(since(before)) == {
        "decode": Spent(100, 0),
        "transfer": Spent(10, 5),
        "forward": Spent(11001, 7),
    }
    assert list(by_stage(since(before))) == ["transfer", "forward", "decode"]
    assert since(counters()) == {}


def test_what_fails_is_counted_too(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, before = Clock(monkeypatch), counters()

    @timed("write")
    def fail() -> None:
        clock.now += 3
        raise KeyError

    with pytest.raises(KeyError):
        fail()
    with timed("write"):
        clock.now += 4
    assert since(before) == {("write", ""): Spent(7, 0)}


def test_threads_add_up_and_take_nothing_out_of_each_other() -> None:
    before = counters()

    def wait(stage: str) -> None:
        with timed(stage, count=1):
            time.sleep(0.05)

    with timed("idle"), ThreadPoolExecutor(2) as pool:
        list(pool.map(wait, ["decode"] * 4))
    found = by_stage(since(before))
    assert found["decode"].count == 4
    assert found["decode"].seconds >= 4 * 0.05
    assert found["idle"].seconds >= 2 * 0.05


def test_another_process_can_hand_its_times_over() -> None:
    before = counters()
    timing.add({("decode", ""): Spent(1.5, 3)})
    assert since(before)["decode", ""].count == 3
    with pytest.raises(ValueError, match="no stage is called 'lunch'"):
        timing.add({("lunch", ""): Spent(1, 1)})
