"""A real browser for tests and measurements: Chromium, driven by Playwright."""

import contextlib
import shutil
from collections.abc import Iterator

from playwright.sync_api import Browser, Page, sync_playwright

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    # A camera that shows a clock, and that no dialogue asks about.
    "--use-fake-device-for-media-stream=fps=60",
    "--use-fake-ui-for-media-stream",
]


def find_chromium() -> str | None:
    """The system's own browser."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return next(filter(None, map(shutil.which, names)), None)


@contextlib.contextmanager
def launch_chromium() -> Iterator[Browser]:
    """The system's Chromium if there is one, else the one that Playwright installed."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


def draw(
    page: Page, strokes: list[list[tuple[float, float]]], pad: str, step_ms: float = 0
) -> None:
    """Draws strokes with the mouse, as fractions of the pad's side."""
    box = page.locator(pad).bounding_box()
    for stroke in strokes:
        for index, (x, y) in enumerate(stroke):
            page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
            if index == 0:
                page.mouse.down()
            if step_ms:
                page.wait_for_timeout(step_ms)
        page.mouse.up()
