"""What a command may load: no module that nobody named, and none at all where only data is read."""

import os
import sys
from collections.abc import Iterable
from importlib.abc import MetaPathFinder
from importlib.machinery import PathFinder
from pathlib import Path

from benchmark.errors import BenchmarkError

DATA_ONLY = "FORGERYBENCH_DATA_ONLY"
# Every detector, a user's own too, is loaded after torch: without it there is none.
NEEDED_BY_CODE = ("torch", "torchvision", "timm", "transformers", "peft", "accelerate", "open_clip")


class _DataAlone(MetaPathFinder):
    """Finds no code of networks: to everyone who imports it, it is not installed."""

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> None:
        """Raise ModuleNotFoundError for what is not to be loaded, else leave it to the others."""
        if fullname in NEEDED_BY_CODE:
            raise ModuleNotFoundError(_refusal(fullname), name=fullname)


def read_data_only() -> None:
    """Load no network, no detector and no code of a user in this process: reports need none."""
    os.environ[DATA_ONLY] = "1"
    os.environ["USE_TORCH"] = "0"  # what Hugging Face's libraries ask before they look for it
    sys.meta_path.insert(0, _DataAlone())


def is_refused(error: ImportError) -> bool:
    """Tell whether an import failed since ``read_data_only`` was called: its message says so."""
    return str(error) == _refusal(error.name or "")


def _refusal(name: str) -> str:
    return (
        f"this needs {name}, and with --no-code ({DATA_ONLY}=1) nothing but data is read: leave it "
        "out to train or to score"
    )


def find_modules(modules: Iterable[str]) -> None:
    """Let modules that the command line names be found in the working folder too.

    One's own detector lies where one works. Without one that is named nothing is looked for there:
    a file could stand for a library that is not installed. The folder comes last, so that it hides
    nothing.

    Raises:
        BenchmarkError: Modules are named although no code is to be loaded.
    """
    named = sorted(set(modules))
    if named and os.environ.get(DATA_ONLY) == "1":
        raise BenchmarkError(f"'{named[0]}' is code, and --no-code ({DATA_ONLY}=1) loads none")
    here = str(Path.cwd())
    for name in {module.partition(".")[0] for module in named}:
        elsewhere = PathFinder.find_spec(name)
        # A mere folder of that name may be elsewhere too.
        is_elsewhere = elsewhere is not None and elsewhere.origin is not None
        if not is_elsewhere and PathFinder.find_spec(name, [here]) and here not in sys.path:
            sys.path.append(here)
