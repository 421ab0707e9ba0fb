"""Actions of a visitor on the page, and the expected answers."""

from collections.abc import Callable

import numpy as np
from playwright.sync_api import Page

from demo.network import ExposedNetwork, Inference
from demo.prediction import render_prediction
from demo.render import Style, as_url
from serving.client import Client
from tests.galleries import Gallery
from tests.pictures import read_sheet

# Remembers the last answer on display, with its sheet as a data URL, and when the picture last
# changed, so that tests can wait for the answer to the current picture.
REMEMBER = """
  addEventListener("picture-changed", () => { window.drawnAt = performance.now(); });
  addEventListener("answer-shown", async ({ detail: { answer, askedAt } }) => {
    const reader = new FileReader();
    reader.readAsDataURL(answer.sheet);
    await new Promise((done) => { reader.onload = done; });
    if (window.last?.askedAt > askedAt) return;
    window.last = { askedAt, answer: { ...answer, sheet: reader.result } };
  });
"""
# Playwright's own wait_for_function does not await promises.
READ_CLIPBOARD = """async () => {
  for (const end = Date.now() + 20_000; Date.now() < end; ) {
    const text = await navigator.clipboard.readText();
    if (text) return text;
    await new Promise(requestAnimationFrame);
  }
  throw new Error("nothing was copied");
}"""
NO_TOUR = "localStorage.setItem('layer-xray-toured', 'yes')"
SIZES = {"wide": (1440, 900), "tablet": (900, 1100), "phone": (390, 844)}


LAYERS = range(6)  # the image, and all layers with a gallery


def forbid_live(page: Page) -> None:
    """Closes the page's WebSockets at once, so that its questions go through Gradio's calls.

    Call it before the page loads: it also enables interception. If a test's first `page.route`
    enables it later, Chromium may not intercept the next request, and Playwright, which waits for
    that, never reports the request.
    """
    page.route_web_socket("**/xray/live", lambda socket: socket.close())
    page.route("**/nothing", lambda route: route.fallback())


def infer(client: Client, drawing: np.ndarray, version: int | None = None) -> Inference:
    """Returns the network's layers and scores for a drawing, uint8 [H, W]."""
    [inference] = ExposedNetwork(client).infer(drawing[None, :, :, None], LAYERS, version)
    return inference


def make_answer(
    inference: Inference, style: Style | None = None, minus: Inference | None = None
) -> dict:
    """Returns the answer to a drawing as in `last.answer`, or to the difference of two drawings."""
    maps = inference.maps
    if minus is not None:
        maps = {index: maps[index] - minus.maps[index] for index in LAYERS}
    layers = inference.description.layers[: len(LAYERS)]
    answer = render_prediction(inference, layers, maps, style or {})
    return {**answer, "sheet": as_url(answer["sheet"])}


def digit_of(answer: dict) -> int | None:
    """Returns the predicted digit."""
    return answer["best"] and answer["best"]["index"]


def probabilities_of(answer: dict) -> list[float]:
    """Returns the probability of each digit."""
    return [score["value"] for score in answer["scores"]]


def touch(page: Page, act: Callable[[], object]) -> dict:
    """Changes the drawing, waits for the answer to it to be displayed, and returns the answer."""
    act()
    page.wait_for_function("window.last?.askedAt >= window.drawnAt")
    return page.evaluate("last.answer")


def ask_anew(page: Page, act: Callable[[], object]) -> dict:
    """Acts, waits for a new answer about the same drawing, and returns it."""
    before = page.evaluate("performance.now()")
    act()
    page.wait_for_function("before => last.askedAt >= before", arg=before)
    return page.evaluate("last.answer")


def pixels(page: Page, selector: str) -> np.ndarray:
    """Returns the pixels of a canvas: uint8 [H, W, 4]."""
    url = page.locator(selector).evaluate("canvas => canvas.toDataURL()")
    return read_sheet(url)


def opaque(picture: np.ndarray) -> np.ndarray:
    """Returns the opaque pixels; the gaps between maps are transparent."""
    return picture[picture[:, :, 3] == 255]


def middle_of(page: Page, selector: str, layer: Gallery, index: int) -> tuple[float, float]:
    """Returns the centre of a map in a mosaic, in pixels of the window."""
    box = page.locator(selector).bounding_box()
    row, column = divmod(index, layer.columns)
    x = (column * (layer.side + 1) + layer.side / 2) / layer.width
    y = (row * (layer.side + 1) + layer.side / 2) / layer.height
    return box["x"] + x * box["width"], box["y"] + y * box["height"]


def click_download(page: Page, value: str) -> None:
    page.locator(".downloads summary").click()
    page.locator(f'.downloads [value="{value}"]').click()


def copied(page: Page, value: str) -> str:
    """Clicks a button of the menu and returns what it copies to the clipboard."""
    page.evaluate("navigator.clipboard.writeText('')")
    click_download(page, value)
    return page.evaluate(READ_CLIPBOARD)
