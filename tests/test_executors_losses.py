"""What is lost when workers, commands and disks give out: nothing that was done."""

import errno
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import results.files
from tests.workers import Undisturbed, again, command, ended, hashes, session, started, until

pytestmark = pytest.mark.usefixtures("every_form")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_command_that_is_stopped_takes_its_processes_along_and_goes_on(
    number: signal.Signals, quiet: Undisturbed, marks: Path
) -> None:
    (marks / "slow").touch()
    out = marks.parent / "run"
    line = command(quiet, out, "--executor", "processes", "--workers", "2")
    child = started(line)
    until(lambda: any(out.parent.glob("store/*.resume/step-*")), child)
    assert len(session(child.pid)) >= 3, "two processes are at work"
    os.kill(child.pid, number)
    said = child.communicate()[0]
    if number == signal.SIGKILL:
        assert child.returncode == -signal.SIGKILL
    else:
        assert child.returncode == 128 + number, said
        assert "stopped; the same command goes on where it stopped" in said
    gone(child.pid)
    (marks / "slow").unlink()
    ended([started(line)])
    assert hashes(out) == hashes(quiet.out)


def gone(leader: int) -> None:
    """Wait for the last process of a session; nobody else ends it."""
    deadline = time.monotonic() + 60
    while (left := session(leader)) and time.monotonic() < deadline:
        time.sleep(0.1)
    for process in left:
        os.kill(process, signal.SIGKILL)
    assert not left, "processes outlived the command"


def test_a_full_disk_is_named_and_the_run_goes_on_when_there_is_room(
    quiet: Undisturbed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, out = results.files._write, tmp_path / "run"

    def full(name: str, room_for: int) -> Callable[[Path, bytes], None]:
        """Give a disk that is full when a file of that name or folder has been written so often."""
        left = room_for

        def fail(path: Path, data: bytes) -> None:
            nonlocal left
            if name in path.parts:
                left -= 1
                if left < 0:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            write(path, data)

        return fail

    # At each the run comes a little further: into its units, to its scores, its seal, its records.
    for name, room_for in (("units", 0), ("scores", 1), ("run.json", 2), ("records", 1)):
        with monkeypatch.context() as patch:
            patch.setattr(results.files, "_write", full(name, room_for))
            with pytest.raises(OSError, match=f"No space left on device.*{name}"):
                again(quiet, out)
    again(quiet, out)
    assert hashes(out) == hashes(quiet.out)
