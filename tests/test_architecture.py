"""The arrows of the design: who may import whom, and what stays light."""

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OURS = {"benchmark", "detectors", "protocols", "results", "leaderboard"}
MAY_IMPORT = {
    "detectors": {"detectors"},
    "protocols": {"protocols"},
    "results": {"results", "protocols"},
    "leaderboard": {"leaderboard", "results", "protocols"},
    "benchmark": OURS,
}
# Inside a package: a room knows those of its own floor and of the floors below, never one above.
FLOORS: dict[str, list[set[str]]] = {
    "benchmark": [
        {"version", "errors", "progress", "locks", "stopping", "timing"},
        {"environment"},
        {"data"},
        {"perturbations", "synthetic"},
        {"training"},
        {"scoring"},
        {"executors"},
        {"study"},
        {"analysis"},
        {"cli"},
    ],
    "leaderboard": [
        {"errors", "view"},
        {"tables"},
        {"figures"},
        {"site"},
        {"report", "board"},
        {"submissions"},
    ],
    "results": [
        {"errors", "files", "rounding", "stages"},
        {"metrics", "parquet", "hashing"},
        {"schema"},
        {"upgrades"},
        {"store", "attacks", "costs", "embeddings", "overlays", "literature", "host"},
        {"logits", "measured", "run", "statistics", "sealing", "faults"},
        {
            "evaluation",
            "verifying",
            "comparing",
            "subgroups",
            "exports",
            "query",
            "references",
            "score_tables",
        },
    ],
}
# The engine is loaded when it is first used: ``benchmark.run`` is a name of the package.
LAZY = {"benchmark": "benchmark.study.run"}
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for package in MAY_IMPORT
    for path in sorted((ROOT / package).rglob("*.py"))
}


def imports(path: Path) -> set[str]:
    """Name what a file imports anywhere, for types alone too; of our modules the innermost."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in MODULES else node.module for name in inner}
    return found


def arrows() -> dict[str, set[str]]:
    """Give our modules that each of our modules imports."""
    return {
        name: (imports(path) & MODULES.keys()) - {name, LAZY.get(name)}
        for name, path in MODULES.items()
    }


@pytest.mark.parametrize("package", sorted(MAY_IMPORT))
def test_a_package_imports_only_what_the_design_lets_it(package: str) -> None:
    for path in (ROOT / package).rglob("*.py"):
        used = {name.partition(".")[0] for name in imports(path)} & OURS
        assert used <= MAY_IMPORT[package], f"{path.relative_to(ROOT)} imports {sorted(used)}"


@pytest.mark.parametrize("package", sorted(FLOORS))
def test_a_room_knows_no_room_above_it(package: str) -> None:
    floors = {name: number for number, names in enumerate(FLOORS[package]) for name in names}
    there = {name.split(".")[1] for name in MODULES if name.startswith(f"{package}.")}
    assert there == floors.keys(), "a new room needs a floor"
    for name, imported in arrows().items():
        if not name.startswith(f"{package}."):
            continue
        here = floors[name.split(".")[1]]
        inside = {each for each in imported if each.startswith(f"{package}.")}
        upward = sorted(each for each in inside if floors[each.split(".")[1]] > here)
        assert not upward, f"{name} imports {upward}"


def test_what_detectors_are_built_of_knows_no_detector() -> None:
    contract = {f"detectors.{name}" for name in ("base", "card", "errors", "files", "loading")}
    contract |= {"detectors.pretrained", "detectors.transform", "detectors.weights"}
    for name, imported in arrows().items():
        if name.startswith("detectors.parts."):
            others = {each for each in imported if not each.startswith("detectors.parts.")}
            assert others <= contract, f"{name} imports {sorted(others - contract)}"


def test_no_module_is_its_own_importer() -> None:
    left = arrows()
    while left:
        # Without a circle some module imports nothing of what is left.
        free = {name for name, imported in left.items() if not imported & left.keys()}
        assert free, f"a circle among {sorted(left)}"
        left = {name: imported for name, imported in left.items() if name not in free}


def test_only_the_command_line_prints() -> None:
    for package in OURS:
        for path in (ROOT / package).rglob("*.py"):
            if path.parent != ROOT / "benchmark" / "cli":
                tree = ast.parse(path.read_text(encoding="utf-8"))
                calls = [n.func for n in ast.walk(tree) if isinstance(n, ast.Call)]
                assert not [c for c in calls if isinstance(c, ast.Name) and c.id == "print"], path


@pytest.mark.parametrize(
    "code",
    [
        "import protocols, results.store, results.metrics, results.evaluation",
        "import leaderboard.report",
        "import detectors; detectors.CATALOG",
        "from benchmark.cli.app import main; import sys; sys.argv = ['x', '--help']\n"
        "try: main()\nexcept SystemExit: pass",
        "from benchmark.cli.app import main; import sys; sys.argv = ['x', 'list', 'detectors']\n"
        "try: main()\nexcept SystemExit: pass",
        "from benchmark.cli.app import main; import sys; sys.argv = ['x', 'list', 'protocols']\n"
        "try: main()\nexcept SystemExit: pass",
        "from benchmark.cli.app import main; import sys; sys.argv = ['x', 'data', 'adapters']\n"
        "try: main()\nexcept SystemExit: pass",
    ],
    ids=[
        *("results", "leaderboard", "detectors", "help", "list-detectors", "list-protocols"),
        "data-adapters",
    ],
)
def test_it_loads_no_torch(code: str) -> None:
    check = f"{code}\nimport sys; assert 'torch' not in sys.modules, 'torch was loaded'"
    done = subprocess.run(
        [sys.executable, "-c", check], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


HEAVY = {"torch", "pandas", "numpy", "pyarrow", "PIL", "matplotlib", "pydantic"}


@pytest.mark.parametrize(
    ("arguments", "heavy"),
    [
        (["--help"], HEAVY),
        (["--version"], HEAVY),
        (["run", "--help"], HEAVY - {"pydantic"}),  # typer itself checks options with it
    ],
)
def test_help_and_version_load_no_library_of_tables_or_numbers(
    arguments: list[str], heavy: set[str]
) -> None:
    code = (
        f"import sys; sys.argv = ['x', *{arguments!r}]\n"
        "from benchmark.cli.app import main\n"
        "try: main()\nexcept SystemExit as end: assert not end.code\n"
        f"loaded = {heavy!r} & set(sys.modules)\nassert not loaded, loaded"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "name", ["benchmark", "detectors", "protocols", "results", "leaderboard", "forgerybench"]
)
def test_the_public_names_of_a_package_are_there(name: str) -> None:
    package = import_module(name)
    assert list(package.__all__) == sorted(
        package.__all__, key=lambda n: (n.islower(), not n.isupper(), n)
    )
    for public in package.__all__:
        assert getattr(package, public) is not None


def test_a_package_of_the_same_name_elsewhere_is_refused(tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "__init__.py").write_text("")
    code = f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(ROOT)!r}]; import benchmark"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "package 'results' belongs at" in done.stderr
    assert str(tmp_path / "results") in done.stderr


def test_a_folder_called_results_beside_the_user_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    code = f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(ROOT)!r}]; import benchmark"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
