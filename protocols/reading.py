"""Strict reading of YAML into models: an unknown or missing key names file, key and choices."""

import math
import re
from collections.abc import Hashable, Iterator, Mapping
from importlib.resources.abc import Traversable
from pathlib import Path
from reprlib import Repr
from typing import Any, TypeVar, cast

from pydantic import BaseModel, ValidationError
from yaml import AliasEvent, MappingNode, Node, SafeLoader, ScalarNode, YAMLError, load
from yaml.composer import ComposerError
from yaml.constructor import ConstructorError
from yaml.error import Mark

from protocols import files
from protocols.errors import ProtocolError, UnknownNameError
from protocols.text import printable

_SUFFIXES = (".yaml", ".yml")
_MOST_BYTES = 256 << 10  # the longest of ours has 4 kB
_DEEP = "nested too deeply"
_TEXT, _WHOLE, _NUMBER = (f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float"))
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
        if not path.exists():
            raise ProtocolError(f"{printable(name)}: there is no such {kind} file")
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
    """Parse YAML text as data alone: no objects, tags or aliases, every key a text that differs.

    A date, a number in base 60 (``1:30``) and an infinity stay texts; a whole number is decimal.

    Raises:
        ProtocolError: It is not such YAML.
    """
    try:
        return load(text, _StrictLoader)  # noqa: S506 - a SafeLoader
    except (YAMLError, ValueError) as error:
        raise ProtocolError(f"{where}: not YAML ({_one_line(error)})") from error
    except RecursionError as error:
        raise ProtocolError(f"{where}: not YAML that can be read ({_DEEP})") from error


def read_text(path: Path) -> str:
    """Read a user's YAML file.

    Raises:
        ProtocolError: It is no file, not UTF-8, or larger than 256 KiB.
    """
    try:
        return files.read_text(path, _MOST_BYTES)
    except files.FileError as error:
        raise ProtocolError(f"{printable(path.name)}: {error.reason}") from error


class _StrictLoader(SafeLoader):
    """YAML's safe part, without its silence, its shorthands and its guesses at what a text means.

    An alias makes gigabytes of a few lines, and a tag another type than the reader sees.
    """

    depth = 0

    def compose_node(self, parent: Node | None, index: int) -> Node | None:
        """Read a node that is written out, and no deeper than anybody writes."""
        event: Any = cast(Any, self).peek_event()
        mark: Mark | None = event.start_mark
        if isinstance(event, AliasEvent):
            raise ComposerError(None, None, f"write out what '*{event.anchor}' stands for", mark)
        if getattr(event, "tag", None) not in (None, "!"):
            raise ComposerError(None, None, f"the tag '{event.tag}' is not read", mark)
        self.depth += 1
        if self.depth > files.MOST_DEPTH:
            raise RecursionError
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_mapping(self, node: MappingNode, deep: bool = False) -> dict[Hashable, object]:
        """Build a mapping whose keys are texts that differ."""
        known: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, ScalarNode) or key.tag != _TEXT:
                shown = key.value if isinstance(key, ScalarNode) else "[...]"
                problem = f"the key '{shown}' is no text; put it in quotes"
                raise ConstructorError(None, None, problem, key.start_mark)
            if key.value in known:
                raise ConstructorError(
                    None, None, f"the key '{key.value}' stands there twice", key.start_mark
                )
            known.add(key.value)
        return super().construct_mapping(node, deep)

    def construct_scalar(self, node: ScalarNode | MappingNode) -> str:
        """Read a text that can be written again."""
        text = str(super().construct_scalar(node))
        if re.search("[\ud800-\udfff]", text):
            raise ConstructorError(None, None, "half a character stands in it", node.start_mark)
        return text

    def construct_whole(self, node: ScalarNode) -> int:
        """Read a whole number that is not endless."""
        return files.whole_number(self.construct_scalar(node))


def _resolvers() -> dict[str, list[tuple[str, re.Pattern[str]]]]:
    """Give what tells numbers from texts: YAML's own, but for dates, base 60 and the like."""
    dropped = {_WHOLE, _NUMBER, "tag:yaml.org,2002:timestamp"}
    kept = {
        first: [(tag, pattern) for tag, pattern in found if tag not in dropped]
        for first, found in SafeLoader.yaml_implicit_resolvers.items()
    }
    for first in "+-.0123456789":
        kept[first] = [
            (_WHOLE, re.compile(r"[-+]?(?:0|[1-9][0-9]*)$")),
            (_NUMBER, re.compile(r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][-+][0-9]+)?$")),
            *kept.get(first, []),
        ]
    return kept


_StrictLoader.yaml_implicit_resolvers = _resolvers()
_StrictLoader.add_constructor(_WHOLE, _StrictLoader.construct_whole)


def _one_line(error: Exception) -> str:
    """Say what is wrong, and where, in one line."""
    return " ".join(str(error).split())


def parse(model: type[Model], raw: object, where: str) -> Model:
    """Turn what a file held into ``model``.

    Raises:
        ProtocolError: A key is unknown, missing or has a wrong value; the first one is named.
    """
    if not isinstance(raw, dict):
        raise ProtocolError(f"{where}: a mapping is expected, found {type(raw).__name__}")
    try:
        found = model.model_validate(raw)
    except ValidationError as error:
        raise ProtocolError(f"{where}: {_sentence(model, error)}") from error
    for key, value in _numbers(found.model_dump()):
        if not math.isfinite(value):
            raise ProtocolError(f"{where}: '{key}' is {value}, not a finite number")
    return found


def _numbers(value: object, key: str = "") -> Iterator[tuple[str, float]]:
    """List the numbers with a point that stand in a value, each with its key."""
    if isinstance(value, float):
        yield key, value
    elif isinstance(value, Mapping):
        for name, part in value.items():
            yield from _numbers(part, f"{key}.{name}" if key else str(name))
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _numbers(part, key)


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
