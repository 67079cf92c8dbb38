"""A report: twice the same bytes, nothing stale, all or nothing."""

import hashlib
import json
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import seaborn as sns
from matplotlib.font_manager import findfont

import leaderboard.report
from leaderboard.errors import LeaderboardError
from leaderboard.report import report
from results.errors import ResultError
from results.sealing import seal_run
from results.store import read_run, records
from tests.fake_run import make_run


def hashes(run: Path) -> dict[str, str]:
    return {
        str(path.relative_to(run)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(run.rglob("*"))
        if path.is_file()
    }


@pytest.mark.usefixtures("every_form")
def test_a_report_twice_has_the_same_bytes_and_leaves_the_run_as_it_is(tmp_path: Path) -> None:
    run = make_run(
        tmp_path / "run",
        protocols=["cross-dataset", "robustness-basic"],
        detectors=["mfclip", "spectrum"],
    )
    source = hashes(run)
    assert report(run) == run / "index.html"
    first = hashes(run)
    assert report(str(run)) == run / "index.html"
    assert hashes(run) == first
    assert source.items() <= first.items()
    derived = {name.split("/")[0] for name in first.keys() - source.keys()}
    assert derived == {"records", "tables", "figures", "CITATIONS.bib", "index.html"}


def test_a_run_under_way_is_reported_with_its_gaps(tmp_path: Path) -> None:
    run = make_run(tmp_path, protocols=["cross-forgery"], detectors=["mfclip"])
    for path in [*run.glob("scores/*-FS-*"), *run.glob("models/*-FS-*")]:
        path.unlink()
    seal_run(run)  # which a run under way is not
    assert read_run(run).seal is None
    report(run)
    assert len(records(run)) == 2
    assert "not scored yet: the same forgerybench run goes on" in (run / "index.html").read_text()
    shutil.rmtree(run / "scores")
    assert "not scored yet" in report(run).read_text()


def test_stale_files_of_an_earlier_report_go_and_others_stay(tmp_path: Path) -> None:
    run = make_run(tmp_path, protocols=["cross-forgery"], detectors=["spectrum"])
    for name in (
        "tables/old.md",
        "figures/old.png",
        "records/old/x.json",
        ".report-killed/x",
        "own.txt",
    ):
        (run / name).parent.mkdir(parents=True, exist_ok=True)
        (run / name).write_text("{}")
    report(run)
    left = {name for name in hashes(run) if "old" in name or "killed" in name}
    assert left == set()
    assert (run / "own.txt").exists()
    assert len(records(run)) == 3


def test_an_error_leaves_the_old_report_and_no_rubbish(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(tmp_path, protocols=["cross-forgery"], detectors=["spectrum"])
    report(run)
    before = hashes(run)

    def fail(*_: object, **__: object) -> str:
        raise ResultError("broken")

    monkeypatch.setattr(leaderboard.report, "render", fail)
    with pytest.raises(ResultError, match="broken"):
        report(run)
    assert hashes(run) == before


def test_a_run_without_a_detector_has_no_report(tmp_path: Path) -> None:
    run = make_run(tmp_path, protocols=["cross-forgery"], detectors=[])
    with pytest.raises(LeaderboardError, match="the run has no detector"):
        report(run)


def test_a_run_in_which_no_model_could_be_trained_is_reported_as_gaps(tmp_path: Path) -> None:
    run = make_run(tmp_path, protocols=["cross-forgery"], detectors=["spectrum"])
    raw = json.loads((run / "run.json").read_text())
    for entry in raw["entries"]:
        entry |= {"model": None, "gap": "needs landmarks"}
    (run / "run.json").write_text(json.dumps(raw))
    seal_run(run)
    text = report(run).read_text()
    assert "AM (all detectors): needs landmarks" in text
    assert "no model: needs landmarks" in text


def test_a_report_changes_nothing_that_figures_of_others_go_by(tmp_path: Path) -> None:
    run = make_run(
        tmp_path, protocols=["cross-forgery", "robustness-basic"], detectors=["mfclip", "spectrum"]
    )

    def state() -> tuple[object, ...]:
        return (
            dict(mpl.rcParams), plt.get_fignums(), list(warnings.filters), np.geterr(),
            findfont("DejaVu Sans"), findfont("sans"), sns.axes_style(), sns.color_palette(),
        )  # fmt: skip

    before = state()
    report(run)
    assert state() == before


def test_the_public_names_are_there_and_loaded_only_when_asked_for() -> None:
    assert leaderboard.__all__ == sorted(leaderboard.__all__, key=lambda n: (n.islower(), n))
    assert set(leaderboard.__all__) <= set(dir(leaderboard))
    for name in leaderboard.__all__:
        assert getattr(leaderboard, name) is not None
    assert leaderboard.build_report is report
    with pytest.raises(AttributeError, match="module 'leaderboard' has no attribute 'reprot'"):
        leaderboard.reprot  # noqa: B018
    code = "import sys, leaderboard; assert not {'pandas', 'matplotlib'} & set(sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parents[1], capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
