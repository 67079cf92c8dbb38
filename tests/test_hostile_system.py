"""Full disks, closed folders and being told to stop: one line, nothing half-written."""

import errno
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import typer

from benchmark.cli.console import reports_errors
from benchmark.data.indexing import index_folder
from benchmark.errors import ManifestError
from benchmark.stopping import Stopped
from detectors.weights import save, writing
from results.files import atomic_write
from tests.small_data import write_dataset, write_recipe
from tests.small_study import run

ROOT = Path(__file__).parents[1]


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 kB; where none may be mounted, the test has nothing to show."""
    disk = tmp_path / "full"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("no file system can be mounted here")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_full_disk_names_the_file_and_leaves_nothing(full_disk: Path) -> None:
    with pytest.raises(OSError, match="No space left") as error:
        atomic_write(full_disk / "x.bin", b"0" * 1_000_000)
    assert error.value.filename == str(full_disk / "x.bin")
    assert not list(full_disk.iterdir())


@pytest.mark.parametrize("reason", [errno.ENOSPC, errno.EIO, errno.EROFS, errno.EACCES])
def test_whatever_keeps_a_file_from_being_written_is_one_line_that_names_it(
    reason: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise OSError(reason, os.strerror(reason))

    monkeypatch.setattr(os, "fsync", fails)

    @reports_errors
    def command() -> None:
        atomic_write(tmp_path / "x.csv", "text")

    with pytest.raises(typer.Exit) as left:
        command()
    assert left.value.exit_code == 1
    assert capsys.readouterr().err == f"error: {tmp_path / 'x.csv'}: {os.strerror(reason)}\n"
    assert not list(tmp_path.iterdir())


def test_tensors_on_a_full_disk_are_an_error_that_names_the_model(full_disk: Path) -> None:
    tensors = {"a": torch.zeros(1_000_000)}
    with pytest.raises(OSError, match="No space left") as error:
        save(full_disk / "model", {}, tensors)
    assert error.value.filename == str(full_disk / "model")
    assert not list(full_disk.iterdir())
    with pytest.raises(OSError, match="the disk may be full"), writing(full_disk / "state"):
        torch.save(tensors, full_disk / "state")


def test_an_error_that_is_no_writing_passes_on(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="CUDA"), writing(tmp_path):
        raise RuntimeError("CUDA error")


def test_training_on_a_full_disk_is_an_error_that_names_a_file(
    full_disk: Path, tmp_path: Path
) -> None:
    manifest = write_dataset(tmp_path / "data", count=4)
    recipe = write_recipe(tmp_path)
    (full_disk / "ballast").write_bytes(b"0" * 240_000)
    with pytest.raises(OSError, match=r"No space left|disk may be full") as error:
        run(manifest, recipe, tmp_path / "run", store=full_disk / "store", checkpoint_seconds=0)
    assert str(error.value.filename).startswith(str(full_disk))


def test_a_folder_that_cannot_be_written_is_told_before_an_image_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_dataset(tmp_path, count=1)
    (tmp_path / "manifest.csv").unlink()

    def closed(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), "/x/.secret")

    monkeypatch.setattr(tempfile, "TemporaryFile", closed)
    read: list[int] = []
    with pytest.raises(ManifestError, match=r"manifest\.csv: cannot be written \(Read-only"):
        index_folder(tmp_path, forgery="EFS", on_progress=read.append)
    assert not read


WAITING = """
import os, sys, time
from benchmark.cli import app
from benchmark.cli.console import reports_errors

@app.app.command()
@reports_errors
def wait() -> None:
    print("waiting", flush=True)
    time.sleep(60)

sys.argv = ["forgerybench", "wait"]
app.main()
"""


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGINT"])
def test_being_told_to_stop_is_one_line_and_a_code(name: str) -> None:
    number = getattr(signal, name)
    with subprocess.Popen(
        [sys.executable, "-c", WAITING], cwd=ROOT, stdout=-1, stderr=-1, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "waiting\n"
        process.send_signal(number)
        _, told_text = process.communicate(timeout=60)
    assert told_text == "error: stopped; the same command goes on where it stopped\n"
    assert process.returncode == 128 + number


def test_a_signal_that_is_ignored_stays_so() -> None:
    code = (
        "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        "from benchmark.cli.signals import stop_when_told; stop_when_told()\n"
        "assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_a_process_of_the_command_ends_at_once() -> None:
    code = (
        "import os, signal, time\n"
        "from benchmark.cli.signals import stop_when_told; stop_when_told()\n"
        "child = os.fork()\n"
        "if not child: time.sleep(60)\n"
        "time.sleep(0.2); os.kill(child, signal.SIGTERM)\n"
        "assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGTERM"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_signal_is_an_interrupt_to_all_that_cleans_up() -> None:
    assert issubclass(Stopped, KeyboardInterrupt)
