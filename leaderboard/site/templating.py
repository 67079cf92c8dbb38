"""What all pages are made with: templates, links that may be followed, a policy that seals them."""

import base64
import hashlib
import json
import re
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from leaderboard.tables.table import (
    BEST,
    DASH,
    LEGEND,
    SECOND,
    SEEN,
    SIGNS,
    Table,
    with_unit,
)
from protocols.text import printable
from results.rounding import rounded

LONG_TABLE = 12  # rows; a longer table is folded away under its caption
SEEN_TEXT = "the forgeries were seen in training"
_ARXIV = re.compile(r"arXiv[: ](\d{4}\.\d{4,5})")
_ADDRESS = re.compile(r"https://[A-Za-z0-9.-]+(/[A-Za-z0-9._~/%+@:=?&,-]*)?")


def template_environment() -> Environment:
    """Make the environment of all templates: everything is escaped, nothing may be undefined."""
    made = Environment(
        loader=PackageLoader("leaderboard.site"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    made.filters.update(split_links=split_links)
    made.tests["long"] = is_long
    made.globals.update(
        LEGEND=LEGEND, SEEN=SEEN, SEEN_TEXT=SEEN_TEXT, SIGNS=SIGNS, BEST=BEST, SECOND=SECOND,
        DASH=DASH, rounded=rounded, with_unit=with_unit,
    )  # fmt: skip
    return made


def sealed(styles: Sequence[str], scripts: Sequence[str]) -> dict[str, Markup | str]:
    """Give ``style`` and ``script`` of a page, and the ``policy`` that lets nothing else act.

    Args:
        styles: Names of files beside the templates.
        scripts: Likewise; they are one script, in this order.

    Returns:
        What a template puts into the page as it stands: the policy knows both by their hash.
    """
    texts = {
        "style": "\n".join(map(template_text, styles)),
        "script": "\n".join(map(template_text, scripts)),
    }
    hashes = {name: _policy_hash(text) for name, text in texts.items()}
    policy = (
        "default-src 'none'; base-uri 'none'; form-action 'none'; img-src 'self' data:; "
        f"style-src {hashes['style']}; script-src {hashes['script']}"
    )
    return {**{name: Markup(text) for name, text in texts.items()}, "policy": Markup(policy)}  # noqa: S704


def json_block(value: Any) -> Markup:
    """Give JSON that stands in a ``script`` element as data: nothing in it ends the element."""
    text = json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return Markup(text)  # noqa: S704


def template_text(name: str) -> str:
    """Read a file that lies beside the templates."""
    return files("leaderboard.site").joinpath("templates", name).read_text(encoding="utf-8")


def _policy_hash(text: str) -> str:
    """Give the hash of an element's text as a Content-Security-Policy names it."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def safe_address(text: str) -> str:
    """Give an address that a page may link to: ``https`` and nothing odd; else nothing."""
    return text if _ADDRESS.fullmatch(text) else ""


def split_links(text: str) -> list[tuple[str, str]]:
    """Cut a text at the papers of arXiv that it names.

    Returns:
        Parts in order, each with the address it stands for, or none.
    """
    parts, end = [], 0
    for found in _ARXIV.finditer(text):
        parts.append((text[end : found.start()], ""))
        parts.append((found.group(), f"https://arxiv.org/abs/{found.group(1)}"))
        end = found.end()
    return [*parts, (text[end:], "")]


def is_long(table: Table) -> bool:
    """Tell whether a table has more than ``LONG_TABLE`` rows."""
    return sum(len(section.rows) for section in table.sections) > LONG_TABLE


def _shown(value: Any) -> Any:
    """Spell out in a name what could turn the line around that it stands in."""
    is_name = isinstance(value, str) and not isinstance(value, Markup)
    return printable(value, keep="\n") if is_name else value
