"""A finished run copied to an object store, where ``verify``, ``compare`` and boards read it."""

from pathlib import Path
from typing import Any

from benchmark.data.remote import address_of, open_store, telling_store
from benchmark.errors import BenchmarkError
from protocols.files import parse_json
from protocols.text import printable
from results.faults import checked_contents
from results.files import read_json
from results.store import read_run

_FACTS = "run.json"
# What stands for a run: where and on what it was computed may change when it is gone on with.
_SAME = ("study", "data")


def publish(run: Path, address: str) -> int:
    """Copy a sealed run to a store; what is there of it from before is replaced.

    ``run.json`` is taken away first and written last: whoever reads meanwhile, or after this was
    stopped, finds no run instead of half of one. Called again, it begins anew.

    Args:
        run: The run's folder.
        address: The folder there, such as ``s3://bucket/runs/faces``.

    Returns:
        How many files it has there.

    Raises:
        BenchmarkError: It is no address, cannot be written, or holds another run; or a file of the
            run leads out of it, or has a name that stores cannot show.
        ResultError: The run is under way, or not what it was sealed as.
    """
    target = address_of(address)
    if target is None or not target.partition(":")[2].strip("/"):
        raise BenchmarkError(f"{address}: is no address, such as s3://bucket/folder")
    target = target.rstrip("/")
    checked_contents(run)
    if read_run(run).seal is None:
        raise BenchmarkError(f"{run}: is under way and has no seal yet; nothing is published")
    files = sorted(_files(run))
    with telling_store(target, "written"):
        store, folder = open_store(target)
        _refuse_other(store, folder, run, target)
        if store.exists(f"{folder}/{_FACTS}"):
            store.rm_file(f"{folder}/{_FACTS}")
        for name in files:
            _put(store, f"{folder}/{name}", run / name)
        left = {name[len(folder) :].strip("/") for name in store.find(folder)} - {*files}
        for name in sorted(left):  # of an earlier state of the run
            store.rm_file(f"{folder}/{name}")
        _put(store, f"{folder}/{_FACTS}", run / _FACTS)
        store.invalidate_cache()
    return len(files) + 1


def _files(run: Path) -> list[str]:
    """Name the files of a run but its facts: nothing with a dot, which is work on the way."""
    home, found = run.resolve(), []
    for path in run.rglob("*"):
        name = path.relative_to(run).as_posix()
        if not path.is_file() or any(part[0] == "." for part in name.split("/")):
            continue
        if not path.resolve().is_relative_to(home):
            raise BenchmarkError(
                f"{path}: is a link out of the run, and what it leads to may be no one else's to "
                "read: put the file itself there, or remove the link"
            )
        if printable(name) != name:
            raise BenchmarkError(f"{run}: the name '{printable(name)}' is no plain text: rename it")
        found.append(name)
    return [name for name in found if name != _FACTS]


def _put(store: Any, name: str, path: Path) -> None:
    """Copy a file; stores show it whole or not at all."""
    with path.open("rb") as source, store.open(name, "wb") as target:
        while block := source.read(1 << 20):
            target.write(block)


def _refuse_other(store: Any, folder: str, run: Path, address: str) -> None:
    """Raise BenchmarkError where the folder holds anything but this run as it was before."""
    there = store.find(folder)
    if not there:
        return
    name = f"{folder}/{_FACTS}"
    begun = f"{folder}/samples.parquet"
    if not store.exists(name):
        if not store.exists(begun):
            raise BenchmarkError(f"{address}: holds other files and no run: choose another address")
        return  # a publication that was stopped
    try:
        stated = parse_json(store.cat_file(name).decode("utf-8-sig"))
    except ValueError as error:
        raise BenchmarkError(f"{address}/{_FACTS}: is no run's: choose another address") from error
    ours = read_json(run / _FACTS)
    if not isinstance(stated, dict) or any(stated.get(key) != ours.get(key) for key in _SAME):
        raise BenchmarkError(f"{address}: holds another run: choose another address")
