"""Lessons, tour and keyboard in a browser."""

import re

from playwright.sync_api import expect

from tests.browser import draw
from tests.galleries import GALLERIES
from tests.hand import strokes_of
from tests.visit import SIZES, middle_of, touch

HELP = {
    "input": ".live .network-input .help",
    "scores": ".live .confidence-row .help",
    "colours": ".live .legend .help",
    "unit": ".live .arithmetic .help",
}


def test_every_help_button_opens_its_own_lesson(open_page):
    page = open_page("phone")
    texts = set()
    for topic in ("input", "scores", *(layer.name for layer in GALLERIES), "colours", "unit"):
        if topic == "unit":
            page.locator(".live .show-sum").click()
        button = page.locator(HELP.get(topic, f".live .gallery[data-name={topic}] .help"))
        button.scroll_into_view_if_needed()
        button.evaluate("button => button.scrollIntoView({ block: 'center' })")
        button.click()
        lesson = page.locator(".live .lesson")
        expect(lesson).to_be_visible()
        assert len(lesson.inner_text()) > 100
        texts.add(lesson.inner_text())
        box = lesson.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= SIZES["phone"][0]
        assert box["y"] >= 0
        assert box["y"] + box["height"] <= SIZES["phone"][1]
        page.keyboard.press("Escape")
        expect(lesson).to_be_hidden()
    assert len(texts) == 4 + len(GALLERIES)
    expect(page.locator(".live .zoom")).to_be_visible()  # Escape closed only the lesson


def test_tour_starts_on_the_first_visit_and_follows_actions(open_page):
    page = open_page(tour=True)
    card, count = page.locator(".live .tour"), page.locator(".live .tour .count")
    expect(count).to_have_text("1 of 6")
    draw(page, strokes_of(2), ".pad")  # the pen is not blocked
    expect(page.locator(".live .best")).to_have_text("2")
    expect(count).to_have_text("2 of 6")
    page.locator(".tour .next").click()
    expect(count).to_have_text("3 of 6")
    page.locator(".tour .next").click()
    layer = GALLERIES[2]
    mosaic = f".live .gallery[data-name={layer.name}] .mosaic"
    expect(count).to_have_text("4 of 6")
    page.mouse.click(*middle_of(page, mosaic, layer, 20))
    expect(count).to_have_text("5 of 6")
    page.locator(".live .why").click()
    expect(count).to_have_text("6 of 6")
    page.locator(".tour .back").click()
    expect(count).to_have_text("5 of 6")
    page.locator(".tour .next").click()
    page.locator(".live .version >> nth=0").click()
    expect(card).to_be_hidden()
    expect(page.locator(".tour-target")).to_have_count(0)
    page.reload()
    expect(page.locator(".live .winner")).to_have_count(1)
    expect(card).to_be_hidden()  # the tour starts only once
    page.locator(".start-tour").click()  # unless it is requested
    expect(count).to_have_text("1 of 6")
    page.locator(".tour .end").click()
    expect(card).to_be_hidden()


def test_tour_never_covers_the_pad(open_page):
    for size in SIZES:
        page = open_page(size, tour=True)
        card = page.locator(".live .tour")
        pad = page.locator(".pad").bounding_box()
        for _ in range(6):
            box = card.bounding_box()
            beside = box["x"] >= pad["x"] + pad["width"] or box["x"] + box["width"] <= pad["x"]
            apart = box["y"] >= pad["y"] + pad["height"] or box["y"] + box["height"] <= pad["y"]
            assert beside or apart, size
            page.locator(".tour .next").click()
        page.close()


def test_everything_works_with_the_keyboard(open_page):
    """From the pad to a map, a unit and an explanation, without a pointer."""
    page = open_page()
    touch(page, lambda: page.keyboard.press("6"))
    mosaic = page.locator(".live .gallery[data-name=h_conv2] .mosaic")
    mosaic.focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowDown"):  # the first goes to map 0
        page.keyboard.press(key)
    readout = page.locator(".live .gallery[data-name=h_conv2] .readout")
    expect(readout).to_have_text("map 17 of 0–63")
    expect(page.locator(".live .lens")).to_have_text(
        re.compile(r"h_conv2 map 17 \(.*row 7, column 7")
    )
    page.keyboard.press("Shift+ArrowUp")
    expect(page.locator(".live .lens")).to_have_text(re.compile("row 6, column 7"))
    page.keyboard.press("Enter")
    expect(page.locator(".live .zoom .readout")).to_have_text("map 17 of 0–63")
    expect(page.locator(".live .zoom .close")).to_be_focused()
    page.keyboard.press("ArrowLeft")
    expect(page.locator(".live .zoom .readout")).to_have_text("map 16 of 0–63")
    page.keyboard.press("Tab")
    expect(page.locator(".live .large")).to_be_focused()
    expect(page.locator(".live .arithmetic .unit")).to_have_text(re.compile("^strongest unit"))
    page.keyboard.press("ArrowUp")
    expect(page.locator(".live .arithmetic .unit")).to_have_text(re.compile("^chosen unit"))
    page.keyboard.press("Escape")
    expect(mosaic).to_be_focused()
    page.locator(".live .score >> nth=6").press("Enter")
    expect(page.locator(".live .explanation-legend >> nth=0")).to_have_text("for 6 against 6")


def test_history_plays_slower_with_reduced_motion(browser, page_url):
    def frame_ms(motion: str) -> float:
        context = browser.new_context(reduced_motion=motion)
        page = context.new_page()
        page.add_init_script(
            "const set = setInterval; window.intervals = [];"
            "window.setInterval = (f, ms) => { intervals.push(ms); return set(f, ms); };"
        )
        page.goto(page_url)
        expect(page.locator(".live .version").first).to_be_visible()
        page.locator(".play").click()
        intervals = page.evaluate("intervals")
        context.close()
        return intervals[-1]  # the one that play has just started

    assert frame_ms("reduce") > 2 * frame_ms("no-preference")
