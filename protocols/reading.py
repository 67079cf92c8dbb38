"""Strict reading of YAML into models: an unknown or missing key names file, key and choices."""

from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from yaml import YAMLError, safe_load

from protocols.errors import ProtocolError

Model = TypeVar("Model", bound=BaseModel)


def read_yaml(text: str, where: str) -> object:
    """Parse YAML text safely (no objects, no code).

    Raises:
        ProtocolError: It is not YAML.
    """
    try:
        return safe_load(text)
    except YAMLError as error:
        raise ProtocolError(f"{where}: not YAML ({' '.join(str(error).split())})") from error


def parse(model: type[Model], raw: object, where: str) -> Model:
    """Turn what a file held into ``model``.

    Raises:
        ProtocolError: A key is unknown, missing or has a wrong value; the first one is named.
    """
    if not isinstance(raw, dict):
        raise ProtocolError(f"{where}: a mapping is expected, found {type(raw).__name__}")
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        raise ProtocolError(f"{where}: {_sentence(model, error)}") from error


def _sentence(model: type[BaseModel], error: ValidationError) -> str:
    """Say the first thing that is wrong in one line."""
    # An unknown key first: it is often the misspelt name of one that is then missing.
    first: Any = min(error.errors(), key=lambda found: found["type"] != "extra_forbidden")
    path = ".".join(str(part) for part in first["loc"])
    more = f" ({error.error_count() - 1} more errors)" if error.error_count() > 1 else ""
    if first["type"] == "extra_forbidden":
        # The choices are the outer model's keys; a nested key is told by its path alone.
        keys = f"; the keys are {', '.join(model.model_fields)}" if len(first["loc"]) == 1 else ""
        return f"unknown key '{path}'{keys}{more}"
    if first["type"] == "missing":
        return f"key '{path}' is missing{more}"
    message = first["msg"][:1].lower() + first["msg"][1:]
    return f"'{path}' is wrong: {message}, got {first['input']!r}{more}"
