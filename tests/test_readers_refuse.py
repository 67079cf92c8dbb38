"""Whatever reads a run refuses one that was edited after it was sealed, and names what was."""

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from benchmark.analysis.embedding import embed
from benchmark.analysis.inspection import inspect
from benchmark.analysis.overlays import overlay
from benchmark.study.importing import ImportSettings, import_scores
from leaderboard.board.build import gather
from leaderboard.board.entries import run_entries
from leaderboard.report import report
from leaderboard.submissions.keeper import make_keeper
from leaderboard.submissions.packing import pack
from leaderboard.tables.folds import folds_tables
from results.comparing import compare_detectors
from results.errors import ResultError
from results.evaluation import evaluate
from results.exports import to_csv
from results.query import cells
from results.score_tables import score_tables
from results.store import read_samples, write_record, write_samples
from results.verifying import verify
from tests.cheats import CARD
from tests.fake_run import make_run

SAID = {"submitter": "Some Group", "training_data": "these images", "said": CARD}


def packed(run: Path) -> object:
    return pack(run, run / "x.zip", detector="xception", **SAID)  # type: ignore[arg-type]


def imported(run: Path) -> object:
    """Add scores of everything to the run, which seals it anew."""
    samples = read_samples(run)
    table = pd.DataFrame({"path": samples["sample_id"], "p_fake": 0.25})
    table.to_csv(run / "own.csv", index=False)
    return import_scores(ImportSettings(file=run / "own.csv", detector="Mine", out=run))


READERS: dict[str, Callable[[Path], object]] = {
    "evaluate": evaluate,
    "report": report,
    "cells": cells,
    "score_tables": score_tables,
    "to_csv": to_csv,
    "compare": lambda run: compare_detectors(run, "mfclip", "xception"),
    "inspect": lambda run: inspect(run, "cross-forgery/EFS/AM", detector="xception"),
    "embed": lambda run: embed(run, data=run / "manifest.csv", device="cpu"),
    "overlay": lambda run: overlay(run, data=run / "manifest.csv", device="cpu"),
    "import": imported,
    "folds": lambda run: list(folds_tables([run])),
    "board": lambda run: gather([run]),
    "enter": run_entries,
    "keep": lambda run: make_keeper(run, run / "keeper"),
    "pack": packed,
}


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(
        tmp_path_factory.mktemp("sealed") / "run",
        protocols=["cross-forgery"],
        detectors=["mfclip", "xception"],
        synthetic=True,
    )


def copied(run: Path, folder: Path) -> Path:
    for path in run.rglob("*"):
        if path.is_file():
            target = folder / path.relative_to(run)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    return folder


def other_labels(run: Path) -> str:
    samples = read_samples(run)
    samples.loc[samples.index[:5], "source"] = "elsewhere"
    write_samples(run, samples)
    return "fingerprint"


def other_facts(run: Path) -> str:
    path = sorted((run / "models").glob("*.json"))[0]
    path.write_text(json.dumps(json.loads(path.read_text()) | {"val_auc": 0.999}))
    return "model"


@pytest.mark.parametrize("edit", [other_labels, other_facts])
@pytest.mark.parametrize("reader", READERS)
def test_a_run_that_was_edited_is_refused(
    reader: str, edit: Callable[[Path], str], sealed: Path, tmp_path: Path
) -> None:
    run = copied(sealed, tmp_path / "run")
    rule = edit(run)
    assert rule in {fault.rule for fault in verify(run).faults}
    with pytest.raises(ResultError, match=rf"{rule}: .*nothing is taken from a run that is not"):
        READERS[reader](run)
    assert rule in {fault.rule for fault in verify(run).faults}, "nobody sealed it anew"


def test_what_is_packed_is_all_that_verify_finds_sound(sealed: Path, tmp_path: Path) -> None:
    run = copied(sealed, tmp_path / "run")
    packed(run)  # without a record nothing is claimed
    record = next(each for each in evaluate(run) if each.detector == "mfclip")
    for each in evaluate(run):
        write_record(run, each)
    packed(run)
    write_record(run, record.model_copy(update={"title": "Best of all"}))
    assert [fault.rule for fault in verify(run).faults] == ["record"]
    with pytest.raises(ResultError, match=r"record: .*'title' is Best of all, recomputed MFCLIP"):
        packed(run)
