"""What a run's models cost: measured once a device, beside accuracy, never across devices."""

import json
from pathlib import Path

import pytest

from benchmark.analysis.cost import Setting
from benchmark.analysis.run_cost import measure_run
from detectors.cards.counts import counts
from leaderboard.board.build import build_board
from leaderboard.board.entries import run_entries
from leaderboard.board.records import entry_text
from leaderboard.figures.tradeoff import tradeoff_pictures
from leaderboard.report import report
from leaderboard.tables.run_cost import run_cost_tables
from leaderboard.tables.table import DASH, TableCell
from leaderboard.view import Context
from results.costs import DeviceCosts, ModelCost, add_costs, read_costs
from results.errors import ResultError
from results.store import read_run
from results.verifying import verify
from tests.fake_run import contexts, make_run


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return make_run(tmp_path, protocols=["everything"], detectors=["mfclip", "clip-linear"])


def model_of(run: Path, detector: str) -> str:
    return next(str(e.model) for e in read_run(run).entries if e.detector == detector)


def cost(run: Path, detector: str, **changes: float) -> ModelCost:
    numbers: dict[str, float] = {
        "parameters": 1000, "trained": 10, "input_size": 224, "flops": 2_000_000, "batch": 8,
        "images_per_second": 50.0, "spread": 0.04, "latency_seconds": 0.031, "peak_bytes": 3e6,
    }  # fmt: skip
    return ModelCost.model_validate({"model": model_of(run, detector), **numbers, **changes})


def on(device: str, **detectors: ModelCost) -> DeviceCosts:
    named = {name.replace("_", "-"): each for name, each in detectors.items()}
    return DeviceCosts(device=device, precision="float32", rounds=5, detectors=named)


def sections(context: Context) -> dict[str, dict[str, dict[str, TableCell]]]:
    (table,) = run_cost_tables(context)
    return {
        section.title: {
            name: dict(zip(table.columns, cells, strict=True)) for name, cells in section.rows
        }
        for section in table.sections
    }


def test_nothing_measured_is_nothing_shown(run: Path) -> None:
    (context,) = contexts(run)
    assert read_costs(run) == ()
    assert not list(run_cost_tables(context))
    assert [picture.name for picture in tradeoff_pictures(context)] == ["everything-cost"]


def test_each_device_has_a_part_of_its_own(run: Path) -> None:
    add_costs(run, on("a GPU", mfclip=cost(run, "mfclip", images_per_second=4000.0)))
    both = {"mfclip": cost(run, "mfclip"), "clip_linear": cost(run, "clip-linear")}
    add_costs(run, on("a CPU", **both))
    (context,) = contexts(run)
    found = sections(context)
    assert list(found) == ["a CPU", "a GPU"]
    shown = found["a CPU"]["MFCLIP"]
    assert [shown[name].text for name in ("parameters", "FLOPs", "input", "images/s")] == [
        "1.00 k", "2.00 M", "224", "50"
    ]  # fmt: skip
    assert shown["images/s"].detail == "batch 8, ± 4 %"
    assert shown["ms an image"].text == "31"
    assert shown["MB"].text == "3"
    assert shown["mean"].raw is not None
    lacking = found["a GPU"]["CLIP linear"]["images/s"]
    assert (lacking.text, lacking.reason) == (DASH, "it was not measured on this device")
    # One detector of the GPU is nothing to compare, so that there is a figure of the CPU alone.
    pictures = tradeoff_pictures(context)
    assert [picture.name for picture in pictures] == ["everything-cost", "everything-cost-1"]
    assert "measured on a CPU" in pictures[1].title


def test_measuring_again_replaces_what_was_measured_and_no_more(run: Path) -> None:
    both = {"mfclip": cost(run, "mfclip"), "clip_linear": cost(run, "clip-linear")}
    add_costs(run, on("a CPU", **both))
    add_costs(run, on("a CPU", mfclip=cost(run, "mfclip", images_per_second=60.0)))
    (found,) = read_costs(run)
    rates = {name: each.images_per_second for name, each in found.detectors.items()}
    assert rates == {"mfclip": 60.0, "clip-linear": 50.0}


def test_a_sealed_run_stays_sound_and_its_page_shows_the_costs(run: Path) -> None:
    add_costs(run, on("a CPU <b>", mfclip=cost(run, "mfclip")))
    page = report(run).read_text(encoding="utf-8")
    assert verify(run).faults == ()
    assert "a CPU &lt;b&gt;" in page
    assert (run / "tables" / "everything-costs.csv").is_file()


def test_costs_of_another_run_are_refused(run: Path) -> None:
    stranger = cost(run, "mfclip").model_copy(update={"model": "other-1"})
    add_costs(run, on("a CPU", mfclip=stranger))
    with pytest.raises(ResultError, match="mfclip: the run has no model other-1"):
        report(run)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"schema": 2}, "schema"),
        ({"measured": [{"device": ""}]}, "measured.0.device"),
        ({"measured": 3}, "measured"),
    ],
)
def test_a_file_of_another_form_is_refused(run: Path, change: dict[str, object], told: str) -> None:
    (run / "costs.json").write_text(json.dumps({"schema": 1, "measured": [], **change}))
    with pytest.raises(ResultError, match=f"costs.json: {told}: "):
        read_costs(run)


def test_a_trained_model_is_measured_and_shown(tmp_path: Path) -> None:
    from benchmark import run as carry_out
    from tests.small_data import write_dataset, write_recipe

    manifest, recipe = write_dataset(tmp_path / "data"), write_recipe(tmp_path, steps=2)
    out, store = tmp_path / "run", tmp_path / "store"
    carry_out("everything", data=manifest, detectors=["meso4"], size="tiny", out=out, store=store,
              recipe=recipe, device="cpu")  # fmt: skip
    setting = Setting(size="base", device="cpu", batch=2, rounds=1, threads=1)
    measure_run(out, setting, store=store)
    (found,) = read_costs(out)
    assert "CPU" in found.device
    told = found.detectors["meso4"]
    assert (told.parameters, told.trained, told.input_size, told.flops) == counts()["meso4"]["tiny"]
    assert told.latency_seconds > 0
    assert told.batch == 2
    assert verify(out).faults == ()


def test_a_board_shows_costs_a_device_at_a_time(
    run: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    both = {
        "mfclip": cost(run, "mfclip"),
        "clip_linear": cost(run, "clip-linear", images_per_second=200.0, flops=9_000_000),
    }
    add_costs(run, on("a CPU", **both))
    add_costs(run, on("a GPU", mfclip=cost(run, "mfclip", images_per_second=4000.0)))
    entries = run_entries(run)
    told = {entry.detector: entry.costs for entry in entries}
    assert [each.device for each in told["mfclip"]] == ["a CPU", "a GPU"]
    assert [each.device for each in told["clip-linear"]] == ["a CPU"]
    site = build_board(entries, tmp_path_factory.mktemp("board") / "site").parent
    page = (site / "cost.html").read_text(encoding="utf-8")
    for axis in ("FLOPs of one image", "ms an image in batches, a CPU", "a GPU"):
        assert axis in page
    (path,) = (site / "detectors").glob("mfclip*.html")
    text = path.read_text(encoding="utf-8")
    assert "a CPU: 2.00 MFLOPs an image of 224 px, 50 images/s in batches of 8, 31 ms" in text


def test_an_entry_without_costs_is_written_as_before(run: Path) -> None:
    entry = run_entries(run)[0]
    assert entry.costs == ()
    assert '"costs"' not in entry_text(entry)
