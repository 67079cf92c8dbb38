"""What a dataset states of itself as a whole, in a small JSON file beside its manifest."""

import json
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from benchmark.errors import ManifestError
from protocols.errors import ProtocolError
from protocols.files import read_json
from protocols.reading import parse
from results.files import atomic_write, json_text


class DatasetFacts(BaseModel):
    """Facts of a dataset: the keys of ``manifest.json`` beside ``manifest.csv``.

    Attributes:
        format: Of the file; a change of what a key means is a new one.
        synthetic: Whether faces and forgeries are drawn by a program: results on them prove the
            machinery and say nothing of a detector.
        root: The folder that paths start from: absolute, or from the manifest's; null: that one.
        links: Whether links lead out of the root, as in the Hub's cache: its user has said so.
        pictures: The folder of the pictures that the images are crops of, as the manifest's columns
            ``crop_of`` and ``crop_place`` say; relative to this file, or absolute.
        picture_links: Whether links lead out of that folder.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    format: Literal[1]
    synthetic: bool = False
    root: str | None = Field(default=None, min_length=1)
    links: bool = False
    pictures: str | None = Field(default=None, min_length=1)
    picture_links: bool = False

    def of_copy(self) -> "DatasetFacts":
        """Give the facts of a copy whose files lie beside its own manifest.

        A copy of a crop is no longer what the crop's place in its picture says.
        """
        own = {"root": None, "links": False, "pictures": None, "picture_links": False}
        return self.model_copy(update=own)


NOTHING_STATED: Final = DatasetFacts(format=1)


def facts_path(manifest: Path) -> Path:
    """Give the file that states the facts of a manifest's dataset: its name, ending in .json."""
    return manifest.with_suffix(".json")


def read_dataset_facts(manifest: Path) -> DatasetFacts:
    """Read what is stated beside a manifest.

    Args:
        manifest: The manifest's file; it is not read.

    Returns:
        ``NOTHING_STATED`` where there is no such file.

    Raises:
        ManifestError: It is not JSON, or a key is unknown, missing, double or wrong.
    """
    path = facts_path(manifest)
    if not path.exists():
        return NOTHING_STATED
    meant = f"it states facts of the dataset of {manifest.name}: rename it if it is something else"
    try:
        return parse(DatasetFacts, read_json(path), str(path))
    except ProtocolError as error:
        raise ManifestError(f"{error}; {meant}") from error


def write_facts(manifest: Path, facts: DatasetFacts) -> None:
    """State facts beside a manifest; a file that is there must state the same.

    Args:
        manifest: The manifest's file, which may be written later.
        facts: ``NOTHING_STATED`` needs no file.

    Raises:
        ManifestError: The file that is there states something else, or cannot be read.
    """
    path = facts_path(manifest)
    if path.exists():
        found, wanted = read_dataset_facts(manifest).model_dump(), facts.model_dump()
        for key, value in wanted.items():
            if found[key] != value:
                raise ManifestError(
                    f"{path}: '{key}' is {json.dumps(found[key])}, where {json.dumps(value)} is to "
                    "be stated; correct or remove it"
                )
    elif facts != NOTHING_STATED:
        atomic_write(path, json_text(facts.model_dump(exclude_defaults=True), str(path)))
