"""A run vouches for itself: whatever was done to its folder by hand is refused by name."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from benchmark.cli.app import app
from leaderboard.report import report
from protocols import fingerprint, load_protocol
from results.comparing import compare_detectors
from results.errors import ResultError
from results.evaluation import evaluate
from results.exports import to_csv, to_json
from results.query import cells
from results.schema import SCHEMA
from results.score_tables import score_tables
from results.sealing import seal_run
from results.store import SCORE_SCHEMA, read_run, read_samples, read_scores, write_record
from results.verifying import verify
from tests.fake_run import Generator, fake_samples, make_run

FEW = (
    Generator("DFDC-mixed", "FS", "unknown", "dfdc-faces", 12),
    Generator("StyleGAN", "EFS", "GAN", "140k", 12),
)
REALS = {"140k": 12, "dfdc-faces": 12}


def recorded(folder: Path) -> Path:
    """Write a small run with its records."""
    samples = fake_samples(FEW, REALS)
    run = make_run(
        folder, samples=samples, protocols=["cross-forgery"], detectors=["mfclip", "spectrum"]
    )
    for record in evaluate(run):
        write_record(run, record)
    return run


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return recorded(tmp_path_factory.mktemp("sound") / "run")


@pytest.fixture
def run(sound: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sound, tmp_path / "run"))


def model_of(run: Path, detector: str = "mfclip") -> str:
    return next(str(e.model) for e in read_run(run).entries if e.detector == detector)


def edit_json(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    raw = json.loads(path.read_text(encoding="utf-8"))
    change(raw)
    path.write_text(json.dumps(raw), encoding="utf-8")


def edit_samples(run: Path, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    samples = change(read_samples(run))
    samples.to_parquet(run / "samples.parquet", index=False)


def edit_scores(run: Path, model: str, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    path = run / "scores" / f"{model}.parquet"
    table = change(read_scores(run, model))
    pq.write_table(pa.Table.from_pandas(table, schema=SCORE_SCHEMA, preserve_index=False), path)


def misclassified(run: Path) -> set[str]:
    """Name test samples that the first model is wrong about."""
    table = read_samples(run).merge(read_scores(run, model_of(run)), on=["dataset", "sample_id"])
    wrong = (table["logit"] > 0) != (table["label"] == "fake")
    return set(table.loc[wrong & (table["split"] == "test"), "sample_id"])


def drop(run: Path) -> None:
    gone = misclassified(run)
    assert gone
    for entry in read_run(run).entries:
        edit_scores(run, str(entry.model), lambda t: t[~t["sample_id"].isin(gone)])
    edit_samples(run, lambda t: t[~t["sample_id"].isin(gone)])


def mark_unreadable(run: Path) -> None:
    gone = misclassified(run)
    edit_samples(run, lambda t: t.assign(problem=np.where(t["sample_id"].isin(gone), "gone", "")))


def move_to_train(run: Path) -> None:
    gone = misclassified(run)
    edit_samples(run, lambda t: t.assign(split=t["split"].mask(t["sample_id"].isin(gone), "train")))


def relabel(run: Path) -> None:
    missed = misclassified(run)
    edit_samples(
        run, lambda t: t.assign(label=t["label"].mask(t["sample_id"].isin(missed), "real"))
    )


def shift_reals(run: Path) -> None:
    samples = read_samples(run)
    reals = set(samples.loc[samples["label"] == "real", "sample_id"])
    shifted = lambda t: t.assign(  # noqa: E731
        logit=(t["logit"] - 5 * t["sample_id"].isin(reals)).astype(np.float32)
    )
    edit_scores(run, model_of(run), shifted)


def change_one_logit(run: Path) -> None:
    def change(table: pd.DataFrame) -> pd.DataFrame:
        logits = table["logit"].to_numpy(copy=True)
        logits[0] += np.float32(0.01)
        return table.assign(logit=logits)

    edit_scores(run, model_of(run), change)


def swap_scores(run: Path) -> None:
    one, two = (run / "scores" / f"{model_of(run, d)}.parquet" for d in ("mfclip", "spectrum"))
    first = one.read_bytes()
    one.write_bytes(two.read_bytes())
    two.write_bytes(first)


def restrict_protocol(run: Path) -> None:
    def change(raw: dict[str, Any]) -> None:
        raw["protocols"][0]["test"][0]["only"] = ["EFS"]

    edit_json(run / "run.json", change)


def edit_model(run: Path) -> None:
    changes = {"init": "imagenet", "steps": 7, "weights": "0" * 64}
    edit_json(run / "models" / f"{model_of(run)}.json", lambda raw: raw.update(changes))


def delete_entry(run: Path) -> None:
    edit_json(run / "run.json", lambda raw: raw["entries"].pop())


def delete_scores(run: Path) -> None:
    (run / "scores" / f"{model_of(run)}.parquet").unlink()


def first_record(run: Path) -> Path:
    return sorted((run / "records").rglob("*.json"))[0]


def edit_record(run: Path) -> None:
    def change(raw: dict[str, Any]) -> None:
        raw["cells"][0]["metrics"]["AUC"]["value"] = 7.5

    edit_json(first_record(run), change)


def repeat_score(run: Path) -> None:
    edit_scores(run, model_of(run), lambda t: pd.concat([t, t.iloc[:1]]))


def score_without_number(run: Path) -> None:
    edit_scores(run, model_of(run), lambda t: t.assign(logit=np.float32("nan")))


def flip_a_bit(run: Path) -> None:
    edit_scores(run, model_of(run), lambda t: t.assign(logit=np.float32(2.6e38)))


def downgrade(run: Path) -> None:
    edit_json(run / "models" / f"{model_of(run)}.json", lambda raw: raw.update(schema=1))


def zero_fingerprint(run: Path) -> None:
    edit_json(run / "run.json", lambda raw: raw["data"]["data"].update(fingerprint="0" * 64))


def claim_photographs(run: Path) -> None:
    edit_json(run / "run.json", lambda raw: raw["data"]["data"].update(synthetic=True))


def hide_behind_a_gap(run: Path) -> None:
    gap = {"model": None, "gap": "no forged images in split train"}
    edit_json(run / "run.json", lambda raw: raw["entries"][0].update(gap))


def unseal(run: Path) -> None:
    edit_json(run / "run.json", lambda raw: raw.pop("seal"))


MANIPULATIONS: dict[Callable[[Path], None], tuple[str, str]] = {
    # The thirteen of a referee, in his order ...
    drop: ("counts", "samples of 'data', and run.json states"),
    mark_unreadable: ("counts", "samples that cannot be read of 'data', and run.json states 0"),
    move_to_train: ("fingerprint", "(content, label, source, split, group) have the fingerprint"),
    relabel: ("fingerprint", "samples.parquet: the samples of 'data'"),
    shift_reals: ("scores", "the scores are not those whose hash mfclip"),
    change_one_logit: ("scores", "parquet: the scores are not those whose hash mfclip"),
    swap_scores: ("scores", "the scores are not those whose hash spectrum"),
    restrict_protocol: ("protocol", "'cross-forgery' version 1 has the hash"),
    edit_model: ("model", ".json: differs from what was sealed"),
    delete_entry: ("entries", "run.json: the entries are not those that were sealed"),
    delete_scores: ("scores", ".parquet: is gone, though run.json has the model"),
    edit_record: ("record", "is not as it was written (its seal does not fit)"),
    repeat_score: ("scores", "the scores are not those"),
    # ... and what lies near them.
    score_without_number: ("scores", "the scores are not those"),
    flip_a_bit: ("scores", "the scores are not those"),
    downgrade: ("model", ".json: differs from what was sealed"),
    zero_fingerprint: ("fingerprint", "and run.json states 000000000000"),
    claim_photographs: ("run", "run.json: differs from what was sealed"),
    hide_behind_a_gap: ("entries", "the entries are not those that were sealed"),
    unseal: ("unsealed", "run.json: has no seal, which a finished run has"),
}


def test_a_run_that_nobody_touched_is_sound(sound: Path) -> None:
    verdict = verify(sound)
    assert verdict.faults == ()
    assert verdict.notes == ("the weights of 4 of 4 models are not at hand",)


@pytest.mark.parametrize("manipulate", MANIPULATIONS, ids=lambda f: f.__name__)
def test_a_manipulation_is_named(run: Path, manipulate: Callable[[Path], None]) -> None:
    manipulate(run)
    rule, said = MANIPULATIONS[manipulate]
    told = [fault.message for fault in verify(run).faults if fault.rule == rule]
    assert any(said in message for message in told), verify(run).faults


@pytest.mark.parametrize(
    "manipulate", [m for m in MANIPULATIONS if m is not edit_record], ids=lambda f: f.__name__
)
def test_nothing_is_taken_from_a_run_that_was_manipulated(
    run: Path, manipulate: Callable[[Path], None]
) -> None:
    manipulate(run)
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    takers: list[Callable[[], object]] = [
        lambda: report(run),
        lambda: cells(run),
        lambda: to_csv(run),
        lambda: to_json(run),
        lambda: score_tables(run),
        lambda: compare_detectors(run, "mfclip", "spectrum", resamples=100),
    ]
    for take in takers:
        with pytest.raises(ResultError, match=r"nothing is taken from a run that is not what it"):
            take()
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


def test_a_record_that_was_edited_is_exported_by_nothing(run: Path) -> None:
    edit_record(run)
    for take in (cells, to_csv, to_json):
        with pytest.raises(ResultError, match=r"not as it was written .* forgerybench report"):
            take(run)


def test_a_record_that_was_sealed_again_is_told_by_its_numbers(run: Path) -> None:
    record = next(r for r in evaluate(run) if r.model == model_of(run))
    value = record.cells[0].metrics["AUC"].model_copy(update={"value": 7.5})
    metrics = {**record.cells[0].metrics, "AUC": value}
    forged = record.cells[0].model_copy(update={"metrics": metrics})
    write_record(run, record.model_copy(update={"cells": [forged, *record.cells[1:]]}))
    (fault,) = verify(run).faults
    assert fault.rule == "record"
    assert "AUC is 7.5, recomputed 0." in fault.message


@pytest.mark.parametrize(("by", "faults"), [(1e-15, 0), (1e-12, 0), (1e-6, 1)])
def test_a_record_of_another_processor_agrees_to_rounding_and_no_further(
    run: Path, by: float, faults: int
) -> None:
    record = next(r for r in evaluate(run) if r.model == model_of(run))
    metrics = {
        name: each.model_copy(
            update={
                end: getattr(each, end) * (1 - by)
                for end in ("value", "low")
                if getattr(each, end) is not None
            }
        )
        for name, each in record.cells[0].metrics.items()
    }
    moved = record.cells[0].model_copy(update={"metrics": metrics})
    write_record(run, record.model_copy(update={"cells": [moved, *record.cells[1:]]}))
    assert len(verify(run).faults) == faults


def test_a_record_of_other_scores_is_not_taken(run: Path) -> None:
    record = evaluate(run)[0]
    write_record(run, record.model_copy(update={"scores": "0" * 64}))
    with pytest.raises(ResultError, match="is of other scores than the run has now"):
        cells(run)


def test_a_record_that_is_gone_or_of_no_model_is_named(run: Path) -> None:
    path = first_record(run)
    path.rename(path.with_name("other.json"))
    (run / "records" / "cross-forgery" / "other.json").unlink()
    assert [f.message for f in verify(run).faults] == [f"{path}: is not there"]


def test_weights_at_hand_are_compared(run: Path, tmp_path: Path) -> None:
    model = model_of(run)
    facts = run / "models" / f"{model}.json"
    edit_json(facts, lambda raw: raw.update(weights="0" * 64))
    edit_json(run / "run.json", lambda raw: raw.pop("seal"))
    seal_run(run)
    (tmp_path / "store" / model).mkdir(parents=True)
    (tmp_path / "store" / model / "model.safetensors").write_bytes(b"other")
    told = [str(fault) for fault in verify(run, tmp_path / "store").faults]
    assert len(told) == 1
    assert told[0].startswith("weights: ")
    assert "and the run's model 000000000000" in told[0]


def test_a_run_on_its_way_may_be_reported_but_is_not_sound(run: Path) -> None:
    edit_json(run / "run.json", lambda raw: raw.pop("seal"))
    (run / "scores" / f"{model_of(run)}.parquet").unlink()
    (run / "records" / "cross-forgery" / f"{model_of(run)}.json").unlink()
    assert len(cells(run)) > 0
    unfinished = [f for f in verify(run).faults if f.rule == "unfinished"]
    assert unfinished


def test_a_folder_that_cannot_be_read_is_a_fault(tmp_path: Path) -> None:
    (fault,) = verify(tmp_path).faults
    assert fault.rule == "unreadable"
    assert "not the folder of a run" in fault.message


def test_the_order_of_rows_is_no_fault(run: Path) -> None:
    edit_scores(run, model_of(run), lambda t: t.iloc[::-1])
    assert verify(run).faults == ()


def test_an_own_protocol_and_another_version_are_noted(tmp_path: Path) -> None:
    own = load_protocol("cross-forgery").model_copy(update={"name": "own"})
    newer = load_protocol("cross-generator").model_copy(update={"version": 9})
    samples = fake_samples(FEW, REALS)
    run = make_run(tmp_path, samples=samples, protocols=[own, newer], detectors=["mfclip"])
    verdict = verify(run)
    assert verdict.faults == ()
    assert verdict.notes[0] == f"'own' ({own.hash}) is no protocol that ships"
    assert verdict.notes[1].startswith("'cross-generator' is version 9, and version 1 ships")
    assert verdict.notes[2].endswith("there are no records to compare")


def test_the_command_prints_a_line_a_fault_and_exits_with_an_error(run: Path) -> None:
    arguments = ["verify", str(run), "--store", str(run / "nowhere")]
    done = CliRunner().invoke(app, arguments)
    assert (done.exit_code, done.stderr) == (0, "")
    assert f"{run}: is what it was sealed as" in done.stdout
    swap_scores(run)
    zero_fingerprint(run)
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 1
    assert [line.split(": ")[1] for line in done.stderr.splitlines()] == [
        "fingerprint", "scores", "scores",
    ]  # fmt: skip
    done = CliRunner().invoke(app, [*arguments, "--json"])
    assert done.exit_code == 1
    told = json.loads(done.stdout)
    assert [fault["rule"] for fault in told["faults"]] == ["fingerprint", "scores", "scores"]
    assert told["run"] == str(run)


def test_a_run_is_sealed_by_its_content(sound: Path) -> None:
    facts, samples = read_run(sound), read_samples(sound)
    assert facts.schema_ == SCHEMA
    assert facts.seal is not None
    assert set(facts.seal.models) == {entry.model for entry in facts.entries}
    assert set(facts.seal.selections) == {"cross-forgery"}
    assert facts.data["data"].fingerprint == fingerprint(samples)
    assert fingerprint(samples.iloc[::-1]) == fingerprint(samples)
