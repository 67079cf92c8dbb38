"""Perturbations of one's own: a function that the command line names, bound to a protocol's word.

A protocol's file says ``own/fog`` and no more: which function that is, the user says, by
``--perturbation fog=fog.py:fog``. Its code, with all modules of the user's that it is built on, is
part of the condition, so that scores of an edited function are others.
"""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np

from benchmark.errors import PerturbationError
from benchmark.perturbations import Perturb, given, random_stream
from benchmark.perturbations.pixels import Image
from benchmark.training.identity import BUILDING, code_hash, told
from protocols import Condition, Protocol
from protocols.conditions import OWN

_SIDE = 96  # of the image that a function is tried on


class Bound(NamedTuple):
    """A function of the user's under the word that protocols have for it.

    Attributes:
        target: ``module:function``.
        code: 12 hexadecimal digits of its code.
    """

    target: str
    code: str


_BOUND: dict[str, Bound] = {}


def targets() -> dict[str, str]:
    """Give ``module:function`` of all that are bound, by their words."""
    return {word: each.target for word, each in _BOUND.items()}


@contextmanager
def bound(functions: Mapping[str, str] | None) -> Iterator[None]:
    """Bind functions to the words of protocols for a while.

    Args:
        functions: ``module:function`` by word, ``fog`` of ``own/fog``. A function takes an
            (h, w, 3) uint8 RGB image, a ``numpy.random.Generator`` and the severity from 1, and
            gives an image of the same shape; several threads call it at once.

    Raises:
        PerturbationError: A module or function is not there.
        BenchmarkError: A module was edited after Python loaded it.
    """
    before = dict(_BOUND)
    try:
        for word, target in (functions or {}).items():
            _bind(word, target)
        yield
    finally:
        for word in set(_BOUND) - set(before):
            del given[f"{OWN}{word}"], _BOUND[word]
        for word, each in before.items():
            if _BOUND[word] != each:
                _bind(word, each.target)


def with_code(protocol: Protocol) -> Protocol:
    """Give a protocol whose perturbations of one's own state the code that they are bound to.

    Raises:
        PerturbationError: One is not bound, states other code, or gives no image of its own size,
            or not the same one twice.
    """
    changed: list[Any] = []
    for entry in protocol.conditions:
        if isinstance(entry, str) or not entry.perturbation.startswith(OWN):
            changed.append(entry)
            continue
        word = entry.perturbation.removeprefix(OWN)
        if word not in _BOUND:
            raise PerturbationError(
                f"{protocol.name}: '{entry.perturbation}' is a perturbation of one's own, and a "
                "file may not say which code is run: name it with "
                f"--perturbation {word}=FILE.py:function; named are "
                f"{', '.join(sorted(_BOUND)) or 'none'}"
            )
        code = _BOUND[word].code
        if entry.code not in (None, code):
            raise PerturbationError(
                f"{protocol.name}: '{entry.perturbation}' states the code {entry.code}, and "
                f"{_BOUND[word].target} is {code}: leave the code out for a run of its own"
            )
        changed.append(entry.model_copy(update={"code": code}))
    if changed == list(protocol.conditions):
        return protocol
    found = protocol.model_copy(update={"conditions": tuple(changed)})
    found.__dict__.pop("expanded_conditions", None)  # it may be known of the file's own
    for condition in found.expanded_conditions:
        if condition.code:
            _try(condition)
    return found


def _bind(word: str, target: str) -> None:
    """Load a function and note it with its code."""
    where = f"perturbation '{word}={target}'"
    module, colon, name = target.partition(":")
    if not (module and colon and name.isidentifier()):
        raise PerturbationError(f"{where}: one's own is named FILE.py:function or module:function")
    try:
        function = getattr(import_module(module), name, None)
    except BUILDING as error:
        raise PerturbationError(f"{where} cannot be loaded: {told(error)}") from error
    if not callable(function):
        raise PerturbationError(f"{where}: {module} has no function '{name}'")
    modules = [module, str(getattr(function, "__module__", None) or module)]
    code = code_hash(where, list(dict.fromkeys(modules)))
    _BOUND[word] = Bound(target, _digits(code, name))
    given[f"{OWN}{word}"] = _checked(where, function)


def _digits(code: str, name: str) -> str:
    """Give the 12 digits of a function in some code: two functions of one file are two."""
    return hashlib.sha256(f"{code}:{name}".encode()).hexdigest()[:12]


def _checked(where: str, function: Any) -> Perturb:
    """Wrap a function so that it cannot change its input, and its output is an image."""

    def perturb(image: Image, random: np.random.Generator, severity: float) -> Image:
        try:
            found = function(image.copy(), random, int(severity))
        except BUILDING as error:
            raise PerturbationError(f"{where} fails at severity {severity:g}: {told(error)}") from (
                error
            )
        kind = f"{found.shape} {found.dtype}" if isinstance(found, np.ndarray) else type(found)
        if not (
            isinstance(found, np.ndarray) and found.dtype == np.uint8 and found.shape == image.shape
        ):
            raise PerturbationError(
                f"{where} gives {kind} at severity {severity:g} for an image of {image.shape} "
                "uint8: it must give an array of the same shape and type"
            )
        # One of its own: a function may give the same buffer each time.
        return np.array(found, copy=True, order="C", subok=False)

    return perturb


def _try(condition: Condition) -> None:
    """Raise PerturbationError where a function fails, or gives another image the second time."""
    image = np.random.default_rng(0).integers(0, 256, (_SIDE, _SIDE, 3), dtype=np.uint8)
    first, second = (
        given[condition.name](image, random_stream(condition, 0, "tried"), condition.value)
        for _ in range(2)
    )
    if not np.array_equal(first, second):
        raise PerturbationError(
            f"perturbation '{condition.name}' ({_BOUND[condition.name.removeprefix(OWN)].target}) "
            f"gives two images for the same one at severity {condition.severity}: draw all that is "
            "random from the generator that it is given"
        )
