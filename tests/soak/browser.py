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
READ = """digit => document.querySelector(".live .best").textContent === digit
  && document.querySelector(".live .notice").hidden"""


class BrowserVisitor:
    """Opens the page once, and draws digits in its own thread (`draw_on`) until told to stop."""

    def __init__(self, world: World, faults: Faults, tally: Tally, seed: int):
        self._world, self._faults, self._tally = world, faults, tally
        self._chance = Random(seed)
        self.readings: list[tuple[float, float]] = []  # when a digit was drawn, when it was read

    def draw_on(self, stop: threading.Event) -> None:
        width, height = SIZES["wide"]
        digit = 3  # the sample that the page opens with
        with launch_chromium() as browser:
            page = browser.new_page(viewport={"width": width, "height": height})
            page.add_init_script(NO_TOUR)
            self._open(page)
            while not stop.is_set():
                digit = self._chance.choice([d for d in self._world.truth.sure if d != digit])
                page.keyboard.press("c")
                draw(page, strokes_of(digit), ".pad")
                drawn = time.monotonic()
                if self._is_read(page, digit, drawn, stop):
                    self._tally.right()
                    self.readings.append((drawn, time.monotonic()))
                elif not stop.is_set():
                    told = page.locator(".live").inner_text()
                    self._tally.fail(f"a {digit} was not read, and the page shows {told!r}")
                stop.wait(PAUSE)

    def _open(self, page: Page) -> None:
        """Tries until the page is there: the faults may have begun."""
        end = time.monotonic() + START_SECONDS
        while True:
            try:
                page.goto(self._world.url)
                return page.locator(".live .winner").first.wait_for()
            except PlaywrightError:
                if time.monotonic() > end:
                    raise

    def _is_read(self, page: Page, digit: int, drawn: float, stop: threading.Event) -> bool:
        while not stop.is_set():
            try:
                page.wait_for_function(READ, arg=str(digit), timeout=1000)
                return True
            except PlaywrightError:
                since = self._faults.calm_since
                if since is not None and time.monotonic() > max(since, drawn) + LIMIT:
                    return False
        return False
