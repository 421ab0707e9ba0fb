"""A visitor with a real browser, whose page stays open through all of it."""

import threading
import time
from random import Random

from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import Page

from tests.browser import draw, launch_chromium
from tests.hand import strokes_of
from tests.soak.faults import Faults
from tests.soak.pens import LIMIT
from tests.soak.tally import Tally
from tests.soak.world import START_SECONDS, World
from tests.visit import NO_TOUR, SIZES

PAUSE = 2.0  # seconds between two digits
READ = """digit => document.querySelector(".live .digit").textContent === digit
  && document.querySelector(".live .notice").hidden"""


def visit(
    world: World,
    faults: Faults,
    tally: Tally,
    seed: int,
    opened: threading.Event,
    stop: threading.Event,
) -> list[tuple[float, float]]:
    """Draws digits until told to stop; returns when each was drawn, and when it was read.

    Raises:
        PlaywrightError: there is no browser, or the page could not be opened.
    """
    chance, readings, digit = Random(seed), [], None
    width, height = SIZES["wide"]
    try:
        with launch_chromium() as browser:
            page = browser.new_page(viewport={"width": width, "height": height})
            page.add_init_script(NO_TOUR)
            page.goto(world.url, timeout=1000 * START_SECONDS)
            page.locator(".live .winner").first.wait_for(timeout=1000 * START_SECONDS)
            opened.set()
            while not stop.is_set():
                digit = chance.choice([one for one in world.truth.sure if one != digit])
                page.keyboard.press("c")
                draw(page, strokes_of(digit), ".pad")
                drawn = time.monotonic()
                if _is_read(page, digit, drawn, faults, stop):
                    tally.right()
                    readings.append((drawn, time.monotonic()))
                elif not stop.is_set():
                    told = page.locator(".live").inner_text()[:300]
                    tally.fail(f"a {digit} was not read, and the page shows {told!r}")
                stop.wait(PAUSE)
    except PlaywrightError:
        if not stop.is_set():
            raise
    finally:
        opened.set()
    return readings


def _is_read(page: Page, digit: int, drawn: float, faults: Faults, stop: threading.Event) -> bool:
    while not stop.is_set():
        try:
            page.wait_for_function(READ, arg=str(digit), timeout=1000)
            return True
        except PlaywrightError:
            since = faults.calm_since
            if since is not None and time.monotonic() > max(since, drawn) + LIMIT:
                return False
    return False
