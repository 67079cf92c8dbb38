"""The works that can be cited, and what is known to use them."""

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from protocols.reading import parse, read_yaml
from results.errors import ResultError

SUITE = "forgerybench"
_FOLDER = files("results.references")
_ENTRY = re.compile(r"^@[a-z]+\{([a-z0-9]+),\n(?:  [a-z]+ = \{.*\},\n)+\}$", re.MULTILINE)
_Key = Annotated[str, Field(pattern=r"^[a-z]+[0-9]{4}[a-z0-9]+$")]
Cited = tuple[_Key, ...] | str
"""Keys of works, or in words why there is none."""


class Uses(BaseModel):
    """What cites what, as ``uses.yaml`` states it.

    Attributes:
        detectors: By name in the catalog.
        protocols: By name, of those that ship.
        perturbations: By suite.
        metrics: By name.
        statistics: By what a report has.
        backbones: By a word in the name of a network.
        datasets: By the source of samples.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    detectors: Mapping[str, Cited]
    protocols: Mapping[str, Cited]
    perturbations: Mapping[str, Cited]
    metrics: Mapping[str, Cited]
    statistics: Mapping[str, Cited]
    backbones: Mapping[str, Cited]
    datasets: Mapping[str, Cited]


@cache
def uses() -> Uses:
    """Read what cites what.

    Raises:
        ProtocolError: The file breaks the schema.
        ResultError: It names a work that is not there.
    """
    text = (_FOLDER / "uses.yaml").read_text(encoding="utf-8")
    found = parse(Uses, read_yaml(text, "uses.yaml"), "uses.yaml")
    for section in Uses.model_fields:
        for name, cited in getattr(found, section).items():
            unknown = [] if isinstance(cited, str) else [k for k in cited if k not in works()]
            if unknown:
                raise ResultError(f"uses.yaml: {section}: {name}: works.bib has no {unknown[0]}")
    return found


@cache
def works() -> dict[str, str]:
    """Read the BibTeX of every work, by its key.

    Raises:
        ResultError: A part of the file is no entry, or a key stands there twice.
    """
    text = (_FOLDER / "works.bib").read_text(encoding="utf-8")
    found: dict[str, str] = {}
    for entry in _ENTRY.finditer(text):
        if entry[1] in found:
            raise ResultError(f"works.bib: {entry[1]} stands there twice")
        found[entry[1]] = entry[0]
    left = _ENTRY.sub("", text).splitlines()
    if odd := [line for line in left if line and not line.startswith("%")]:
        raise ResultError(f"works.bib: no entry begins or goes on with '{odd[0]}'")
    return found
