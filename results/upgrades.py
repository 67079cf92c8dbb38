"""From the schema that an older file was written with to that of this version, step by step."""

from collections.abc import Callable, Mapping
from typing import Any

from results.errors import ResultError
from results.schema import SCHEMA

# What kind of file it is (``RunFacts``, ``ModelFacts``, ``Record``) and what stands in it.
Upgrade = Callable[[str, dict[str, Any]], dict[str, Any]]


def _with_track(kind: str, raw: dict[str, Any]) -> dict[str, Any]:
    """Say that schema 1 did not take down whose recipe trained a model."""
    return {**raw, "track": "unknown"} if kind in ("ModelFacts", "Record") else raw


UPGRADES: Mapping[int, Upgrade] = {1: _with_track}


def upgraded(
    raw: dict[str, Any],
    kind: str,
    where: str,
    *,
    schema: int = SCHEMA,
    ladder: Mapping[int, Upgrade] = UPGRADES,
) -> dict[str, Any]:
    """Take what a file says to the schema of this version.

    Args:
        raw: What the file says; it is not changed.
        kind: Name of the class that it is read as.
        where: What an error calls the file.
        schema: The schema that is wanted.
        ladder: By schema, the step to the next one.

    Raises:
        ResultError: The file states no schema, a newer one, or one that no step leads from.
    """
    found = schema_of(raw, where)
    if found > schema:
        raise ResultError(
            f"{where}: schema {found} was written by a newer ForgeryBench; this version reads up "
            f"to {schema}: install a newer one"
        )
    while found < schema:
        if found not in ladder:
            oldest = next(n for n in range(schema, found, -1) if n - 1 not in ladder)
            raise ResultError(
                f"{where}: schema {found} is no longer read; the oldest that is, is {oldest}"
            )
        raw = {**ladder[found](kind, dict(raw)), "schema": found + 1}
        found += 1
    return raw


def schema_of(raw: dict[str, Any], where: str) -> int:
    """Give the schema that a file states.

    Raises:
        ResultError: It states none, or not as a whole number.
    """
    found = raw.get("schema")
    if not isinstance(found, int) or isinstance(found, bool):
        stated = "none" if found is None else repr(found)
        raise ResultError(f"{where}: 'schema' must be a whole number, found {stated}")
    return found
