"""Lessons, tour and keyboard in a real browser."""

import re

from playwright.sync_api import expect

from tests.browser import draw
from tests.galleries import GALLERIES
from tests.hand import strokes_of
from tests.visit import SIZES, middle_of, touch

ASK = {
    "seen": ".live .seen .ask",
    "scores": ".live .sureness .ask",
    "unit": ".live .anatomy .ask",
}


def test_a_question_is_answered_where_it_arises(open_page):
    page = open_page("phone")
    said = set()
    for place in ("seen", "scores", *(layer.name for layer in GALLERIES), "unit"):
        if place == "unit":
            page.locator(".live .add-up").click()
        button = page.locator(ASK.get(place, f".live .gallery[data-name={place}] .ask"))
        button.scroll_into_view_if_needed()
        button.evaluate("button => button.scrollIntoView({ block: 'center' })")
        button.click()
        lesson = page.locator(".live .lesson")
        expect(lesson).to_be_visible()
        assert len(lesson.inner_text()) > 100
        said.add(lesson.inner_text())
        box = lesson.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= SIZES["phone"][0]
        assert box["y"] >= 0
        assert box["y"] + box["height"] <= SIZES["phone"][1]
        page.keyboard.press("Escape")
        expect(lesson).to_be_hidden()
    assert len(said) == 3 + len(GALLERIES)
    expect(page.locator(".live .zoom")).to_be_visible()  # Escape was the lesson's alone


def test_a_first_visit_is_guided_and_doing_leads_on(open_page):
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
    expect(page.locator(".toured")).to_have_count(0)
    page.reload()
    expect(page.locator(".live .winner")).to_have_count(1)
    expect(card).to_be_hidden()  # once is enough
    page.locator(".start-tour").click()  # unless it is asked for
    expect(count).to_have_text("1 of 6")
    page.locator(".tour .end").click()
    expect(card).to_be_hidden()


def test_the_tour_never_covers_the_pad(open_page):
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


def test_all_of_it_by_keyboard(open_page):
    """From the pad through map and unit to an explanation, without a pointer."""
    page = open_page()
    touch(page, lambda: page.keyboard.press("6"))
    mosaic = page.locator(".live .gallery[data-name=h_conv2] .mosaic")
    mosaic.focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowDown"):  # the first goes to map 0
        page.keyboard.press(key)
    readout = page.locator(".live .gallery[data-name=h_conv2] .readout")
    expect(readout).to_have_text("map 17 of 0–63")
    expect(page.locator(".live .lens")).to_have_text(
        re.compile("h_conv2 map 17: .*row 7, column 7")
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
    expect(page.locator(".live .anatomy .unit")).to_have_text(re.compile("^strongest unit"))
    page.keyboard.press("ArrowUp")
    expect(page.locator(".live .anatomy .unit")).to_have_text(re.compile("^chosen unit"))
    page.keyboard.press("Escape")
    expect(mosaic).to_be_focused()
    page.locator(".live .score >> nth=6").press("Enter")
    expect(page.locator(".live .because >> nth=0")).to_have_text("speaks for 6 against 6")


def test_who_asked_for_less_motion_gets_a_slower_film(browser, page_url):
    def frame(motion: str) -> float:
        context = browser.new_context(reduced_motion=motion)
        page = context.new_page()
        page.add_init_script(
            "const set = setInterval; window.every = [];"
            "window.setInterval = (turn, ms) => { every.push(ms); return set(turn, ms); };"
        )
        page.goto(page_url)
        expect(page.locator(".live .version").first).to_be_visible()
        page.locator(".play").click()
        times = page.evaluate("every")
        context.close()
        return times[-1]  # the film's, which has just begun

    assert frame("reduce") > 2 * frame("no-preference")
