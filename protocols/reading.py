"""Strict reading of YAML into models: an unknown or missing key names file, key and choices."""

from collections.abc import Hashable
from importlib.resources.abc import Traversable
from pathlib import Path
from reprlib import Repr
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from yaml import MappingNode, SafeLoader, YAMLError, load
from yaml.constructor import ConstructorError

from protocols.errors import ProtocolError, UnknownNameError

_SUFFIXES = (".yaml", ".yml")
# A few lines of aliases may stand for gigabytes of text.
_SHORT = Repr()
_SHORT.maxlevel, _SHORT.maxstring, _SHORT.maxother = 3, 200, 200

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
        text = read_text(path)
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
    """Parse YAML text safely (no objects, no code); a key that stands twice is refused.

    Raises:
        ProtocolError: It is not such YAML.
    """
    try:
        return load(text, _StrictLoader)  # noqa: S506 - a SafeLoader
    except YAMLError as error:
        raise ProtocolError(f"{where}: not YAML ({' '.join(str(error).split())})") from error
    except RecursionError as error:
        raise ProtocolError(f"{where}: not YAML that can be read (nested too deeply)") from error


class _StrictLoader(SafeLoader):
    """YAML's safe part, without its silence on keys that stand twice."""

    def construct_mapping(self, node: MappingNode, deep: bool = False) -> dict[Hashable, object]:
        """Build a mapping whose keys differ."""
        known: set[str] = set()
        for key, _ in node.value:
            name = str(key.value)
            if name in known:
                raise ConstructorError(
                    None, None, f"the key '{name}' stands there twice", key.start_mark
                )
            known.add(name)
        return super().construct_mapping(node, deep)


def read_text(path: Path) -> str:
    """Read a user's file.

    Raises:
        ProtocolError: It is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ProtocolError(
            f"{path.name}: not UTF-8 text (byte {error.start}); save it as UTF-8"
        ) from error


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
        return f"'{path}' is {_SHORT.repr(first['input'])}, not one of {choices}{more}"
    # A validator of ours says what is wrong; pydantic would put a prefix before it.
    message = str(first["ctx"]["error"]) if first["type"] == "value_error" else first["msg"]
    message = message[:1].lower() + message[1:]
    return f"'{path}' is wrong: {message}, got {_SHORT.repr(first['input'])}{more}"
