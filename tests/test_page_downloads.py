"""Permanent links and downloads in a browser."""

import re

import numpy as np
from PIL import Image
from playwright.sync_api import Page, expect

from tests.browser import draw
from tests.galleries import GALLERIES
from tests.hand import strokes_of
from tests.pictures import read_sheet
from tests.visit import ask_anew, click_download, copied, probabilities_of, touch


def view(page: Page) -> dict:
    """Returns what the page displays, once it is up to date."""
    page.wait_for_function("last.askedAt >= drawnAt")
    zoom = page.locator(".live .zoom")
    return {
        "answer": page.evaluate("last.answer"),
        "version": page.locator('.version[aria-pressed="true"]').get_attribute("value"),
        "open": zoom.locator(".name").text_content() + zoom.locator(".readout").text_content()
        if zoom.is_visible()
        else None,
    }


def test_link_opens_the_same_view(open_page, client):
    page = open_page()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.locator(".clear").click()
    draw(page, strokes_of(5), ".pad")
    page.keyboard.press("e")
    touch(page, lambda: draw(page, [[(0.2, 0.2), (0.4, 0.3)]], ".pad"))
    version = client.versions()[-2]
    ask_anew(page, page.locator(f'.version[value="{version}"]').click)
    page.locator(".live .gallery[data-name=h_conv2] .mosaic").click(position={"x": 300, "y": 60})
    expected = view(page)
    assert expected["open"]
    link = copied(page, "link")
    other = open_page("wide", "dark", url=link)
    expect(other.locator(".live .zoom")).to_be_visible()
    assert view(other) == expected


def test_broken_link_opens_as_a_first_visit(open_page, page_url):
    for drawing in ("%%%", "AAAA", "oAEA____________________________AQ", "_" * 2000):
        page = open_page(url=f"{page_url}#drawing={drawing}&map=nowhere.7&version=x")
        expect(page.locator(".live .best")).to_have_text("3")
        page.close()


def test_link_to_a_missing_map_opens_none(open_page):
    page = open_page()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    touch(page, lambda: page.keyboard.press("7"))
    link = copied(page, "link")
    for view in ("nowhere.7", "h_conv1.32", "h_conv1.x", "h_conv1"):
        other = open_page(url=f"{link}&map={view}")
        expect(other.locator(".live .best")).to_have_text("7")
        expect(other.locator(".live .zoom")).to_be_visible(visible=view == "h_conv1")
        other.close()
    other = open_page(url=f"{link}&map=h_conv1.3.-1.x")  # the map exists, the unit does not
    expect(other.locator(".live .unit")).to_have_text(re.compile("^strongest unit"))


def test_link_holds_the_chosen_unit_until_the_drawing_changes(open_page):
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


def test_text_is_shown_if_copying_is_forbidden(open_page):
    page = open_page()
    page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(new Error()); }")
    click_download(page, "curl")
    expect(page.locator(".copy-text")).to_have_value(re.compile("^curl -s "))


def test_downloads_contain_the_activations(open_page):
    page = open_page()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    answer = touch(page, lambda: page.keyboard.press("6"))
    assert copied(page, "curl").startswith('curl -s -d \'{"signature_name": "classify"')
    with page.expect_download() as saved:
        page.locator('.downloads [value="npz"]').click()
    with np.load(saved.value.path()) as file:
        np.testing.assert_allclose(file["probabilities"], probabilities_of(answer), rtol=1e-5)
        assert file["h_conv2"].shape == (14, 14, 64)
    with page.expect_download() as saved:
        page.locator('.downloads [value="picture"]').click()
    picture = np.asarray(Image.open(saved.value.path()).convert("RGB"))
    layer = GALLERIES[0]
    first = layer.map_on(read_sheet(answer["sheet"]), 0)[:, :, :3]
    shown = picture[60 : 60 + 2 * 28 : 2, 24 : 24 + 2 * 28 : 2]
    np.testing.assert_array_equal(shown, first)
    page.keyboard.press("Escape")
    expect(page.locator(".downloads .menu")).to_be_hidden()
