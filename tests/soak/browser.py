"""A visitor with a real browser, whose page stays open during all faults."""

import threading
import time
from random import Random

from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import Page

from tests.browser import draw, launch_chromium
from tests.hand import strokes_of
from tests.soak.faults import FaultInjector
from tests.soak.outcomes import Outcomes
from tests.soak.system import START_SECONDS, System
from tests.soak.visitors import MAX_RECOVERY
from tests.visit import NO_TOUR, SIZES

PAUSE = 2.0  # seconds between two digits
SHOWS = """digit => document.querySelector(".live .best").textContent === digit
  && document.querySelector(".live .notice").hidden"""


class BrowserVisitor:
    """Opens the page once and draws digits in its own thread (`run`) until it is stopped."""

    def __init__(self, system: System, faults: FaultInjector, outcomes: Outcomes, seed: int):
        self._system, self._faults, self._outcomes = system, faults, outcomes
        self._random = Random(seed)
        self.predictions: list[tuple[float, float]] = []  # times: drawn, predicted

    def run(self, stop: threading.Event) -> None:
        width, height = SIZES["wide"]
        digit = 3  # the sample that the page opens with
        with launch_chromium() as browser:
            page = browser.new_page(viewport={"width": width, "height": height})
            page.add_init_script(NO_TOUR)
            self._open(page)
            while not stop.is_set():
                others = [d for d in self._system.oracle.reliable_digits if d != digit]
                digit = self._random.choice(others)
                page.keyboard.press("c")
                draw(page, strokes_of(digit), ".pad")
                drawn = time.monotonic()
                if self._wait_for_prediction(page, digit, drawn, stop):
                    self._outcomes.correct()
                    self.predictions.append((drawn, time.monotonic()))
                elif not stop.is_set():
                    text = page.locator(".live").inner_text()
                    self._outcomes.fail(f"a {digit} was not predicted; the page shows {text!r}")
                stop.wait(PAUSE)

    def _open(self, page: Page) -> None:
        """Retries until the page is open: the faults may have begun."""
        end = time.monotonic() + START_SECONDS
        while True:
            try:
                page.goto(self._system.url)
                return page.locator(".live .winner").first.wait_for()
            except PlaywrightError:
                if time.monotonic() > end:
                    raise

    def _wait_for_prediction(
        self, page: Page, digit: int, drawn: float, stop: threading.Event
    ) -> bool:
        """Returns False if stopped, or if no fault is active and the page takes too long."""
        while not stop.is_set():
            try:
                page.wait_for_function(SHOWS, arg=str(digit), timeout=1000)
                return True
            except PlaywrightError:
                since = self._faults.healthy_since
                if since is not None and time.monotonic() > max(since, drawn) + MAX_RECOVERY:
                    return False
        return False
