"""The arrows of the design: who may import whom, and what stays light."""

import ast
import subprocess
import sys
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
# Within the engine: the lower floors do not know the upper ones.
ENGINE_FLOORS = ["data", "perturbations", "training", "scoring", "study", "cli"]


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module)
    return found


@pytest.mark.parametrize("package", sorted(MAY_IMPORT))
def test_a_package_imports_only_what_the_design_lets_it(package: str) -> None:
    for path in (ROOT / package).rglob("*.py"):
        used = {name.partition(".")[0] for name in imports(path)} & OURS
        assert used <= MAY_IMPORT[package], f"{path.relative_to(ROOT)} imports {sorted(used)}"


def test_data_and_perturbations_know_neither_training_nor_scoring() -> None:
    upper = {f"benchmark.{name}" for name in ("training", "scoring", "study", "cli", "planning")}
    for folder in ("data", "perturbations"):
        for path in (ROOT / "benchmark" / folder).rglob("*.py"):
            assert not imports(path) & upper, path


def test_only_the_command_line_prints() -> None:
    for package in OURS:
        for path in (ROOT / package).rglob("*.py"):
            if path.name not in ("app.py", "display.py"):
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
