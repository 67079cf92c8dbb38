"""What detectors cost: counts that stay true, tables, the figure, listings."""

import csv
import io
import json
import re
from pathlib import Path

import pytest
import torch
from torch import nn
from typer.testing import CliRunner, Result

from benchmark.analysis.cost import Setting, measure_here
from benchmark.cli import catalog
from benchmark.cli.app import app
from benchmark.errors import BenchmarkError
from benchmark.study import selection
from benchmark.study.checks import check_detectors
from benchmark.study.schema import study_of
from benchmark.study.tracks import recipes_of
from detectors import create_detector
from detectors.base import Size
from detectors.cards import CARDS
from detectors.cards.counts import NetworkCounts, counts
from detectors.counting import (
    TAXA,
    build_random,
    count,
    count_flops,
    count_parameters,
    recounted,
)
from detectors.errors import UnknownDetectorError, WeightsError
from docs.scripts import detectors as detector_page
from leaderboard.figures.cost import rate_chart, rate_table, write_costs
from leaderboard.tables.cost import Cost, cost_csv, cost_json, cost_markdown, cost_rows
from leaderboard.tables.table import DASH, with_unit
from results.errors import ResultError

pytestmark = pytest.mark.usefixtures("every_form")

NAMES = sorted(name for name, card in CARDS.items() if not card.sanity)
MEASURED = {"size": "tiny", "precision": "float32", "on": "a test"}


def call(*arguments: str, columns: int = 120) -> Result:
    return CliRunner(env={"COLUMNS": str(columns)}).invoke(app, arguments)


def cost(name: str, rate: float | None, parameters: int | None = 1000) -> Cost:
    return Cost(
        detector=name, group="spatial", parameters=parameters, trained=10, input_size=128,
        flops=2_000_000, batch=8, images_per_second=rate, spread=0.05, peak_bytes=3e6,
    )  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_the_counts_that_are_written_down_are_those_of_the_network(name: str) -> None:
    # After a change to a network: python -m detectors.counting
    written = counts()[name]["base"]
    assert count_parameters(name, "base") == written[:3]


def test_the_counts_are_of_the_catalog_and_of_nothing_else() -> None:
    assert sorted(counts()) == NAMES
    assert {size for sizes in counts().values() for size in sizes} == {"tiny", "base"}


def test_the_detectors_that_are_named_are_counted_anew_and_no_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one = NetworkCounts(parameters=1, trained=1, input_size=1, flops=1)
    monkeypatch.setattr("detectors.counting.count", lambda name, size: one)
    written = counts()
    assert recounted(["meso4"]) == {**written, "meso4": {"tiny": one, "base": one}}
    assert {numbers for sizes in recounted().values() for numbers in sizes.values()} == {one}
    assert list(recounted()) == list(written)
    with pytest.raises(UnknownDetectorError, match="no detector of the catalog is called 'meso'"):
        recounted(["meso"])


@pytest.mark.parametrize("name", NAMES)
def test_the_operations_of_the_tiny_size_are_those_that_are_written_down(name: str) -> None:
    assert count(name, "tiny") == counts()[name]["tiny"]


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_the_operations_of_the_base_size_are_those_that_are_written_down(name: str) -> None:
    assert count(name, "base") == counts()[name]["base"]


def test_operations_are_counted_as_two_a_multiply_add() -> None:
    detector = build_random("meso4", "tiny")
    layers = [module for module in detector.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    expected = 0

    def add(layer: nn.Module, _: object, out: torch.Tensor) -> None:
        nonlocal expected
        assert isinstance(layer.weight, torch.Tensor)
        # Each output value is the products of one filter: as many as its weights.
        expected += 2 * out.numel() * layer.weight[0].numel()

    for layer in layers:
        layer.register_forward_hook(add)
    found = count_flops(detector)
    assert found == expected > 0


@pytest.mark.parametrize("name", NAMES)
def test_the_base_size_is_left_out_of_all_exactly_where_it_is_downloaded(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if CARDS[name].fit == "none":
        assert not any(name in names for names in selection.without_downloads("base"))
        return

    def refuse(*_: object, **__: object) -> None:
        raise WeightsError("a download")

    monkeypatch.setattr("huggingface_hub.snapshot_download", refuse)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    kept, left_out = selection.without_downloads("base")
    with torch.device("cpu" if CARDS[name].fit == "estimator" else "meta"):
        if name in kept:
            create_detector(name, size="base", taxa=TAXA)
        else:
            assert name in left_out
            with pytest.raises(WeightsError):
                create_detector(name, size="base", taxa=TAXA)


def test_all_stands_for_every_trained_detector_in_the_order_of_the_catalog() -> None:
    study = study_of("cross-forgery", detectors=["all"], size="tiny")
    names = [detector.detector for detector in study.detectors]
    assert names == [n for n, card in CARDS.items() if not card.sanity and card.fit != "none"]
    assert {"mfclip", "xception", "shortcut"} < set(names)


def test_all_leaves_out_at_base_what_starts_from_published_weights() -> None:
    study = study_of("cross-forgery", detectors=["all", "xception"], size="base")
    names = [detector.detector for detector in study.detectors]
    assert "mfclip" in names
    assert "clip-linear" not in names
    assert names[-1] == "xception"  # named, so wanted with its weights


def test_one_detector_is_measured() -> None:
    setting = Setting(size="tiny", device="cpu", batch=2, rounds=2)
    found, where = measure_here("meso4", "spatial", setting)
    assert (found.parameters, found.trained, found.input_size, found.flops) == (
        counts()["meso4"]["tiny"]
    )
    assert found.images_per_second is not None
    assert found.images_per_second > 0
    assert found.peak_bytes is not None
    assert found.peak_bytes > 0
    assert "torch" in where


@pytest.mark.slow
def test_bench_writes_the_table_and_the_figure(tmp_path: Path) -> None:
    done = call(
        "bench", "detectors", "--detectors", "meso4,spectrum", "--batch", "2", "--rounds", "1",
        "--device", "cpu", "--out", str(tmp_path),
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "meso4" in done.stdout
    assert "Random weights, nothing downloaded" in done.stdout.replace("\n", " ")
    assert {path.name for path in tmp_path.iterdir()} == {
        f"costs.{ending}" for ending in ("md", "csv", "json", "png", "svg", "pdf")
    }
    told = json.loads((tmp_path / "costs.json").read_text())
    assert [row["detector"] for row in told["detectors"]] == ["meso4", "spectrum"]
    assert told["measured"]["precision"] == "float32"


@pytest.mark.slow
def test_a_detector_that_cannot_be_built_has_a_dash_and_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = tmp_path / "needy_for_costs.py"
    module.write_text(
        "from detectors.errors import WeightsError\nfrom detectors.meso import Meso4\n\n\n"
        "class Needy(Meso4):\n    def __init__(self, **options):\n"
        "        raise WeightsError('weights that are not to be had')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    done = call(
        "bench", "detectors", "--detectors", "needy_for_costs:Needy", "--device", "cpu",
        "--out", str(tmp_path / "out"),
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "[1] weights that are not to be had" in done.stdout
    assert not (tmp_path / "out" / "costs.png").exists()


def test_a_wrong_detector_is_told_before_anything_is_measured() -> None:
    done = call("bench", "detectors", "--detectors", "meso4,xceptoin")
    assert done.exit_code == 1
    assert "no detector is called 'xceptoin'; did you mean 'xception'?" in done.stderr
    assert "Measuring" not in done.stderr


def test_the_tables_hold_the_numbers_and_why_some_are_missing() -> None:
    missing = Cost(detector="big", group="foundation", reason="no such weights")
    costs = [cost("small", 120.5), missing]
    markdown = cost_markdown(costs, MEASURED)
    assert re.search(r"\| small +\| spatial +\| +1\.00 k \| +10 \| +128 \| +2\.00 M \|", markdown)
    assert f"{DASH} [1]" in markdown
    assert "- [1] no such weights" in markdown
    rows = list(csv.DictReader(io.StringIO(cost_csv(costs))))
    assert (rows[0]["parameters"], rows[0]["images_per_second"]) == ("1000", "120.5")
    assert (rows[1]["parameters"], rows[1]["reason"]) == ("", "no such weights")
    assert json.loads(cost_json(costs, MEASURED))["detectors"][1]["flops"] is None


def test_the_figure_shows_what_has_a_size_and_a_rate() -> None:
    costs = [cost("one", 10.0), cost("two", 10.0), cost("empty", 5.0, 0), cost("lost", None)]
    assert list(rate_table(costs)["detector"]) == ["one", "two"]
    chart = rate_chart(costs, MEASURED)
    assert chart is not None
    names = re.findall(r"<!-- (\w+) -->", chart.svg.decode())
    assert {"one", "two"} <= set(names)
    assert rate_chart(costs[2:], MEASURED) is None


@pytest.mark.parametrize("columns", [80, 120])
def test_the_listing_fits_its_terminal_and_has_every_detector(columns: int) -> None:
    done = call("list", "detectors", columns=columns)
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= columns
    for name in NAMES:
        found = [line for line in lines if re.search(rf"^│ {name} ", line)]
        assert len(found) == 1, name
        assert re.search(r"│ (19|20)\d\d │ [\d.]+ ?[kMG]? +│ \d+", found[0])
    assert "oracle" not in done.stdout


@pytest.mark.parametrize("name", NAMES)
def test_a_short_fidelity_is_the_beginning_of_the_whole(name: str) -> None:
    short = catalog.short_fidelity(CARDS[name], 90)
    assert short.removesuffix(" ...") in CARDS[name].fidelity
    assert 60 <= len(short) <= 90 or short == CARDS[name].fidelity


def test_a_card_is_shown_whole() -> None:
    done = call("show", "detector", "effort", columns=3000)
    assert done.exit_code == 0, done.output
    assert CARDS["effort"].fidelity in done.stdout
    assert "304,164,962 parameters, 198,754 trained" in done.stdout
    wrong = call("show", "detector", "efort")
    assert wrong.exit_code == 1
    assert "no detector is called 'efort'; did you mean 'effort'?" in wrong.stderr


def test_the_documentation_has_the_table() -> None:
    # After a change: make detector-page
    page = (Path(__file__).parents[1] / "docs" / "detectors.md").read_text(encoding="utf-8")
    assert detector_page.with_table(page) == page


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (153, "153"), (0.1234, "0.12"), (3.14159, "3.14"), (999.6, "1.00 k"),
     (27_977, "28.0 k"), (99_949, "99.9 k"), (99_960, "100 k"), (303_966_977, "304 M"),
     (162e9, "162 G"), (1.5e12, "1.50 T")],
)  # fmt: skip
def test_numbers_have_three_digits_and_a_unit(number: float, text: str) -> None:
    assert with_unit(number) == text


def test_a_recipe_of_too_large_batches_is_refused_before_any_training() -> None:
    study = study_of("cross-forgery", detectors=["mfclip-release"], size="tiny", recipe="tiny")
    with pytest.raises(BenchmarkError, match="batches of 24 at most: recipe 'tiny' has batch_size"):
        check_detectors(study, recipes_of(study))


@pytest.mark.parametrize("size", ["tiny", "base"])
def test_what_all_stands_for_can_be_trained_by_its_recipes(size: Size) -> None:
    study = study_of("cross-forgery", detectors=["all"], size=size)
    check_detectors(study, recipes_of(study))


def test_no_file_of_the_users_is_replaced_by_costs(tmp_path: Path) -> None:
    (tmp_path / "costs.csv").write_text("mine")
    done = call("bench", "detectors", "--detectors", "meso4", "--out", str(tmp_path))
    assert done.exit_code == 1
    assert "costs.csv exists already" in " ".join(done.stderr.split())
    assert "Measuring" not in done.stderr
    with pytest.raises(ResultError, match=r"costs\.csv exists already: choose another file"):
        write_costs(tmp_path, [], {})
    assert (tmp_path / "costs.csv").read_text() == "mine"
    cost = Cost(detector="forest", group="own", parameters=0, trained=0, input_size=32)
    write_costs(tmp_path, [cost], {}, force=True)
    assert (tmp_path / "costs.csv").read_text() != "mine"
    (row,) = cost_rows([cost])
    assert row[2:4] == [DASH, DASH], "a forest has no parameters that are counted"
