"""Chromium for tests and benchmarks, driven by Playwright."""

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
    # A fake camera that shows a clock, without a permission dialogue.
    "--use-fake-device-for-media-stream=fps=60",
    "--use-fake-ui-for-media-stream",
]


def find_chromium() -> str | None:
    """Returns the path of the system's browser, or None.

    The headless shell is preferred: it opens a page with less than half the CPU time.
    """
    names = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
    return next(filter(None, map(shutil.which, names)), None)


@contextlib.contextmanager
def launch_chromium() -> Iterator[Browser]:
    """Launches the system's browser, or the one that Playwright installed."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


def draw(
    page: Page, strokes: list[list[tuple[float, float]]], pad: str, step_ms: float = 0
) -> None:
    """Draws strokes with the mouse.

    Args:
        page: the page.
        strokes: points as fractions of the pad's width and height.
        pad: selector of the pad.
        step_ms: pause between two points.
    """
    box = page.locator(pad).bounding_box()
    for stroke in strokes:
        for index, (x, y) in enumerate(stroke):
            page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
            if index == 0:
                page.mouse.down()
            if step_ms:
                page.wait_for_timeout(step_ms)
        page.mouse.up()
