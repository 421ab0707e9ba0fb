"""The page in a browser, as a visitor uses it."""

import io
import os
import re
import signal
import time
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from serving.client import Client
from serving.local import find_free_port
from tests.browser import draw
from tests.forked import ForkedServer
from tests.galleries import GALLERIES
from tests.hand import NO_DIGITS, strokes_of
from tests.pages import FAST_START, run_page
from tests.pictures import dark_on_light, read_sheet
from tests.visit import SIZES, digit_of, opaque, pixels, probabilities_of, touch


def test_first_visit_shows_a_sample_digit(open_page):
    page = open_page()
    expect(page.locator(".live .best")).to_have_text("3")
    expect(page.locator(".hint")).to_be_visible()
    draw(page, strokes_of(1), ".pad")
    expect(page.locator(".hint")).to_be_hidden()
    expect(page.locator(".live .best")).to_have_text("1")


def test_ten_digits_drawn_by_hand_are_recognized(open_page):
    page = open_page()
    predicted = {}
    for digit in range(10):
        page.locator(".clear").click()
        expect(page.locator(".live .best")).to_have_text("–")
        answer = touch(page, lambda digit=digit: draw(page, strokes_of(digit), ".pad"))
        predicted[digit] = str(digit_of(answer)) if answer["sure"] else "?"
        expect(page.locator(".live .best")).to_have_text(predicted[digit])
    correct = [digit for digit, label in predicted.items() if str(digit) == label]
    assert len(correct) >= 9, predicted


def test_scribbles_are_not_sure(open_page):
    page = open_page()
    expect(page.locator(".live .confidence")).to_have_text(re.compile(r"\d\d\.\d%"))
    unsure = []
    for strokes in NO_DIGITS:
        page.locator(".clear").click()
        expect(page.locator(".live .confidence")).to_have_text("no ink")
        answer = touch(page, lambda strokes=strokes: draw(page, strokes, ".pad"))
        unsure.append(not answer["sure"])
        confidence = re.compile(r"^\d+\.\d%$") if answer["sure"] else "not sure"
        expect(page.locator(".live .confidence")).to_have_text(confidence)
        expect(page.locator(".live .best")).to_have_text(
            str(digit_of(answer)) if answer["sure"] else "?"
        )
        expect(page.locator(".low-confidence")).to_have_count(0 if answer["sure"] else 1)
    assert unsure.count(True) >= 3, unsure


def test_page_updates_while_the_pen_is_down(open_page):
    page = open_page()
    page.locator(".clear").click()
    expect(page.locator(".live .best")).to_have_text("–")
    box = page.locator(".pad").bounding_box()
    sheets = set()
    page.mouse.move(box["x"] + 150, box["y"] + 80)
    page.mouse.down()
    for step in range(1, 30):
        page.mouse.move(box["x"] + 150, box["y"] + 80 + 8 * step)
        page.wait_for_timeout(20)
        sheets.add(page.evaluate("last.answer.sheet"))
    assert len(sheets) > 10
    expect(page.locator(".live .best")).to_have_text("1")
    page.mouse.up()


def test_galleries_show_the_activations(open_page, client):
    page = open_page()
    answer = touch(page, lambda: page.keyboard.press("8"))
    sheet = read_sheet(answer["sheet"])
    for layer in GALLERIES:
        shown = pixels(page, f".live .gallery[data-name={layer.name}] canvas >> nth=0")
        expected = sheet[layer.top : layer.top + layer.height, : layer.width]
        np.testing.assert_array_equal(opaque(shown), opaque(expected))
    canvas = Image.fromarray(pixels(page, ".live .network-input canvas"))
    image = np.asarray(canvas.convert("L"), float)
    assert image.shape == (28, 28)
    # The image on display is classified as an 8.
    drawing = np.clip(image, 0, 255).astype(np.uint8)
    assert client.predict("sketch", {"drawings": drawing[None]})["logits"].argmax() == 8


def test_drawing_tools(open_page):
    page = open_page()
    touch(page, lambda: page.locator(".clear").click())
    empty = pixels(page, ".live .network-input canvas")
    line = touch(page, lambda: draw(page, [[(0.5, 0.2), (0.5, 0.8)]], ".pad"))
    both = touch(page, lambda: draw(page, [[(0.2, 0.5), (0.8, 0.5)]], ".pad"))
    assert line != both
    assert touch(page, lambda: page.locator(".undo").click()) == line
    assert touch(page, lambda: page.keyboard.press("z"))["best"] is None
    np.testing.assert_array_equal(pixels(page, ".live .network-input canvas"), empty)

    touch(page, lambda: draw(page, [[(0.2, 0.5), (0.8, 0.5)]], ".pad"))
    page.keyboard.press("e")
    expect(page.locator(".eraser")).to_have_attribute("aria-pressed", "true")
    for _ in range(8):
        page.keyboard.press("]")
    assert touch(page, lambda: draw(page, [[(0.1, 0.5), (0.9, 0.5)]], ".pad"))["best"] is None
    assert touch(page, lambda: page.keyboard.press("Control+z"))["best"] is not None
    assert touch(page, lambda: page.keyboard.press("c"))["best"] is None


def test_tap_draws_a_dot(open_page):
    page = open_page()
    touch(page, lambda: page.keyboard.press("c"))
    assert touch(page, lambda: page.locator(".pad").click())["best"] is not None
    side = page.locator(".pad").bounding_box()["width"]
    ink = (pixels(page, ".pad")[:, :, 3] > 128).sum()
    assert ink == pytest.approx(np.pi * (0.04 * side) ** 2, rel=0.1)


def test_thicker_pen_draws_more_ink(open_page):
    page = open_page()

    def ink(size: str) -> float:
        touch(page, lambda: page.locator(".clear").click())
        page.locator(".size").fill(size)
        touch(page, lambda: draw(page, [[(0.3, 0.2), (0.6, 0.8)]], ".pad"))
        return (pixels(page, ".pad")[:, :, 3] > 128).mean()

    assert ink("12") > 2.5 * ink("4")


def test_sample_digits_are_recognized(open_page):
    page = open_page()
    for digit in range(10):
        answer = touch(
            page, lambda digit=digit: page.locator(f".samples .sample >> nth={digit}").click()
        )
        assert digit_of(answer) == digit
    assert probabilities_of(answer)[9] > 0.5


def test_prediction_is_announced_to_screen_readers(open_page):
    page = open_page()
    page.keyboard.press("4")
    expect(page.locator(".live .announcement")).to_have_text("Prediction: 4.")
    page.keyboard.press("c")
    expect(page.locator(".live .announcement")).to_have_text("")


def test_eraser_end_of_a_pen_erases(open_page):
    page = open_page()
    touch(page, lambda: page.keyboard.press("c"))
    touch(page, lambda: draw(page, [[(0.2, 0.5), (0.8, 0.5)]], ".pad"))
    inked = (pixels(page, ".pad")[:, :, 3] > 128).sum()
    box = page.locator(".pad").bounding_box()
    middle = {"clientX": box["x"] + box["width"] / 2, "clientY": box["y"] + box["height"] / 2}
    pen = {"pointerType": "pen", "pointerId": 9, "button": 5, "buttons": 32, **middle}
    page.locator(".pad").evaluate("pad => { pad.setPointerCapture = () => {}; }")
    touch(page, lambda: page.locator(".pad").dispatch_event("pointerdown", pen))
    assert (pixels(page, ".pad")[:, :, 3] > 128).sum() < 0.95 * inked


def test_predicted_class_is_marked(open_page):
    page = open_page()
    touch(page, lambda: page.keyboard.press("7"))
    expect(page.locator(".live .scores .winner b")).to_have_text("7")
    percents = [int(p) for p in page.locator(".live .percent").all_inner_texts()]
    assert len(percents) == 10
    assert percents.index(max(percents)) == 7


def test_finger_draws_without_scrolling(open_page):
    page = open_page("phone")
    page.locator(".clear").tap()
    expect(page.locator(".live .best")).to_have_text("–")
    page.locator(".pad").scroll_into_view_if_needed()
    box = page.locator(".pad").bounding_box()
    session = page.context.new_cdp_session(page)
    scrolled = page.evaluate("scrollY")

    def finger(kind: str, *points: tuple[float, float]) -> None:
        touches = [
            {"x": box["x"] + x * box["width"], "y": box["y"] + y * box["height"]} for x, y in points
        ]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches})

    path = strokes_of(7)[0]
    finger("touchStart", path[0])
    for point in path[1:]:
        finger("touchMove", point)
    finger("touchEnd")
    expect(page.locator(".live .best")).to_have_text("7")
    assert page.evaluate("scrollY") == scrolled


def test_no_question_of_the_first_load_is_refused(open_page):
    page = open_page()
    touch(page, lambda: page.keyboard.press("4"))
    expect(page.locator(".live .notice span")).to_have_text("")  # a notice keeps its last text


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_nothing_is_cut_off(open_page, size, theme):
    page = open_page(size, theme)
    width, height = SIZES[size]
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    boxes = {
        name: page.locator(f".live {name}").bounding_box()
        for name in (".pad", ".tools.drawing-only", ".samples", ".result", ".scores", ".network")
    }
    for name, box in boxes.items():
        assert box["x"] >= 0, name
        assert box["x"] + box["width"] <= width, name
    if size == "wide":  # everything is in view at once
        assert all(box["y"] + box["height"] <= height for box in boxes.values())
    if size == "phone":  # the pad stays in view
        page.mouse.wheel(0, 1200)
        page.wait_for_function("scrollY > 300")
        pad = page.locator(".pad").bounding_box()
        assert 0 <= pad["y"]
        assert pad["y"] + pad["height"] <= height


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_small_text_has_enough_contrast(open_page, theme):
    """WCAG requires a contrast of 4.5 for small texts; measured on a screenshot."""
    page = open_page(theme=theme)
    texts = (
        ".percent",
        ".confidence",
        ".network-input figcaption",
        ".about",
        ".maximum",
        ".gallery code",
        ".hint",
    )
    for selector in texts:
        locator = page.locator(f".live {selector}").first
        picture = Image.open(io.BytesIO(locator.screenshot())).convert("RGB")
        linear = np.asarray(picture, float) / 255
        linear = np.where(linear <= 0.04045, linear / 12.92, ((linear + 0.055) / 1.055) ** 2.4)
        luminance = linear @ [0.2126, 0.7152, 0.0722]
        contrast = (luminance.max() + 0.05) / (luminance.min() + 0.05)
        assert contrast >= 4.5, (selector, contrast)


def test_uploaded_picture_is_predicted_and_shown(open_page, digits, tmp_path):
    path = tmp_path / "four.png"
    dark_on_light(digits[0][2222]).save(path)
    page = open_page()
    page.get_by_role("tab", name="Picture").click()
    page.locator("input[type=file]:not(.file)").first.set_input_files(path)
    expect(page.locator(".still .best")).to_have_text("4")
    expect(page.locator(".still .winner b")).to_have_text("4")
    assert (
        opaque(pixels(page, ".still .gallery[data-name=h_conv1] canvas >> nth=0"))[:, :3].max()
        > 200
    )

    page.locator(".still .gallery[data-name=h_conv2] .mosaic").click()
    expect(page.locator(".still .zoom")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator(".still .zoom")).to_be_hidden()

    image = page.locator(".still .network-input").bounding_box()
    scores = page.locator(".still .scores").bounding_box()
    assert image["x"] + image["width"] <= scores["x"]  # they do not overlap

    page.get_by_label("Remove Image").click()
    expect(page.locator(".still .best")).to_have_text("–")


def test_drawing_from_gradios_sketchpad_is_predicted(open_page):
    page = open_page()
    page.get_by_role("tab", name="Picture").click()
    page.get_by_role("tab", name="Gradio's sketchpad").click()
    page.get_by_label("Brush", exact=True).click()
    draw(page, [[(0.5, 0.25), (0.5, 0.5), (0.5, 0.75)]], ".pixi-target canvas")
    expect(page.locator(".still .best")).to_have_text("1")


def test_page_recovers_when_the_model_server_restarts(open_page, newest_alone):
    with ForkedServer(newest_alone, flags=FAST_START) as server, run_page(server.target) as url:
        page = open_page(url=url)
        page.keyboard.press("c")
        expect(page.locator(".live .best")).to_have_text("–")
        box = page.locator(".pad").bounding_box()
        page.mouse.move(box["x"] + 150, box["y"] + 80)
        page.mouse.down()
        os.kill(server.pid, signal.SIGKILL)
        killed = time.monotonic()
        page.mouse.move(box["x"] + 150, box["y"] + 200, steps=10)
        notice = page.locator(".live .notice")
        expect(notice).to_have_text(re.compile("does not answer. What you see is kept"))
        assert time.monotonic() - killed < 2
        page.mouse.move(box["x"] + 150, box["y"] + 320, steps=10)

        with Client(server.target) as client:
            client.wait_until_ready(60)
        back = time.monotonic()
        expect(notice).to_be_hidden()
        expect(page.locator(".live .best")).to_have_text("1")
        assert time.monotonic() - back < 3
        page.mouse.up()
        page.close()  # before its server stops, which would be an error in its console


def test_page_recovers_when_the_page_server_restarts(browser, server):
    port = find_free_port()
    with run_page(server.target, port=port) as url:
        # Not with open_page, which requires an empty console: lost connections are logged there.
        context = browser.new_context(viewport={"width": 1440, "height": 900})
        page = context.new_page()
        page.goto(url)
        expect(page.locator(".live .winner")).to_have_count(1)
    page.keyboard.press("7")
    expect(page.locator(".live .notice")).to_have_text(
        re.compile("connection to the page server is lost")
    )
    with run_page(server.target, port=port):
        expect(page.locator(".live .notice")).to_be_hidden(timeout=20_000)
        expect(page.locator(".live .best")).to_have_text("7")
        page.keyboard.press("4")
        expect(page.locator(".live .best")).to_have_text("4")
        context.close()


@pytest.fixture(scope="module")
def url_without_server() -> Iterator[str]:
    """A page whose model server does not run."""
    with run_page(f"127.0.0.1:{find_free_port()}") as url:
        yield url


def test_notice_is_visible_on_a_scrolled_phone_and_above_a_challenge(open_page, newest_alone):
    with ForkedServer(newest_alone, flags=FAST_START) as server, run_page(server.target) as url:
        page = open_page("phone", url=url)
        page.locator(".open-challenge").click()
        page.mouse.wheel(0, 900)
        page.wait_for_function("scrollY > 300")
        os.kill(server.pid, signal.SIGSTOP)
        page.keyboard.press("7")
        expect(page.locator(".live .notice")).to_be_in_viewport(ratio=1)
        for size in ("phone", "wide"):
            width, height = SIZES[size]
            page.set_viewport_size({"width": width, "height": height})
            error = page.locator(".live .notice").bounding_box()
            card = page.locator(".challenge").bounding_box()
            assert error["y"] + error["height"] <= card["y"], size
        os.kill(server.pid, signal.SIGCONT)
        expect(page.locator(".live .notice")).to_be_hidden()
        page.close()


def test_upload_without_a_model_server_shows_an_error(
    browser, url_without_server, tmp_path, digits
):
    path = tmp_path / "four.png"
    dark_on_light(digits[0][2222]).save(path)
    context = browser.new_context()
    page = context.new_page()
    page.goto(url_without_server)
    expect(page.locator(".live .notice")).to_have_text(re.compile("server does not answer"))
    page.get_by_role("tab", name="Picture").click()
    page.locator("input[type=file]:not(.file)").first.set_input_files(path)
    expect(page.locator(".still .notice")).to_have_text(re.compile("has not been classified"))
    expect(page.get_by_text("No model server answers")).to_be_visible()
    context.close()


def test_shortcuts_are_off_while_a_menu_has_focus(open_page):
    page = open_page()
    page.locator(".live .colours").focus()
    page.keyboard.press("c")
    expect(page.locator(".live .best")).to_have_text("3")
