"""Each link of the lesson opens the view that the lesson describes."""

import re

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from tests.pages import ROOT

LESSON = (ROOT / "docs" / "lesson.md").read_text()
LINKS = dict(re.findall(r"\[([^\]]+)\]\(http://127\.0\.0\.1:7860/(#[^)]+)\)", LESSON))


def check_undecided(page: Page) -> None:
    expect(page.locator(".live .confidence")).to_have_text("not sure")
    scores = [score["value"] for score in page.evaluate("last.answer.scores")]
    assert all(0.4 < scores[digit] < 0.6 for digit in (1, 7))


def check_first_step(page: Page) -> None:
    expect(page.locator('.version[aria-pressed="true"]')).to_have_text("1")
    assert max(score["value"] for score in page.evaluate("last.answer.scores")) < 0.3


def check_following(page: Page) -> None:
    expect(page.locator(".follow-training")).to_have_attribute("aria-pressed", "true")


def check_map(index: int):
    def check(page: Page) -> None:
        expect(page.locator(".live .zoom .name")).to_have_text("Convolution 1 h_conv1")
        expect(page.locator(".live .zoom .readout")).to_have_text(f"map {index} of 0–31")
        expect(page.locator(".live .best")).to_have_text("4")

    return check


def check_seven(page: Page) -> None:
    expect(page.locator(".live .best")).to_have_text("7")


def check_challenge(first: str, second: str):
    def check(page: Page) -> None:
        expect(page.locator(".challenge .from")).to_have_value(first)
        expect(page.locator(".challenge .to")).to_have_value(second)

    return check


def check_kept_seven(page: Page) -> None:
    check_challenge("7", "1")(page)
    expect(page.locator(".keep-start")).to_be_enabled()  # the link brings the 7


def check_nonsense(page: Page) -> None:
    expect(page.locator(".challenge .kind")).to_have_value("nonsense")
    expect(page.locator(".challenge .rule p")).to_contain_text("at least 4 pieces")


CHECKS = {
    "1 or 7?": check_undecided,
    "a 4 after one step": check_first_step,
    "follow the training": check_following,
    "a map of vertical edges": check_map(9),
    "a map of horizontal edges": check_map(30),
    "a 7": check_seven,
    "challenge: 7 to 1": check_kept_seven,
    "1 to 7": check_challenge("1", "7"),
    "9 to 4": check_challenge("9", "4"),
    "challenge: nonsense": check_nonsense,
}


def test_each_link_has_a_check():
    assert LINKS.keys() == CHECKS.keys()


@pytest.mark.parametrize("is_loaded", [True, False], ids=["new page", "open page"])
def test_links_open_their_views(open_page, page_url, is_loaded):
    page = open_page()
    for index, (name, check) in enumerate(CHECKS.items()):
        query = f"?{index}" if is_loaded else "?__theme=light"  # another one loads the page
        before = 0 if is_loaded else page.evaluate("performance.now()")
        page.goto(f"{page_url}{query}{LINKS[name]}")
        page.wait_for_function("before => window.last?.askedAt > before", arg=before)
        check(page)
        is_challenge = "challenge=" in LINKS[name]
        assert page.locator(".live .challenge").is_visible() == is_challenge, name
        is_empty = is_challenge and "drawing=" not in LINKS[name]
        expect(page.locator(".live .best")).to_have_text("–" if is_empty else re.compile(r"[\d?]"))
        page.locator(".live .why").click()  # the next link ends it
        version = re.search(r"version=(\d+)", LINKS[name])
        if version:
            assert page.evaluate("last.answer.version") == int(version[1])


def test_layers_of_the_two_maps_light_up_along_upright_and_level_strokes(client):
    """By numpy: a bar lights up the map of its direction more than the other map."""
    upright = np.zeros((2, 28, 28), np.float32)
    upright[0, 4:24, 12:16] = 1
    upright[1] = upright[0].T
    maps = client.predict("serving_default", {"images": upright})["h_conv1"]
    strength = np.abs(maps[..., [9, 30]]).max(axis=(1, 2))  # [bars, maps]
    assert strength[0, 0] > strength[1, 0]
    assert strength[1, 1] > strength[0, 1]
