"""Details of the page in a browser: keys, links, captions and bars."""

import base64

import pytest
from playwright.sync_api import expect

from tests.browser import draw
from tests.galleries import GALLERIES
from tests.hand import strokes_of
from tests.pages import ROOT
from tests.visit import click_download, copied, middle_of, touch


def test_keys_change_the_brush_size(open_page):
    page = open_page()
    layer = next(layer for layer in GALLERIES if layer.name == "h_conv1")
    page.mouse.click(*middle_of(page, ".live .gallery[data-name=h_conv1] .mosaic", layer, 5))
    expect(page.locator(".live .zoom .readout")).to_have_text("map 5 of 0–31")
    page.locator(".size").focus()
    before = float(page.locator(".size").input_value())
    page.keyboard.press("ArrowRight")
    assert float(page.locator(".size").input_value()) == before + 0.5
    expect(page.locator(".live .zoom .readout")).to_have_text("map 5 of 0–31")
    page.keyboard.press("Escape")

    def press(**modifiers: bool) -> float:
        event = {"key": "]", "bubbles": True, **modifiers}
        page.evaluate(
            "event => document.body.dispatchEvent(new KeyboardEvent('keydown', event))", event
        )
        return float(page.locator(".size").input_value())

    plain = press()
    assert press(ctrlKey=True, altKey=True) == plain + 1  # AltGr
    assert press(altKey=True) == plain + 2  # Option
    assert press(metaKey=True) == plain + 2  # a browser shortcut
    assert press(ctrlKey=True) == plain + 2


def test_first_stroke_over_a_sample_sends_no_empty_drawing(open_page):
    page = open_page(through_gradio=True)
    sent = []

    def remember(request) -> None:
        content = request.post_data_json
        if content and content["data"]["ask"] == "predict":
            sent.append(base64.b64decode(content["data"]["content"]))

    page.on("request", remember)
    touch(page, lambda: draw(page, strokes_of(1), ".pad"))
    assert sent
    assert all(any(ink) for ink in sent)
    answer = touch(page, lambda: page.keyboard.press("z"))
    assert answer["best"] is None  # the stroke replaced the sample
    answer = touch(page, lambda: page.keyboard.press("z"))
    assert answer["best"]["index"] == 3  # undo brings the sample back


def test_link_without_a_map_closes_an_open_one(open_page):
    page = open_page()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    link = copied(page, "link")
    layer = next(layer for layer in GALLERIES if layer.name == "h_conv1")
    page.mouse.click(*middle_of(page, ".live .gallery[data-name=h_conv1] .mosaic", layer, 5))
    expect(page.locator(".live .zoom")).to_be_visible()
    page.evaluate("location.hash = ''")
    page.evaluate("link => { location.hash = new URL(link).hash; }", link)
    expect(page.locator(".live .zoom")).to_be_hidden()


def test_text_to_copy_by_hand_is_hidden_with_the_menu(open_page):
    page = open_page()
    page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(Error('no')); }")
    click_download(page, "curl")
    expect(page.locator(".live .copy-text")).to_be_visible()
    page.keyboard.press("Escape")
    page.locator(".downloads summary").click()
    expect(page.locator('.downloads [value="curl"]')).to_be_visible()
    expect(page.locator(".live .copy-text")).to_be_hidden()


def test_bars_of_the_arithmetic_share_one_scale(open_page):
    page = open_page()
    page.locator(".show-sum").click()
    expect(page.locator(".live .terms tr")).to_have_count(11)
    numbers = [
        abs(float(text.replace("−", "-")))
        for text in page.locator(".terms .number").all_inner_texts()
    ]
    widths = [bar.bounding_box()["width"] for bar in page.locator(".terms .share i").all()]
    largest = max(numbers)
    for number, width in zip(numbers, widths):
        assert width == pytest.approx(max(1, max(widths) * number / largest), abs=1.5)
    assert numbers[-1] > 10 * numbers[0]  # the last is the sum of all smaller terms


@pytest.mark.parametrize("size", ["wide", "tablet", "phone"])
def test_captions_of_an_uploaded_picture_are_not_cut_off(open_page, size):
    page = open_page(size)
    page.get_by_role("tab", name="Picture").click()
    page.locator("input[type=file]:not(.file)").first.set_input_files(ROOT / "demo" / "digit.png")
    expect(page.locator(".still .best")).to_have_text("5")
    # Other captions may end in an ellipsis.
    cut = page.evaluate("""() => [...document.querySelectorAll(".still figcaption > *")]
      .filter((part) => !part.matches(".gallery:not(.h_fc1) .about"))
      .filter((part) => part.offsetParent && (part.scrollWidth > part.clientWidth + 1
        || part.getBoundingClientRect().bottom
          > part.parentElement.getBoundingClientRect().bottom + 1))
      .map((part) => [part.className, part.textContent, part.clientWidth, part.scrollWidth])""")
    assert cut == []
