"""The licences of what ForgeryBench is built on, from the metadata of what is installed.

python -m docs.scripts.licences docs/licences.md
"""

import re
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from typing import Any

from docs.scripts.pages import between_marks, rewrite

BEGIN, END = "<!-- made by: make licence-page -->", "<!-- end of what is made -->"
_CLASSIFIER = "License :: "
_LONGEST = 60  # some packages put the whole text of a licence in one field


def table() -> str:
    """Give a row a package that an installation without extras has, in Markdown."""
    lines = ["| package | licence, as it states it |", "|---|---|"]
    rows = {each.name.lower(): each for each in needed("forgerybench")}
    lines += [f"| {rows[name].name} | {licence(rows[name])} |" for name in sorted(rows)]
    return "\n".join(lines) + "\n"


def with_table(text: str) -> str:
    """Put ``table`` in the place of what was made before."""
    return between_marks(text, BEGIN, END, table())


def needed(root: str) -> Iterator[Distribution]:
    """List what a package needs at run time, directly or through others, once each.

    What is not installed here, as on another system, is left out.
    """
    seen, left = {root}, _requirements(distribution(root))
    while left:
        name = left.pop()
        if name in seen:
            continue
        seen.add(name)
        try:
            found = distribution(name)
        except PackageNotFoundError:
            continue
        left += _requirements(found)
        yield found


def licence(package: Distribution) -> str:
    """Say what licence a package states: its expression, its classifiers or its short text."""
    stated: Any = package.metadata
    if expression := stated.get("License-Expression"):
        return str(expression)
    classifiers = [
        text.rpartition(" :: ")[2]
        for text in stated.get_all("Classifier") or []
        if text.startswith(_CLASSIFIER) and not text.endswith("OSI Approved")
    ]
    text = (stated.get("License") or "").strip()
    short = text if 0 < len(text) <= _LONGEST and "\n" not in text else ""
    return "; ".join(classifiers) or short or "see its files"


def _requirements(package: Distribution) -> list[str]:
    """Name what a package needs without extras, in the one spelling of names."""
    plain = [text for text in package.requires or [] if "extra ==" not in text]
    names = [re.split(r"[^A-Za-z0-9._-]", text, maxsplit=1)[0] for text in plain]
    return [re.sub(r"[-_.]+", "-", name).lower() for name in names]


if __name__ == "__main__":
    rewrite(sys.argv[1], BEGIN, END, table())
