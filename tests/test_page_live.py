"""The page's WebSocket in a browser: used, lost, reopened, and replaced by Gradio's calls."""

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
    """Opens a page, after `prepare` has changed it."""
    contexts = []

    def visit(url: str, prepare=lambda page: None) -> Page:
        width, height = SIZES["wide"]
        context = browser.new_context(viewport={"width": width, "height": height})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.add_init_script(REMEMBER)
        page.add_init_script(NO_TOUR)
        page.sockets, page.calls = [], []
        page.on("websocket", lambda socket: page.sockets.append(socket))
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


def test_drawings_use_only_one_connection(visit, page_url):
    page = visit(page_url)
    draw_and_read(page, 5)
    page.locator(".why").click()
    expect(page.locator(".live .overlay")).to_be_visible()
    assert len(page.sockets) == 1
    assert page.calls == []


@pytest.mark.parametrize(("path", "has_upgrades"), [("/digits", True), ("", False)])
def test_page_works_behind_a_proxy(visit, server, path, has_upgrades):
    with run_page(server.target, *([f"--root-path={path}"] if path else [])) as url:
        with Proxy(url, path, has_upgrades=has_upgrades) as proxy_url:
            page = visit(proxy_url)
            draw_and_read(page, 5)
            page.keyboard.press("w")
            expect(page.locator(".live .overlay")).to_be_visible()
            assert bool(page.calls) != has_upgrades
            page.close()


def test_page_with_a_password_rejects_others(visit, server, browser):
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


def test_other_origins_cannot_connect(page_url, browser):
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


def test_lost_connection_is_reopened_without_a_notice(visit, page_url):
    routes: list[WebSocketRoute] = []

    def connect(route: WebSocketRoute) -> None:
        route.connect_to_server()
        routes.append(route)

    page = visit(page_url, lambda page: page.route_web_socket(SOCKETS, connect))
    notices = watch_notices(page)
    for digit in (5, 7):
        routes[-1].close()
        draw_and_read(page, digit)
    assert len(routes) == 3
    assert page.evaluate(notices) == []
    assert page.calls == []


def test_silent_connection_is_replaced(visit, page_url):
    """The drawing is predicted over another connection."""
    silent = []

    def connect(route: WebSocketRoute) -> None:
        server = route.connect_to_server()
        number = len(silent)
        silent.append(False)
        route.on_message(lambda message: None if silent[number] else server.send(message))

    page = visit(page_url, lambda page: page.route_web_socket(SOCKETS, connect))
    draw_and_read(page, 5)
    silent[0] = True
    page.keyboard.press("c")
    draw(page, strokes_of(7), ".pad")
    expect(page.locator(".live .notice")).to_have_text(
        re.compile("connection to the page server is lost")
    )
    expect(page.locator(".live .best")).to_have_text("7")
    expect(page.locator(".live .notice")).to_be_hidden()
    assert len(silent) == 2


def test_full_page_shows_a_notice_until_there_is_room(visit, page_url):
    is_full = [True]

    def connect(route: WebSocketRoute) -> None:
        if is_full:
            route.on_message(lambda _: route.close(code=live_module.TRY_AGAIN_LATER))
        else:
            route.connect_to_server()

    page = visit(page_url)
    page.route_web_socket(SOCKETS, connect)
    page.reload()
    expect(page.locator(".live .notice")).to_have_text(re.compile("Too many people"))
    assert page.calls == []  # Gradio's calls do not bypass the limit
    is_full.clear()
    expect(page.locator(".live .notice")).to_be_hidden()
    expect(page.locator(".live .best")).to_have_text("3")


def test_slow_network_has_several_drawings_in_flight(visit, server):
    """With a round trip of 200 ms, one request at a time allows five predictions per second."""
    with run_page(server.target) as url:
        with Line(url.removeprefix("http://").rstrip("/"), delay=0.1) as line:
            page = visit(f"http://{line.target}/")
            page.evaluate("""() => {
              window.count = 0;
              addEventListener("answer-shown", () => { window.count++; });
            }""")
            draw_and_read(page, 5)  # measures the round trip
            rates = []
            while not rates or (max(rates) <= 8 and len(rates) < 3):  # the machine may be busy
                page.locator(".clear").click()
                before, started = page.evaluate("count"), time.monotonic()
                draw(page, strokes_of(3), ".pad", 40)
                rates.append((page.evaluate("count") - before) / (time.monotonic() - started))
                expect(page.locator(".live .best")).to_have_text("3")
            page.close()
    assert max(rates) > 8, rates


def test_modules_of_another_release_are_not_found(page_url):
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(f"{page_url}xray/0123456789abcdef/main.js", timeout=10)


def test_page_asks_to_be_reloaded_if_its_modules_are_gone(browser, page_url):
    page = browser.new_page()
    page.route("**/xray/*/pad.js", lambda route: route.fulfill(status=404))
    page.goto(page_url)
    expect(page.locator(".live .notice")).to_have_text(re.compile("Reload the page"))
    page.close()


def test_metrics_count_visitors_and_predictions(visit, page_url):
    def read_metrics() -> dict[str, float]:
        with urllib.request.urlopen(f"{page_url}metrics", timeout=10) as response:
            lines = response.read().decode().splitlines()
        return {n: float(v) for n, v in (s.rsplit(" ", 1) for s in lines if not s.startswith("#"))}

    def wait_for_no_visitors() -> dict[str, float]:
        end = time.monotonic() + 10
        while (now := read_metrics())[
            "layer_xray_visitors"
        ]:  # visitors of other tests may still be leaving
            assert time.monotonic() < end
        return now

    predictions = 'layer_xray_answer_seconds_count{ask="predict",outcome="answered"}'
    before = wait_for_no_visitors()
    page = visit(page_url)
    draw_and_read(page, 5)
    after = read_metrics()
    assert after["layer_xray_visitors"] == 1
    assert after[predictions] > before.get(predictions, 0) + 10
    assert after["layer_xray_queued_drawings"] == 0
    page.close()
    wait_for_no_visitors()


def watch_notices(page: Page) -> str:
    """Records the notices of the page; returns the JavaScript expression of the list."""
    page.evaluate("""() => {
      window.notices = [];
      const notice = document.querySelector(".live .notice");
      new MutationObserver(() => {
        if (!notice.hidden) notices.push(notice.textContent);
      }).observe(notice, { attributes: true });
    }""")
    return "notices"
