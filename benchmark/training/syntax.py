"""Source text as a model's id counts it: what it imports, and what it says but for its form."""

import ast
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

# Fields of syntax trees that say how something is written, or that follow from where it stands.
_FORM = ("ctx", "kind", "type_comment")
_IMPORTERS = ("import_module", "__import__")
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Assign, ast.AnnAssign)


def parsed(data: bytes) -> ast.Module | None:
    """Read a syntax tree; None for what is no Python source."""
    try:
        return ast.parse(data)
    except (SyntaxError, ValueError):
        return None


def dump(node: ast.AST) -> str:
    """Write a syntax tree as text, the same in every version of Python that reads it alike.

    ``ast.dump`` is not, and it fails on deep trees.
    """
    words, left = list[str](), list[Any]([node])
    while left:
        item = left.pop()
        if isinstance(item, ast.AST):
            held = {
                name: value
                for name, value in ast.iter_fields(item)
                if name not in _FORM and value is not None and value != []
            }
            words.append(f"{type(item).__name__}({', '.join(held)})")
            left += reversed(held.values())
        elif isinstance(item, list):
            words.append(f"[{len(item)}]")
            left += reversed(item)
        else:
            words.append(repr(item))
    return "\n".join(words)


@lru_cache(maxsize=512)
def imported(data: bytes, package: tuple[str, ...]) -> frozenset[str]:
    """Name what a module may import, at any depth: modules, and names in them that may be some.

    Args:
        data: Its source; what is none imports nothing.
        package: The names of the package that it lies in; of its own, where it is one.

    Returns:
        ``from a import b`` gives ``a`` and ``a.b``, ``from a import *`` ``a.*``. Of imports by call
        those count whose module is written there as text.
    """
    tree = parsed(data)
    nodes = ast.walk(tree) if tree else ()
    return frozenset(name for node in nodes for name in _imported(node, package))


@lru_cache(maxsize=512)
def parts(data: bytes, own: str) -> frozenset[str]:
    """Give what a module is made of, each part as text, wherever in the module it stands.

    A definition is a part, and so is an import; statements that depend on their order are one
    together. Left out are comments, docstrings, layout, the words of errors, what is for types
    alone, and imports from the package ``own``, but for new names that they give.
    """
    body = _Bare(own).visit(ast.parse(data)).body
    bound = Counter(name for statement in body for name in _binds(statement))
    found, ordered = set[str](), list[str]()
    for statement in body:
        names = _binds(statement)
        if isinstance(statement, ast.Import | ast.ImportFrom):
            origin = getattr(statement, "module", "")
            found |= {f"import {origin} {each.name} {each.asname}" for each in statement.names}
        elif isinstance(statement, _DEFINITIONS) and [bound[name] for name in names] == [1]:
            found.add(dump(statement))
        else:
            ordered.append(dump(statement))
    return frozenset(found | {"\n".join(ordered)})


def _imported(node: ast.AST, package: Sequence[str]) -> list[str]:
    """Name what one node of a syntax tree imports."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        start = _absolute(node.module or "", node.level, package)
        return [start, *(f"{start}.{alias.name}" for alias in node.names)]
    if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
        called, named = node.func, node.args[0].value
        name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
        if name in _IMPORTERS and isinstance(named, str):
            bare = named.lstrip(".")
            return [_absolute(bare, len(named) - len(bare), package)]
    return []


def _absolute(module: str, level: int, package: Sequence[str]) -> str:
    """Give the full name of a module that is named with ``level`` dots in a package."""
    above = package[: len(package) + 1 - level] if level else []
    return ".".join([*above, *([module] if module else [])])


def _binds(statement: ast.stmt) -> set[str]:
    """Name what a statement of a module defines."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {statement.name}
    names = [node for node in ast.walk(statement) if isinstance(node, ast.Name)]
    return {node.id for node in names if isinstance(node.ctx, ast.Store)}


class _Bare(ast.NodeTransformer):
    """Takes away what moves no number, and the imports from one package."""

    def __init__(self, own: str) -> None:
        self._own = own

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        """Drop docstrings."""
        return None if isinstance(node.value, ast.Constant) else self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> ast.AST | None:
        """Drop the list of what a module gives to others."""
        first = node.targets[0]
        listed = isinstance(first, ast.Name) and first.id == "__all__"
        return None if listed else self.generic_visit(node)

    def visit_If(self, node: ast.If) -> Any:
        """Drop what is there for types alone."""
        node = self.generic_visit(node)  # type: ignore[assignment]
        typing = isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        return node.orelse if typing else node

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        """Keep the class of an error without its words."""
        if isinstance(node.exc, ast.Call):
            node.exc = node.exc.func
        return node

    def visit_Import(self, node: ast.Import) -> ast.AST | None:
        """Drop modules of the package."""
        node.names = [each for each in node.names if not self._is_own(each.name)]
        return node if node.names else None

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST | None:
        """Drop names from the package, unless they are given another name here."""
        if node.level or self._is_own(node.module or ""):
            node.names = [each for each in node.names if each.asname not in (None, each.name)]
            node.module, node.level = "", 0
        return node if node.names else None

    def _is_own(self, module: str) -> bool:
        return module.partition(".")[0] == self._own
