"""Protocols: what trains, what tests, under which conditions. No torch, no detectors here."""

from protocols.conditions import CLEAN, Condition, perturbations
from protocols.errors import ProtocolError, SamplesError, UnknownNameError
from protocols.expansion import Cell, Expansion, ImageSet, TrainingSet, expand
from protocols.gaps import Gap
from protocols.samples import fingerprint, validate
from protocols.schema import Protocol, load_protocol, protocol_names

__all__ = [
    "CLEAN",
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
