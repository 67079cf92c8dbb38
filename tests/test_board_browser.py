"""The board in a real browser: sorted, filtered, searched, linked to, compared; in any light."""

from pathlib import Path
from typing import Literal

import pytest

from leaderboard.board.build import build_board
from leaderboard.board.schema import BoardEntry
from leaderboard.tables.table import DASH
from tests.browser import barriers, column, faults, needs_browser, opened
from tests.fake_board import make_entry

pytestmark = [needs_browser, pytest.mark.usefixtures("every_form")]
HOSTILE = "<img src=x onerror=alert(1)></script><script>alert(2)</script>"
CONDITIONS = (("clean", 0), ("blur", 1), ("blur", 3))
NAMES = ("robust", "plain", "small", "whole")


def entries() -> list[BoardEntry]:
    made = [
        make_entry(n, strength=0.9 - 0.05 * at, cells=12, conditions=CONDITIONS, seed=at)
        for at, n in enumerate(NAMES)
    ]
    made.append(make_entry("holed", strength=0.95, cells=12, holes=(1,), seed=5))
    made.append(make_entry("paper", strength=0.99, cells=12, state="reported", seed=6))
    hostile = make_entry("hostile", strength=0.6, cells=12, seed=8)
    made.append(hostile.model_copy(update={"title": HOSTILE}))
    made.append(make_entry("robust", protocol="cross-generator", strength=0.7))
    made.append(
        make_entry("small", strength=0.82, cells=12, version=2, reason="wrong labels", seed=2,
                   conditions=CONDITIONS)
    )  # fmt: skip
    return made


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_board(entries(), tmp_path_factory.mktemp("board") / "site").parent


def test_the_first_screen_says_who_leads_by_how_much_and_how_surely(site: Path) -> None:
    with opened(site / "index.html") as (page, _):
        answer = page.inner_text("#answer")
        assert answer.startswith(
            "Robust leads Cross Forgery among recomputed entries: mean AUC 0.9"
        )
        assert "ahead of Plain by +0.05" in answer
        assert "(95 %: +" in answer
        first = page.locator("#board-table tbody td").nth(1).bounding_box()
        warnings = page.locator(".banner").bounding_box()
        assert first is not None
        assert warnings is not None
        assert first["y"] < 400
        assert first["y"] < warnings["y"] < 1000
        names = column(page, "#board-table", 0)
        assert names == [
            "Robust",
            "Plain",
            "Small",
            "Whole",
            HOSTILE,
            "Holed",
            "Paper",
            "random guess",
        ]
        assert column(page, "#board-table", 1) == ["1", "2", "3", "4", "5", DASH, "1", DASH]


def test_it_sorts_filters_and_searches_and_the_address_keeps_every_choice(site: Path) -> None:
    with opened(site / "index.html") as (page, _):
        page.locator("#board-table thead button", has_text="mean").click()
        assert column(page, "#board-table", 0)[0] == "Paper"
        page.locator("#board-table thead button", has_text="mean").click()
        page.fill("#pick-q", "l")
        page.select_option("#pick-columns", "unseen")
        page.locator("fieldset input[value=reported]").uncheck()
        before = column(page, "#board-table", 0)
        assert "Paper" not in before
        assert "Robust" not in before
        assert "Small" in before
        assert page.locator("thead th.cell:visible").count() == 8
        address = page.url
        assert "q=l" in address
        assert "states=recomputed" in address
    with opened(address) as (page, _):
        assert column(page, "#board-table", 0) == before
        assert page.locator("thead th.cell:visible").count() == 8
        assert page.input_value("#pick-q") == "l"
        assert page.locator("th[aria-sort=ascending]").inner_text().startswith("mean")


def test_protocol_metric_and_condition_are_chosen_and_linked_to(site: Path) -> None:
    with opened(site / "index.html") as (page, _):
        page.select_option("#pick-condition", "blur-3")
        assert column(page, "#board-table", 0)[:4] == ["Robust", "Plain", "Small", "Whole"]
        assert not page.locator("#answer").is_visible(), "it speaks of the first view alone"
        page.select_option("#pick-metric", "ACC")
        page.select_option("#pick-protocol", "cross-generator-v1")
        assert column(page, "#board-table", 0) == ["Robust"], (
            "accuracy by chance depends on classes"
        )
        address = page.url
    with opened(address) as (page, _):
        assert page.input_value("#pick-metric") == "ACC"
        assert column(page, "#board-table", 0) == ["Robust"]


def test_a_table_is_used_by_keyboard_and_its_first_column_and_heads_stay(site: Path) -> None:
    with opened(site / "index.html", width=700, height=420) as (page, _):
        page.locator("#board-table thead button").nth(3).focus()
        page.keyboard.press("Enter")
        assert page.locator("th[aria-sort]").inner_text().startswith("Borda")
        page.locator(".box.board").focus()
        page.locator(".box.board").evaluate("(box) => { box.scrollLeft = 500; box.scrollTop = 90 }")
        page.wait_for_timeout(300)  # names are fixed when the scrolling is heard of, a frame later
        edges = page.locator(".box.board").evaluate(
            "(box) => [box.querySelector('tbody th').getBoundingClientRect().left"
            " - box.getBoundingClientRect().left, box.querySelector('thead th')"
            ".getBoundingClientRect().top - box.getBoundingClientRect().top]"
        )
        assert all(abs(edge) < 3 for edge in edges)


def test_two_entries_are_compared_cell_by_cell_with_paired_intervals(site: Path) -> None:
    with opened(site / "compare.html") as (page, _):
        page.select_option("#pick-a", "robust")
        page.select_option("#pick-b", "plain")
        assert page.locator("#pair tbody:not(.counts) tr").count() == 12
        (mean,) = page.locator("#pair tbody.counts tr").all_inner_texts()
        assert mean.startswith("mean of the 8 cells that count")
        differences = [float(text) for text in column(page, "#pair", 3)]
        assert all(0.03 < each < 0.07 for each in differences)
        low, high = (float(n) for n in column(page, "#pair", 4)[0].split(" to "))
        assert low < differences[0] < high
        assert high - low < 0.03, "paired: what is common to both does not count"
        told = "of 8 cells that count A is greater beyond chance in 8, smaller in 0; of all 12"
        assert told in page.inner_text("#told")
        assert page.inner_text("#pair thead th:nth-child(2)") == "A: Robust"
        page.locator("#pair thead button").nth(3).click()
        ordered = [float(text) for text in column(page, "#pair", 3)]
        assert ordered == sorted(differences, reverse=True), "by value, as numbers"
        address = page.url
    with opened(address) as (page, _):
        assert page.input_value("#pick-b") == "plain"


def test_curves_cost_and_seen_are_drawn_from_the_numbers_below(site: Path) -> None:
    with opened(site / "robustness.html") as (page, _):
        assert page.locator("svg.plot polyline").count() == 4
        assert page.locator("svg.plot polygon").count() == 4, "bands"
        page.locator("fieldset input[value=plain]").uncheck()
        assert page.locator("svg.plot polyline").count() == 3
        assert "who=" in page.url
        assert page.locator("tbody tr").count() == 12
    for name, points in (("cost", 5), ("seen", 6)):
        with opened(site / f"{name}.html") as (page, _):
            assert page.locator("svg.plot circle").count() == points


def test_pages_of_detectors_protocols_data_and_history_say_what_they_are_for(site: Path) -> None:
    wanted = {
        "detectors/small.html": ["Fidelity", "Model card to copy", "| Cross Forgery v1 | AUC |"],
        "protocols/cross-forgery-v1.html": ["What is tested on what", "■", "blur, severity 3"],
        "data.html": ["4,000", "S9", "Fingerprint"],
        "history.html": ["wrong labels", "+0.0"],
        "submit.html": ["board pack", "hidden-labels"],
        "detectors/paper.html": ["reported"],
    }
    for name, texts in wanted.items():
        with opened(site / name) as (page, _):
            said = page.inner_text("body")
            assert not [text for text in texts if text not in said], name
            for address in page.eval_on_selector_all("a[href]", "(all) => all.map((a) => a.href)"):
                if address.startswith("file:"):
                    assert Path(address.removeprefix("file://").partition("#")[0]).is_file()


@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_every_text_of_every_kind_of_page_can_be_read_and_reached(
    site: Path, width: int, colours: Literal["light", "dark"]
) -> None:
    names = ["index", "compare", "cost", "history", "submit", "detectors/small"]
    for name in [*names, "protocols/cross-forgery-v1"]:
        with opened(site / f"{name}.html", width=width, colours=colours) as (page, _):
            assert faults(page) == [], name
            assert page.evaluate("document.documentElement.scrollWidth") <= width, name


KINDS = (
    "index", "compare", "robustness", "cost", "seen", "data", "history", "submit",
    "protocols/cross-forgery-v1", "detectors/small",
)  # fmt: skip


@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("kind", KINDS)
def test_axe_finds_no_serious_barrier_on_any_kind_of_page(
    site: Path, kind: str, colours: Literal["light", "dark"]
) -> None:
    with opened(site / f"{kind}.html", colours=colours, evaluates=True) as (page, _):
        assert barriers(page) == []


def test_axe_finds_a_barrier_that_is_put_there(site: Path) -> None:
    with opened(site / "index.html", evaluates=True) as (page, _):
        page.evaluate("document.querySelector('#pick-q').labels[0].replaceWith(pick = "
                      "document.querySelector('#pick-q'))")  # fmt: skip
        assert any(each.startswith("label:") for each in barriers(page))


def test_without_scripts_the_table_is_whole(site: Path) -> None:
    with opened(site / "index.html", scripts=False) as (page, _):
        assert page.locator("#board-table tbody tr").count() == 8
        assert page.locator("#controls").inner_text() == ""


def test_a_hostile_name_is_text(site: Path) -> None:
    for name in ("index", "compare", "detectors/hostile"):
        with opened(site / f"{name}.html") as (page, _):
            assert page.locator("img").count() == 0
            assert page.locator("script").count() == (1 if "/" in name else 2)


def test_a_board_of_reported_numbers_alone_has_no_broken_page(tmp_path: Path) -> None:
    reported = [make_entry(n, state="reported", strength=0.8, seed=at) for at, n in enumerate("ab")]
    site = build_board(reported, tmp_path / "site").parent
    for name in ("index", "compare", "robustness", "cost", "seen", "data", "history"):
        with opened(site / f"{name}.html") as (page, _):
            assert page.locator("h1").is_visible()
    with opened(site / "compare.html") as (page, _):
        assert "No two entries" in page.inner_text("#told")
