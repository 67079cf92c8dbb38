"""Kill a run at random times, resume it each time, and compare it with an undisturbed one.

    python -m tests.kill_and_resume [--seed N] [--kills 20] [--in-training 5] [--in-scoring 5]
                                    [--ways alone,shards,ray]

Every kill is SIGKILL, at a time drawn from the seed, which is printed: to the whole command
(``alone``), to one of three shards that fill one run and is started again (``shards``), to a worker
of a Ray cluster (``ray``), of which there are fewer kills. Scores and tables must have the same
content hashes as the undisturbed run's, and a unit or model that was finished at a kill must never
be written again: that is seen from outside, by the file's identity.
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
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
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


@dataclass
class Outcome:
    """What was seen of a run that was killed again and again."""

    run: Path
    seen: Counter[str] = field(default_factory=Counter)
    watched: Watched = field(default_factory=Watched)


Line = Callable[[Path, Path], list[str]]
"""Gives the command for a folder of the run and one of models."""


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
    child = started(line)
    began = time.monotonic()
    before, since = marks(run, store), None
    while child.poll() is None and time.monotonic() - began < LIMIT_SECONDS:
        # Files of an earlier sitting tell nothing: it is at work once it has written its own.
        if since is None and phase(run, store) == wanted and marks(run, store) - before:
            since = time.monotonic()
        if since is not None and time.monotonic() >= since + delay:
            ended(child)
            return phase(run, store)
        time.sleep(0.02)
    finished(child)
    return None


def alone(options: argparse.Namespace, draw: random.Random, folder: Path, line: Line) -> Outcome:
    """Kill the one command that works on a run, and start it again."""
    run, store = folder / "alone", folder / "alone-store"
    wanted = ["training"] * (options.kills // 2) + ["scoring"] * (options.kills // 2)
    outcome = Outcome(run)
    for number, aim in enumerate(wanted, start=1):
        delay = draw.uniform(0, LATEST[aim])
        hit = kill_once(line(run, store), run, store, aim, delay)
        outcome.watched.look(store, run / "units", run / "scores")
        if hit is None:
            raise SystemExit(f"kill {number} came too late: the run had ended; use a larger set")
        outcome.seen[hit] += 1
        print(f"kill {number}: {delay:.2f} s into {aim}, hit {hit}", flush=True)
    subprocess.run(line(run, store), cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    outcome.watched.look(store)
    return outcome


def shards(options: argparse.Namespace, draw: random.Random, folder: Path, line: Line) -> Outcome:
    """Kill one of three shards that are at work at once, and start it again."""
    run, store = folder / "shards", folder / "shards-store"
    outcome, kills = Outcome(run), max(2, options.kills // 4)

    def start(number: int) -> "subprocess.Popen[bytes]":
        return started([*line(run, store), "--shard", f"{number}/3"])

    children = {number: start(number) for number in (1, 2, 3)}
    for kill in range(1, kills + 1):
        before, deadline = marks(run, store), time.monotonic() + LIMIT_SECONDS
        while not marks(run, store) - before and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(draw.uniform(0, LATEST["scoring"]))
        outcome.watched.look(store, run / "units", run / "scores")
        victim = draw.choice((1, 2, 3))
        hit = phase(run, store)
        at_work = children[victim].poll() is None
        ended(children[victim])
        children[victim] = start(victim)
        outcome.seen[hit] += at_work
        print(f"kill {kill}: shard {victim}, hit {hit if at_work else 'nothing'}", flush=True)
    for child in children.values():
        finished(child)
    subprocess.run(line(run, store), cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    outcome.watched.look(store)
    return outcome


def ray(options: argparse.Namespace, draw: random.Random, folder: Path, line: Line) -> Outcome:
    """Kill the workers of a Ray cluster of this machine; the command itself goes on."""
    run, store = folder / "ray", folder / "ray-store"
    outcome = Outcome(run)
    child = started([*line(run, store), "--executor", "ray"])
    for aim in ("training", "scoring"):
        before = marks(run, store)
        while child.poll() is None and not (
            phase(run, store) == aim and marks(run, store) - before and workers(child.pid)
        ):
            time.sleep(0.02)
        time.sleep(draw.uniform(0, LATEST["scoring"]))
        outcome.watched.look(store, run / "units", run / "scores")
        while not (there := workers(child.pid)) and child.poll() is None:
            time.sleep(0.02)
        hit = phase(run, store)
        if not there:
            raise SystemExit("the kill of a Ray worker came too late; use a larger set")
        with suppress(ProcessLookupError):
            os.kill(draw.choice(there), signal.SIGKILL)
        outcome.seen[hit] += 1
        print(f"kill of a Ray worker, hit {hit}", flush=True)
    finished(child)
    outcome.watched.look(store)
    return outcome


def workers(root: int) -> list[int]:
    """List the processes below ``root`` in which Ray carries out a task."""
    parents: dict[int, int] = {}
    busy = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(path.name)] = int((path / "stat").read_text().rpartition(")")[2].split()[1])
            if (path / "cmdline").read_bytes().startswith(b"ray::_carry_out"):
                busy.append(int(path.name))
        except (FileNotFoundError, ProcessLookupError):
            continue

    def is_below(process: int) -> bool:
        while process in parents and process != root:
            process = parents[process]
        return process == root

    return sorted(process for process in busy if is_below(process))


def started(line: list[str]) -> "subprocess.Popen[bytes]":
    """Start a command that can be killed with all its children."""
    return subprocess.Popen(
        line, cwd=ROOT, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )


def ended(child: "subprocess.Popen[bytes]") -> None:
    """Kill a command, if it is still there."""
    if child.poll() is None:
        os.killpg(child.pid, signal.SIGKILL)
    child.communicate()


def finished(child: "subprocess.Popen[bytes]") -> None:
    """Wait for a command that must succeed."""
    _, errors = child.communicate(timeout=LIMIT_SECONDS)
    if child.returncode:
        raise SystemExit(f"the run failed by itself: {errors.decode()}")


WAYS = {"alone": alone, "shards": shards, "ray": ray}


def main(arguments: list[str] | None = None) -> None:
    """Do it, and print what was seen."""
    formatter = argparse.RawTextHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=formatter)
    parser.add_argument("--seed", type=int, default=20260101)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--in-training", type=int, default=5)
    parser.add_argument("--in-scoring", type=int, default=5)
    parser.add_argument("--ways", default=",".join(WAYS))
    options = parser.parse_args(arguments)
    print(f"seed {options.seed}", flush=True)
    draw = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        manifest = generate(folder / "data", counts=SetSizes(train=16, val=6, test=20))
        study = folder / "killed.yaml"
        study.write_text(STUDY)
        line = partial(command, study, manifest)
        quiet = line(folder / "quiet", folder / "quiet-store")
        subprocess.run(quiet, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        for way in options.ways.split(","):
            print(f"-- {way}", flush=True)
            outcome = WAYS[way](options, draw, folder, line)
            if way == "alone":
                check_kills(options, outcome.seen)
            check(outcome, table_hashes(folder / "quiet"))


def check_kills(options: argparse.Namespace, seen: Counter[str]) -> None:
    """Hold that the kills hit what they were meant for."""
    if seen["training"] < options.in_training or seen["scoring"] < options.in_scoring:
        raise SystemExit(f"too few kills hit training or scoring: {dict(seen)}")


def check(outcome: Outcome, quiet: dict[str, str]) -> None:
    """Hold what was promised, and print the counts."""
    rewritten, killed = outcome.watched.rewritten, table_hashes(outcome.run)
    print(f"kills by phase: {dict(outcome.seen)}; finished files written again: {len(rewritten)}")
    differing = [name for name in quiet | killed if quiet.get(name) != killed.get(name)]
    print(f"{len(quiet)} content hashes compared, {len(differing)} differ: {differing[:5]}")
    if rewritten or differing:
        raise SystemExit("the killed run is not the undisturbed one")
    print("the killed run ends as the undisturbed one", flush=True)


if __name__ == "__main__":
    main()
