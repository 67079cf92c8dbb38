"""The code of one's own detector: all modules of his that it imports, and what it is built on."""

import importlib
import sys

import pytest

from benchmark.errors import BenchmarkError
from benchmark.training.sources import own_sources
from tests.own_detector import Write, detector, edit, identity_of

LARGE, SMALL = "NUMBER = 1000\n", "NUMBER = 1\n"


@pytest.mark.parametrize(
    ("edited", "statement", "others"),
    [
        ("helper.py", "import helper", {}),
        ("helper.py", "import helper as h, json", {}),
        ("helper.py", "from helper import NUMBER", {}),
        ("helper.py", "def later():\n    from helper import NUMBER", {}),
        ("helper.py", "try:\n    import helper\nexcept ImportError:\n    pass", {}),
        ("far.py", "import helper", {"helper.py": "from far import NUMBER"}),
        ("pack/__init__.py", "import pack.part", {"pack/part.py": ""}),
        ("pack/part.py", "import pack.part", {"pack/__init__.py": ""}),
        ("pack/part.py", "from pack import part", {"pack/__init__.py": ""}),
        ("pack/part.py", "import pack", {"pack/__init__.py": "from . import part"}),
        ("pack/part.py", "import pack", {"pack/__init__.py": "from .part import NUMBER"}),
        (
            "pack/part.py",
            "from pack.deep import inner",
            {
                "pack/__init__.py": "",
                "pack/deep/__init__.py": "",
                "pack/deep/inner.py": "from ..part import NUMBER",
            },
        ),
        ("pack/part.py", "from pack import *", {"pack/__init__.py": "__all__ = ['part']"}),
        ("bare/deep/part.py", "from bare.deep import part", {}),
        ("bare/deep/part.py", "def later():\n    import bare.deep.part", {}),
        ("helper.py", "import importlib\nh = importlib.import_module('helper')", {}),
        (
            "pack/part.py",
            "import pack",
            {
                "pack/__init__.py": "from importlib import import_module\n"
                "def later():\n    import_module('.part', __package__)"
            },
        ),
    ],
)
def test_an_edited_module_that_ones_own_detector_imports_is_another_detector(
    own: Write, edited: str, statement: str, others: dict[str, str]
) -> None:
    for name, text in others.items():
        own(name, text)
    own(edited, SMALL)
    own("mine.py", detector(statement))
    before = identity_of()
    own("mine.py", detector(statement))
    assert identity_of() == before
    own(edited, LARGE)
    assert identity_of()["code"] != before["code"]


def test_the_package_that_a_detector_lies_in_counts(own: Write) -> None:
    own("pack/__init__.py", SMALL)
    own("pack/mine.py", detector("from .helper import NUMBER"))
    own("pack/helper.py", SMALL)
    seen = [identity_of("pack.mine:Mine")["code"]]
    for name in ("pack/__init__.py", "pack/helper.py", "pack/mine.py"):
        own(name, LARGE + (detector() if name.endswith("mine.py") else ""))
        seen.append(identity_of("pack.mine:Mine")["code"])
    assert len(set(seen)) == 4


def test_modules_that_trade_names_are_another_detector(own: Write) -> None:
    own("mine.py", detector("import one, two"))
    own("one.py", SMALL)
    own("two.py", LARGE)
    before = identity_of()
    own("one.py", LARGE)
    own("two.py", SMALL)
    assert identity_of()["code"] != before["code"]


def test_comments_layout_and_modules_that_are_not_imported_do_not_count(own: Write) -> None:
    own("mine.py", detector("from helper import NUMBER"))
    own("helper.py", SMALL)
    before = identity_of()
    own("helper.py", f"# a comment\n\n{SMALL.replace(' = ', '  =  ')}")
    own("unused.py", LARGE)
    assert identity_of() == before


def test_a_class_from_a_module_of_a_computed_name_counts(own: Write) -> None:
    load = "import importlib\nPart = importlib.import_module('hel' + 'per').Part"
    own("mine.py", detector(load, "self.part = Part()"))
    text = "import torch\nclass Part(torch.nn.Module):\n    NUMBER = {}\n"
    own("helper.py", text.format(1))
    before = identity_of()
    own("helper.py", text.format(1000))
    assert identity_of()["code"] != before["code"]


def test_a_module_of_ones_own_may_have_a_name_of_the_standard_library(own: Write) -> None:
    own("pyclbr.py", SMALL)
    own("mine.py", detector("import pyclbr"))
    assert own_sources(["mine"]).keys() == {"mine", "pyclbr"}


def test_what_is_installed_does_not_count_with_ones_own(
    own: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = own("site-packages/installed.py", SMALL)
    monkeypatch.syspath_prepend(path.parent)
    own("mine.py", detector("import installed, json, torch"))
    before = identity_of()
    own("site-packages/installed.py", LARGE)
    assert identity_of() == before


@pytest.mark.parametrize("edited", ["theirs/other/lazy.py", "theirs/net.py", "theirs/__init__.py"])
def test_of_an_installed_detector_the_whole_package_counts(
    own: Write, monkeypatch: pytest.MonkeyPatch, edited: str
) -> None:
    monkeypatch.syspath_prepend(own("site-packages/theirs/__init__.py", SMALL).parents[1])
    own("site-packages/theirs/net.py", detector())
    own("site-packages/theirs/other/lazy.py", SMALL)
    own("site-packages/theirs-1.0.dist-info/METADATA", "Name: theirs\nVersion: 1.0\n")
    entry = "[forgerybench.detectors]\ntheirs = theirs.net:Mine\n"
    own("site-packages/theirs-1.0.dist-info/entry_points.txt", entry)
    before = identity_of("theirs")
    assert identity_of("theirs") == before
    own(f"site-packages/{edited}", LARGE + (detector() if edited.endswith("net.py") else ""))
    assert identity_of("theirs")["code"] != before["code"]


@pytest.mark.parametrize(
    ("module", "counts"),
    [
        ("detectors.parts.backbones", True),
        ("detectors.parts.filters", True),
        ("detectors.parts.textures", False),
        ("detectors.base", False),
    ],
)
def test_ones_own_detector_counts_with_what_it_takes_from_here(
    own: Write, monkeypatch: pytest.MonkeyPatch, module: str, counts: bool
) -> None:
    own("mine.py", detector("from helper import grey\nimport detectors.parts.backbones"))
    own("helper.py", "from detectors.parts.filters import grey\n")
    before = identity_of()
    edit(monkeypatch, module)
    assert (identity_of()["code"] != before["code"]) == counts


def test_code_that_was_edited_after_it_was_loaded_is_refused(own: Write) -> None:
    own("mine.py", detector("import helper"))
    helper = own("helper.py", SMALL)
    before = identity_of()
    helper.write_text(LARGE)
    with pytest.raises(BenchmarkError, match=r"helper.py was edited after Python loaded it"):
        identity_of()
    importlib.reload(sys.modules["helper"])
    assert identity_of()["code"] != before["code"]
    helper.write_text(f"{LARGE}# a comment")
    identity_of()
