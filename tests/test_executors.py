"""Several workers fill one run: the same bytes come out, and no work is done twice."""

import os
import re
import signal
from concurrent.futures import Future
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from benchmark.errors import BenchmarkError
from benchmark.executors import ChosenExecutor, Share, check_executor, read_share
from benchmark.executors.tasks import Done, Work
from benchmark.progress import Progress
from protocols.errors import UnknownNameError
from results.hashing import content_hash
from results.store import load_scores, read_run
from results.verifying import verify
from tests.mortal import strike
from tests.small_study import study
from tests.workers import Noting, Undisturbed, again, command, ended, hashes, started, until

pytestmark = pytest.mark.usefixtures("every_form")


def trained(texts: list[str]) -> list[str]:
    """List the trainings that commands printed the end of."""
    return sorted(line for text in texts for line in re.findall(r"Mortal on \w+ \(seed \d\)", text))


def test_a_share_begins_with_its_own_and_goes_on_with_the_others() -> None:
    orders = [Share(number, 3).ordered(list("abcdefg")) for number in (1, 2, 3)]
    assert orders == [list("adgbecf"), list("becfadg"), list("cfadgbe")]


@pytest.mark.parametrize("text", ["0/3", "4/3", "1", "a/b", "/", "1/0", "-1/3"])
def test_a_share_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(BenchmarkError, match="--shard is one of n, counted from 1"):
        read_share(text)


def test_what_an_executor_does_not_take_is_refused() -> None:
    check_executor(ChosenExecutor(name="processes", workers=2))
    with pytest.raises(BenchmarkError, match="--workers is for --executor processes, not ray"):
        check_executor(ChosenExecutor(name="ray", workers=2))
    with pytest.raises(BenchmarkError, match="--address is for --executor ray, not local"):
        check_executor(ChosenExecutor(address="auto"))
    with pytest.raises(UnknownNameError, match="did you mean 'processes'"):
        check_executor(ChosenExecutor(name="proceses"))


def test_processes_give_the_same_bytes_though_two_of_them_are_killed(
    quiet: Undisturbed, tmp_path: Path, marks: Path
) -> None:
    strike(marks, "training")
    strike(marks, "scoring")
    progress = Noting()
    out = tmp_path / "run"
    again(
        quiet,
        out,
        progress,
        executor="processes",
        workers=2,
    )
    assert len(list(marks.glob("*-*"))) == 2, "both died"
    notes = " ".join(progress.notes)
    assert "a worker was lost that trained tests-mortal-mortal-" in notes
    assert "a worker was lost that scored images of data (part 0, 1 in all)" in notes
    assert hashes(out) == hashes(quiet.out)
    assert not verify(out).faults


def test_work_that_kills_every_worker_ends_the_study_in_words(
    quiet: Undisturbed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from benchmark.executors import local

    class Gone(Exception):
        pass

    class Deadly(local.LocalExecutor):
        lost = (Gone,)

        def submit(self, task: Any) -> "Future[Done]":
            done: Future[Done] = Future()
            done.set_exception(Gone("Out of memory\nand much more"))
            return done

    monkeypatch.setattr(local, "LocalExecutor", Deadly)
    said = r"3 workers were lost .* trained \S+ \(Out of memory\): .* the same command goes on"
    with pytest.raises(BenchmarkError, match=said):
        again(quiet, tmp_path / "run")


def test_a_worker_of_another_kind_is_refused(
    quiet: Undisturbed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import benchmark.study.sitting as module

    def other(**facts: Any) -> Work:
        return Work(**facts | {"environment": facts["environment"] | {"torch": "0.1"}})

    monkeypatch.setattr(module, "Work", other)
    with pytest.raises(BenchmarkError, match=r"a worker has torch .*, and the run 0\.1"):
        again(quiet, tmp_path / "run",
            executor="processes", workers=1)  # fmt: skip


def test_a_gap_is_met_by_one_worker_and_known_to_all(quiet: Undisturbed, tmp_path: Path) -> None:
    from benchmark.study.gaps import LeftOutError

    wanted = study(quiet.recipe, detector="tests.small_data:Exploding")
    with pytest.raises(LeftOutError, match="the loss is nan at step 1"):
        again(quiet, tmp_path / "run",
            study=wanted, executor="processes", workers=2)  # fmt: skip
    assert all(entry.gap for entry in read_run(tmp_path / "run").entries)


@pytest.fixture
def _two_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that others use too: Ray takes two processors, and its memory guard sleeps."""
    if find_spec("ray") is None:
        pytest.skip("Ray is not installed")
    monkeypatch.setenv("RAY_worker_niceness", "0")
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1})
    monkeypatch.setenv("RAY_memory_monitor_refresh_ms", "0")


@pytest.mark.usefixtures("_two_processors")
def test_ray_gives_the_same_bytes_though_two_workers_are_killed(
    quiet: Undisturbed, tmp_path: Path, marks: Path
) -> None:
    strike(marks, "training")
    strike(marks, "scoring")
    progress = Noting()
    out = tmp_path / "run"
    again(quiet, out, progress, executor="ray")
    assert len(list(marks.glob("*-*"))) == 2, "both died"
    assert sum("a worker was lost that" in note for note in progress.notes) == 2
    assert hashes(out) == hashes(quiet.out)


@pytest.mark.usefixtures("_two_processors")
def test_a_cluster_that_is_not_there_is_told(quiet: Undisturbed, tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match="--executor ray: there is no cluster at 'auto'"):
        again(
            quiet,
            tmp_path / "run",
            executor="ray",
            address="auto",
        )


@pytest.mark.slow
def test_three_shards_at_once_fill_one_run(quiet: Undisturbed, tmp_path: Path, marks: Path) -> None:
    (marks / "slow").touch()
    out = tmp_path / "run"
    shards = [started(command(quiet, out, "--shard", f"{n}/3")) for n in (1, 2, 3)]
    said = ended(shards)
    reported = [text for text in said if "Report: " in text]
    assert len(reported) == 1, "one worker writes the report"
    assert sum("This shard is done" in text for text in said) == 2
    assert len(trained(said)) == 4
    assert hashes(out) == hashes(quiet.out)
    assert not verify(out).faults


def test_two_commands_at_once_on_one_folder_share_the_work(
    quiet: Undisturbed, tmp_path: Path, marks: Path
) -> None:
    (marks / "slow").touch()
    out = tmp_path / "run"
    said = ended([started(command(quiet, out)) for _ in range(2)])
    assert all("Report: " in text for text in said), "each stays until the run is whole"
    assert len(trained(said)) == 4, "no model is trained twice"
    assert sum("Writing the report" in text for text in said) == 1
    assert hashes(out) == hashes(quiet.out)


@pytest.mark.slow
def test_two_commands_at_once_may_want_different_models(
    quiet: Undisturbed, tmp_path: Path, marks: Path
) -> None:
    (marks / "slow").touch()
    out = tmp_path / "run"
    said = ended([started(command(quiet, out, "--seeds", seeds)) for seeds in ("0", "1")])
    assert all("Report: " in text for text in said)
    assert content_hash(load_scores(out)) == content_hash(load_scores(quiet.out))
    assert not verify(out).faults


def test_what_a_killed_worker_held_is_done_by_another(
    quiet: Undisturbed, tmp_path: Path, marks: Path
) -> None:
    (marks / "stuck").touch()
    out = tmp_path / "run"
    doomed = started(command(quiet, out))
    try:
        until(lambda: any(marks.glob("stuck-*")), doomed)
        other = started(command(quiet, out))
        until(lambda: len(list(out.parent.glob("store/*/facts.json"))) == 3, other)
    finally:
        os.killpg(doomed.pid, signal.SIGKILL)
        doomed.communicate()
    said = ended([other])
    assert len(set(trained(said))) == 4, "three, and the one that was left behind"
    assert hashes(out) == hashes(quiet.out)


def test_a_worker_alone_is_not_kept_waiting(quiet: Undisturbed, tmp_path: Path) -> None:
    class Silent(Progress):
        def note(self, text: str) -> None:
            raise AssertionError(text)

    again(quiet, tmp_path / "run", Silent())
