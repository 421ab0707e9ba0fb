"""What can be taken along from the page, in a real browser."""

import re

import numpy as np
from PIL import Image
from playwright.sync_api import Page, expect

from tests.browser import draw
from tests.galleries import GALLERIES
from tests.hand import strokes_of
from tests.pictures import read_sheet
from tests.visit import ask_anew, copied, probabilities_of, take, touch


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


def test_a_link_opens_the_same_view_elsewhere(open_page, client):
    page = open_page()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.locator(".clear").click()
    draw(page, strokes_of(5), ".pad")
    page.keyboard.press("e")
    touch(page, lambda: draw(page, [[(0.2, 0.2), (0.4, 0.3)]], ".pad"))
    version = client.versions()[-2]
    ask_anew(page, page.locator(f'.version[value="{version}"]').click)
    page.locator(".live .gallery[data-name=h_conv2] .mosaic").click(position={"x": 300, "y": 60})
    seen = view(page)
    assert seen["open"]
    link = copied(page, "link")
    other = open_page("wide", "dark", url=link)
    expect(other.locator(".live .zoom")).to_be_visible()
    assert view(other) == seen


def test_a_link_that_is_broken_is_a_first_visit(open_page, page_url):
    for drawing in ("%%%", "AAAA", "oAEA____________________________AQ", "_" * 2000):
        page = open_page(url=f"{page_url}#drawing={drawing}&map=nowhere.7&version=x")
        expect(page.locator(".live .best")).to_have_text("3")
        page.close()


def test_a_link_to_a_map_that_there_is_not_opens_none(open_page):
    page = open_page()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    touch(page, lambda: page.keyboard.press("7"))
    link = copied(page, "link")
    for view in ("nowhere.7", "h_conv1.32", "h_conv1.x", "h_conv1"):
        other = open_page(url=f"{link}&map={view}")
        expect(other.locator(".live .best")).to_have_text("7")
        expect(other.locator(".live .zoom")).to_be_visible(visible=view == "h_conv1")
        other.close()
    other = open_page(url=f"{link}&map=h_conv1.3.-1.x")  # a map, but not such a unit
    expect(other.locator(".live .unit")).to_have_text(re.compile("^strongest unit"))


def test_a_link_holds_the_chosen_unit_until_the_drawing_is_another(open_page):
    page = open_page()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    touch(page, lambda: page.keyboard.press("7"))
    page.locator(".live .gallery[data-name=h_conv2] .mosaic").click(position={"x": 300, "y": 60})
    page.locator(".live .large").click(position={"x": 100, "y": 120})
    unit = page.locator(".live .unit")
    expect(unit).to_have_text(re.compile("^chosen unit"))
    other = open_page("phone", url=copied(page, "link"))
    expect(other.locator(".live .unit")).to_have_text(unit.inner_text())
    assert "#drawing=" in other.url
    touch(other, lambda: other.keyboard.press("1"))
    assert "#" not in other.url


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
        np.testing.assert_allclose(file["probabilities"], probabilities_of(answer), rtol=1e-5)
        assert file["h_conv2"].shape == (14, 14, 64)
    with page.expect_download() as saved:
        page.locator('.take [value="picture"]').click()
    picture = np.asarray(Image.open(saved.value.path()).convert("RGB"))
    layer = GALLERIES[0]
    first = layer.map_on(read_sheet(answer["sheet"]), 0)[:, :, :3]
    shown = picture[60 : 60 + 2 * 28 : 2, 24 : 24 + 2 * 28 : 2]
    np.testing.assert_array_equal(shown, first)
    page.keyboard.press("Escape")
    expect(page.locator(".take .menu")).to_be_hidden()
