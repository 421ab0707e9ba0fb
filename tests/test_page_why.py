"""The arithmetic of units, explanations and comparisons in a browser."""

import base64
import re

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from demo.network import ExposedNetwork
from tests.browser import draw
from tests.galleries import GALLERIES
from tests.hand import strokes_of
from tests.pictures import read_sheet
from tests.visit import (
    ask_anew,
    infer,
    make_answer,
    middle_of,
    pixels,
    probabilities_of,
    touch,
)

BY_NAME = {layer.name: layer for layer in GALLERIES}


def number(text: str) -> float:
    return float(text.replace("−", "-").replace("+", ""))


def open_map(page: Page, name: str, index: int) -> None:
    mosaic = f".live .gallery[data-name={name}] .mosaic"
    page.locator(mosaic).scroll_into_view_if_needed()
    page.mouse.click(*middle_of(page, mosaic, BY_NAME[name], index))


def total(page: Page) -> list[float]:
    """Returns the numbers of the last line: inputs, bias, sum and value."""
    line = page.locator(".live .total").inner_text().replace(" bias ", "")
    return [number(part) for part in re.findall(r"[+−]?\d+\.\d+", line)]


@pytest.mark.parametrize(("name", "index"), [("h_conv1", 13), ("h_conv2", 34), ("h_pool2", 34)])
def test_open_map_shows_the_arithmetic_of_its_strongest_unit(open_page, client, name, index):
    page = open_page()
    answer = touch(page, lambda: draw(page, strokes_of(8), ".pad"))
    open_map(page, name, index)
    expect(page.locator(".live .arithmetic .unit")).to_have_text(re.compile("^strongest unit: row"))
    row, _, value = re.findall(r"[\d.]+", page.locator(".live .unit").inner_text())
    page.locator(".live .large").hover()
    expect(page.locator(".live .lens")).to_have_text(re.compile(rf"max {float(value):.2f}"))
    if name == "h_pool2":
        expect(page.locator(".live .strongest")).to_have_text(f"{float(value):.2f}")
    else:
        inputs, bias, summed, shown = total(page)
        assert inputs + bias == pytest.approx(summed, abs=2e-4)
        assert shown == float(value) == pytest.approx(max(0, summed), abs=2e-4)
        selector = ".grid >> nth=2 >> td" if name == "h_conv1" else ".terms .number"
        terms = page.locator(f".live {selector}").all_inner_texts()
        assert sum(map(number, terms)) == pytest.approx(inputs, abs=0.005 * len(terms))
    expect(page.locator(".live .feature")).to_be_visible(visible=name != "h_conv1")
    # It follows the pen.
    other = touch(page, lambda: draw(page, strokes_of(1), ".pad"))
    assert other != answer
    expect(page.locator(".live .unit")).not_to_have_text(re.compile(f"row {row}, .*{value}$"))


def test_arithmetic_leads_back_to_the_pixels(open_page):
    page = open_page()
    touch(page, lambda: page.keyboard.press("9"))
    page.locator(".live .show-sum").click()
    expect(page.locator(".live .zoom .name")).to_have_text("Score of 9")
    title, unit = page.locator(".live .zoom .name"), page.locator(".live .arithmetic .unit")
    for name in ("h_fc1", "h_pool2", "h_conv2", "h_pool1", "h_conv1"):
        page.locator(".live .term-link >> nth=0").click()
        expect(title).to_have_text(re.compile(f" {name}$"))
        expect(page.locator(".live .sum > *").first).to_be_attached()
    expect(page.locator(".live .grids figcaption >> nth=1")).to_have_text("its kernel")
    # Choose another unit by pointer, by key, and go back to the strongest.
    page.locator(".live .large").click(position={"x": 5, "y": 5})
    expect(unit).to_have_text(re.compile("^chosen unit: row 0, column 0, "))
    page.locator(".live .large").press("ArrowDown")
    expect(unit).to_have_text(re.compile("^chosen unit: row 1, column 0, "))
    page.locator(".live .follow").click()
    expect(unit).to_have_text(re.compile("^strongest unit: "))


def test_supporting_ink_is_orange(open_page, client):
    page = open_page(through_gradio=True)
    touch(page, lambda: page.keyboard.press("7"))
    expect(page.locator(".live .overlay")).to_be_hidden()
    page.keyboard.press("w")
    expect(page.locator(".live .explanation-legend >> nth=0")).to_have_text("for 7 against 7")
    drawing = last_drawing(page)
    explanation = ExposedNetwork(client).explain(drawing[:, :, None], None, None)
    shown = pixels(page, ".live .overlay").astype(int)  # [side, side, 4]
    top, left, side, _ = explanation.field * shown.shape[0]
    warmth = shown[:, :, 0] - shown[:, :, 2]  # orange is warm, blue is cold
    rows, columns = np.mgrid[0:28, 0:28] + 0.5
    y = (top + side * rows / 28).astype(int).clip(0, shown.shape[0] - 1)
    x = (left + side * columns / 28).astype(int).clip(0, shown.shape[1] - 1)
    strength = explanation.contributions
    inked = (shown[y, x, 3] == 255) & (np.abs(strength) > 0.3 * np.abs(strength).max())
    assert inked.sum() > 10
    assert (np.sign(warmth[y, x][inked]) == np.sign(strength[inked])).mean() > 0.95

    page.locator(".live .score >> nth=1").click()  # explains another digit
    expect(page.locator(".live .explanation-legend >> nth=0")).to_have_text("for 1 against 1")
    assert (pixels(page, ".live .overlay") != shown).any()
    touch(page, lambda: page.keyboard.press("c"))
    expect(page.locator(".live .overlay")).to_be_hidden()
    touch(page, lambda: page.keyboard.press("1"))
    expect(page.locator(".live .overlay")).to_be_visible()
    page.locator(".live .score >> nth=1").click()  # switches it off
    expect(page.locator(".live .overlay")).to_be_hidden()


def last_drawing(page: Page) -> np.ndarray:
    """Returns the ink that the page sends: uint8 [112, 112]."""
    with page.expect_request(lambda r: '"what"' in (r.post_data or "")) as sent:
        page.evaluate("() => { navigator.clipboard.writeText = () => Promise.resolve(); }")
        page.locator(".downloads summary").click()
        page.locator('.downloads [value="curl"]').click()
    page.keyboard.press("Escape")
    pixels = sent.value.post_data_json["data"]["content"]
    return np.frombuffer(base64.b64decode(pixels), np.uint8).reshape(112, 112)


def test_explanation_is_of_the_selected_version(open_page, client):
    page = open_page(through_gradio=True)
    touch(page, lambda: page.keyboard.press("5"))
    page.keyboard.press("w")
    expect(page.locator(".live .overlay")).to_be_visible()
    first = client.versions()[0]
    with page.expect_response(lambda r: "explain" in (r.request.post_data or "")) as response:
        page.locator(f'.version[value="{first}"]').click()
    drawing = last_drawing(page)[:, :, None]
    digit = ExposedNetwork(client).explain(drawing, None, first).label
    assert response.value.request.post_data_json["data"]["version"] == first
    expect(page.locator(".live .explanation-legend .for-class")).to_have_text(f"for {digit}")


def test_two_drawings_are_compared(open_page, client):
    page = open_page(through_gradio=True)
    touch(page, lambda: page.keyboard.press("3"))
    drawing_a = last_drawing(page)
    page.locator(".live .keep").click()
    expect(page.locator(".live .compare-switch")).to_be_visible()
    touch(page, lambda: draw(page, strokes_of(8), ".pad"))
    drawing_b = last_drawing(page)
    a, b = infer(client, drawing_a), infer(client, drawing_b)
    percents = page.locator(".live .reference-percent").all_inner_texts()
    assert [float(p) for p in percents] == [round(100 * p) for p in a.probabilities.tolist()]

    answer = ask_anew(page, page.locator('.live .compare-switch [value="A"]').click)
    assert answer["sheet"] == make_answer(a)["sheet"]
    np.testing.assert_allclose(probabilities_of(answer), b.probabilities)
    answer = ask_anew(page, page.locator('.live .compare-switch [value="difference"]').click)
    assert answer["sheet"] == make_answer(b, {"shown": "difference"}, minus=a)["sheet"]
    layer = BY_NAME["h_conv1"]
    mosaic = ".live .gallery[data-name=h_conv1] .mosaic"
    page.mouse.move(*middle_of(page, mosaic, layer, 3))
    row = column = layer.side // 2
    exact = [
        client.predict("sketch", {"drawings": d[None]})["h_conv1"] for d in (drawing_a, drawing_b)
    ]
    value = (exact[1] - exact[0])[0, row, column, 3]
    expect(page.locator(".live .lens")).to_have_text(re.compile(f": {value:.4f}$"))

    answer = ask_anew(page, page.locator('.live .compare-switch [value="B"]').click)
    assert answer["sheet"] == make_answer(b)["sheet"]
    page.locator(".live .remove-a").click()
    expect(page.locator(".live .keep")).to_be_visible()
    expect(page.locator(".live .reference-percent >> nth=0")).to_be_hidden()


def test_expired_reference_is_sent_again(open_page):
    """A is kept for another visitor ID, as if the cache had dropped it."""
    page = open_page(through_gradio=True)
    kept = []
    page.on("request", lambda r: '"ask":"keep"' in (r.post_data or "") and kept.append(r))
    page.route(
        "**/component_server/",
        lambda route, request: route.continue_(
            post_data=(request.post_data or "").replace('"visitor":"', '"visitor":"lost-')
            if '"ask":"keep"' in (request.post_data or "").replace(" ", "")
            else request.post_data
        ),
    )
    page.locator(".live .keep").click()
    expect(page.locator(".live .compare-switch")).to_be_visible()
    page.unroute("**/component_server/")
    answer = ask_anew(page, page.locator('.live .compare-switch [value="difference"]').click)
    assert not read_sheet(answer["sheet"])[30:40, 30:40, :3].max(axis=2).max() > 60  # A equals B
    assert answer["largest"][1] == 0
    assert len(kept) == 2


def test_expired_drawing_is_predicted_again_for_its_details(open_page):
    page = open_page(through_gradio=True)
    expired = []

    def expire(route, request):
        if '"decompose_unit"' in (request.post_data or "") and not expired:
            expired.append(request)
            route.continue_(post_data=request.post_data.replace('"visitor":"', '"visitor":"lost-'))
        else:
            route.continue_()

    page.route("**/component_server/", expire)
    with page.expect_request(lambda r: '"predict"' in (r.post_data or "")):
        open_map(page, "h_conv1", 5)
    expect(page.locator(".live .total")).to_be_visible()
    assert expired


def test_outdated_explanation_is_not_shown(open_page):
    """The pad is cleared before the answer arrives."""
    page = open_page(through_gradio=True)
    touch(page, lambda: page.keyboard.press("7"))
    held = []
    page.route(
        "**/component_server/",
        lambda route, request: (
            held.append(route) if '"explain"' in (request.post_data or "") else route.continue_()
        ),
    )
    with page.expect_request(lambda r: '"explain"' in (r.post_data or "")):
        page.keyboard.press("w")
    page.wait_for_function("document.querySelector('.live .why').ariaPressed === 'true'")
    touch(page, lambda: page.keyboard.press("c"))
    expect(page.locator(".live .explanation-problem")).to_have_text(
        "There is nothing to explain yet."
    )
    with page.expect_response(lambda r: '"explain"' in (r.request.post_data or "")):
        held[0].continue_()
    page.unroute("**/component_server/")
    touch(page, lambda: page.keyboard.press("1"))
    expect(page.locator(".live .explanation-legend .for-class")).to_have_text("for 1")
