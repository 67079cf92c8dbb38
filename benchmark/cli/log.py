"""A log for programs: what a study does, one JSON object a line; docs/runs.md states the keys."""

import json
import math
import os
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from benchmark.cli.tally import Tally, memory_bytes
from benchmark.errors import BenchmarkError
from benchmark.progress import ModelWork, Progress
from benchmark.timing import PhaseTimes

_SCHEMA = 1
# Between two lines on a job under way: a day of training is 10,000 lines.
_EVERY_SECONDS = 10.0


class JsonLog(Progress):
    """Appends every event to a file as it happens, whole lines only.

    A file that is there is added to, if it is such a log; half a line, which a killed process
    left at its end, is cut off.
    """

    def __init__(self, path: Path) -> None:
        """Write to ``path``; its folder is made if it is not there.

        Raises:
            BenchmarkError: The file cannot be written, or is something else.
        """
        self._path, self._tally = path, Tally()
        self._phase, self._models = "", tuple[str, ...]()
        self._done, self._total, self._began = 0, 0, 0.0
        self._since, self._spoke = 0, 0.0
        self._figures: dict[str, float] = {}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o666)
            _cut_half_line(self._file, path)
        except OSError as error:
            raise BenchmarkError(f"--log {path}: cannot be written ({error.strerror})") from error

    def __enter__(self) -> Self:
        """Say that a command begins."""
        self._write("start", schema=_SCHEMA)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Say how it ended, and close the file."""
        try:
            error = None if value is None else (str(value) or type(value).__name__)
            self._write("end", finished=value is None, error=error)
        finally:
            os.close(self._file)

    def study(self, work: Mapping[str, ModelWork]) -> None:
        """Write what is left to do."""
        self._tally.study(work)
        self._write(
            "study", counts={name: total for name, (_, total) in self._tally.counts.items()}
        )

    def phase(self, name: str, jobs: int) -> None:
        """Write that a phase begins."""
        self._tally.phase(name, jobs)
        self._phase, self._models = name, ()
        self._write("phase", counts={"jobs": jobs})

    def job(self, title: str, total: int, done: int = 0, models: Sequence[str] = ()) -> None:
        """Write that a job begins."""
        self._tally.job(title, total, done, models)
        self._models = tuple(models)
        self._done, self._since, self._total = done, 0, total
        self._began = self._spoke = time.monotonic()
        self._figures = {}
        self._write("job", title=title, counts=self._counts())

    def advance(self, amount: int = 1, **values: float) -> None:
        """Count, and write now and then."""
        self._tally.advance(amount, **values)
        self._done, self._since = self._done + amount, self._since + amount
        self._figures |= values
        if time.monotonic() - self._spoke >= _EVERY_SECONDS:
            self._progress("progress")

    def unit(self, name: str) -> None:
        """Write that a unit of scores is stored."""
        self._progress("unit", cell=name)

    def finish(self) -> None:
        """Write that a job is done."""
        self._tally.finish()
        self._progress("finish")
        self._models = ()

    def note(self, text: str) -> None:
        """Write what the user should read."""
        self._write("note", text=text)

    def took(self, times: PhaseTimes) -> None:
        """Write where the time of a phase went."""
        stages = {
            name: {"seconds": round(spent.seconds, 3), "count": spent.count}
            for name, spent in times.stages.items()
        }
        self._write("stages", phase=times.phase, seconds=round(times.seconds, 3), stages=stages)

    def _progress(self, event: str, cell: str | None = None) -> None:
        """Write how the job stands."""
        self._spoke = time.monotonic()
        seconds = self._spoke - self._began
        rates = {"per_second": self._since / seconds} if seconds > 0 and self._since else {}
        left = self._tally.left
        self._write(
            event,
            cell=cell,
            counts=self._counts(),
            rates=rates,
            figures=self._figures,
            seconds_left={"at_least": left.seconds, "is_whole": left.is_whole},
            memory_bytes=memory_bytes(),
        )

    def _counts(self) -> dict[str, int]:
        """Count what is done of the job and of the study."""
        counts = {"done": self._done, "total": self._total}
        for name, (done, total) in self._tally.counts.items():
            counts |= {f"{name}_done": done, name: total}
        return counts

    def _write(self, event: str, *, phase: str | None = None, **told: Any) -> None:
        """Append a line: a single call of the system, so that no line is torn."""
        models = self._models
        line = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "event": event,
            "phase": phase or self._phase or None,
            "model": models[0] if len(models) == 1 else None,
            "models": list(models),
            "cell": None,
            "counts": {},
            "rates": {},
            **told,
        }
        text = json.dumps(_finite(line), sort_keys=True, allow_nan=False, ensure_ascii=True)
        data = f"{text}\n".encode()
        try:
            written = os.write(self._file, data)
            if written < len(data):
                os.write(self._file, data[written:])
        except OSError as error:  # which names no file
            raise OSError(error.errno, error.strerror, str(self._path)) from error


def _finite(value: Any) -> Any:
    """Give null for numbers that JSON has no form for; a loss may become one."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(each) for key, each in value.items()}
    return [_finite(each) for each in value] if isinstance(value, list) else value


def _cut_half_line(file: int, path: Path) -> None:
    """Take off what stands behind the last whole line of a log.

    Raises:
        BenchmarkError: The file is no such log.
    """
    size = os.fstat(file).st_size
    if not size:
        return
    first = os.pread(file, 1 << 16, 0).partition(b"\n")[0]
    try:
        is_log = isinstance(found := json.loads(first), dict) and {"time", "event"} <= found.keys()
    except ValueError:
        is_log = False
    if not is_log:
        raise BenchmarkError(f"--log {path}: holds something else; choose another file")
    end = size
    while end and os.pread(file, 1, end - 1) != b"\n":
        end -= 1
    os.ftruncate(file, end)
