"""What was published of a dataset beside what is there."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from benchmark.data.adapters import Published, Row


class Count(NamedTuple):
    """How much of one kind was published, and is there."""

    published: Published
    found: int


def held_against(published: tuple[Published, ...], rows: Mapping[str, Row]) -> Iterator[Count]:
    """Count each kind in its unit, in a folder or among the rows of a manifest."""
    groups: dict[tuple[str, str], set[str]] = {}
    images: dict[tuple[str, str], int] = {}
    for sample_id in rows:
        row = rows[sample_id]
        key = (row["split"], row["generator"])
        images[key] = images.get(key, 0) + 1
        groups.setdefault(key, set()).add(row.get("group") or sample_id)
    for each in published:
        keys = [
            key
            for key in images
            if each.split in ("", key[0])
            and (each.generator in ("all", key[1]) or (each.generator == "" and key[1] != "camera"))
        ]
        if each.unit == "images":
            yield Count(each, sum(images[key] for key in keys))
        else:
            yield Count(each, len(set().union(*(groups[key] for key in keys))))
