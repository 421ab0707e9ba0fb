"""The page in a real browser, as a visitor uses it."""

import base64
import io
import os
import re
import shutil
import signal
import time
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from demo.layers import GALLERIES, Layer
from demo.look import ask, look, show
from serving.client import Client
from serving.local import LocalServer, find_free_port
from tests.browser import draw
from tests.hand import NO_DIGITS, strokes_of
from tests.pages import run_page
from tests.pictures import dark_on_light
from tests.test_render import map_on, read_sheet

# Keeps what was shown last, and when the drawing last changed, so that tests can wait for the one
# to have caught up with the other.
REMEMBER = """
  addEventListener("drawn", () => { window.drawnAt = performance.now(); });
  addEventListener("shown", ({ detail }) => { window.last = detail; });
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


@pytest.fixture
def open_page(browser, page_url):
    """Opens the page; at the end of the test nothing may have gone wrong in it."""
    contexts, complaints = [], []

    def open_page(
        size: str = "wide", theme: str = "light", url: str = page_url, tour: bool = False
    ) -> Page:
        width, height = SIZES[size]
        context = browser.new_context(
            viewport={"width": width, "height": height}, has_touch=size == "phone"
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
        page.add_init_script(REMEMBER)
        if not tour:
            page.add_init_script(NO_TOUR)
        address, number_sign, view = url.partition("#")
        address = address.partition("?")[0]
        page.goto(f"{address}?__theme={theme}{number_sign}{view}")
        expect(page.locator(".live .winner")).to_have_count(1)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


def touch(page: Page, act: Callable[[], object]) -> dict:
    """Does something to the drawing, waits until that is shown, and returns the answer to it."""
    act()
    page.wait_for_function("last.askedAt >= drawnAt")
    return page.evaluate("last.answer")


def test_a_first_visit_finds_a_digit_firing(open_page):
    page = open_page()
    expect(page.locator(".live .digit")).to_have_text("3")
    expect(page.locator(".hint")).to_be_visible()
    draw(page, strokes_of(1), ".pad")
    expect(page.locator(".hint")).to_be_hidden()
    expect(page.locator(".live .digit")).to_have_text("1")


def test_ten_digits_drawn_by_hand(open_page):
    page = open_page()
    read = {}
    for digit in range(10):
        page.locator(".clear").click()
        expect(page.locator(".live .digit")).to_have_text("–")
        answer = touch(page, lambda digit=digit: draw(page, strokes_of(digit), ".pad"))
        read[digit] = str(answer["digit"]) if answer["sure"] else "?"
        expect(page.locator(".live .digit")).to_have_text(read[digit])
    right = [digit for digit, answer in read.items() if str(digit) == answer]
    assert len(right) >= 9, read


def test_what_is_no_digit_is_not_sure(open_page):
    page = open_page()
    expect(page.locator(".live .sure")).to_have_text(re.compile(r"\d\d\.\d%"))
    doubts = []
    for strokes in NO_DIGITS:
        page.locator(".clear").click()
        expect(page.locator(".live .sure")).to_have_text("no ink")
        answer = touch(page, lambda strokes=strokes: draw(page, strokes, ".pad"))
        doubts.append(not answer["sure"])
        sureness = re.compile(r"^\d+\.\d%$") if answer["sure"] else "not sure"
        expect(page.locator(".live .sure")).to_have_text(sureness)
        expect(page.locator(".live .digit")).to_have_text(
            str(answer["digit"]) if answer["sure"] else "?"
        )
        expect(page.locator(".unsure")).to_have_count(0 if answer["sure"] else 1)
    assert doubts.count(True) >= 3, doubts


def test_everything_follows_while_the_pen_is_down(open_page):
    page = open_page()
    page.locator(".clear").click()
    expect(page.locator(".live .digit")).to_have_text("–")
    box = page.locator(".pad").bounding_box()
    seen = set()
    page.mouse.move(box["x"] + 150, box["y"] + 80)
    page.mouse.down()
    for step in range(1, 30):
        page.mouse.move(box["x"] + 150, box["y"] + 80 + 8 * step)
        page.wait_for_timeout(20)
        seen.add(page.evaluate("last.answer.sheet"))
    assert len(seen) > 10
    expect(page.locator(".live .digit")).to_have_text("1")
    page.mouse.up()


def pixels(page: Page, selector: str) -> np.ndarray:
    """A canvas's pixels, uint8 [H, W, 4]."""
    url = page.locator(selector).evaluate("canvas => canvas.toDataURL()")
    return read_sheet(url)


def opaque(picture: np.ndarray) -> np.ndarray:
    """Colours where there is no gap, for gaps have none."""
    return picture[picture[:, :, 3] == 255]


def test_galleries_show_what_the_network_computed(open_page, client):
    page = open_page()
    answer = touch(page, lambda: page.keyboard.press("8"))
    sheet = read_sheet(answer["sheet"])
    for layer in GALLERIES:
        shown = pixels(page, f".live .gallery.{layer.name} canvas >> nth=0")
        expected = sheet[layer.top : layer.top + layer.height, : layer.width]
        np.testing.assert_array_equal(opaque(shown), opaque(expected))
    image = np.asarray(Image.fromarray(pixels(page, ".live .seen canvas")).convert("L"), float)
    assert image.shape == (28, 28)
    # The image that is shown is one that the network reads as an 8.
    drawing = np.clip(image, 0, 255).astype(np.uint8)
    assert client.predict("sketch", {"drawings": drawing[None]})["logits"].argmax() == 8


def middle_of(page: Page, selector: str, layer: Layer, index: int) -> tuple[float, float]:
    box = page.locator(selector).bounding_box()
    row, column = divmod(index, layer.columns)
    x = (column * (layer.side + 1) + layer.side / 2) / layer.width
    y = (row * (layer.side + 1) + layer.side / 2) / layer.height
    return box["x"] + x * box["width"], box["y"] + y * box["height"]


@pytest.mark.parametrize("size", ["wide", "phone"])
@pytest.mark.parametrize(("name", "index"), [("h_conv1", 13), ("h_conv2", 63), ("h_pool2", 30)])
def test_a_map_is_named_and_opens_large(open_page, size, name, index):
    page = open_page(size)
    gallery = page.locator(f".live .gallery.{name}")
    gallery.evaluate(
        "gallery => gallery.scrollIntoView({ block: 'center' })"
    )  # below the sticky pad
    layer = next(layer for layer in GALLERIES if layer.name == name)
    mosaic = f".live .gallery.{name} .mosaic"
    page.mouse.move(*middle_of(page, mosaic, layer, index))
    readout = f".live .gallery.{name} .readout"
    expect(page.locator(readout)).to_have_text(f"map {index} of 0–{layer.maps - 1}")
    page.mouse.click(*middle_of(page, mosaic, layer, index))
    expect(page.locator(".live .zoom")).to_be_visible()
    expect(page.locator(".live .zoom .name")).to_have_text(f"{layer.title} {name}")

    for part in (".large", ".close", ".overview"):
        expect(page.locator(f".live {part}")).to_be_in_viewport()

    def shown() -> np.ndarray:
        return pixels(page, ".live .large")

    sheet = read_sheet(page.evaluate("last.answer.sheet"))
    np.testing.assert_array_equal(shown(), map_on(sheet, layer, index))
    page.keyboard.press("ArrowLeft")
    np.testing.assert_array_equal(shown(), map_on(sheet, layer, index - 1))
    page.mouse.click(*middle_of(page, ".live .overview", layer, 5))
    np.testing.assert_array_equal(shown(), map_on(sheet, layer, 5))

    other = touch(page, lambda: draw(page, strokes_of(0), ".pad"))  # it stays, and stays live
    np.testing.assert_array_equal(shown(), map_on(read_sheet(other["sheet"]), layer, 5))
    page.keyboard.press("Escape")
    expect(page.locator(".live .zoom")).to_be_hidden()


def test_tools(open_page):
    page = open_page()
    touch(page, lambda: page.locator(".clear").click())
    empty = pixels(page, ".live .seen canvas")
    line = touch(page, lambda: draw(page, [[(0.5, 0.2), (0.5, 0.8)]], ".pad"))
    both = touch(page, lambda: draw(page, [[(0.2, 0.5), (0.8, 0.5)]], ".pad"))
    assert line != both
    assert touch(page, lambda: page.locator(".undo").click()) == line
    assert touch(page, lambda: page.keyboard.press("z"))["digit"] is None
    np.testing.assert_array_equal(pixels(page, ".live .seen canvas"), empty)

    touch(page, lambda: draw(page, [[(0.2, 0.5), (0.8, 0.5)]], ".pad"))
    page.keyboard.press("e")
    expect(page.locator(".eraser")).to_have_attribute("aria-pressed", "true")
    for _ in range(8):
        page.keyboard.press("]")
    assert touch(page, lambda: draw(page, [[(0.1, 0.5), (0.9, 0.5)]], ".pad"))["digit"] is None
    assert touch(page, lambda: page.keyboard.press("Control+z"))["digit"] is not None
    assert touch(page, lambda: page.keyboard.press("c"))["digit"] is None


def test_a_tap_is_a_dot(open_page):
    page = open_page()
    touch(page, lambda: page.keyboard.press("c"))
    assert touch(page, lambda: page.locator(".pad").click())["digit"] is not None
    side = page.locator(".pad").bounding_box()["width"]
    ink = (pixels(page, ".pad")[:, :, 3] > 128).sum()
    assert ink == pytest.approx(np.pi * (0.04 * side) ** 2, rel=0.1)


def test_a_thicker_pen_makes_more_ink(open_page):
    page = open_page()

    def ink(size: str) -> float:
        touch(page, lambda: page.locator(".clear").click())
        page.locator(".size").fill(size)
        touch(page, lambda: draw(page, [[(0.3, 0.2), (0.6, 0.8)]], ".pad"))
        return (pixels(page, ".pad")[:, :, 3] > 128).mean()

    assert ink("12") > 2.5 * ink("4")


def test_ready_made_digits_are_read(open_page):
    page = open_page()
    for digit in range(10):
        answer = touch(page, lambda digit=digit: page.locator(f".sample >> nth={digit}").click())
        assert answer["digit"] == digit
    assert answer["probabilities"][9] > 0.5


def test_screen_readers_hear_the_result(open_page):
    page = open_page()
    page.keyboard.press("4")
    expect(page.locator(".live .announcement")).to_have_text("Read as 4.")
    page.keyboard.press("c")
    expect(page.locator(".live .announcement")).to_have_text("")


def test_a_pens_other_end_erases(open_page):
    page = open_page()
    touch(page, lambda: page.keyboard.press("c"))
    touch(page, lambda: draw(page, [[(0.2, 0.5), (0.8, 0.5)]], ".pad"))
    inked = (pixels(page, ".pad")[:, :, 3] > 128).sum()
    box = page.locator(".pad").bounding_box()
    at = {"clientX": box["x"] + box["width"] / 2, "clientY": box["y"] + box["height"] / 2}
    pen = {"pointerType": "pen", "pointerId": 9, "button": 5, "buttons": 32, **at}
    page.locator(".pad").evaluate("pad => { pad.setPointerCapture = () => {}; }")
    touch(page, lambda: page.locator(".pad").dispatch_event("pointerdown", pen))
    assert (pixels(page, ".pad")[:, :, 3] > 128).sum() < 0.95 * inked


def test_the_winner_is_marked(open_page):
    page = open_page()
    touch(page, lambda: page.keyboard.press("7"))
    expect(page.locator(".live .scores .winner b")).to_have_text("7")
    percents = [int(p) for p in page.locator(".live .percent").all_inner_texts()]
    assert len(percents) == 10
    assert percents.index(max(percents)) == 7


def test_finger(open_page):
    page = open_page("phone")
    page.locator(".clear").tap()
    expect(page.locator(".live .digit")).to_have_text("–")
    page.locator(".pad").scroll_into_view_if_needed()
    box = page.locator(".pad").bounding_box()
    session = page.context.new_cdp_session(page)
    scrolled = page.evaluate("scrollY")

    def finger(kind: str, *points: tuple[float, float]) -> None:
        at = [
            {"x": box["x"] + x * box["width"], "y": box["y"] + y * box["height"]} for x, y in points
        ]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": at})

    path = strokes_of(7)[0]
    finger("touchStart", path[0])
    for point in path[1:]:
        finger("touchMove", point)
    finger("touchEnd")
    expect(page.locator(".live .digit")).to_have_text("7")
    assert page.evaluate("scrollY") == scrolled


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_nothing_is_cut_off(open_page, size, theme):
    page = open_page(size, theme)
    width, height = SIZES[size]
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    boxes = {
        name: page.locator(f".live {name}").bounding_box()
        for name in (".pad", ".tools", ".samples", ".verdict", ".scores", ".network")
    }
    for name, box in boxes.items():
        assert box["x"] >= 0, name
        assert box["x"] + box["width"] <= width, name
    if size == "wide":  # all of it is in view at once
        assert all(box["y"] + box["height"] <= height for box in boxes.values())
    if size == "phone":  # the pad stays in reach
        page.mouse.wheel(0, 1200)
        page.wait_for_function("scrollY > 300")
        pad = page.locator(".pad").bounding_box()
        assert 0 <= pad["y"]
        assert pad["y"] + pad["height"] <= height


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_can_be_read(open_page, theme):
    """WCAG's contrast of 4.5 for the small texts, measured on what is painted."""
    page = open_page(theme=theme)
    texts = (
        ".percent",
        ".sure",
        ".seen figcaption",
        ".about",
        ".largest",
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


def test_a_picture_goes_the_same_way(open_page, digits, tmp_path):
    path = tmp_path / "four.png"
    dark_on_light(digits[0][2222]).save(path)
    page = open_page()
    page.get_by_role("tab", name="Picture").click()
    page.locator("input[type=file]").first.set_input_files(path)
    expect(page.locator(".still .digit")).to_have_text("4")
    expect(page.locator(".still .winner b")).to_have_text("4")
    assert opaque(pixels(page, ".still .gallery.h_conv1 canvas >> nth=0"))[:, :3].max() > 200

    page.locator(".still .gallery.h_conv2 .mosaic").click()
    expect(page.locator(".still .zoom")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator(".still .zoom")).to_be_hidden()

    seen = page.locator(".still .seen").bounding_box()
    scores = page.locator(".still .scores").bounding_box()
    assert seen["x"] + seen["width"] <= scores["x"]  # beside each other, not over each other

    page.get_by_label("Remove Image").click()
    expect(page.locator(".still .digit")).to_have_text("–")


def test_gradios_sketchpad_goes_the_same_way(open_page):
    page = open_page()
    page.get_by_role("tab", name="Picture").click()
    page.get_by_role("tab", name="Gradio's sketchpad").click()
    page.get_by_label("Brush", exact=True).click()
    draw(page, [[(0.5, 0.25), (0.5, 0.5), (0.5, 0.75)]], ".pixi-target canvas")
    expect(page.locator(".still .digit")).to_have_text("1")


def test_the_server_goes_away_and_comes_back(open_page, base_path):
    with LocalServer(base_path) as server, run_page(server.target) as url:
        page = open_page(url=url)
        page.keyboard.press("c")
        expect(page.locator(".live .digit")).to_have_text("–")
        box = page.locator(".pad").bounding_box()
        page.mouse.move(box["x"] + 150, box["y"] + 80)
        page.mouse.down()
        os.kill(server.pid, signal.SIGKILL)
        killed = time.monotonic()
        page.mouse.move(box["x"] + 150, box["y"] + 200, steps=10)
        notice = page.locator(".live .notice")
        expect(notice).to_have_text(re.compile("does not answer. Your drawing is kept"))
        assert time.monotonic() - killed < 2
        page.mouse.move(box["x"] + 150, box["y"] + 320, steps=10)

        with Client(server.target) as client:
            client.wait_until_ready(60)
        back = time.monotonic()
        expect(notice).to_be_hidden()
        expect(page.locator(".live .digit")).to_have_text("1")
        assert time.monotonic() - back < 3
        page.mouse.up()
        page.close()  # before its server ends, of which it would complain


def test_the_page_itself_goes_away_and_comes_back(browser, server):
    port = find_free_port()
    with run_page(server.target, port=port) as url:
        # Not by open_page, which wants an empty console: the browser complains of a lost server.
        context = browser.new_context(viewport={"width": 1440, "height": 900})
        page = context.new_page()
        page.goto(url)
        expect(page.locator(".live .winner")).to_have_count(1)
    page.keyboard.press("7")
    expect(page.locator(".live .notice")).to_have_text(re.compile("has lost its server"))
    with run_page(server.target, port=port):
        expect(page.locator(".live .notice")).to_be_hidden(timeout=20_000)
        expect(page.locator(".live .digit")).to_have_text("7")
        page.keyboard.press("4")
        expect(page.locator(".live .digit")).to_have_text("4")
        context.close()


def test_a_phone_that_has_scrolled_sees_that_the_server_is_away(browser):
    with run_page(f"127.0.0.1:{find_free_port()}") as url:
        width, height = SIZES["phone"]
        context = browser.new_context(viewport={"width": width, "height": height})
        page = context.new_page()
        page.goto(url)
        expect(page.locator(".live .notice")).to_be_visible()
        page.mouse.wheel(0, 900)
        page.wait_for_function("scrollY > 300")
        expect(page.locator(".live .notice")).to_be_in_viewport(ratio=1)
        context.close()


def test_a_picture_while_the_server_is_away(browser, tmp_path, digits):
    path = tmp_path / "four.png"
    dark_on_light(digits[0][2222]).save(path)
    with run_page(f"127.0.0.1:{find_free_port()}") as url:
        context = browser.new_context()
        page = context.new_page()
        page.goto(url)
        expect(page.locator(".live .notice")).to_have_text(re.compile("server does not answer"))
        page.get_by_role("tab", name="Picture").click()
        page.locator("input[type=file]").first.set_input_files(path)
        expect(page.locator(".still .notice")).to_have_text(re.compile("has not been read"))
        expect(page.get_by_text("No model server answers")).to_be_visible()
        context.close()


def ask_anew(page: Page, act: Callable[[], object]) -> dict:
    """Does something that asks again of the same drawing, and returns the answer."""
    before = page.evaluate("performance.now()")
    act()
    page.wait_for_function("before => last.askedAt >= before", arg=before)
    return page.evaluate("last.answer")


def test_the_same_drawing_through_the_networks_history(open_page, client):
    page = open_page()
    asked = []
    page.on("request", lambda request: asked.append(request))
    versions = client.versions()
    buttons = page.locator(".version")
    expect(buttons).to_have_count(len(versions))
    pressed = page.locator('.version[aria-pressed="true"]')
    expect(pressed).to_have_attribute("value", str(versions[-1]))
    for index, version in enumerate(versions):
        answer = ask_anew(page, buttons.nth(index).click)
        expect(pressed).to_have_attribute("value", str(version))
        sent = asked[-1].post_data_json["data"]["pixels"]
        drawing = np.frombuffer(base64.b64decode(sent), np.uint8).reshape(112, 112)
        assert answer == look(client, drawing, version)
    for key, version in ((",", versions[-2]), (",", versions[-3]), (".", versions[-2])):
        ask_anew(page, lambda key=key: page.keyboard.press(key))
        expect(pressed).to_have_attribute("value", str(version))


def test_the_history_as_a_film(open_page, client):
    page = open_page()
    versions = [str(version) for version in client.versions()]
    expect(page.locator(".version")).to_have_count(len(versions))
    page.evaluate("""() => {
      window.film = [];
      addEventListener("shown", () => {
        const pressed = document.querySelector('.version[aria-pressed="true"]').value;
        if (film.at(-1) !== pressed) film.push(pressed);
      });
    }""")
    page.locator(".play").click()
    expect(page.locator(".play")).to_have_text("Stop")
    expect(page.locator(".play")).to_have_text("Play")
    page.wait_for_function("last => film.at(-1) === last", arg=versions[-1])
    assert page.evaluate("film") == versions


def test_a_version_that_goes_away_while_it_is_looked_at(open_page, base_path, tmp_path):
    first, second, third, *_ = sorted(int(path.name) for path in base_path.iterdir())
    served = tmp_path / "mnist"
    for version in (first, second, third):
        shutil.copytree(base_path / str(version), served / str(version))
    with LocalServer(served) as server, run_page(server.target) as url, Client(server.target) as c:
        page = open_page(url=url)
        page.locator(f'.version[value="{second}"]').click()
        shutil.rmtree(served / str(second))
        while second in c.versions():
            page.wait_for_timeout(50)
        page.keyboard.press("7")
        expect(page.locator(".version")).to_have_count(2)
        pressed = page.locator('.version[aria-pressed="true"]')
        expect(pressed).to_have_attribute("value", str(third))
        page.close()


def view(page: Page) -> dict:
    """What a visitor sees, once it is all there."""
    page.wait_for_function("last.askedAt >= drawnAt")
    zoom = page.locator(".live .zoom")
    return {
        "answer": page.evaluate("last.answer"),
        "version": page.locator('.version[aria-pressed="true"]').get_attribute("value"),
        "open": zoom.locator(".name").text_content() + zoom.locator(".readout").text_content()
        if zoom.is_visible()
        else None,
    }


def take(page: Page, what: str) -> None:
    page.locator(".take summary").click()
    page.locator(f'.take [value="{what}"]').click()


def test_a_link_opens_the_same_view_elsewhere(open_page, client):
    page = open_page()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.locator(".clear").click()
    draw(page, strokes_of(5), ".pad")
    page.keyboard.press("e")
    touch(page, lambda: draw(page, [[(0.2, 0.2), (0.4, 0.3)]], ".pad"))
    version = client.versions()[-2]
    ask_anew(page, page.locator(f'.version[value="{version}"]').click)
    page.locator(".live .gallery.h_conv2 .mosaic").click(position={"x": 300, "y": 60})
    seen = view(page)
    assert seen["open"]
    link = copied(page, "link")
    other = open_page("phone", "dark", url=link)
    expect(other.locator(".live .zoom")).to_be_visible()
    assert view(other) == seen


def copied(page: Page, what: str) -> str:
    """What a button of the menu puts on the clipboard."""
    page.evaluate("navigator.clipboard.writeText('')")
    take(page, what)
    return page.evaluate(READ_CLIPBOARD)


def test_a_link_that_is_broken_is_a_first_visit(open_page, page_url):
    for drawing in ("%%%", "AAAA", "oAEA____________________________AQ", "_" * 2000):
        page = open_page(url=f"{page_url}#drawing={drawing}&map=nowhere.7&version=x")
        expect(page.locator(".live .digit")).to_have_text("3")
        page.close()


def test_keys_within_a_menu_are_the_menus(open_page):
    page = open_page()
    page.locator(".live .colours").focus()
    page.keyboard.press("c")
    expect(page.locator(".live .digit")).to_have_text("3")


def test_a_page_that_may_not_copy_shows_the_text(open_page):
    page = open_page()
    page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(new Error()); }")
    take(page, "curl")
    expect(page.locator(".copied")).to_have_value(re.compile("^curl -s "))


def test_what_can_be_taken_along(open_page):
    page = open_page()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    answer = touch(page, lambda: page.keyboard.press("6"))
    assert copied(page, "curl").startswith('curl -s -d \'{"signature_name": "classify"')
    with page.expect_download() as saved:
        page.locator('.take [value="npz"]').click()
    with np.load(saved.value.path()) as file:
        np.testing.assert_allclose(file["probabilities"], answer["probabilities"])
        assert file["h_conv2"].shape == (14, 14, 64)
    with page.expect_download() as saved:
        page.locator('.take [value="picture"]').click()
    picture = np.asarray(Image.open(saved.value.path()).convert("RGB"))
    layer = GALLERIES[0]
    first = map_on(read_sheet(answer["sheet"]), layer, 0)[:, :, :3]
    shown = picture[60 : 60 + 4 * 28 : 4, 24 : 24 + 4 * 28 : 4]
    np.testing.assert_array_equal(shown, first)
    page.keyboard.press("Escape")
    expect(page.locator(".take .menu")).to_be_hidden()


@pytest.mark.parametrize("layer", GALLERIES, ids=lambda layer: layer.name)
def test_the_lens_tells_the_exact_value_and_what_a_unit_sees(open_page, client, layer):
    page = open_page()
    asked = []
    page.on("request", lambda request: asked.append(request))
    touch(page, lambda: page.keyboard.press("8"))
    sent = next(
        r.post_data_json["data"] for r in reversed(asked) if "pixels" in (r.post_data or "")
    )
    drawing = np.frombuffer(base64.b64decode(sent["pixels"]), np.uint8).reshape(1, 112, 112)
    maps = client.predict("sketch", {"drawings": drawing})[layer.name]
    maps = maps.reshape(layer.side, layer.side, layer.maps)
    strongest = np.unravel_index(maps.argmax(), maps.shape)
    row, column, index = map(int, strongest)
    mosaic = page.locator(f".live .gallery.{layer.name} .mosaic")
    mosaic.scroll_into_view_if_needed()
    box = mosaic.bounding_box()
    y = index // layer.columns * (layer.side + 1) + row + 0.5
    x = index % layer.columns * (layer.side + 1) + column + 0.5
    page.mouse.move(
        box["x"] + x / layer.width * box["width"], box["y"] + y / layer.height * box["height"]
    )
    lens = page.locator(".live .lens")
    expect(lens).to_have_text(re.compile(f": {maps.max():.4f}$"))
    field = page.locator(".live .seen .frame")
    if not layer.field:
        expect(field).to_be_hidden()
        return
    assert f"map {index}: largest {maps.max():.2f}" in lens.text_content()
    assert f"row {row}, column {column}" in lens.text_content()
    image, shown = page.locator(".live .seen canvas").bounding_box(), field.bounding_box()
    pixel = image["width"] / 28
    for at, place, size in ((row, "y", "height"), (column, "x", "width")):
        first = max(0, layer.stride * at - layer.before)
        last = min(28, layer.stride * at - layer.before + layer.field)
        assert (shown[place] - image[place]) / pixel == pytest.approx(first, abs=0.1)
        assert shown[size] / pixel == pytest.approx(last - first, abs=0.1)
    page.mouse.move(1, 1)
    expect(lens).to_be_hidden()
    expect(field).to_be_hidden()


def test_other_colours_cost_no_prediction(open_page, client):
    page = open_page()
    asked = []
    page.on("request", lambda request: asked.append(request.post_data_json))
    before = touch(page, lambda: page.keyboard.press("2"))
    sent = next(each["data"] for each in reversed(asked) if each and "pixels" in each["data"])
    drawing = np.frombuffer(base64.b64decode(sent["pixels"]), np.uint8).reshape(112, 112)
    activations = ask(client, drawing)
    asked.clear()
    for selector, choice, style in (
        (".colours", "grey", {"colours": "grey"}),
        (".scale", "map", {"colours": "grey", "scale": "map"}),
        (".colours", "cividis", {"colours": "cividis", "scale": "map"}),
    ):
        answer = ask_anew(
            page, lambda s=selector, c=choice: page.locator(f".live {s}").select_option(c)
        )
        assert answer == show(activations, style)
    answer = ask_anew(page, lambda: page.locator(".live .scale").select_option("held"))
    held = before["largest"]
    answer = ask_anew(page, lambda: page.locator(".live .colours").select_option("inferno"))
    assert answer == show(activations, {"scale": "held", "held": held})
    answer = ask_anew(page, lambda: page.locator(".live .colours").select_option("cividis"))
    assert not any(each and "pixels" in each["data"] for each in asked)
    expect(page.locator(".live .h_conv1 .largest")).to_have_text(f"to {held['h_conv1']:.2f}")
    answer = touch(page, lambda: page.keyboard.press("1"))
    sent = next(each["data"] for each in reversed(asked) if each and "pixels" in each["data"])
    drawing = np.frombuffer(base64.b64decode(sent["pixels"]), np.uint8).reshape(112, 112)
    style = {"colours": "cividis", "scale": "held", "held": held}
    assert answer == show(ask(client, drawing), style)
    shown = pixels(page, ".live .gallery.h_conv2 canvas >> nth=0")
    sheet = read_sheet(answer["sheet"])
    layer = GALLERIES[2]
    expected = sheet[layer.top : layer.top + layer.height, : layer.width]
    np.testing.assert_array_equal(opaque(shown), opaque(expected))
