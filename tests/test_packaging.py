import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = {"benchmark", "detectors", "leaderboard", "protocols", "results"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as archive:
        return archive.namelist()


def test_the_wheel_has_our_five_packages_and_nothing_else(wheel: list[str]) -> None:
    top = {name.partition("/")[0] for name in wheel}
    others = {name for name in top if name.endswith(".dist-info")}
    assert top - PACKAGES == others | {"forgerybench.py"}
    assert top >= PACKAGES


def test_the_wheel_carries_its_data_files(wheel: list[str]) -> None:
    tracked = [
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.suffix in (".yaml", ".j2", ".typed") and "published" not in path.parts
    ]
    assert len(tracked) > 10
    assert set(tracked) <= set(wheel)


def test_published_results_stay_out_of_the_wheel(wheel: list[str]) -> None:
    assert not [name for name in wheel if name.startswith("results/published")]


def test_the_generic_names_cannot_be_uploaded_by_accident() -> None:
    assert '"Private :: Do Not Upload"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
