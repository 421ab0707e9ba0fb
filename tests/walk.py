"""Goes through everything that the page shows and takes a screenshot at each stop.

python -m tests.walk DIR    # wide screen and phone, light and dark theme
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Browser, Page, expect

from model.export import export_versions
from model.weights import RELEASED, find_snapshots
from tests.browser import draw, launch_chromium
from tests.forked import ForkedServer
from tests.hand import strokes_of
from tests.pages import ROOT, run_page
from tests.visit import SIZES


def walk(page: Page) -> Iterator[str]:
    """Goes through a page on its first visit, and yields the name of each stop."""

    def click(selector: str) -> None:
        page.locator(f".live {selector}").click()

    def open_map(layer: str, x: float, y: float) -> None:
        mosaic = page.locator(f".live .gallery[data-name={layer}] .mosaic")
        mosaic.evaluate("mosaic => mosaic.scrollIntoView({ block: 'center' })")
        box = mosaic.bounding_box()
        page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
        expect(page.locator(".live .lens")).to_be_visible()
        page.mouse.down()
        page.mouse.up()
        expect(page.locator(".live .zoom")).to_be_visible()
        expect(page.locator(".live .sum > *").first).to_be_attached()

    expect(page.locator(".live .best")).to_have_text("3")
    yield "a first visit"
    click(".tour .end")
    draw(page, strokes_of(5), ".pad")
    expect(page.locator(".live .best")).to_have_text("5")
    yield "a digit drawn by hand"
    for layer in ("h_conv1", "h_pool1", "h_conv2", "h_pool2"):
        open_map(layer, 0.35, 0.3)
        yield f"a map of {layer} and its strongest unit"
        page.keyboard.press("Escape")
    click(".show-sum")
    expect(page.locator(".live .terms")).to_be_visible()
    yield "how a score adds up"
    page.locator(".live .term-link").first.click()
    expect(page.locator(".live .unit")).to_have_text(re.compile(r"^chosen unit: \d+, "))
    yield "one layer back"
    page.keyboard.press("Escape")
    click(".why")
    expect(page.locator(".live .overlay")).to_be_visible()
    yield "the explanation"
    page.locator(".live .score").nth(8).click()
    expect(page.locator(".live .explanation-legend").first).to_have_text("for 8 against 8")
    yield "the explanation of another digit"
    page.locator(".live .version").first.click()
    yield "the first version"
    page.locator(".live .version").last.click()
    page.keyboard.press("w")
    click(".keep")
    page.keyboard.press("8")
    expect(page.locator(".live .best")).to_have_text("8")
    click('.compare-switch [value="difference"]')
    expect(page.locator('.live[data-shown="difference"]')).to_be_attached()
    yield "a comparison"
    click(".remove-a")
    page.locator(".live .scale").select_option("map")
    page.locator(".live .colours").select_option("cividis")
    yield "other colours"
    click(".downloads summary")
    yield "the downloads"
    page.keyboard.press("Escape")
    click(".gallery[data-name=h_conv1] .help")
    expect(page.locator(".live .lesson")).to_be_visible()
    yield "a lesson"
    page.keyboard.press("Escape")
    page.keyboard.press("c")
    expect(page.locator(".live .confidence")).to_have_text("no ink")
    yield "an empty pad"


def walk_and_look(browser: Browser, url: str, size: str, theme: str, folder: Path) -> list[str]:
    """Saves a screenshot of every stop in the folder; returns errors from the console."""
    width, height = SIZES[size]
    viewport = {"width": width, "height": height}
    context = browser.new_context(viewport=viewport, has_touch=size == "phone")
    page = context.new_page()
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda m: errors.append(m.text) if m.type == "error" else None)
    page.goto(f"{url}?__theme={theme}")
    for number, stop in enumerate(walk(page), 1):
        page.evaluate("() => new Promise((done) => requestAnimationFrame(() => done()))")
        page.screenshot(path=folder / f"{size}-{theme}-{number:02} {stop}.png")
    context.close()
    return errors


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    base_path = ROOT / "exported" / "for-tests"
    export_versions(find_snapshots(RELEASED), base_path)
    errors = []
    with ForkedServer(base_path) as server, run_page(server.target) as url:
        with launch_chromium() as browser:
            for size in ("wide", "phone"):
                for theme in ("light", "dark"):
                    errors += walk_and_look(browser, url, size, theme, folder)
    print(f"{len(list(folder.glob('*.png')))} screenshots in {folder}")
    if errors:
        sys.exit("\n".join(errors))


if __name__ == "__main__":
    main()
