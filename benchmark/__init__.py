"""ForgeryBench's engine: data, training, scoring and the studies that join them.

``benchmark.run(...)`` is the whole benchmark as one call; the command ``forgerybench`` is a thin
layer over it.
"""

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.version import __version__

if TYPE_CHECKING:
    from benchmark.study.run import run

__all__ = ["__version__", "run"]


def _refuse_shadowed_packages() -> None:
    """Raise ImportError if another distribution or folder hides one of our five packages.

    The names are generic, so a ``results/__init__.py`` beside a user's script would be imported in
    place of ours and fail far from the cause. ``find_spec`` on a top-level name imports nothing.
    """
    here = Path(__file__).resolve().parent.parent
    for name in ("detectors", "protocols", "results", "leaderboard"):
        spec = find_spec(name)
        origin = spec.origin if spec is not None else None
        if origin is None or Path(origin).resolve().parent.parent != here:
            raise ImportError(
                f"ForgeryBench's package '{name}' belongs at {here / name}, but Python finds "
                f"{origin or 'none'}: rename that package or install ForgeryBench in its own "
                "virtual environment"
            )


_refuse_shadowed_packages()


def __getattr__(name: str) -> Any:
    """Load ``run`` on first use: the study engine imports torch, ``--help`` must not."""
    if name == "run":
        from benchmark.study.run import run

        return run
    raise AttributeError(f"module 'benchmark' has no attribute '{name}'")


def __dir__() -> list[str]:
    """Name ``run`` before it is loaded, for completion and ``help``."""
    return sorted({*globals(), *__all__})
