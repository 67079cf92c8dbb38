"""What a reader may count on: no long file, no long function, one meaning for one name."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = (
    "benchmark", "detectors", "docs", "examples", "leaderboard", "performance", "protocols",
    "results", "tests",
)  # fmt: skip
PACKAGES = ("benchmark", "detectors", "leaderboard", "protocols", "results")
MOST_LINES, MOST_LINES_OF_A_FUNCTION = 400, 60
FILES = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]
FILES += sorted(ROOT.glob("*.py"))

# ``benchmark.run``: each of its options has a line in the signature and one in its description.
LONG = {("study", "run.py", "run")}
# A name stands for one thing; these stand for the same thing in several places, by design.
FAMILIES = {
    **dict.fromkeys(
        ("check_regular", "read_json", "read_text"),
        "each package reads files with an error of its own",
    ),
    "rounded": "pixels to whole numbers, and numbers to text, by the same rule",
    "pack": "what is handed over in one piece: a dataset, a submission",
    "to_csv": "beside to_json and to_markdown: forms in which runs and tables are written",
}
# Likewise of constants and type aliases.
SHARED_CONSTANTS = {
    "ADAPTER": "what a module of adapters says of its dataset; the list finds it by this name",
    "DETECTORS": "the cards of a group of detectors, by their classes; the catalog joins them",
    "METRICS": "the metrics that a module defines; the registry finds them by this name",
}
# The perturbations of a suite keep the names of its paper.
SUITES = "benchmark/perturbations/"
# A command is called as what it carries out.
COMMANDS = "benchmark/cli/"


def definitions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node


def too_long(path: Path) -> list[str]:
    """Name the file if it is too long, and its functions that are."""
    lines = len(path.read_text(encoding="utf-8").splitlines())
    found = [f"{path.name}: {lines} lines"] if lines > MOST_LINES else []
    for node in definitions(path):
        length = (node.end_lineno or node.lineno) - node.lineno + 1
        is_long = not isinstance(node, ast.ClassDef) and length > MOST_LINES_OF_A_FUNCTION
        if is_long and (path.parent.name, path.name, node.name) not in LONG:
            found.append(f"{path.name}: {node.name} has {length} lines")
    return found


def doubles(root: Path) -> dict[str, list[str]]:
    """Give the public functions and classes of one name in several modules."""
    found = defaultdict[str, list[str]](list)
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            where = path.relative_to(root).as_posix()
            for node in ast.parse(path.read_text(encoding="utf-8")).body:
                if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name[0] != "_":
                    found[node.name].append(where)
    return {
        name: places
        for name, everywhere in found.items()
        if len(places := [p for p in everywhere if not p.startswith(COMMANDS)]) > 1
        and not all(place.startswith(SUITES) for place in places)
    }


def constants(path: Path) -> Iterator[str]:
    """Name the public constants and type aliases of a module; type variables are of no module."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        targets: list[ast.expr] = []
        if isinstance(node, ast.Assign) and not is_variable(node.value):
            targets = node.targets
        elif isinstance(node, ast.AnnAssign):
            targets = [node.target]
        for target in targets:
            parts = target.elts if isinstance(target, ast.Tuple) else [target]
            yield from (n.id for n in parts if isinstance(n, ast.Name) and n.id[0] != "_")


def is_variable(value: ast.expr) -> bool:
    """Tell whether a value is a type variable."""
    called = value.func if isinstance(value, ast.Call) else None
    return isinstance(called, ast.Name) and called.id in {"TypeVar", "ParamSpec"}


def double_constants(root: Path) -> dict[str, list[str]]:
    """Give the public constants and type aliases that are defined in several modules."""
    found = defaultdict[str, list[str]](list)
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            for name in dict.fromkeys(constants(path)):
                found[name].append(path.relative_to(root).as_posix())
    return {name: places for name, places in found.items() if len(places) > 1}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_file_and_no_function_is_too_long_to_be_read(path: Path) -> None:
    assert too_long(path) == []


def test_a_public_name_stands_for_one_thing() -> None:
    found = doubles(ROOT)
    new = {name: places for name, places in found.items() if name not in FAMILIES}
    assert not new, "name them apart, or make one private"
    assert found.keys() == FAMILIES.keys(), "what is no double any more is no family"


def test_a_public_constant_or_type_alias_is_defined_once() -> None:
    found = double_constants(ROOT)
    new = {name: places for name, places in found.items() if name not in SHARED_CONSTANTS}
    assert not new, "share it, name them apart, or make one private"
    assert found.keys() == SHARED_CONSTANTS.keys(), "what is no double any more is no family"


def test_a_double_constant_is_noticed_and_a_type_variable_is_none(tmp_path: Path) -> None:
    for package, text in {
        "results": 'T = TypeVar("T")\nFILE, _OWN = "a", 1\nRows: TypeAlias = list[str]\n',
        "protocols": 'T = TypeVar("T")\nFILE = "b"\n_OWN = 2\nRows = list[int]\n',
    }.items():
        (tmp_path / package).mkdir()
        (tmp_path / package / "own.py").write_text(text, encoding="utf-8")
    both = ["protocols/own.py", "results/own.py"]
    assert double_constants(tmp_path) == {"FILE": both, "Rows": both}


def test_what_is_too_long_or_double_is_noticed(tmp_path: Path) -> None:
    body = "    pass\n" * MOST_LINES_OF_A_FUNCTION
    for package in ("results", "protocols"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "long.py").write_text(f"def twice():\n{body}" + "\n" * 400)
    (tmp_path / "benchmark" / "cli").mkdir(parents=True)
    (tmp_path / "benchmark" / "cli" / "own.py").write_text("def twice(): ...\n")
    assert too_long(tmp_path / "results" / "long.py") == [
        "long.py: 461 lines",
        "long.py: twice has 61 lines",
    ]
    assert doubles(tmp_path) == {"twice": ["protocols/long.py", "results/long.py"]}
