import errno
import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmark.errors import BenchmarkError
from benchmark.locks import Locks

ROOT = Path(__file__).parents[1]
HOLD = """
import sys, time
from pathlib import Path
from benchmark.locks import Locks
locks = Locks(Path(sys.argv[1]))
assert locks.take("a model")
print("held", flush=True)
time.sleep(600)
"""


def test_two_holders_exclude_each_other_by_name(tmp_path: Path) -> None:
    with Locks(tmp_path / ".lock") as one, Locks(tmp_path / ".lock") as two:
        assert one.take("a")
        assert one.take("a"), "one's own lock is no other's"
        assert not two.take("a")
        assert two.take("b")
        one.free("a")
        assert two.take("a")
    assert (tmp_path / ".lock").read_bytes() == b"", "nothing is written"


def test_what_is_shared_cannot_be_had_alone(tmp_path: Path) -> None:
    with Locks(tmp_path / ".lock") as one, Locks(tmp_path / ".lock") as two:
        assert one.take("a", shared=True)
        assert two.take("a", shared=True)
        assert not one.take("a")
        two.free("a")
        assert one.take("a")
        assert not two.take("a", shared=True)


def test_a_closed_file_holds_nothing(tmp_path: Path) -> None:
    with Locks(tmp_path / ".lock") as one:
        assert one.take("a")
    with Locks(tmp_path / ".lock") as two:
        assert two.take("a")


def test_a_process_that_is_killed_lets_go(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    try:
        assert holder.stdout.readline() == "held\n"
        with Locks(path) as locks:
            assert not locks.take("a model")
            os.kill(holder.pid, signal.SIGKILL)
            holder.wait()
            assert locks.take("a model")
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()


def test_a_file_that_was_removed_is_noticed(tmp_path: Path) -> None:
    with Locks(tmp_path / ".lock") as locks:
        assert locks.is_current()
        (tmp_path / ".lock").unlink()
        assert not locks.is_current()
        locks.reopen()
        assert locks.is_current()


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match=r"nowhere/\.lock: the lock file cannot be opened"):
        Locks(tmp_path / "nowhere" / ".lock")


def test_a_file_system_without_locks_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(*arguments: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "fcntl", no_locks)
    with Locks(tmp_path / ".lock") as locks:
        calls: list[Callable[[str], object]] = [locks.take, locks.wait]
        for call in calls:
            with pytest.raises(BenchmarkError, match=r"gives no lock there \(No locks available\)"):
                call("a")
