"""Versions of detectors stand for code: a change that can move a number is noticed, no other is."""

import ast
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmark.training.sources import (
    TRAINER,
    Source,
    contract_sources,
    shipped_hash,
    trainer_sources,
)
from detectors.cards import CATALOG
from tests import detector_versions
from tests.detector_versions import CONTRACT, TRAINING, VERSIONS, Entry, found, refusals

FOLDER = Path(__file__).parents[1] / "detectors"


def changed(
    monkeypatch: pytest.MonkeyPatch, change: Callable[[str], str], module: str | None = None
) -> set[str]:
    """Name the entries that another text of a module, or of all of them, changes."""
    before, read = found(), Path.read_bytes
    wanted = None if module is None else Path(f"{module.replace('.', '/')}.py").parts

    def edited(path: Path) -> bytes:
        ours = (
            path.is_relative_to(FOLDER) if wanted is None else path.parts[-len(wanted) :] == wanted
        )
        return change(read(path).decode()).encode() if ours else read(path)

    monkeypatch.setattr(Path, "read_bytes", edited)
    now = found()
    return {name for name, entry in now.items() if entry != before[name]}


class OtherNumber(ast.NodeTransformer):
    """Adds one to the first number of a source."""

    done = False

    def visit_Constant(self, node: ast.Constant) -> ast.Constant:
        if self.done or type(node.value) not in (int, float):
            return node
        self.done = True
        return ast.Constant(node.value + 1)  # type: ignore[operator]


def with_another_number(text: str) -> str:
    changer = OtherNumber()
    changed = ast.unparse(changer.visit(ast.parse(text)))
    assert changer.done
    return changed


def reworded(text: str) -> str:
    """Write the same code otherwise: no comments, other line breaks, other docstrings."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            node.body.insert(0, ast.Expr(ast.Constant("Another docstring.")))
    return "# a comment\n\n\n" + ast.unparse(ast.fix_missing_locations(tree))


def test_a_version_that_is_written_down_is_never_changed() -> None:
    known: dict[str, Entry] = json.loads(VERSIONS.read_text())
    now = found()
    assert refusals(known, now) == []
    assert known == now, detector_versions.RUN


def test_every_detector_the_contract_and_the_trainer_have_a_version() -> None:
    assert set(found()) == {*CATALOG, "huggingface", "timm:resnet18", CONTRACT, TRAINING}


def test_comments_docstrings_and_layout_change_no_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    assert changed(monkeypatch, reworded) == set()


def test_the_words_of_a_card_change_no_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    def other(text: str) -> str:
        assert "Chollet" in text
        return text.replace("Chollet", "Somebody")

    assert changed(monkeypatch, other, "detectors.cards.spatial") == set()


@pytest.mark.parametrize(
    ("module", "built_on_it"),
    [
        ("detectors.parts.blending", {"sbi"}),
        ("detectors.parts.textures", {"patchcraft", "ssp"}),
        ("detectors.parts.regression", {"shortcut", "spectrum"}),
        ("detectors.mfclip.release", {"mfclip-release"}),
        ("detectors.huggingface", {"huggingface"}),
        ("detectors.base", {CONTRACT}),
        ("detectors.transform", {CONTRACT}),
        ("detectors.loading", {CONTRACT}),
    ],
)
def test_a_changed_number_changes_what_is_built_on_it_and_nothing_else(
    module: str, built_on_it: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert changed(monkeypatch, with_another_number, module) == built_on_it


def test_what_all_detectors_share_is_no_part_of_theirs(monkeypatch: pytest.MonkeyPatch) -> None:
    assert {f"detectors.{name}" for name in ("base", "transform")} <= contract_sources().keys()


def hash_of(**modules: str) -> str:
    sources = {
        name: Source(f"detectors.{name}", Path(f"{name}.py"), text.encode())
        for name, text in modules.items()
    }
    return shipped_hash(sources)


HELPER = "def helper():\n    return 1\n"
USER = """import torch
from detectors.one import helper
class Net(torch.nn.Module):
    k = helper()
"""


@pytest.mark.parametrize(
    "modules",
    [
        {"one": "SIDE = 3\n", "two": f"{HELPER}{USER.replace('detectors.one', 'detectors.two')}"},
        {"two": f"import torch\nSIDE = 3\n{HELPER}{USER.partition('helper')[2]}"},
        {"one": f"SIDE = 3\n{HELPER}", "two": USER, "three": "from detectors.one import helper\n"},
    ],
    ids=["moved", "joined", "passed-on"],
)
def test_where_a_definition_stands_does_not_matter(modules: dict[str, str]) -> None:
    assert hash_of(**modules) == hash_of(one=f"SIDE = 3\n{HELPER}", two=USER)


@pytest.mark.parametrize(
    ("before", "now", "counts"),
    [
        ("raise ValueError(f'{x} is bad')", "raise ValueError('it is', x)", False),
        ("raise ValueError('bad')", "raise TypeError('bad')", True),
        ("A = 1\nB = 2", "B = 2\nA = 1", False),
        ("A = 1\nA = 2", "A = 2\nA = 1", True),
        ("A = 1\nA += 2", "A = 1\nA += 3", True),
        ("A = 1", "A = 1.0", True),
        ("A = 1", "A = True", True),
        ("A = 'x'", "A = u'x'", False),
        ("A = ['a', 'b']", "A = ['ab']", True),
        ("A = f(None)", "A = f()", True),
        ("from torch.fft import rfft", "from scipy.fft import rfft", True),
        ("from detectors.x import a", "from detectors.y import a", False),
        ("from detectors.x import a as k", "from detectors.x import b as k", True),
        ("def f():\n    from scipy import fft", "def f():\n    from numpy import fft", True),
        ("import a\nif TYPE_CHECKING:\n    import b", "import a", False),
        ("if TYPE_CHECKING:\n    import b\nelse:\n    c()", "c()", False),
        ("A = 1\n__all__ = ['A']", "A = 1", False),
        ("if A:\n    b()", "if A:\n    pass\nb()", True),
        ("def f():\n    return 1", "def f():\n    yield 1", True),
        ("def f(a, b=1): pass", "def f(a=1, b=1): pass", True),
        ("match a:\n    case None: b()", "match a:\n    case True: b()", True),
    ],
)
def test_what_counts_of_a_source(before: str, now: str, counts: bool) -> None:
    assert (hash_of(one=before) != hash_of(one=now)) == counts


def test_packages_of_detectors_only_pass_names_on() -> None:
    # A package is imported with each of its modules, and does not count with them.
    for path in (FOLDER / "__init__.py", *FOLDER.glob("*/__init__.py")):
        if path.parent.name != "cards":
            left = [
                node
                for node in ast.parse(path.read_text()).body
                if not isinstance(node, ast.Expr | ast.Import | ast.ImportFrom)
            ]
            # Names, some of them passed on when they are first used.
            passed_on = (
                "__all__ =",
                "_OF_BASE =",
                "if TYPE_CHECKING",
                "def __getattr__",
                "def __dir__",
            )
            assert all(ast.unparse(node).startswith(passed_on) for node in left), path


KNOWN = {
    CONTRACT: Entry(version=1, hash="c"),
    TRAINING: Entry(version=1, hash="t"),
    "npr": Entry(version=2, hash="a"),
}


@pytest.mark.parametrize(
    ("name", "version", "digest", "told"),
    [
        ("npr", 2, "a", []),
        ("npr", 3, "b", []),
        ("npr", 3, "a", []),
        (
            "npr", 2, "b",
            ["npr was changed: raise Card.version of npr (or CONTRACT_VERSION), then run: "
             "python -m tests.detector_versions"],
        ),
        ("npr", 1, "b", ["the version of npr was lowered to 1"]),
        ("new", 1, "b", []),
        (CONTRACT, 2, "d", []),
        (
            CONTRACT, 1, "d",
            ["contract was changed: raise CONTRACT_VERSION, then run: "
             "python -m tests.detector_versions"],
        ),
        (
            TRAINING, 1, "u",
            ["training was changed: raise TRAINING_VERSION, then run: "
             "python -m tests.detector_versions"],
        ),
        (TRAINING, 2, "u", []),
    ],
)  # fmt: skip
def test_a_changed_hash_needs_a_higher_version(
    name: str, version: int, digest: str, told: list[str]
) -> None:
    assert refusals(KNOWN, KNOWN | {name: Entry(version=version, hash=digest)}) == told


def test_a_raised_contract_stands_for_all() -> None:
    now = {CONTRACT: Entry(version=2, hash="d"), "npr": Entry(version=2, hash="b")}
    assert refusals(KNOWN, now) == []
    # How a model is trained is no detector's.
    (refused,) = refusals(KNOWN, now | {TRAINING: Entry(version=1, hash="u")})
    assert "raise TRAINING_VERSION" in refused


def test_a_changed_trainer_is_noticed_and_is_no_detectors(monkeypatch: pytest.MonkeyPatch) -> None:
    assert trainer_sources().keys() == set(TRAINER)
    new = "\n\nADDED = 1\n"
    assert changed(monkeypatch, lambda text: text + new, "benchmark/training/sampling") == {
        TRAINING
    }


def test_nothing_is_written_over_a_version_that_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "versions.json"
    monkeypatch.setattr(detector_versions, "VERSIONS", file)
    detector_versions.main()
    assert json.loads(file.read_text()) == found()
    text = file.read_text().replace(found()["npr"]["hash"], "0" * 12)
    file.write_text(text)
    with pytest.raises(SystemExit, match=r"raise Card\.version of npr \(or CONTRACT_VERSION\)"):
        detector_versions.main()
    assert file.read_text() == text
