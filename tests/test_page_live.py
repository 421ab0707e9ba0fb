"""The page's live connection in a real browser: used, lost, found again, and done without."""

import re
import time
import urllib.request

import pytest
from playwright.sync_api import Page, WebSocketRoute, expect

from demo import live as live_module
from tests.browser import draw
from tests.hand import strokes_of
from tests.line import Line
from tests.pages import run_page
from tests.proxy import Proxy
from tests.visit import NO_TOUR, REMEMBER, SIZES, touch

SOCKETS = "**/xray/live"


@pytest.fixture
def visit(browser):
    """Opens a page after something has been done to the context that it will be in."""
    contexts = []

    def visit(url: str, prepare=lambda page: None) -> Page:
        width, height = SIZES["wide"]
        context = browser.new_context(viewport={"width": width, "height": height})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.add_init_script(REMEMBER)
        page.add_init_script(NO_TOUR)
        page.lines, page.calls = [], []
        page.on("websocket", lambda line: page.lines.append(line))
        page.on("request", lambda r: "component_server" in r.url and page.calls.append(r))
        prepare(page)
        page.goto(url)
        page.locator(".live .winner").wait_for()
        return page

    yield visit
    for context in contexts:
        context.close()


def draw_and_read(page: Page, digit: int) -> None:
    touch(page, lambda: page.locator(".clear").click())
    touch(page, lambda: draw(page, strokes_of(digit), ".pad"))
    expect(page.locator(".live .best")).to_have_text(str(digit))


def test_drawings_go_over_one_connection_and_nothing_else(visit, page_url):
    page = visit(page_url)
    draw_and_read(page, 5)
    page.locator(".why").click()
    expect(page.locator(".live .overlay")).to_be_visible()
    assert len(page.lines) == 1
    assert page.calls == []


@pytest.mark.parametrize(("path", "has_upgrades"), [("/digits", True), ("", False)])
def test_through_a_proxy(visit, server, path, has_upgrades):
    with run_page(server.target, *([f"--root-path={path}"] if path else [])) as url:
        with Proxy(url, path, has_upgrades=has_upgrades) as through:
            page = visit(through)
            draw_and_read(page, 5)
            page.keyboard.press("w")
            expect(page.locator(".live .overlay")).to_be_visible()
            assert bool(page.calls) != has_upgrades
            page.close()


def test_a_page_with_a_password_is_for_those_who_have_it(visit, server, browser):
    with run_page(server.target, "--auth=ann:secret") as url:
        stranger = browser.new_page()
        stranger.goto(url)
        code = stranger.evaluate(
            """url => new Promise((done) => {
              new WebSocket(url).onclose = ({ code }) => done(code);
            })""",
            url.replace("http", "ws") + "xray/live",
        )
        assert code == 1006  # it never opened
        stranger.close()
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(f"{url}metrics", timeout=10)

        page = browser.new_page()
        page.goto(url)
        page.get_by_label("username").fill("ann")
        page.get_by_label("password").fill("secret")
        with page.expect_websocket() as opened:
            page.get_by_role("button", name="Login").click()
            expect(page.locator(".live .best")).to_have_text("3")
        assert not opened.value.is_closed()
        page.close()


def test_another_website_cannot_connect_to_a_page_on_this_machine(page_url, browser):
    page = browser.new_page()
    page.route("http://elsewhere.example/", lambda route: route.fulfill(body="<p>elsewhere</p>"))
    page.goto("http://elsewhere.example/")
    code = page.evaluate(
        """url => new Promise((done) => {
          const socket = new WebSocket(url);
          socket.onopen = () => done("open");
          socket.onclose = ({ code }) => done(code);
        })""",
        page_url.replace("http", "ws") + "xray/live",
    )
    page.close()
    assert code == 1006


def test_a_connection_that_drops_is_made_anew_without_a_word(visit, page_url):
    routes: list[WebSocketRoute] = []

    def connect(route: WebSocketRoute) -> None:
        route.connect_to_server()
        routes.append(route)

    page = visit(page_url, lambda page: page.route_web_socket(SOCKETS, connect))
    complaints = watch_notices(page)
    for digit in (5, 7):
        routes[-1].close()
        draw_and_read(page, digit)
    assert len(routes) == 3
    assert page.evaluate(complaints) == []
    assert page.calls == []


def test_a_connection_that_falls_silent_is_given_up(visit, page_url):
    """Nothing is lost: the drawing is read over another connection."""
    silent = []

    def connect(route: WebSocketRoute) -> None:
        far = route.connect_to_server()
        number = len(silent)
        silent.append(False)
        route.on_message(lambda message: None if silent[number] else far.send(message))

    page = visit(page_url, lambda page: page.route_web_socket(SOCKETS, connect))
    draw_and_read(page, 5)
    silent[0] = True
    page.keyboard.press("c")
    draw(page, strokes_of(7), ".pad")
    expect(page.locator(".live .notice")).to_have_text(re.compile("lost its server"))
    expect(page.locator(".live .best")).to_have_text("7")
    expect(page.locator(".live .notice")).to_be_hidden()
    assert len(silent) == 2


def test_a_page_that_is_full_says_so_and_lets_one_in_when_another_leaves(visit, page_url):
    full = [True]

    def connect(route: WebSocketRoute) -> None:
        if full:
            route.on_message(lambda _: route.close(code=live_module.TRY_AGAIN_LATER))
        else:
            route.connect_to_server()

    page = visit(page_url)
    page.route_web_socket(SOCKETS, connect)
    page.reload()
    expect(page.locator(".live .notice")).to_have_text(re.compile("as many visitors as it can"))
    assert page.calls == []  # which would have been no way round
    full.clear()
    expect(page.locator(".live .notice")).to_be_hidden()
    expect(page.locator(".live .best")).to_have_text("3")


def test_a_long_way_is_filled_with_drawings(visit, server):
    """Over 200 ms there and back, more drawings are shown than the five a second of one by one."""
    with run_page(server.target) as url:
        with Line(url.removeprefix("http://").rstrip("/"), delay=0.1) as line:
            page = visit(f"http://{line.target}/")
            page.evaluate("""() => {
              window.count = 0;
              addEventListener("shown", () => { window.count++; });
            }""")
            draw_and_read(page, 5)  # in which it learns how long the way is
            rates = []
            while not rates or (max(rates) <= 8 and len(rates) < 3):  # the machine may be busy
                page.locator(".clear").click()
                before, started = page.evaluate("count"), time.monotonic()
                draw(page, strokes_of(3), ".pad", 40)
                rates.append((page.evaluate("count") - before) / (time.monotonic() - started))
                expect(page.locator(".live .best")).to_have_text("3")
            page.close()
    assert max(rates) > 8, rates


def test_modules_of_another_time_are_not_had(page_url):
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(f"{page_url}xray/0123456789abcdef/main.js", timeout=10)


def test_a_page_whose_modules_are_gone_asks_to_be_loaded_again(browser, page_url):
    page = browser.new_page()
    page.route("**/xray/*/pad.js", lambda route: route.fulfill(status=404))
    page.goto(page_url)
    expect(page.locator(".live .notice")).to_have_text(re.compile("Reload it"))
    page.close()


def test_what_the_page_tells_prometheus(visit, page_url):
    def told() -> dict[str, float]:
        with urllib.request.urlopen(f"{page_url}metrics", timeout=10) as response:
            lines = response.read().decode().splitlines()
        return {n: float(v) for n, v in (s.rsplit(" ", 1) for s in lines if not s.startswith("#"))}

    def wait_until_alone() -> dict[str, float]:
        end = time.monotonic() + 10
        while (now := told())["layer_xray_visitors"]:  # of other tests, who are still leaving
            assert time.monotonic() < end
        return now

    looked = 'layer_xray_answer_seconds_count{ask="predict",outcome="answered"}'
    before = wait_until_alone()
    page = visit(page_url)
    draw_and_read(page, 5)
    after = told()
    assert after["layer_xray_visitors"] == 1
    assert after[looked] > before.get(looked, 0) + 10
    assert after["layer_xray_queued_drawings"] == 0
    page.close()
    wait_until_alone()


def watch_notices(page: Page) -> str:
    """Remembers what the page says is wrong; returns an expression for all of it."""
    page.evaluate("""() => {
      window.complaints = [];
      const notice = document.querySelector(".live .notice");
      new MutationObserver(() => {
        if (!notice.hidden) complaints.push(notice.textContent);
      }).observe(notice, { attributes: true });
    }""")
    return "complaints"
