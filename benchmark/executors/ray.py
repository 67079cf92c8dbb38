"""A Ray cluster: tasks with CPUs or a GPU each, on whatever machine has them.

A task names a model or some units; the code that does it is the one that is installed where it is
done, and is refused if it is another version. Nothing is uploaded, neither code nor files: data,
store and run lie in folders that all machines share.
"""

import os
from concurrent.futures import Future
from functools import lru_cache
from types import TracebackType
from typing import Any, Self

from benchmark.errors import BenchmarkError
from benchmark.executors import ChosenExecutor
from benchmark.executors.tasks import Done, RemoteWorker, Task, Work

_HERE = "127.0.0.1"
_STORE_BYTES = 512 << 20  # holds the table of samples alone: scores and models go through files
# Read when Ray is loaded: off, a cluster that is begun here listens to this machine alone.
_LISTENS_TO_OTHERS = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"


class RayExecutor:
    """Carries tasks out on a Ray cluster."""

    def __init__(self, work: Work, chosen: ChosenExecutor) -> None:
        """Work with ``work`` on the cluster at ``chosen.address``, or on one of this machine."""
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        if chosen.address is None:
            os.environ.setdefault(_LISTENS_TO_OTHERS, "0")
        from ray import exceptions as kinds

        self.lost: tuple[type[Exception], ...] = (
            kinds.NodeDiedError,
            kinds.OutOfMemoryError,
            kinds.RaySystemError,
            kinds.WorkerCrashedError,
        )
        self._work, self._address = work, chosen.address
        gpu = work.engine.device.type == "cuda"
        self._needs = {"num_cpus": 1 if gpu else work.threads, "num_gpus": int(gpu)}

    def __enter__(self) -> Self:
        """Reach the cluster.

        Raises:
            BenchmarkError: It cannot be reached, or has no machine for a task.
        """
        import ray

        work = self._work.abroad()
        _connect(self._address)
        self._reference = ray.put(work)
        # Lost workers are replaced by whoever hands out, who says so; an error is no loss.
        self._remote = ray.remote(**self._needs, max_retries=0)(_carry_out)  # type: ignore[call-overload]
        if not self.size:
            needs = ", ".join(f"{count} {name[4:].upper()}" for name, count in self._needs.items())
            ray.shutdown()
            raise BenchmarkError(
                f"--executor ray: a task needs {needs}, which no machine of the cluster has: give "
                "another --threads, or another --device"
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Leave the cluster, which drops what is under way; one of this machine alone is ended."""
        import ray

        ray.shutdown()

    @property
    def size(self) -> int:
        """How many tasks the cluster has room for as it is now: machines may come and go."""
        wanted = {"CPU": self._needs["num_cpus"], "GPU": self._needs["num_gpus"]}
        room = 0
        for node in _machines():
            of_each = [
                int(node["Resources"].get(name, 0)) // count
                for name, count in wanted.items()
                if count
            ]
            room += min(of_each) if node["Alive"] else 0
        return room

    def submit(self, task: Task) -> Future[Done]:
        """Begin a task."""
        done: Future[Done] = self._remote.remote(task, [self._reference]).future()
        return done


def _machines() -> list[dict[str, Any]]:
    """Give the cluster's machines, gone ones too."""
    import ray

    machines: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
    return machines


def _connect(address: str | None) -> None:
    """Join a cluster, or start one that this machine alone can reach.

    Raises:
        BenchmarkError: There is none at the address, or it is of another version.
    """
    import ray
    from ray.exceptions import RayError

    own: dict[str, Any] = {
        "address": "local",
        "num_cpus": len(os.sched_getaffinity(0)),
        "object_store_memory": _STORE_BYTES,
        "include_dashboard": False,
        "_node_ip_address": _HERE,
    }
    try:
        ray.init(
            **(own if address is None else {"address": address}),
            log_to_driver=False,
            configure_logging=False,
        )
    except (ConnectionError, RayError, RuntimeError, ValueError) as error:
        first = next(iter(str(error).splitlines()), "")
        raise BenchmarkError(
            f"--executor ray: there is no cluster at '{address or 'this machine'}' ({first}): "
            "start one with 'ray start --head', or leave out --address to use this machine alone"
        ) from error
    if address is None and any(node["NodeManagerAddress"] != _HERE for node in _machines()):
        ray.shutdown()
        raise BenchmarkError(
            "--executor ray: Ray was loaded before in this process, and would let other machines "
            "reach the cluster that is begun here: start one yourself and give its --address"
        )


@lru_cache(maxsize=1)
def _worker(reference: Any) -> RemoteWorker:
    """Make this process a worker, once for all tasks of a run."""
    import ray

    return RemoteWorker(ray.get(reference))


def _carry_out(task: Task, references: list[Any]) -> Done:
    """Do a task in a worker process."""
    try:
        worker = _worker(references[0])
    except BenchmarkError as error:
        return Done(error=str(error))
    return worker.carry_out(task)
