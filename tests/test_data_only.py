"""What keepers of results run reads data: no network, no detector, nobody's code is loaded."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.fake_run import make_run
from tests.small_data import write_dataset

ROOT = Path(__file__).parents[1]
# All that a command on results may import, beside the standard library and what it tries in vain.
LIBRARIES = {
    "PIL", "_cffi_backend", "annotated_doc", "annotated_types", "charset_normalizer", "click",
    "cloudpickle", "contourpy", "cv2", "cycler", "cython_runtime", "dateutil", "filelock",
    "fontTools", "jinja2", "joblib", "kiwisolver", "markdown_it", "markupsafe", "matplotlib",
    "mdurl", "mpl_toolkits", "numpy", "packaging", "pandas", "patsy",
    "platformdirs", "pyarrow", "pydantic", "pydantic_core", "pygments", "pyparsing", "pytz",
    "rich", "scikit_posthocs", "scipy", "seaborn", "shellingham", "six", "sklearn",
    "statsmodels", "tabulate", "threadpoolctl", "typer", "typing_extensions",
    "typing_inspection", "wcwidth", "yaml",
}  # fmt: skip
OURS = {"benchmark", "detectors", "leaderboard", "protocols", "results"}
# Of the detectors their names and cards.
LIGHT = {"card", "cards", "catalog", "errors", "fetching", "files"}
TRAPS = ("torch", "regex", "bottleneck", "evil_backend", "sitecustomize_not", "tests", "mine")

CODE = """
import sys
from benchmark.cli.app import main
for number, arguments in enumerate({commands!r}):
    sys.argv = ['forgerybench', *arguments]
    print(f'command {{number}}', file=sys.stderr)
    try: main()
    except SystemExit as end: print(f'ended {{end.code}}', file=sys.stderr)
print('\\n'.join(sorted(sys.modules)), file=open('loaded.txt', 'w'))
"""


@pytest.fixture
def working_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    for name in TRAPS:
        (folder / f"{name}.py").write_text(
            "import pathlib; pathlib.Path(__file__).with_suffix('.ran').touch()\n"
        )
    (folder / "matplotlibrc").write_text("backend: module://evil_backend\n")
    return folder


class Done(NamedTuple):
    """What became of commands: their error streams and codes, and what they loaded together."""

    errors: list[str]
    codes: list[str]
    modules: list[str]


def start(folder: Path, commands: list[list[object]]) -> Done:
    """Run commands one after the other in one process, as they run when they are installed."""
    code = CODE.format(commands=[[*map(str, command)] for command in commands])
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    errors = re.split(r"^command \d+$", done.stderr, flags=re.MULTILINE)[1:]
    codes = re.findall(r"^ended (\S+)$", done.stderr, flags=re.MULTILINE)
    return Done(errors, codes, (folder / "loaded.txt").read_text().splitlines())


def foreign(modules: list[str]) -> set[str]:
    """Keep what no command on results may load."""
    tops = {name.partition(".")[0] for name in modules}
    known = LIBRARIES | OURS | set(sys.stdlib_module_names)
    found = {name for name in tops - known if not name.startswith("_")}
    ours = [name.split(".")[1] for name in modules if name.startswith("detectors.")]
    return found | {f"detectors.{name}" for name in ours if name not in LIGHT}


@pytest.mark.parametrize("option", [["--no-code"], []])
def test_commands_on_results_load_data_alone(option: list[str], working_folder: Path) -> None:
    """With the option and without it: it takes nothing away that they need."""
    detectors = ["xception", "tests.evil:X"]
    run = make_run(working_folder / "run", protocols=["cross-forgery"], detectors=detectors)
    commands: list[list[object]] = [
        ["report", run],
        ["compare", run, *detectors, "--resamples", "100"],
        ["export", run, "--format", "csv", "--out", "out.csv"],
        ["inspect", run, "cross-forgery/EFS/FS", "--detector", "xception"],
        ["list", "detectors"],
        ["show", "detector", "mfclip"],
    ]
    done = start(working_folder, [[*option, *command] for command in commands])
    assert done.codes == ["0"] * len(commands), done.errors
    assert "leaderboard.report" in done.modules
    assert foreign(done.modules) == set()
    assert not list(working_folder.glob("*.ran"))


def test_what_would_need_code_says_so(working_folder: Path, tmp_path: Path) -> None:
    manifest = write_dataset(tmp_path / "data", count=2)
    study = ["everything", "--size", "tiny", "--data", manifest, "--out", "out"]
    told: dict[tuple[object, ...], str] = {
        ("run", *study, "--detectors", "spectrum"): "this needs torch, and with --no-code",
        ("plan", *study, "--detectors", "spectrum"): "this needs torch, and with --no-code",
        ("score", "x.png", "--model", "some/where"): "this needs torch, and with --no-code",
        ("plan", *study, "--detectors", "mine:Mine"): "'mine' is code, and --no-code",
        ("embed", "run", "--data", manifest, "--allow-code", "mine"): "'mine' is code, and",
        ("show", "detector", "mine:Mine"): "'mine' is code, and --no-code",
    }
    done = start(working_folder, [["--no-code", *command] for command in told])
    assert done.codes == ["1"] * len(told), done.errors
    for error, said in zip(done.errors, told.values(), strict=True):
        (line,) = [line for line in error.splitlines() if line.startswith("error:")]
        assert said in line
    assert "torch" not in done.modules
    assert not list(working_folder.glob("*.ran"))
    assert not (working_folder / "out").exists()
