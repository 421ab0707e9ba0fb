"""Why: arithmetic of units, explanation of digits, comparison of drawings, in a real browser."""

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
from tests.visit import ask_anew, in_json, look, middle_of, pixels, probabilities_of, touch

BY_NAME = {layer.name: layer for layer in GALLERIES}


def number(text: str) -> float:
    return float(text.replace("−", "-").replace("+", ""))


def open_map(page: Page, name: str, index: int) -> None:
    mosaic = f".live .gallery[data-name={name}] .mosaic"
    page.locator(mosaic).scroll_into_view_if_needed()
    page.mouse.click(*middle_of(page, mosaic, BY_NAME[name], index))


def total(page: Page) -> list[float]:
    """The numbers of the last line: what comes in, the bias, the sum, and the value."""
    line = page.locator(".live .total").inner_text().replace(" bias ", "")
    return [number(part) for part in re.findall(r"[+−]?\d+\.\d+", line)]


@pytest.mark.parametrize(("name", "index"), [("h_conv1", 13), ("h_conv2", 34), ("h_pool2", 34)])
def test_an_open_map_tells_how_its_strongest_unit_adds_up(open_page, client, name, index):
    page = open_page()
    answer = touch(page, lambda: draw(page, strokes_of(8), ".pad"))
    open_map(page, name, index)
    expect(page.locator(".live .anatomy .unit")).to_have_text(re.compile("^strongest unit: row"))
    row, _, value = re.findall(r"[\d.]+", page.locator(".live .unit").inner_text())
    page.locator(".live .large").hover()
    expect(page.locator(".live .lens")).to_have_text(re.compile(rf"largest {float(value):.2f}"))
    if name == "h_pool2":
        expect(page.locator(".live .wins")).to_have_text(f"{float(value):.2f}")
    else:
        came, bias, summed, shown = total(page)
        assert came + bias == pytest.approx(summed, abs=2e-4)
        assert shown == float(value) == pytest.approx(max(0, summed), abs=2e-4)
        told = ".grid >> nth=2 >> td" if name == "h_conv1" else ".terms .number"
        terms = page.locator(f".live {told}").all_inner_texts()
        assert sum(map(number, terms)) == pytest.approx(came, abs=0.005 * len(terms))
    expect(page.locator(".live .feature")).to_be_visible(visible=name != "h_conv1")
    # It goes on with the pen.
    other = touch(page, lambda: draw(page, strokes_of(1), ".pad"))
    assert other != answer
    expect(page.locator(".live .unit")).not_to_have_text(re.compile(f"row {row}, .*{value}$"))


def test_a_unit_is_chosen_and_followed_back_to_the_pixels(open_page):
    page = open_page()
    touch(page, lambda: page.keyboard.press("9"))
    page.locator(".live .add-up").click()
    expect(page.locator(".live .zoom .name")).to_have_text("Score of 9")
    title, unit = page.locator(".live .zoom .name"), page.locator(".live .anatomy .unit")
    for name in ("h_fc1", "h_pool2", "h_conv2", "h_pool1", "h_conv1"):
        page.locator(".live .at >> nth=0").click()
        expect(title).to_have_text(re.compile(f" {name}$"))
        expect(page.locator(".live .sum > *").first).to_be_attached()
    expect(page.locator(".live .grids figcaption >> nth=1")).to_have_text("its kernel")
    # Another unit, by pointer, by key, and the strongest again.
    page.locator(".live .large").click(position={"x": 5, "y": 5})
    expect(unit).to_have_text(re.compile("^chosen unit: row 0, column 0, "))
    page.locator(".live .large").press("ArrowDown")
    expect(unit).to_have_text(re.compile("^chosen unit: row 1, column 0, "))
    page.locator(".live .follow").click()
    expect(unit).to_have_text(re.compile("^strongest unit: "))


def test_the_ink_that_speaks_for_the_digit_is_orange(open_page, client):
    page = open_page(through_gradio=True)
    touch(page, lambda: page.keyboard.press("7"))
    expect(page.locator(".live .overlay")).to_be_hidden()
    page.keyboard.press("w")
    expect(page.locator(".live .because >> nth=0")).to_have_text("speaks for 7 against 7")
    drawing = last_drawing(page)
    told = ExposedNetwork(client).explain(drawing[:, :, None], None, None)
    shown = pixels(page, ".live .overlay").astype(int)  # [side, side, 4]
    top, left, side, _ = told.field * shown.shape[0]
    warmth = shown[:, :, 0] - shown[:, :, 2]  # orange is warm, blue is cold
    rows, columns = np.mgrid[0:28, 0:28] + 0.5
    at_y = (top + side * rows / 28).astype(int).clip(0, shown.shape[0] - 1)
    at_x = (left + side * columns / 28).astype(int).clip(0, shown.shape[1] - 1)
    strength = told.contributions
    inked = (shown[at_y, at_x, 3] == 255) & (np.abs(strength) > 0.3 * np.abs(strength).max())
    assert inked.sum() > 10
    assert (np.sign(warmth[at_y, at_x][inked]) == np.sign(strength[inked])).mean() > 0.95

    page.locator(".live .score >> nth=1").click()  # and for another
    expect(page.locator(".live .because >> nth=0")).to_have_text("speaks for 1 against 1")
    assert (pixels(page, ".live .overlay") != shown).any()
    touch(page, lambda: page.keyboard.press("c"))
    expect(page.locator(".live .overlay")).to_be_hidden()
    touch(page, lambda: page.keyboard.press("1"))
    expect(page.locator(".live .overlay")).to_be_visible()
    page.locator(".live .score >> nth=1").click()  # once more ends it
    expect(page.locator(".live .overlay")).to_be_hidden()


def last_drawing(page: Page) -> np.ndarray:
    """The ink on the pad as it is sent: uint8 [112, 112]."""
    with page.expect_request(lambda r: '"what"' in (r.post_data or "")) as sent:
        page.evaluate("() => { navigator.clipboard.writeText = () => Promise.resolve(); }")
        page.locator(".take summary").click()
        page.locator('.take [value="curl"]').click()
    page.keyboard.press("Escape")
    pixels = sent.value.post_data_json["data"]["content"]
    return np.frombuffer(base64.b64decode(pixels), np.uint8).reshape(112, 112)


def test_the_explanation_follows_the_networks_history(open_page, client):
    page = open_page(through_gradio=True)
    touch(page, lambda: page.keyboard.press("5"))
    page.keyboard.press("w")
    expect(page.locator(".live .overlay")).to_be_visible()
    first = client.versions()[0]
    with page.expect_response(lambda r: "explain" in (r.request.post_data or "")) as told:
        page.locator(f'.version[value="{first}"]').click()
    drawing = last_drawing(page)[:, :, None]
    digit = ExposedNetwork(client).explain(drawing, None, first).label
    assert told.value.request.post_data_json["data"]["version"] == first
    expect(page.locator(".live .because b >> nth=0")).to_have_text(str(digit))


def test_a_drawing_beside_another(open_page, client):
    page = open_page(through_gradio=True)
    touch(page, lambda: page.keyboard.press("3"))
    drawing_a = last_drawing(page)
    page.locator(".live .keep").click()
    expect(page.locator(".live .which")).to_be_visible()
    touch(page, lambda: draw(page, strokes_of(8), ".pad"))
    drawing_b = last_drawing(page)
    a, b = look(client, drawing_a), look(client, drawing_b)
    percents = page.locator(".live .other-percent").all_inner_texts()
    assert [float(p) for p in percents] == [round(100 * p) for p in a.probabilities.tolist()]

    answer = ask_anew(page, page.locator('.live .which [value="A"]').click)
    assert answer["sheet"] == in_json(a)["sheet"]
    np.testing.assert_allclose(probabilities_of(answer), b.probabilities)
    answer = ask_anew(page, page.locator('.live .which [value="difference"]').click)
    assert answer["sheet"] == in_json(b, {"shown": "difference"}, minus=a)["sheet"]
    layer = BY_NAME["h_conv1"]
    mosaic = ".live .gallery[data-name=h_conv1] .mosaic"
    page.mouse.move(*middle_of(page, mosaic, layer, 3))
    row = column = layer.side // 2
    exact = [
        client.predict("sketch", {"drawings": d[None]})["h_conv1"] for d in (drawing_a, drawing_b)
    ]
    value = (exact[1] - exact[0])[0, row, column, 3]
    expect(page.locator(".live .lens")).to_have_text(re.compile(f": {value:.4f}$"))

    answer = ask_anew(page, page.locator('.live .which [value="B"]').click)
    assert answer["sheet"] == in_json(b)["sheet"]
    page.locator(".live .drop").click()
    expect(page.locator(".live .keep")).to_be_visible()
    expect(page.locator(".live .other-percent >> nth=0")).to_be_hidden()


def test_what_the_pages_server_has_forgotten_it_is_told_again(open_page):
    """As if 256 others had come between: A is kept under a name that nobody asks for."""
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
    expect(page.locator(".live .which")).to_be_visible()
    page.unroute("**/component_server/")
    answer = ask_anew(page, page.locator('.live .which [value="difference"]').click)
    assert not read_sheet(answer["sheet"])[30:40, 30:40, :3].max(axis=2).max() > 60  # A is B
    assert answer["largest"][1] == 0
    assert len(kept) == 2


def test_a_forgotten_drawing_is_read_anew_for_its_details(open_page):
    page = open_page(through_gradio=True)
    forgotten = []

    def forget(route, request):
        if '"decompose_unit"' in (request.post_data or "") and not forgotten:
            forgotten.append(request)
            route.continue_(post_data=request.post_data.replace('"visitor":"', '"visitor":"lost-'))
        else:
            route.continue_()

    page.route("**/component_server/", forget)
    with page.expect_request(lambda r: '"predict"' in (r.post_data or "")):
        open_map(page, "h_conv1", 5)
    expect(page.locator(".live .total")).to_be_visible()
    assert forgotten


def test_an_old_explanation_does_not_come_back(open_page):
    """The pad is cleared while the answer is on its way."""
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
    expect(page.locator(".live .cannot")).to_have_text("There is no ink to ask about.")
    with page.expect_response(lambda r: '"explain"' in (r.request.post_data or "")):
        held[0].continue_()
    page.unroute("**/component_server/")
    touch(page, lambda: page.keyboard.press("1"))
    expect(page.locator(".live .because b >> nth=0")).to_have_text("1")
