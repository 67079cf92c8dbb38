"""Kill a run at random times, resume it each time, and compare it with an undisturbed one.

    python -m tests.kill_and_resume [--seed N] [--kills 20] [--in-training 5] [--in-scoring 5]

Every kill is SIGKILL to the whole command, at a time drawn from the seed, which is printed. Scores
and tables must have the same content hashes as the undisturbed run's, and a unit or model that was
finished at a kill must never be written again: that is seen from outside, by the file's identity.
"""

import argparse
import hashlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from benchmark.synthetic.generate import SetSizes, generate
from results.hashing import content_hash
from results.store import load_scores

ROOT = Path(__file__).parents[1]
STUDY = """\
name: killed
title: Killed and resumed
protocols:
  - {protocol: cross-forgery}
  - {protocol: robustness-basic}
detectors:
  - {detector: xception}
  - {detector: mfclip}
  - {detector: spectrum}
size: tiny
seeds: [0]
"""
MODELS = 12
# Kills come this many seconds after the phase they are meant for is seen, at most.
LATEST = {"training": 6.0, "scoring": 1.5}
LIMIT_SECONDS = 1800


@dataclass
class Watched:
    """What was finished when a run was killed, by the identity of its files."""

    known: dict[Path, tuple[int, int]] = field(default_factory=dict)
    rewritten: list[Path] = field(default_factory=list)

    def look(self, *folders: Path) -> None:
        """Note the finished files; a known one with another identity was written again."""
        for folder in folders:
            for path in folder.glob("*"):
                target = path / "facts.json" if path.is_dir() else path
                if path.name.startswith(".") or path.name.endswith(".resume"):
                    continue
                try:
                    stat = target.stat()
                except FileNotFoundError:  # merged or renamed while we looked
                    continue
                identity = (stat.st_ino, stat.st_mtime_ns)
                if self.known.setdefault(path, identity) != identity:
                    self.rewritten.append(path)


def phase(run: Path, store: Path) -> str:
    """Tell from the files what a run is doing."""
    if not (run / "run.json").is_file():
        return "starting"
    trained = sum((path / "facts.json").is_file() for path in store.glob("*") if path.is_dir())
    if trained < MODELS:
        return "training"
    return "scoring" if (run / "units").is_dir() else "between"


def marks(run: Path, store: Path) -> set[Path]:
    """List what a run writes as it goes on: training states, models, units."""
    return {
        *store.glob("*.resume/step-*"),
        *store.glob("*/facts.json"),
        *run.glob("units/*.parquet"),
    }


def command(study: Path, manifest: Path, run: Path, store: Path) -> list[str]:
    """Give the command that is killed."""
    return [
        sys.executable, "-m", "forgerybench", "run", str(study), "--data", str(manifest),
        "--out", str(run), "--store", str(store), "--checkpoint-seconds", "0", "--threads", "1",
    ]  # fmt: skip


def table_hashes(run: Path) -> dict[str, str]:
    """Hash the scores' content and every derived file."""
    found = {"scores": content_hash(load_scores(run))}
    for folder in ("tables", "records", "figures"):
        for path in sorted((run / folder).rglob("*")):
            if path.is_file():
                name = str(path.relative_to(run))
                found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    found["page"] = hashlib.sha256((run / "index.html").read_bytes()).hexdigest()
    return found


def kill_once(line: list[str], run: Path, store: Path, wanted: str, delay: float) -> str | None:
    """Start the command and kill it ``delay`` seconds into the phase; None: it ended before."""
    child = subprocess.Popen(
        line, cwd=ROOT, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    started = time.monotonic()
    before, since = marks(run, store), None
    while child.poll() is None and time.monotonic() - started < LIMIT_SECONDS:
        # Files of an earlier sitting tell nothing: it is at work once it has written its own.
        if since is None and phase(run, store) == wanted and marks(run, store) - before:
            since = time.monotonic()
        if since is not None and time.monotonic() >= since + delay:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            return phase(run, store)
        time.sleep(0.02)
    _, errors = child.communicate()
    if child.returncode:
        raise SystemExit(f"the run failed by itself: {errors.decode()}")
    return None


def main(arguments: list[str] | None = None) -> None:
    """Do it, and print what was seen."""
    formatter = argparse.RawTextHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=formatter)
    parser.add_argument("--seed", type=int, default=20260101)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--in-training", type=int, default=5)
    parser.add_argument("--in-scoring", type=int, default=5)
    options = parser.parse_args(arguments)
    print(f"seed {options.seed}", flush=True)
    draw = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        manifest = generate(folder / "data", counts=SetSizes(train=16, val=6, test=20))
        study = folder / "killed.yaml"
        study.write_text(STUDY)
        quiet = command(study, manifest, folder / "quiet", folder / "quiet-store")
        subprocess.run(quiet, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        run, store = folder / "killed", folder / "killed-store"
        line = command(study, manifest, run, store)
        wanted = ["training"] * (options.kills // 2) + ["scoring"] * (options.kills // 2)
        seen: Counter[str] = Counter()
        watched = Watched()
        for number, aim in enumerate(wanted, start=1):
            delay = draw.uniform(0, LATEST[aim])
            hit = kill_once(line, run, store, aim, delay)
            watched.look(store, run / "units", run / "scores")
            if hit is None:
                raise SystemExit(
                    f"kill {number} came too late: the run had ended; use a larger set"
                )
            seen[hit] += 1
            print(f"kill {number}: {delay:.2f} s into {aim}, hit {hit}", flush=True)
        subprocess.run(line, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        watched.look(store)
        check(options, seen, watched, table_hashes(folder / "quiet"), table_hashes(run))


def check(
    options: argparse.Namespace,
    seen: Counter[str],
    watched: Watched,
    quiet: dict[str, str],
    killed: dict[str, str],
) -> None:
    """Hold what was promised, and print the counts."""
    print(f"kills by phase: {dict(seen)}; finished files written again: {len(watched.rewritten)}")
    differing = [name for name in quiet | killed if quiet.get(name) != killed.get(name)]
    print(f"{len(quiet)} content hashes compared, {len(differing)} differ: {differing[:5]}")
    if seen["training"] < options.in_training or seen["scoring"] < options.in_scoring:
        raise SystemExit("too few kills hit training or scoring")
    if watched.rewritten or differing:
        raise SystemExit("the killed run is not the undisturbed one")
    print("the killed run ends as the undisturbed one")


if __name__ == "__main__":
    main()
