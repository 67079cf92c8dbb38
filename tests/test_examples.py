import os
import shlex
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

import benchmark
from benchmark.cli.app import app
from results.store import read_model, read_run, records
from tests.small_data import write_dataset, write_recipe
from tests.test_documented_commands import fault

ROOT = Path(__file__).parents[1]


def test_the_own_detector_gets_its_column(tmp_path: Path) -> None:
    benchmark.run(
        "cross-generator",
        data=write_dataset(tmp_path / "data", count=8),
        detectors=["examples.own_detector:Residual", "spectrum"],
        size="tiny",
        recipe=write_recipe(tmp_path),
        out=tmp_path / "run",
        store=tmp_path / "store",
    )
    found = {record.detector: record for record in records(tmp_path / "run")}
    assert set(found) == {"examples.own_detector:Residual", "spectrum"}


def test_the_own_detector_is_short() -> None:
    text = (ROOT / "examples" / "own_detector.py").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 40


def test_scores_of_scikit_learn_stand_beside_a_detector_in_one_table(tmp_path: Path) -> None:
    script = ROOT / "examples" / "scores_of_scikit_learn.py"
    assert len(script.read_text(encoding="utf-8").splitlines()) <= 25
    data, run = write_dataset(tmp_path / "data", count=8), tmp_path / "run"
    benchmark.run(
        "everything", data=data, detectors=["spectrum"], size="tiny", out=run,
        store=tmp_path / "store",
    )  # fmt: skip
    scores = tmp_path / "scores.csv"
    subprocess.run([sys.executable, str(script), str(data), str(scores)], check=True)
    done = CliRunner().invoke(
        app, ["import", str(scores), "--detector", "Random forest", "--out", str(run)]
    )
    assert done.exit_code == 0, done.output
    table = pd.read_csv(run / "tables" / "everything-summary.csv")
    assert table["detector.1"].tolist() == ["Spectrum", "Random forest"]
    (imported,) = [e for e in read_run(run).entries if e.detector == "Random forest"]
    facts = read_model(run, str(imported.model))
    assert facts.imported is not None
    page = (run / "index.html").read_text(encoding="utf-8")
    assert "imported" in page


def test_the_protocol_in_the_documentation_is_valid(tmp_path: Path) -> None:
    from benchmark.study.schema import load_study
    from protocols.schema import load_protocol

    text = (ROOT / "docs" / "protocols.md").read_text(encoding="utf-8")
    blocks = [block.partition("```")[0] for block in text.split("```yaml\n")[1:]]
    (tmp_path / "my-swaps.yaml").write_text(blocks[0])
    (tmp_path / "widths.yaml").write_text(blocks[1])
    assert load_protocol(str(tmp_path / "my-swaps.yaml")).name == "my-swaps"
    widths = load_study(str(tmp_path / "widths.yaml"), allow_code=["examples.own_detector"])
    assert len(widths.detectors) == 3
    assert "run widths.yaml --allow-code examples.own_detector " in text


@pytest.mark.parametrize(
    ("array", "shard"),
    [
        ({}, []),
        ({"ID": "3", "MIN": "1", "COUNT": "8"}, ["--shard", "3/8"]),
        ({"ID": "0", "MIN": "0", "COUNT": "4"}, ["--shard", "1/4"]),
    ],
)
def test_the_slurm_script_gives_every_job_its_shard(
    array: dict[str, str], shard: list[str], tmp_path: Path
) -> None:
    stand_in = tmp_path / "forgerybench"
    stand_in.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    stand_in.chmod(0o755)
    told = {f"SLURM_ARRAY_TASK_{name}": value for name, value in array.items()}
    done = subprocess.run(
        ["bash", str(ROOT / "examples" / "slurm.sh")],
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}", "HOME": str(tmp_path), **told},
        capture_output=True,
        text=True,
        check=True,
    )
    words = done.stdout.splitlines()
    assert words[:2] == ["run", "cross-generator"]
    assert words[len(words) - len(shard) :] == shard
    assert fault(shlex.join(words)) == ""
