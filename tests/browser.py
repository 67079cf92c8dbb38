"""A real browser for the tests of pages: Chromium, without network, every complaint noted."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")

# Every text that is shown with less contrast than WCAG 2 AA asks for, and every box that scrolls
# but cannot be reached by keyboard.
_CHECKS = """() => {
  const channel = (c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const parse = (text) => {
    const n = text.match(/[\\d.]+/g).map(Number);
    return {rgb: n.slice(0, 3), alpha: n.length > 3 ? n[3] : 1};
  };
  const over = (top, under) => top.rgb.map((c, i) => c * top.alpha + under[i] * (1 - top.alpha));
  const light = (rgb) => {
    const [r, g, b] = rgb.map((c) => channel(c / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (node) => {
    const layers = [];
    for (let at = node; at; at = at.parentElement) {
      const found = parse(getComputedStyle(at).backgroundColor);
      if (found.alpha > 0) layers.push(found);
      if (found.alpha === 1) break;
    }
    return layers.reverse().reduce((under, layer) => over(layer, under), [255, 255, 255]);
  };
  const faults = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || !node.checkVisibility()) continue;
    if (["STYLE", "SCRIPT"].includes(node.tagName) || node.closest("svg")) continue;
    const style = getComputedStyle(node), ground = behind(node);
    let opacity = 1;
    for (let at = node; at; at = at.parentElement) opacity *= Number(getComputedStyle(at).opacity);
    const ink = parse(style.color);
    const [one, other] = [light(over({rgb: ink.rgb, alpha: ink.alpha * opacity}, ground)),
                          light(ground)];
    const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    const size = parseFloat(style.fontSize), bold = Number(style.fontWeight) >= 700;
    if (ratio < (size >= 24 || (bold && size >= 18.66) ? 3 : 4.5)) {
      faults.push(`contrast ${ratio.toFixed(2)}: ${node.textContent.trim().slice(0, 40)}`);
    }
  }
  for (const box of document.querySelectorAll("*")) {
    const flow = getComputedStyle(box);
    const scrolls = /auto|scroll/.test(flow.overflowX + flow.overflowY);
    const more = box.scrollWidth > box.clientWidth + 1 || box.scrollHeight > box.clientHeight + 1;
    if (scrolls && more && box.checkVisibility() && box.tabIndex < 0) {
      faults.push(`scrolls without keyboard: ${box.className}`);
    }
    const field = ["INPUT", "SELECT"].includes(box.tagName);
    if (field && !(box.labels.length || box.ariaLabel)) faults.push(`no label: ${box.outerHTML}`);
  }
  const ids = [...document.querySelectorAll("[id]")].map((each) => each.id);
  for (const id of ids.filter((each, at) => ids.indexOf(each) !== at)) faults.push(`twice: ${id}`);
  for (const cell of document.querySelectorAll("thead th")) {
    if (!cell.checkVisibility() || !cell.textContent.trim()) continue;
    const range = document.createRange();
    const texts = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
      for (const word of texts.currentNode.textContent.matchAll(/[^\\s-]+/g)) {
        range.setStart(texts.currentNode, word.index);
        range.setEnd(texts.currentNode, word.index + word[0].length);
        const lines = new Set([...range.getClientRects()].map((each) => Math.round(each.top)));
        if (lines.size > 1) faults.push(`broken in a head: ${word[0]}`);
      }
    }
  }
  return faults;
}"""


class Seen:
    """What a page did: ``complaints`` of the console, ``requests`` for anything but itself."""

    def __init__(self) -> None:
        self.complaints: list[str] = []
        self.requests: list[str] = []


@contextmanager
def opened(
    path: Path | str,
    *,
    width: int = 1280,
    height: int = 800,
    colours: Literal["light", "dark"] = "light",
    scripts: bool = True,
    evaluates: bool = False,
) -> Iterator[tuple[Page, Seen]]:
    """Open a page of this machine; at the end it must have complained of nothing.

    With ``evaluates`` its policy does not hold, so that scripts given as text run.
    """
    seen = Seen()
    address = path if isinstance(path, str) else path.resolve().as_uri()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(
            viewport={"width": width, "height": height},
            color_scheme=colours,
            java_script_enabled=scripts,
            bypass_csp=evaluates,
        )
        page.on("console", lambda message: seen.complaints.append(message.text))
        page.on("pageerror", lambda error: seen.complaints.append(str(error)))
        page.on("request", lambda request: seen.requests.append(request.url))
        page.goto(address)
        try:
            yield page, seen
        finally:
            browser.close()
    assert seen.complaints == []
    assert [url for url in seen.requests if not url.startswith(("file:", "data:", "blob:"))] == []


def faults(page: Page) -> list[str]:
    """List what a reader with weak eyes or without a mouse could not use."""
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true })")
    found: Any = page.evaluate(_CHECKS)
    return list(found)


def barriers(page: Page) -> list[str]:
    """List what axe-core finds serious or critical; the page must be opened with ``evaluates``."""
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true })")
    found: Any = Axe().run(page).response["violations"]
    return [
        f"{each['id']}: {node['target']} {node['html'][:120]}"
        for each in found
        if each["impact"] in ("serious", "critical")
        for node in each["nodes"]
    ]


def column(page: Page, table: str, number: int) -> list[str]:
    """Give the texts of a column of a table, from the top."""
    found: Any = page.evaluate(
        """([table, number]) => [...document.querySelector(table).tBodies]
        .filter((body) => !body.classList.contains("counts"))
        .flatMap((body) => [...body.rows])
        .filter((row) => !row.hidden && !row.classList.contains("group"))
        .map((row) => row.cells[number].textContent.trim())""",
        [table, number],
    )
    return list(found)
