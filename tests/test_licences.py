"""The page of licences names all that an installation brings."""

import re
import tomllib
from pathlib import Path

import pytest

from docs.scripts.licences import licence, needed

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "licences.md").read_text(encoding="utf-8")


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_the_page_names_every_dependency_with_a_licence() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = {plain(re.split(r"[^A-Za-z0-9._-]", text)[0]) for text in project["dependencies"]}
    rows = dict(re.findall(r"^\| (\S+) \| (.+) \|$", PAGE, re.MULTILINE))
    assert wanted <= {plain(name) for name in rows}
    assert all(rows.values())


@pytest.mark.parametrize("name", ["torch", "numpy", "rich"])
def test_a_licence_is_as_the_package_states_it(name: str) -> None:
    (found,) = [each for each in needed("forgerybench") if plain(each.name) == name]
    assert f"| {found.name} | {licence(found)} |" in PAGE


def test_an_action_of_the_workflow_is_named_by_its_commit() -> None:
    text = (ROOT / ".github" / "workflows" / "ci.yml").read_text()
    used = re.findall(r"uses: (\S+)", text)
    assert used
    assert all(re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", each) for each in used)
