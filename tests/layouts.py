"""What tests of dataset adapters share: reading a miniature, and what they expect of a row."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmark.data.adapters import Options, load_adapter

Rows = dict[str, dict[str, str]]


def read(name: str, folder: Path, **options: Any) -> tuple[Rows, Any]:
    """Read a folder by an adapter; no image is looked into."""
    described = load_adapter(name).read(folder, Options(**options))
    return {path: described.rows[path] for path in described.rows}, described


def expect(row: Mapping[str, str], **columns: str) -> None:
    assert {name: row[name] for name in columns} == columns
