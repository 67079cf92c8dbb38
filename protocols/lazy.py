"""Public names of a package, loaded when they are first asked for: an import stays light."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any


def load_public(package: str, homes: Mapping[str, str], name: str) -> Any:
    """Load a public name of a package, for its ``__getattr__``.

    Args:
        package: The package.
        homes: By public name, ``package.module:attribute``.
        name: What is asked for.

    Raises:
        AttributeError: It is no public name.
    """
    if name not in homes:
        raise AttributeError(f"module '{package}' has no attribute '{name}'")
    module, _, attribute = homes[name].partition(":")
    return getattr(import_module(module), attribute)
