"""Protocols: what trains, what tests, under which conditions. No torch, no detectors here.

The names are loaded when they are first asked for: an import of one module stays light.
"""

from typing import TYPE_CHECKING, Any

from protocols.lazy import load_public

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
    "CLEAN": "protocols.conditions:CLEAN",
    "Cell": "protocols.expansion:Cell",
    "Condition": "protocols.conditions:Condition",
    "ELSEWHERE": "protocols.expansion:ELSEWHERE",
    "Expansion": "protocols.expansion:Expansion",
    "Gap": "protocols.gaps:Gap",
    "ImageSet": "protocols.expansion:ImageSet",
    "Protocol": "protocols.schema:Protocol",
    "ProtocolError": "protocols.errors:ProtocolError",
    "SamplesError": "protocols.errors:SamplesError",
    "TrainingSet": "protocols.expansion:TrainingSet",
    "UnknownNameError": "protocols.errors:UnknownNameError",
    "expand": "protocols.expansion:expand",
    "fingerprint": "protocols.samples:fingerprint",
    "load_protocol": "protocols.schema:load_protocol",
    "perturbations": "protocols.conditions:perturbations",
    "protocol_names": "protocols.schema:protocol_names",
    "validate": "protocols.samples:validate",
}


def __getattr__(name: str) -> Any:
    """Load one of ``__all__``."""
    return load_public(__name__, _HOMES, name)


def __dir__() -> list[str]:
    """Name all before they are loaded, for completion and ``help``."""
    return sorted({*globals(), *__all__})
