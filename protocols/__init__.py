"""Protocols: what trains, what tests, under which conditions. No torch, no detectors here.

The names are loaded when they are first asked for: an import of one module stays light.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from protocols.conditions import CLEAN, Condition, perturbations
    from protocols.errors import ProtocolError, SamplesError, UnknownNameError
    from protocols.expansion import ELSEWHERE, Cell, Expansion, ImageSet, TrainingSet, expand
    from protocols.gaps import Gap
    from protocols.samples import fingerprint, validate
    from protocols.schema import Protocol, load_protocol, protocol_names

__all__ = [
    "CLEAN",
    "ELSEWHERE",
    "Cell",
    "Condition",
    "Expansion",
    "Gap",
    "ImageSet",
    "Protocol",
    "ProtocolError",
    "SamplesError",
    "TrainingSet",
    "UnknownNameError",
    "expand",
    "fingerprint",
    "load_protocol",
    "perturbations",
    "protocol_names",
    "validate",
]
_HOMES = {
    "conditions": ("CLEAN", "Condition", "perturbations"),
    "errors": ("ProtocolError", "SamplesError", "UnknownNameError"),
    "expansion": ("ELSEWHERE", "Cell", "Expansion", "ImageSet", "TrainingSet", "expand"),
    "gaps": ("Gap",),
    "samples": ("fingerprint", "validate"),
    "schema": ("Protocol", "load_protocol", "protocol_names"),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Load one of ``__all__``."""
    if name not in _HOME_OF:
        raise AttributeError(f"module 'protocols' has no attribute '{name}'")
    return getattr(import_module(f"protocols.{_HOME_OF[name]}"), name)


def __dir__() -> list[str]:
    """Name all before they are loaded, for completion and ``help``."""
    return sorted({*globals(), *__all__})
