"""One small run as a call and as a command, for several workers, and what must come of it."""

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from benchmark.progress import Progress
from benchmark.study.schema import study_of
from results.hashing import content_hash
from results.store import load_scores
from tests.mortal import MORTAL
from tests.small_data import write_dataset, write_recipe
from tests.small_study import Counting, run

ROOT = Path(__file__).parents[1]
LIMIT_SECONDS = 900


class Undisturbed(NamedTuple):
    """A run that one process made, and what of: four models of two seeds."""

    manifest: Path
    recipe: str
    out: Path


def make_undisturbed(folder: Path) -> Undisturbed:
    """Make one in an empty folder."""
    manifest, recipe = write_dataset(folder / "data", count=8), write_recipe(folder)
    run(manifest, recipe, folder / "run", **_options(recipe))
    return Undisturbed(manifest, recipe, folder / "run")


class Noting(Counting):
    def __init__(self) -> None:
        super().__init__()
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


def again(of: Undisturbed, out: Path, progress: Progress | None = None, **changes: Any) -> Path:
    """Make the same run in another folder, with other settings; ``command`` says the same."""
    return run(of.manifest, of.recipe, out, progress, **(_options(of.recipe) | changes))


def _options(recipe: str) -> dict[str, Any]:
    wanted = study_of(
        "cross-generator", detectors=[MORTAL], size="tiny", recipe=recipe, seeds=[0, 1]
    )
    return {"study": wanted, "threads": 1, "checkpoint_seconds": 0.0, "device": "cpu"}


def hashes(out: Path) -> dict[str, str]:
    """Name all of a run that must be the same, whoever worked on it."""
    found = {"scores": content_hash(load_scores(out))}
    for path in sorted(out.rglob("*")):
        name = path.relative_to(out).as_posix()
        if path.is_file() and not name.startswith((".lock", "host.json", "time.html", "scores/")):
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def command(of: Undisturbed, out: Path, *more: str) -> list[str]:
    """Give the command line of the same run in another folder."""
    return [
        sys.executable, "-m", "forgerybench", "run", "cross-generator", "--data", str(of.manifest),
        "--detectors", MORTAL, "--size", "tiny", "--recipe", of.recipe, "--seeds", "0,1",
        "--out", str(out), "--store", str(out.parent / "store"), "--threads", "1",
        "--device", "cpu", "--checkpoint-seconds", "0", *more,
    ]  # fmt: skip


def started(line: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        line,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        env=os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "200"},
    )


def ended(children: list["subprocess.Popen[str]"]) -> list[str]:
    """Wait for commands that must succeed; give what they printed."""
    try:
        said = [child.communicate(timeout=LIMIT_SECONDS)[0] for child in children]
    finally:
        for child in children:
            if child.poll() is None:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()
    for child, text in zip(children, said, strict=True):
        assert child.returncode == 0, text
    return said


def until(happened: Callable[[], bool], child: "subprocess.Popen[str]") -> None:
    deadline = time.monotonic() + LIMIT_SECONDS
    while not happened():
        assert child.poll() is None, child.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.05)


def session(leader: int) -> list[int]:
    """List the processes of a session: a command that was ``started``, and its children."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, own = path.read_text().rpartition(")")[2].split()[:4]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(own) == leader and state != "Z":
            found.append(int(path.parent.name))
    return found
