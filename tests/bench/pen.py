"""From a pointer event to all galleries painted, in Chromium: this page, and a stock one beside it.

For this page every pointer event of the strokes counts, from its time stamp to the end of the first
frame that shows an answer to a drawing with it. A stock `gr.Sketchpad` sends nothing while the pen
is down, so there it is the time from pen-up to the frame with all four new pictures.
"""

import gradio as gr
import numpy as np
from playwright.sync_api import Browser, Page

from demo.layers import GALLERIES
from demo.page import STYLE, make_page
from demo.photo import find_drawing
from serving.client import Client
from serving.local import find_free_port
from tests.browser import draw, launch_chromium
from tests.hand import strokes_of

STEP_MS = 12  # between two pointer events
STOCK_STROKES = 8

WATCH_LIVE = """() => {
  const waiting = [];
  window.latencies = [];
  const pad = document.querySelector(".pad");
  const move = "onpointerrawupdate" in pad ? "pointerrawupdate" : "pointermove";
  pad.addEventListener(move, (event) => {
    if (event.buttons) waiting.push(event.timeStamp);
  }, true);
  document.addEventListener("shown", ({ detail }) => {
    requestAnimationFrame(() => {
      const channel = new MessageChannel(); // its message comes right after the frame is painted
      channel.port1.onmessage = () => {
        while (waiting.length && waiting[0] <= detail.askedAt) {
          latencies.push(performance.now() - waiting.shift());
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


def measure_pages(client: Client) -> tuple[list[float], list[float]]:
    """Milliseconds, of this page by pointer event and of the stock page by stroke."""
    with launch_chromium() as browser:
        live = _with_page(browser, make_page(client), _measure_live)
        stock = _with_page(browser, make_stock_page(client), _measure_stock)
    return live, stock


def make_stock_page(client: Client) -> gr.Blocks:
    """What one writes from Gradio's documentation: a sketchpad in, four pictures out."""

    def show_layers(sketch: dict) -> list[np.ndarray]:
        drawing = find_drawing(sketch["composite"])
        outputs = client.predict("sketch", {"drawings": drawing[None]})
        pictures = []
        for layer in GALLERIES[:4]:
            maps = outputs[layer.name][0].reshape(layer.side, layer.side, layer.rows, layer.columns)
            mosaic = maps.transpose(2, 0, 3, 1).reshape(layer.rows * layer.side, -1)
            pictures.append(mosaic / max(mosaic.max(), 1e-6))
        return pictures

    with gr.Blocks(analytics_enabled=False) as page:
        sketch = gr.Sketchpad(type="pil", image_mode="RGBA")
        pictures = [gr.Image(elem_classes="stock") for _ in range(4)]
        sketch.change(show_layers, sketch, pictures, show_progress="hidden")
    return page


def _with_page(browser: Browser, blocks: gr.Blocks, measure) -> list[float]:
    port = find_free_port()
    blocks.launch(server_port=port, prevent_thread_lock=True, quiet=True, css_paths=STYLE)
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    try:
        page.goto(f"http://127.0.0.1:{port}")
        return measure(page)
    finally:
        page.close()
        blocks.close()


def _measure_live(page: Page) -> list[float]:
    page.wait_for_selector(".winner")
    draw(page, strokes_of(3), ".pad", STEP_MS)  # a warm-up
    page.evaluate(WATCH_LIVE)
    for digit in range(10):
        page.click(".clear")
        draw(page, strokes_of(digit), ".pad", STEP_MS)
    page.wait_for_timeout(500)
    return page.evaluate("latencies")


def _measure_stock(page: Page) -> list[float]:
    page.get_by_label("Draw").or_(page.locator("[aria-label*='Brush']")).first.click()
    page.evaluate(WATCH_STOCK)
    for count in range(STOCK_STROKES):
        x = 0.3 + 0.05 * count
        draw(page, [[(x, 0.4), (x, 0.5), (x, 0.6)]], ".image-container canvas, canvas", STEP_MS)
        page.wait_for_function(f"latencies.length > {count}", timeout=20_000)
    return page.evaluate("latencies")[1:]
