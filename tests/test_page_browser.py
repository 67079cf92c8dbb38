"""The page of a run as a reader sees it: the answer first, sorted and filtered, in any light."""

import json
import re
from pathlib import Path
from typing import Literal

import pytest

from leaderboard.report import report
from results.run import RunContents
from results.schema import CardFacts
from results.sealing import seal_run
from results.store import write_model
from tests.browser import barriers, column, faults, needs_browser, opened
from tests.fake_run import make_run

pytestmark = [needs_browser, pytest.mark.usefixtures("every_form")]
PAPER = "Chollet, CVPR 2017; as a forgery detector: FaceForensics++ (arXiv 1901.08971)"


@pytest.fixture(scope="module")
def page_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = make_run(
        tmp_path_factory.mktemp("run"),
        protocols=["cross-generator", "robustness-basic"],
        detectors=["mfclip", "xception", "spectrum"],
        synthetic=True,
    )
    addresses = {"xception": "https://github.com/a/b", "spectrum": "javascript:alert(1)"}
    for model in RunContents(run).models.values():
        card = CardFacts(
            paper=PAPER, year=2019, kind="spatial", code=addresses.get(model.detector, ""),
            licence="Apache-2.0", fidelity="the paper's",
        )  # fmt: skip
        write_model(run, model.model_copy(update={"card": card}))
    seal_run(run)
    return report(run)


def test_the_first_screen_says_who_leads_by_how_much_how_surely_then_the_warnings(
    page_path: Path,
) -> None:
    with opened(page_path) as (page, _):
        boxes = {
            what: page.locator(where).first.bounding_box()
            for what, where in {
                "answer": ".answer", "numbers": "td[data-value]", "warnings": ".banner",
            }.items()
        }  # fmt: skip
        tops = {what: box["y"] + box["height"] for what, box in boxes.items() if box}
        assert tops["answer"] < tops["numbers"] < tops["warnings"] < 800
        assert page.locator(".banner").count() == 1
        assert re.match(r"MFCLIP has the best mean in 2 of 2 protocols", page.inner_text(".answer"))
        text = page.locator(".box table").first.inner_text()
        assert re.search(r"\+0\.\d{3}\s+\(.0\.\d{3} to", text), "by how much"
        assert "beyond chance, p" in text, "how surely"
        assert "do not say" in page.inner_text(".banner")
        assert page.evaluate("document.documentElement.scrollHeight") < 10_000


def test_tables_are_sorted_by_value_and_back_and_by_keyboard(page_path: Path) -> None:
    with opened(page_path) as (page, _):
        table = ".box:has(caption:text('Cross-generator: AUC by image')) table"
        page.evaluate("document.querySelectorAll('table').forEach((t, i) => { t.id = `t${i}` })")
        table = "#" + str(page.locator(table).first.get_attribute("id"))
        before = column(page, table, 2)
        head = page.locator(f"{table} thead th").nth(2).locator("button")
        head.focus()
        page.keyboard.press("Enter")
        values = [float(text[:5]) for text in column(page, table, 2)]
        assert values == sorted(values, reverse=True)
        assert page.locator(f"{table} thead th").nth(2).get_attribute("aria-sort") == "descending"
        head.click()
        assert [float(text[:5]) for text in column(page, table, 2)] == sorted(values)
        head.click()
        assert column(page, table, 2) == before


def test_long_tables_are_filtered_and_heads_stay(page_path: Path) -> None:
    with opened(page_path) as (page, _):
        page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true })")
        field = page.locator("label.filter input").first
        box = field.locator("xpath=ancestor::label/following-sibling::div[1]")
        rows = box.locator("tbody:not(.counts) tr:not(.group):visible")
        before = rows.count()
        field.fill("StarGAN")
        assert 0 < rows.count() < before
        assert page.locator("label.filter [role=status]").first.inner_text().endswith("rows")
        field.fill("")
        assert rows.count() == before
        box.evaluate("(box) => { box.scrollTop = 200 }")
        top = box.evaluate(
            "(box) => box.querySelector('thead th').getBoundingClientRect().top"
            " - box.getBoundingClientRect().top"
        )
        assert abs(top) < 3, "the head stays while the rows move"


def test_a_cell_of_the_heat_map_says_what_it_is(page_path: Path) -> None:
    with opened(page_path) as (page, _):
        box = page.locator("[data-spots]").first
        spots = json.loads(str(box.get_attribute("data-spots")))
        left, top, width, height, text = spots[7]
        assert re.match(r"MFCLIP, .* to .*: AUC 0\.\d{3}", text)
        image = box.locator("img")
        image.scroll_into_view_if_needed()
        size = image.bounding_box()
        assert size is not None
        x, y = (left + width / 2) * size["width"], (top + height / 2) * size["height"]
        image.hover(position={"x": x, "y": y})
        assert page.inner_text(".tip:not([hidden])") == text


def test_figures_are_files_beside_the_page_and_are_shown(page_path: Path) -> None:
    with opened(page_path) as (page, _):
        sources = page.eval_on_selector_all(
            "figure img", "(all) => all.map((i) => i.getAttribute('src'))"
        )
        assert sources
        assert all(re.fullmatch(r"figures/[A-Za-z0-9_-]+\.png", each) for each in sources)
        page.wait_for_function(
            "[...document.querySelectorAll('figure img')].every((each) => each.naturalWidth > 0)"
        )
    assert "data:image" not in page_path.read_text(encoding="utf-8")


def test_tables_of_words_are_no_wider_than_the_page(page_path: Path) -> None:
    with opened(page_path) as (page, _):
        box = page.locator(".box", has_text="how surely").first
        assert box.evaluate("(box) => box.scrollWidth <= box.clientWidth")


def test_links_lead_to_paper_and_code_and_to_nothing_else(page_path: Path) -> None:
    with opened(page_path) as (page, _):
        addresses = set(
            page.eval_on_selector_all("a[href*=':']", "(all) => all.map((a) => a.href)")
        )
        outside = {each for each in addresses if not each.startswith("file:")}
        assert outside == {"https://arxiv.org/abs/1901.08971", "https://github.com/a/b"}
        page.locator("tbody th a", has_text="Xception").first.click()
        assert page.url.endswith("#d-2")
        assert page.locator("#d-2 h3").inner_text() == "Xception"


@pytest.mark.parametrize(
    ("width", "colours"), [(1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")]
)
def test_every_text_can_be_read_and_reached(
    page_path: Path, width: int, colours: Literal["light", "dark"]
) -> None:
    with opened(page_path, width=width, colours=colours) as (page, _):
        assert faults(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_axe_finds_no_serious_barrier(page_path: Path, colours: Literal["light", "dark"]) -> None:
    with opened(page_path, colours=colours, evaluates=True) as (page, _):
        assert barriers(page) == []


def test_it_is_whole_without_scripts_and_on_paper(page_path: Path) -> None:
    with opened(page_path, scripts=False) as (page, _):
        assert page.locator("thead button").count() == 0
        assert page.locator("table").first.is_visible()
    with opened(page_path) as (page, _):
        page.emulate_media(media="print")
        page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
        assert page.locator("details:not([open])").count() == 0
        assert not page.locator("nav").is_visible()
        page.evaluate("window.dispatchEvent(new Event('afterprint'))")
        assert page.locator("details:not([open])").count() > 0


def test_the_policy_lets_nothing_else_run(page_path: Path) -> None:
    text = page_path.read_text(encoding="utf-8")
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy is not None
    assert policy[1].startswith("default-src 'none'")
    assert "unsafe" not in policy[1]
    injected = text.replace("</h1>", "</h1><script>document.title = 'ran'</script>", 1)
    (page_path.parent / "injected.html").write_text(injected, encoding="utf-8")
    with opened(page_path.parent / "injected.html") as (page, seen):
        assert page.title() != "ran"
        assert any("Content Security Policy" in each for each in seen.complaints)
        seen.complaints.clear()


def test_the_checks_of_this_file_find_what_is_wrong(page_path: Path) -> None:
    with opened(page_path) as (page, _):
        page.evaluate("document.querySelector('.brand').style.color = '#bbb'")
        page.evaluate("document.querySelector('.box').tabIndex = -1")
        page.evaluate("document.querySelector('.box').style.maxHeight = '50px'")
        found = faults(page)
        assert any(each.startswith("contrast 1.9") for each in found)
        assert "scrolls without keyboard: box" in found
