"""Measures the latency from pointer event to painted galleries in Chromium, and a stock page's.

On this page each pointer event of a stroke counts, from its time stamp to the end of the first
frame that shows a prediction of a drawing that includes it. A stock `gr.Sketchpad` sends nothing
while the pen is down, so its latency is from pen-up to the frame with all four new images.
"""

from collections.abc import Callable

from playwright.sync_api import Browser, Page

from serving.local import LocalServer
from tests.browser import draw, launch_chromium
from tests.hand import strokes_of
from tests.pages import run_page

STEP_MS = 12  # between two pointer events
STOCK_STROKES = 8  # the first is a warm-up

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
  window.pending = () => waiting.length;
  document.addEventListener("answer-shown", ({ detail }) => {
    requestAnimationFrame(() => {
      const channel = new MessageChannel(); // delivers its message right after the paint
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
  const check = () => {
    const images = [...document.querySelectorAll(".stock img")];
    const sources = images.map((image) => image.src).join();
    if (images.length === 4 && sources !== last && images.every((image) => image.complete)) {
      last = sources;
      const channel = new MessageChannel();
      channel.port1.onmessage = () => latencies.push(performance.now() - penUp);
      channel.port2.postMessage(null);
    }
    requestAnimationFrame(check);
  };
  check();
}"""


def measure_pages(server: LocalServer) -> tuple[list[float], list[float]]:
    """Returns latencies in ms: of this page by pointer event, of the stock page by stroke."""
    with launch_chromium() as browser:
        with run_page(server.target) as url:
            live = _measure_in_tab(browser, url, _measure_live)
        with run_page(server.target, module="tests.bench.stock") as url:
            stock = _measure_in_tab(browser, url, _measure_stock)
    return live, stock


def _measure_in_tab(
    browser: Browser, url: str, measure: Callable[[Page], list[float]]
) -> list[float]:
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    try:
        page.goto(url)
        return measure(page)
    finally:
        page.close()


def _measure_live(page: Page) -> list[float]:
    page.wait_for_selector(".winner")
    draw(page, strokes_of(3), ".pad", STEP_MS)  # warm-up
    page.evaluate(WATCH_LIVE)
    for digit in range(10):
        page.click(".clear")
        draw(page, strokes_of(digit), ".pad", STEP_MS)
    page.wait_for_function("pending() === 0")
    return page.evaluate("latencies")


def _measure_stock(page: Page) -> list[float]:
    page.get_by_label("Brush", exact=True).click()
    page.evaluate(WATCH_STOCK)
    for count in range(STOCK_STROKES):
        x = 0.4 + 0.02 * count
        draw(page, [[(x, 0.4), (x, 0.5), (x, 0.6)]], ".pixi-target canvas", STEP_MS)
        page.wait_for_function(f"latencies.length > {count}", timeout=20_000)
    return page.evaluate("latencies")[1:]
