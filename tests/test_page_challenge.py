"""The challenges in a browser, won against the released network."""

import json
import re

from playwright.sync_api import Page, expect

from tests.browser import draw
from tests.hand import strokes_of
from tests.visit import touch

BAR = [[(0.1 + 0.01 * i, 0.235) for i in range(41)]]  # along the level stroke of the sample 7
# Loose strokes that people do not take for a digit; the network is sure of one.
NONSENSE = [
    *([(0.48, 0.43), (0.51, 0.56)], [(0.3, 0.63), (0.22, 0.74)], [(0.28, 0.34), (0.16, 0.39)]),
    *([(0.43, 0.65), (0.37, 0.76)], [(0.78, 0.61), (0.66, 0.66)]),
]
BEST = re.compile(r"^Best try: (2\d\.\d%) changed$")  # depends on the pad's size
STORED = "localStorage.getItem('layer-xray-challenges')"


def status(page: Page):
    return page.locator(".challenge .status")


def erase_bar(page: Page) -> None:
    page.locator(".live .eraser").click()
    page.locator(".live .size").fill("16")
    touch(page, lambda: draw(page, BAR, ".pad"))


def expect_win(page: Page) -> str:
    """Waits for a win that is the best try, and returns its text."""
    best = page.locator(".best-try span")
    expect(best).to_have_text(BEST)
    [change] = BEST.findall(best.inner_text())
    expect(status(page)).to_have_text(
        f"You fooled it! With {change} of the ink changed, it is sure that this is 1."
    )
    expect(page.locator(".live .best")).to_have_text("1")
    return best.inner_text()


def test_seven_becomes_a_one(open_page, page_url):
    sent = []
    page = open_page(url=f"{page_url}#challenge=7-1")
    page.on("request", lambda request: sent.append(request.url))
    page.evaluate("""() => {
      window.questions = [];
      const send = WebSocket.prototype.send;
      WebSocket.prototype.send = function (data) {
        window.questions.push(JSON.parse(new TextDecoder().decode(data).split("\\n")[0]).ask);
        return send.call(this, data);
      };
    }""")
    expect(status(page)).to_have_text("First draw 7 so that the network is sure of it.")
    expect(page.locator(".keep-start")).to_be_disabled()
    touch(page, lambda: page.keyboard.press("1"))
    expect(page.locator(".keep-start")).to_be_disabled()
    touch(page, lambda: page.keyboard.press("7"))
    expect(status(page)).to_have_text("The network is sure that this is 7. Press “This is my 7”.")
    page.locator(".keep-start").click()
    expect(status(page)).to_contain_text("Now change it")
    expect(page.locator(".keep-start")).to_be_disabled()
    touch(page, lambda: draw(page, strokes_of(7), ".pad"))  # another 7 may be kept instead
    page.locator(".keep-start").click()
    expect(status(page)).to_contain_text("Now change it")
    touch(page, lambda: page.keyboard.press("7"))
    page.locator(".keep-start").click()
    expect(page.locator(".best-try")).to_be_hidden()
    touch(page, lambda: page.keyboard.press("1"))  # redrawing it does not count
    expect(status(page)).to_contain_text("Undo some of it: at most 35% may change.")
    page.locator(".start-again").click()
    erase_bar(page)
    expect_win(page)
    page.locator(".why-not").click()
    expect(page.locator(".live .explanation-legend")).to_contain_text("against 1")
    assert set(page.evaluate("questions")) <= {"predict", "repaint", "explain", "history"}
    assert sent == []


def test_best_try_is_kept_on_the_device(open_page, page_url):
    page = open_page(url=f"{page_url}#challenge=7-1")
    touch(page, lambda: page.keyboard.press("7"))
    page.locator(".keep-start").click()
    erase_bar(page)
    text = expect_win(page)
    page.reload()
    best = page.locator(".best-try span")
    expect(best).to_have_text(text)
    touch(page, lambda: page.keyboard.press("7"))
    page.locator(".keep-start").click()
    page.locator(".version >> nth=0").click()  # another version is another opponent
    expect(page.locator(".best-try")).to_be_hidden()
    expect(status(page)).to_contain_text("First draw")
    page.locator(".version >> nth=-1").click()
    expect(best).to_be_visible()
    touch(page, page.locator(".show-best").click)
    assert expect_win(page) == text
    touch(page, page.locator(".start-again").click)  # the start is kept with it
    expect(page.locator(".live .best")).to_have_text("7")
    page.locator(".forget-best").click()
    expect(page.locator(".best-try")).to_be_hidden()
    assert json.loads(page.evaluate(STORED)) == []


def test_address_keeps_the_challenge_and_its_version_until_it_is_closed(open_page, page_url):
    page = open_page(url=f"{page_url}#challenge=7-1&version=1000")
    expect(status(page)).to_contain_text("First draw")
    touch(page, lambda: page.keyboard.press("7"))
    assert page.evaluate("location.hash") == "#challenge=7-1&version=1000"
    page.locator(".follow-training").click()
    touch(page, lambda: page.keyboard.press("8"))
    assert "follow=1" in page.evaluate("location.hash")
    page.locator(".follow-training").click()
    page.locator(".close-challenge").click()
    assert page.evaluate("location.hash") == ""


def test_network_is_sure_of_nonsense(open_page):
    page = open_page()
    page.locator(".open-challenge").click()
    touch(page, lambda: page.keyboard.press("7"))  # the focus is in the card, and keys still work
    expect(status(page)).to_have_text("The network is sure that this is 7. Press “This is my 7”.")
    page.locator(".challenge .kind").select_option("nonsense")
    page.locator(".clear").click()
    expect(status(page)).to_have_text("The pad is empty.")
    touch(page, lambda: draw(page, NONSENSE[:1], ".pad"))
    expect(status(page)).to_have_text("1 separate piece of ink is not enough.")
    touch(page, lambda: draw(page, NONSENSE[1:], ".pad"))
    won = re.compile(r"^You fooled it! It is 9\d\.\d% sure that this is \d\.$")
    expect(status(page)).to_have_text(won)
    expect(page.locator(".best-try span")).to_contain_text("Best try: 9")
    page.locator(".challenge .kind").press("Escape")
    expect(page.locator(".challenge")).to_be_hidden()
    expect(page.locator(".open-challenge")).to_be_focused()


def test_stored_garbage_does_no_harm(open_page, page_url):
    page = open_page(url=f"{page_url}#challenge=7-1")
    version = page.locator('.version[aria-pressed="true"]').get_attribute("value")
    of = f"7-1 mnist {version}"
    for garbage in ("{", "7", '[null, 7, {"of": 1}]', json.dumps([{"of": of, "figure": "1"}]),
                    json.dumps([{"of": of, "figure": 0.2, "drawing": "%%%"}])):  # fmt: skip
        page.evaluate("garbage => localStorage.setItem('layer-xray-challenges', garbage)", garbage)
        for digit in ("2", "1"):
            page.locator(".challenge .to").select_option(digit)
        touch(page, lambda: page.keyboard.press("8"))
        touch(page, lambda: page.keyboard.press("7"))
        expect(status(page)).to_contain_text("Press “This is my 7”.")
        expect(page.locator(".best-try")).to_be_hidden()
