"""The page in a real browser when something goes wrong: what it says, and that it goes on."""

import base64
import json
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import numpy as np
import pytest
from anyio.from_thread import start_blocking_portal
from gradio_client import Client as GradioClient
from gradio_client import handle_file
from playwright.sync_api import Page, Route, expect
from tensorflow_serving.apis.get_model_metadata_pb2 import GetModelMetadataResponse
from tensorflow_serving.apis.predict_pb2 import PredictResponse

from demo.answers import AWAY, BUSY, FAILED, Answers, Question
from demo.metrics import Metrics
from demo.render import render_grid
from serving.client import Client
from serving.local import LocalServer, find_free_port
from tests.browser import draw
from tests.galleries import GALLERIES
from tests.hand import strokes_of
from tests.pages import ROOT, run_page
from tests.test_client import OtherServer
from tests.visit import (
    NO_TOUR,
    REMEMBER,
    SIZES,
    ask_anew,
    copied,
    forbid_live,
    middle_of,
    take,
    touch,
)

NOTHING_MORE_MS = 2000  # a page that asked again would have done so several times
REFUSED = {"error": "The model server refused this.", "final": True}


@pytest.fixture
def visit(browser) -> Iterator[Callable[[str], Page]]:
    """Opens a page whose questions go through Gradio, where they can be answered otherwise.

    Nothing is asked of its console: a browser complains there of lost servers.
    """
    contexts = []

    def visit(url: str) -> Page:
        width, height = SIZES["wide"]
        context = browser.new_context(viewport={"width": width, "height": height})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.add_init_script(REMEMBER)
        forbid_live(page)
        page.add_init_script(NO_TOUR)
        # An interception that begins on a loaded page may miss the next request; this one begins
        # before, and those of tests join it.
        page.route("**/nothing", lambda route: route.fallback())
        page.goto(url)
        return page

    yield visit
    for context in contexts:
        context.close()


def intercept(page: Page, function: str, answer: Callable[[Route], object]) -> list[dict]:
    """Has a function of the page's server answered otherwise, unless `answer` returns None.

    Returns:
        What the page has asked of it, as it comes.
    """
    asked = []

    def handle(route: Route) -> None:
        content = route.request.post_data_json
        if content["data"]["ask"] != function:
            return route.fallback()
        asked.append(content["data"])
        told = answer(route)
        if told is None:
            return route.fallback()
        return route.fulfill(body=json.dumps(told), content_type="application/json")

    page.route("**/component_server/", handle)
    return asked


def notice(page: Page):
    return page.locator(".live .notice")


def test_a_picture_that_does_not_decode_stops_nothing(visit, page_url):
    page = visit(page_url)
    expect(page.locator(".live .winner")).to_have_count(1)
    broken = {"label": 3, "picture": "data:image/png;base64,AAAA", "field": [0, 0, 1, 1]}
    answers = [broken]
    intercept(page, "explain", lambda _: answers.pop() if answers else None)
    page.keyboard.press("w")
    page.wait_for_function("document.querySelector('.why').ariaPressed === 'true'")
    expect(page.locator(".live .overlay")).to_be_hidden()
    while answers:  # until the page has had it
        page.wait_for_timeout(50)
    touch(page, lambda: page.keyboard.press("7"))
    expect(page.locator(".live .overlay")).to_be_visible()


def test_a_sheet_that_does_not_decode_is_said_and_the_next_one_is_shown(visit, page_url):
    page = visit(page_url)
    expect(page.locator(".live .winner")).to_have_count(1)
    answers = [{**page.evaluate("last.answer"), "sheet": "data:image/png;base64,AAAA"}]
    intercept(page, "predict", lambda _: answers[0] if answers else None)
    page.keyboard.press("7")
    expect(notice(page)).to_contain_text("could not be shown")
    answers.clear()
    page.keyboard.press("4")
    expect(notice(page)).to_be_hidden()
    expect(page.locator(".live .best")).to_have_text("4")


def test_what_stays_forgotten_does_not_stop_the_arithmetic(visit, page_url):
    page = visit(page_url)
    expect(page.locator(".live .winner")).to_have_count(1)
    forgetting = [True]
    intercept(page, "decompose_unit", lambda _: {"expired": True} if forgetting else None)
    page.locator(".add-up").click()
    expect(page.locator(".live .sum")).to_contain_text("no longer has this drawing")
    forgetting.clear()
    expect(page.locator(".live .sum .total")).to_be_visible()


def test_a_login_that_has_ended_leads_to_the_login_and_the_drawing_comes_along(visit, server):
    port = find_free_port()

    def log_in(page: Page) -> None:
        page.get_by_label("username").fill("ann")
        page.get_by_label("password").fill("secret")
        page.get_by_role("button", name="Login").click()

    with run_page(server.target, "--auth=ann:secret", port=port) as url:
        page = visit(url)
        log_in(page)
        expect(page.locator(".live .best")).to_have_text("3")
    with run_page(server.target, "--auth=ann:secret", port=port):
        page.keyboard.press("c")
        draw(page, strokes_of(7), ".pad")
        expect(notice(page)).to_contain_text("asks for your password again")
        page.get_by_role("button", name="Log in again").click()
        log_in(page)
        expect(page.locator(".live .best")).to_have_text("7")
        expect(notice(page)).to_be_hidden()
        page.close()


def test_a_version_that_comes_while_the_page_is_open(open_page, base_path, tmp_path):
    first, second, third, *_ = sorted(int(path.name) for path in base_path.iterdir())
    served = tmp_path / "mnist"

    def add(version: int) -> None:
        shutil.copytree(base_path / str(version), tmp_path / "copying")
        (tmp_path / "copying").rename(served / str(version))

    served.mkdir()
    add(first)
    with LocalServer(served) as server, run_page(server.target) as url, Client(server.target) as c:
        page = open_page(url=url)
        pressed = page.locator('.version[aria-pressed="true"]')
        expect(page.locator(".live .history")).to_be_hidden()
        for version, key in ((second, "7"), (third, "4")):
            add(version)
            while version not in c.versions():
                page.wait_for_timeout(50)
            touch(page, lambda key=key: page.keyboard.press(key))
            expect(pressed).to_have_attribute("value", str(version))
        expect(page.locator(".version")).to_have_count(3)
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        assert f"version={third}" in copied(page, "link")
        page.close()


def test_what_is_refused_for_good_is_asked_once(visit, page_url):
    page = visit(page_url)
    expect(page.locator(".live .winner")).to_have_count(1)
    refusing = [True]
    asked = intercept(page, "predict", lambda _: REFUSED if refusing else None)
    page.keyboard.press("7")
    expect(notice(page)).to_contain_text("refused this")
    before = len(asked)
    page.wait_for_timeout(NOTHING_MORE_MS)
    assert len(asked) == before
    refusing.clear()
    page.keyboard.press("4")  # what is new is asked
    expect(notice(page)).to_be_hidden()
    expect(page.locator(".live .best")).to_have_text("4")


def test_a_busy_server_is_asked_less_and_less(visit, page_url):
    page = visit(page_url)
    expect(page.locator(".live .winner")).to_have_count(1)
    busy = [True]
    told = {"error": BUSY, "busy": True}
    asked = intercept(page, "predict", lambda _: told if busy else None)
    page.keyboard.press("7")
    expect(notice(page)).to_contain_text("is busy. Your picture is kept")
    page.wait_for_timeout(3000)
    assert 2 <= len(asked) <= 6  # every 400 ms it would be 8
    busy.clear()
    expect(notice(page)).to_be_hidden()
    expect(page.locator(".live .best")).to_have_text("7")


@pytest.mark.parametrize("final", [True, False])
def test_what_a_map_likes_is_not_asked_after_close(visit, page_url, final):
    page = visit(page_url)
    expect(page.locator(".live .winner")).to_have_count(1)
    asked = intercept(page, "map_features", lambda _: {"error": "no", "final": final})
    layer = next(layer for layer in GALLERIES if layer.name == "h_conv2")
    page.mouse.click(*middle_of(page, ".live .gallery[data-name=h_conv2] .mosaic", layer, 5))
    expect(page.locator(".live .zoom")).to_be_visible()
    page.wait_for_timeout(1000)
    if final:
        assert len(asked) == 1
    page.keyboard.press("Escape")
    before = len(asked)
    page.wait_for_timeout(NOTHING_MORE_MS)
    assert len(asked) == before


def test_with_a_shown_what_a_map_likes_is_of_its_version(open_page, client):
    page = open_page()
    versions = client.versions()
    ask_anew(page, lambda: page.locator(f'.version[value="{versions[1]}"]').click())
    page.locator(".keep").click()
    expect(page.locator(".which")).to_be_visible()
    ask_anew(page, lambda: page.locator(f'.version[value="{versions[-1]}"]').click())
    layer = next(layer for layer in GALLERIES if layer.name == "h_conv2")
    page.mouse.click(*middle_of(page, ".live .gallery[data-name=h_conv2] .mosaic", layer, 5))
    for shown, version in (("B", versions[-1]), ("A", versions[1]), ("B", versions[-1])):
        page.locator(f'.which [value="{shown}"]').click()
        told = client.predict("weights", {"units": np.array([], np.int32)}, version=version)
        picture = render_grid(told["h_conv2_features"][5], "grey", 255)
        expect(page.locator(".live .feature img")).to_have_attribute("src", picture)


def test_copying_without_the_pages_server_says_why(visit, page_url):
    page = visit(page_url)
    expect(page.locator(".live .winner")).to_have_count(1)
    page.context.set_offline(True)
    take(page, "curl")
    expect(page.locator('.take [value="curl"]')).to_contain_text("has lost its server")
    page.context.set_offline(False)


def test_a_version_chosen_while_another_is_asked_for_stays_chosen(visit, page_url, client):
    page = visit(page_url)
    first, second, *_ = client.versions()
    expect(page.locator(".version")).to_have_count(len(client.versions()))
    held = []
    page.route(
        "**/component_server/", lambda route: route.fallback() if held else held.append(route)
    )
    page.locator(f'.version[value="{first}"]').click()
    while not held:
        page.wait_for_timeout(20)
    page.locator(f'.version[value="{second}"]').click()
    held[0].continue_()
    page.wait_for_function("version => last.answer.version === version", arg=second)
    expect(page.locator('.version[aria-pressed="true"]')).to_have_attribute("value", str(second))


def test_a_drawing_that_stays_lost_is_said(visit, page_url):
    page = visit(page_url)
    expect(page.locator(".live .winner")).to_have_count(1)
    page.locator(".keep").click()
    expect(page.locator(".which")).to_be_visible()
    losing = [True]
    asked = intercept(page, "predict", lambda _: {"reference_expired": True} if losing else None)
    page.keyboard.press("7")
    expect(notice(page)).to_contain_text("no longer has this drawing")
    before = len(asked)
    while len(asked) == before:  # it is asked again
        page.wait_for_timeout(50)
    losing.clear()
    expect(notice(page)).to_be_hidden()
    expect(page.locator(".live .best")).to_have_text("7")


def test_keys_of_the_brush(open_page):
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
    assert press(metaKey=True) == plain + 2  # a browser's own
    assert press(ctrlKey=True) == plain + 2


def test_the_first_stroke_over_a_sample_sends_no_empty_drawing(open_page):
    page = open_page(through_gradio=True)
    asked = []

    def remember(request) -> None:
        content = request.post_data_json
        if content and content["data"]["ask"] == "predict":
            asked.append(base64.b64decode(content["data"]["content"]))

    page.on("request", remember)
    touch(page, lambda: draw(page, strokes_of(1), ".pad"))
    assert asked
    assert all(any(pixels) for pixels in asked)
    answer = touch(page, lambda: page.keyboard.press("z"))
    assert answer["best"] is None  # the sample had made way
    assert (
        touch(page, lambda: page.keyboard.press("z"))["best"]["index"] == 3
    )  # and can be had back


def test_a_link_without_a_map_closes_an_open_one(open_page):
    page = open_page()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    link = copied(page, "link")
    layer = next(layer for layer in GALLERIES if layer.name == "h_conv1")
    page.mouse.click(*middle_of(page, ".live .gallery[data-name=h_conv1] .mosaic", layer, 5))
    expect(page.locator(".live .zoom")).to_be_visible()
    page.evaluate("location.hash = ''")
    page.evaluate("link => { location.hash = new URL(link).hash; }", link)
    expect(page.locator(".live .zoom")).to_be_hidden()


def test_the_text_to_copy_by_hand_goes_away(open_page):
    page = open_page()
    page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(Error('no')); }")
    take(page, "curl")
    expect(page.locator(".live .copied")).to_be_visible()
    page.keyboard.press("Escape")
    page.locator(".take summary").click()
    expect(page.locator('.take [value="curl"]')).to_be_visible()
    expect(page.locator(".live .copied")).to_be_hidden()


def test_bars_of_the_arithmetic_have_one_scale(open_page):
    page = open_page()
    page.locator(".add-up").click()
    expect(page.locator(".live .terms tr")).to_have_count(11)
    numbers = [
        abs(float(text.replace("−", "-")))
        for text in page.locator(".terms .number").all_inner_texts()
    ]
    widths = [bar.bounding_box()["width"] for bar in page.locator(".terms .share i").all()]
    largest = max(numbers)
    for number, width in zip(numbers, widths):
        assert width == pytest.approx(max(1, max(widths) * number / largest), abs=1.5)
    assert numbers[-1] > 10 * numbers[0]  # of all others together


@pytest.mark.parametrize("size", ["wide", "tablet", "phone"])
def test_headers_of_a_picture_are_not_cut_off(open_page, size):
    page = open_page(size)
    page.get_by_role("tab", name="Picture").click()
    page.locator("input[type=file]:not(.file)").first.set_input_files(ROOT / "demo" / "digit.png")
    expect(page.locator(".still .best")).to_have_text("5")
    # Elsewhere the caption, of which there is more on wider screens, ends in an ellipsis.
    cut = page.evaluate("""() => [...document.querySelectorAll(".still figcaption > *")]
      .filter((part) => !part.matches(".gallery:not(.h_fc1) .about"))
      .filter((part) => part.offsetParent && (part.scrollWidth > part.clientWidth + 1
        || part.getBoundingClientRect().bottom
          > part.parentElement.getBoundingClientRect().bottom + 1))
      .map((part) => [part.className, part.textContent, part.clientWidth, part.scrollWidth])""")
    assert cut == []


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (KeyError("images"), {"error": FAILED, "final": True}),
        (ValueError("shape"), {"error": FAILED, "final": True}),
    ],
)
def test_an_error_of_our_own_is_not_the_visitors_and_is_logged(caplog, monkeypatch, error, told):
    async def fail(self: Answers, question: Question) -> dict:
        raise error

    fail.__name__ = "repaint"
    monkeypatch.setattr(Answers, "repaint", fail)
    with Client("127.0.0.1:1") as client:
        answers = Answers(client, {}, Metrics())
        question = Question("ann", {"ask": "repaint"}, b"")
        with start_blocking_portal() as portal:  # in this thread Playwright's loop may run
            assert portal.call(answers.answer, question) == told
    assert "Traceback" in caplog.text
    assert f"{type(error).__name__}: {error}" in caplog.text


def test_a_server_whose_answer_lies_is_no_fault_of_the_drawing(visit):
    def lie(request, context) -> PredictResponse:
        response = PredictResponse()
        for name in (*request.output_filter, "descriptions"):
            proto = response.outputs[name]
            proto.dtype = 1
            proto.tensor_shape.dim.add().size = 7
            proto.tensor_content = b"1234"
        return response

    with OtherServer(lie) as server, run_page(server.target) as url:
        page = visit(url)
        expect(notice(page)).to_have_text(re.compile("answered with no tensor"))


def test_pictures_of_several_visitors_are_read_at_the_same_time(client):
    together = threading.Barrier(2)

    def meet(request, context) -> PredictResponse:
        """Answers once two are there; what else is asked, at once."""
        if request.model_spec.signature_name == "preview":
            try:
                together.wait(10)
            except threading.BrokenBarrierError:
                context.abort(grpc.StatusCode.INTERNAL, "one at a time")
        return client._predict(request, timeout=10)

    def tell(request, context) -> GetModelMetadataResponse:
        return client._metadata(request, timeout=10)

    with OtherServer(meet, threads=8, tell=tell) as server, run_page(server.target) as url:

        def ask(name: str) -> dict:
            api = GradioClient(url, verbose=False)
            try:
                return api.predict(handle_file(ROOT / "demo" / "digit.png"), api_name=name)
            finally:
                api.close()

        with ThreadPoolExecutor(2) as threads:
            for name in ("/activations", "/classify", "/activations"):
                both = list(threads.map(ask, [name, name]))
                assert len(both) == 2
                assert all(len(each["scores"]) == 10 for each in both)


def test_a_server_that_hangs_is_said_in_time(visit):
    released = threading.Event()

    def hang(request, context) -> PredictResponse:
        released.wait(60)
        return PredictResponse()

    with OtherServer(hang, threads=50) as server, run_page(server.target) as url:
        page = visit(url)
        expect(notice(page)).to_have_text(re.compile(AWAY[:40]), timeout=5000)
        page.close()
        released.set()
