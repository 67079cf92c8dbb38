"""Strict reading of YAML into models: an unknown or missing key names file, key and choices."""

from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from yaml import YAMLError, safe_load

from protocols.errors import ProtocolError, UnknownNameError

_SUFFIXES = (".yaml", ".yml")

Model = TypeVar("Model", bound=BaseModel)


def names_in(folder: Traversable) -> list[str]:
    """List the ``.yaml`` files of a folder by their names, without the suffix."""
    names = [path.name for path in folder.iterdir()]
    return sorted(name.removesuffix(".yaml") for name in names if name.endswith(".yaml"))


def is_file_name(name: str) -> bool:
    """Tell the path of a YAML file from the name of one that ships."""
    return name.endswith(_SUFFIXES)


def load_named(model: type[Model], kind: str, name: str, folder: Traversable) -> Model:
    """Read a named thing: one that ships, or a user's own file.

    Args:
        model: What it must be; it has a ``name``, which must be the file's.
        kind: What errors call it: ``protocol``.
        name: Name of a file in ``folder`` without its suffix, or the path of a ``.yaml`` file.
        folder: Where those that ship lie.

    Raises:
        UnknownNameError: Nothing that ships has that name.
        ProtocolError: There is no such file, or it breaks the schema.
    """
    if is_file_name(name):
        path = Path(name)
        if not path.is_file():
            raise ProtocolError(f"{name}: there is no such {kind} file")
        text = path.read_text(encoding="utf-8")
    elif name in names_in(folder):
        path = Path(f"{name}.yaml")
        text = (folder / path.name).read_text(encoding="utf-8")
    else:
        raise UnknownNameError(kind, name, names_in(folder))
    found = parse(model, read_yaml(text, path.name), path.name)
    if getattr(found, "name", None) != path.stem:
        raise ProtocolError(
            f"{path.name}: its name must be '{path.stem}', not '{getattr(found, 'name', '')}'"
        )
    return found


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
    others = error.error_count() - 1
    more = f" (and {others} more error{'s' if others > 1 else ''})" if others else ""
    if first["type"] == "extra_forbidden":
        # The choices are the outer model's keys; a nested key is told by its path alone.
        keys = f"; the keys are {', '.join(model.model_fields)}" if len(first["loc"]) == 1 else ""
        return f"unknown key '{path}'{keys}{more}"
    if first["type"] == "missing":
        return f"key '{path}' is missing{more}"
    if first["type"] == "literal_error":
        choices = first["ctx"]["expected"].replace("'", "").replace(" or ", ", ")
        return f"'{path}' is {first['input']!r}, not one of {choices}{more}"
    message = first["msg"][:1].lower() + first["msg"][1:]
    return f"'{path}' is wrong: {message}, got {first['input']!r}{more}"
