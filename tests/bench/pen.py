"""From a pointer event to all galleries painted, in Chromium: this page, and a stock one beside it.

For this page every pointer event of the strokes counts, from its time stamp to the end of the first
frame that shows an answer to a drawing with it. A stock `gr.Sketchpad` sends nothing while the pen
is down, so there it is the time from pen-up to the frame with all four new pictures.
"""

from collections.abc import Callable

from playwright.sync_api import Browser, Page

from serving.local import LocalServer
from tests.browser import draw, launch_chromium
from tests.hand import strokes_of
from tests.pages import run_page

STEP_MS = 12  # between two pointer events
STOCK_STROKES = 8

WATCH_LIVE = """() => {
  const waiting = [];
  window.latencies = [];
  const pad = document.querySelector(".pad");
  const move = "onpointerrawupdate" in pad ? "pointerrawupdate" : "pointermove";
  for (const kind of ["pointerdown", move]) {
    pad.addEventListener(kind, (event) => {
      if (event.buttons) waiting.push({ at: event.timeStamp, drawnAt: performance.now() });
    }, true);
  }
  window.unanswered = () => waiting.length;
  document.addEventListener("shown", ({ detail }) => {
    requestAnimationFrame(() => {
      const channel = new MessageChannel(); // its message comes right after the frame is painted
      channel.port1.onmessage = () => {
        while (waiting.length && waiting[0].drawnAt <= detail.askedAt) {
          latencies.push(performance.now() - waiting.shift().at);
        }
      };
      channel.port2.postMessage(null);
    });
  });
}"""

WATCH_STOCK = """() => {
  window.penUp = 0;
  window.latencies = [];
  document.addEventListener("pointerup", (event) => { window.penUp = event.timeStamp; }, true);
  let last = "";
  const look = () => {
    const images = [...document.querySelectorAll(".stock img")];
    const now = images.map((image) => image.src).join();
    if (images.length === 4 && now !== last && images.every((image) => image.complete)) {
      last = now;
      const channel = new MessageChannel();
      channel.port1.onmessage = () => latencies.push(performance.now() - penUp);
      channel.port2.postMessage(null);
    }
    requestAnimationFrame(look);
  };
  look();
}"""


def measure_pages(server: LocalServer) -> tuple[list[float], list[float]]:
    """Milliseconds, of this page by pointer event and of the stock page by stroke."""
    with launch_chromium() as browser:
        with run_page(server.target) as url:
            live = _in_tab(browser, url, _measure_live)
        with run_page(server.target, module="tests.bench.stock") as url:
            stock = _in_tab(browser, url, _measure_stock)
    return live, stock


def _in_tab(browser: Browser, url: str, measure: Callable[[Page], list[float]]) -> list[float]:
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    try:
        page.goto(url)
        return measure(page)
    finally:
        page.close()


def _measure_live(page: Page) -> list[float]:
    page.wait_for_selector(".winner")
    draw(page, strokes_of(3), ".pad", STEP_MS)  # a warm-up
    page.evaluate(WATCH_LIVE)
    for digit in range(10):
        page.click(".clear")
        draw(page, strokes_of(digit), ".pad", STEP_MS)
    page.wait_for_function("unanswered() === 0")
    return page.evaluate("latencies")


def _measure_stock(page: Page) -> list[float]:
    page.get_by_label("Brush", exact=True).click()
    page.evaluate(WATCH_STOCK)
    for count in range(STOCK_STROKES):
        x = 0.4 + 0.02 * count
        draw(page, [[(x, 0.4), (x, 0.5), (x, 0.6)]], ".pixi-target canvas", STEP_MS)
        page.wait_for_function(f"latencies.length > {count}", timeout=20_000)
    return page.evaluate("latencies")[1:]
