"""The history grows while a network is trained: followed, picked from the curve, played."""

from functools import partial

import pytest
from playwright.sync_api import Page, expect

from model.learning_curve import Point
from model.live_run import LiveRun
from model.network import build_network
from model.saved_model import SavedModelWriter
from model.weights import RELEASED, load_snapshot
from serving.client import Client
from tests.forked import ForkedServer
from tests.pages import FAST_START, run_page
from tests.visit import touch

STEPS = [1, 2, 5, 10, 20]
FILM_MS = 60_000  # timeout: to train, load and show several versions
# Records each version that the page shows.
SHOWN = """
  window.shown = [];
  addEventListener("answer-shown", ({ detail: { answer } }) => {
    if (shown.at(-1) !== answer.version) shown.push(answer.version);
  });
"""


@pytest.fixture(scope="module")
def writer():
    network = build_network()
    load_snapshot(network, RELEASED / "1000.safetensors")
    return SavedModelWriter(network, feature_count=0)


def add(writer: SavedModelWriter, run: LiveRun, step: int) -> None:
    curve = [Point(s, 2.3 / s, 0.1 + s / 25) for s in STEPS if s <= step]
    options = {"temperature": 1.0, "version_offset": run.version_offset, "is_warmed": False}
    run.add(step, lambda folder: writer.write(folder, step, curve, **options))


def labels(page: Page) -> list[str]:
    return page.locator(".version").all_inner_texts()


def test_two_pages_follow_two_runs(open_page, newest_alone, writer):
    run = LiveRun(newest_alone, 1)
    with ForkedServer(newest_alone, flags=FAST_START) as server, run_page(server.target) as url:
        pages = [open_page(url=url), open_page(url=f"{url}#follow=1")]
        pages[0].evaluate("location.hash = 'follow=1'")
        for page, key in zip(pages, "47"):
            page.evaluate(SHOWN)
            touch(page, partial(page.keyboard.press, key))
            expect(page.locator(".live .best")).to_have_text(key)
        for step in STEPS[:3]:
            add(writer, run, step)
        expected = [run.version_offset + step for step in STEPS[:3]]
        with Client(server.target) as client:
            newest = None
            while newest != expected[-1]:  # drawing on skips no version
                newest = client.versions()[-1]
                for key in "17":
                    touch(pages[1], partial(pages[1].keyboard.press, key))
        for page in pages:
            page.wait_for_function(
                "last => shown.at(-1) === last", arg=expected[-1], timeout=FILM_MS
            )
            assert page.evaluate("shown.slice(-3)") == expected
            assert labels(page) == ["1", "2", "5"]  # the released version is of another run
            expect(page.locator(".learning-curve")).to_be_visible()
            expect(page.locator(".accuracy-value")).to_have_text("30.0%")
            expect(page.locator(".loss-value")).to_have_text("0.46")
        second = LiveRun(newest_alone, 2)
        add(writer, second, 10)
        for page in pages:
            page.wait_for_function("shown.at(-1) === 2000010", timeout=FILM_MS)
            expect(page.locator(".version")).to_have_text(["10"])
            expect(page.locator(".follow-training")).to_have_attribute("aria-pressed", "true")
            page.close()


def test_pointing_at_the_curve_picks_the_nearest_version(open_page):
    page = open_page()
    page.evaluate(SHOWN)
    plot = page.locator(".plot")
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    # 10 of 7,254 steps is at log 10 / log 7254 = 0.26 of the width.
    for fraction, version in ((0.3, 10), (0.02, 1), (0.55, 100), (1, 7254)):
        page.mouse.move(box["x"] + fraction * (box["width"] - 1), box["y"] + box["height"] / 2)
        page.wait_for_function("version => shown.at(-1) === version", arg=version)
    expect(page.locator(".accuracy-value")).to_have_text("99.7%")
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 0.3 * box["width"], middle)
    page.wait_for_function("shown.at(-1) === 10")
    page.mouse.move(0, 0)  # the pointer was only passing
    page.wait_for_function("shown.at(-1) === 7254")
    page.mouse.click(box["x"] + 0.3 * box["width"], middle)
    page.mouse.move(0, 0)
    page.wait_for_function("shown.at(-1) === 10")
    expect(page.locator('.version[aria-pressed="true"]')).to_have_text("10")


def test_following_does_not_end_when_the_pointer_crosses_the_curve(open_page):
    page = open_page()
    page.locator(".follow-training").click()
    page.locator(".plot").hover()
    expect(page.locator(".follow-training")).to_have_attribute("aria-pressed", "true")
    page.locator(".plot").click()
    expect(page.locator(".follow-training")).to_have_attribute("aria-pressed", "false")


def test_idle_pages_ask_for_versions_at_their_own_pace(open_page):
    """The pauses are random, so that the pages of a class do not ask at the same moment."""
    page = open_page()
    waits = page.evaluate("""async () => {
      const { setTimeout } = window;
      const waits = [];
      window.setTimeout = (callback, ms, ...args) => {
        if (ms >= 500 && ms <= 20_000) waits.push(ms);
        return setTimeout(callback, ms >= 500 && ms <= 20_000 ? 20 : ms, ...args);
      };
      document.querySelector(".follow-training").click();
      while (waits.filter((ms) => ms < 2300).length < 40) {
        await new Promise((done) => setTimeout(done, 10));
      }
      return waits;
    }""")
    pauses = [ms for ms in waits if 750 <= ms <= 2250]
    assert max(pauses) > 1900
    assert min(pauses) < 1100
