"""What a visitor does on the page, and what there is to see of it."""

from collections.abc import Callable

import numpy as np
from playwright.sync_api import Page

from demo.network import ExposedNetwork, Inference
from demo.prediction import render_prediction
from demo.render import Style, as_url
from serving.client import Client
from tests.galleries import Gallery
from tests.pictures import read_sheet

# Keeps what was shown last, its picture as a data URL, and when the drawing last changed, so that
# tests can wait for the one to have caught up with the other.
REMEMBER = """
  addEventListener("drawn", () => { window.drawnAt = performance.now(); });
  addEventListener("shown", async ({ detail: { answer, askedAt } }) => {
    const reader = new FileReader();
    reader.readAsDataURL(answer.sheet);
    await new Promise((done) => { reader.onload = done; });
    if (window.last?.askedAt > askedAt) return;
    window.last = { askedAt, answer: { ...answer, sheet: reader.result } };
  });
"""
# Playwright's own waiting does not wait for promises.
READ_CLIPBOARD = """async () => {
  for (const end = Date.now() + 20_000; Date.now() < end; ) {
    const text = await navigator.clipboard.readText();
    if (text) return text;
    await new Promise(requestAnimationFrame);
  }
  throw new Error("nothing has been copied");
}"""
NO_TOUR = "localStorage.setItem('layer-xray-toured', 'yes')"
SIZES = {"wide": (1440, 900), "tablet": (900, 1100), "phone": (390, 844)}


def forbid_live(page: Page) -> None:
    """Has the page's live connections end at once, so that its questions go through Gradio."""
    page.route_web_socket("**/xray/live", lambda socket: socket.close())


LAYERS = range(6)  # the image, and all that have a gallery


def look(client: Client, drawing: np.ndarray, version: int | None = None) -> Inference:
    """What the network makes of a drawing, uint8 [H, W]."""
    [seen] = ExposedNetwork(client).infer(drawing[None, :, :, None], LAYERS, version)
    return seen


def in_json(seen: Inference, style: Style | None = None, minus: Inference | None = None) -> dict:
    """What is shown of a drawing as `last.answer` has it."""
    maps = seen.maps
    if minus is not None:
        maps = {index: maps[index] - minus.maps[index] for index in LAYERS}
    shown = render_prediction(seen, seen.description.layers[: len(LAYERS)], maps, style or {})
    return {**shown, "sheet": as_url(shown["sheet"])}


def digit_of(answer: dict) -> int | None:
    """What an answer reads."""
    return answer["best"] and answer["best"]["index"]


def probabilities_of(answer: dict) -> list[float]:
    """Of each digit."""
    return [score["value"] for score in answer["scores"]]


def touch(page: Page, act: Callable[[], object]) -> dict:
    """Does something to the drawing, waits until that is shown, and returns the answer to it."""
    act()
    page.wait_for_function("last.askedAt >= drawnAt")
    return page.evaluate("last.answer")


def ask_anew(page: Page, act: Callable[[], object]) -> dict:
    """Does something that asks again of the same drawing, and returns the answer."""
    before = page.evaluate("performance.now()")
    act()
    page.wait_for_function("before => last.askedAt >= before", arg=before)
    return page.evaluate("last.answer")


def pixels(page: Page, selector: str) -> np.ndarray:
    """A canvas's pixels, uint8 [H, W, 4]."""
    url = page.locator(selector).evaluate("canvas => canvas.toDataURL()")
    return read_sheet(url)


def opaque(picture: np.ndarray) -> np.ndarray:
    """Colours where there is no gap, for gaps have none."""
    return picture[picture[:, :, 3] == 255]


def middle_of(page: Page, selector: str, layer: Gallery, index: int) -> tuple[float, float]:
    box = page.locator(selector).bounding_box()
    row, column = divmod(index, layer.columns)
    x = (column * (layer.side + 1) + layer.side / 2) / layer.width
    y = (row * (layer.side + 1) + layer.side / 2) / layer.height
    return box["x"] + x * box["width"], box["y"] + y * box["height"]


def take(page: Page, what: str) -> None:
    page.locator(".take summary").click()
    page.locator(f'.take [value="{what}"]').click()


def copied(page: Page, what: str) -> str:
    """What a button of the menu puts on the clipboard."""
    page.evaluate("navigator.clipboard.writeText('')")
    take(page, what)
    return page.evaluate(READ_CLIPBOARD)
