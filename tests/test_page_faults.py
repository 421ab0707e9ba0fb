"""The page in a browser when something fails: its messages, and that it recovers."""

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
from serving.local import find_free_port
from serving.messages import PredictionServiceStub
from tests.browser import draw
from tests.forked import ForkedServer
from tests.galleries import GALLERIES
from tests.hand import strokes_of
from tests.pages import FAST_START, ROOT, run_page
from tests.test_client import OtherServer
from tests.visit import (
    NO_TOUR,
    REMEMBER,
    SIZES,
    ask_anew,
    click_download,
    copied,
    forbid_live,
    middle_of,
    touch,
)

QUIET_MS = 2000  # long enough for several retries
REFUSED = {"error": "The model server refused this.", "final": True}


@pytest.fixture
def visit(browser) -> Iterator[Callable[[str], Page]]:
    """Opens a page whose questions go through Gradio, where tests can intercept them.

    Errors in its console are allowed: lost connections are logged there.
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
        page.goto(url)
        return page

    yield visit
    for context in contexts:
        context.close()


def intercept(page: Page, name: str, answer: Callable[[Route], object]) -> list[dict]:
    """Replaces the answers to a question, unless `answer` returns None.

    Returns:
        The questions of this kind, a list that grows as they arrive.
    """
    questions = []

    def handle(route: Route) -> None:
        question = route.request.post_data_json["data"]
        if question["ask"] != name:
            return route.fallback()
        questions.append(question)
        replacement = answer(route)
        if replacement is None:
            return route.fallback()
        return route.fulfill(body=json.dumps(replacement), content_type="application/json")

    page.route("**/component_server/", handle)
    return questions


def notice(page: Page):
    return page.locator(".live .notice")


def test_broken_explanation_does_not_stop_the_next(visit, page_url):
    page = visit(page_url)
    expect(page.locator(".live .winner")).to_have_count(1)
    broken = {"label": 3, "picture": "data:image/png;base64,AAAA", "field": [0, 0, 1, 1]}
    answers = [broken]
    intercept(page, "explain", lambda _: answers.pop() if answers else None)
    page.keyboard.press("w")
    page.wait_for_function("document.querySelector('.why').ariaPressed === 'true'")
    expect(page.locator(".live .overlay")).to_be_hidden()
    while answers:  # until the page has received it
        page.wait_for_timeout(50)
    touch(page, lambda: page.keyboard.press("7"))
    expect(page.locator(".live .overlay")).to_be_visible()


def test_broken_sheet_is_reported_and_the_next_is_shown(visit, page_url):
    page = visit(page_url)
    expect(page.locator(".live .winner")).to_have_count(1)
    answers = [{**page.evaluate("last.answer"), "sheet": "data:image/png;base64,AAAA"}]
    intercept(page, "predict", lambda _: answers[0] if answers else None)
    page.keyboard.press("7")
    expect(notice(page)).to_contain_text("could not be displayed")
    answers.clear()
    page.keyboard.press("4")
    expect(notice(page)).to_be_hidden()
    expect(page.locator(".live .best")).to_have_text("4")


def test_arithmetic_recovers_from_an_expired_drawing(visit, page_url):
    page = visit(page_url)
    expect(page.locator(".live .winner")).to_have_count(1)
    is_expired = [True]
    intercept(page, "decompose_unit", lambda _: {"expired": True} if is_expired else None)
    page.locator(".show-sum").click()
    expect(page.locator(".live .sum")).to_contain_text("no longer has this drawing")
    is_expired.clear()
    expect(page.locator(".live .sum .total")).to_be_visible()


def test_drawing_is_kept_when_the_login_expires(visit, server):
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
        expect(notice(page)).to_contain_text("login has expired")
        page.get_by_role("button", name="Log in again").click()
        log_in(page)
        expect(page.locator(".live .best")).to_have_text("7")
        expect(notice(page)).to_be_hidden()
        page.close()


def test_new_version_appears_on_an_open_page(open_page, base_path, tmp_path):
    first, second, third, *_ = sorted(int(path.name) for path in base_path.iterdir())
    served = tmp_path / "mnist"

    def add(version: int) -> None:
        shutil.copytree(base_path / str(version), tmp_path / "copying")
        (tmp_path / "copying").rename(served / str(version))

    served.mkdir()
    add(first)
    with (
        ForkedServer(served, flags=FAST_START) as server,
        run_page(server.target) as url,
        Client(server.target) as c,
    ):
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


def test_final_error_is_not_retried(visit, page_url):
    page = visit(page_url)
    expect(page.locator(".live .winner")).to_have_count(1)
    is_refused = [True]
    questions = intercept(page, "predict", lambda _: REFUSED if is_refused else None)
    page.keyboard.press("7")
    expect(notice(page)).to_contain_text("refused this")
    before = len(questions)
    page.wait_for_timeout(QUIET_MS)
    assert len(questions) == before
    is_refused.clear()
    page.keyboard.press("4")  # a new drawing is sent
    expect(notice(page)).to_be_hidden()
    expect(page.locator(".live .best")).to_have_text("4")


def test_busy_server_is_retried_with_growing_pauses(visit, page_url):
    page = visit(page_url)
    expect(page.locator(".live .winner")).to_have_count(1)
    is_busy = [True]
    answer = {"error": BUSY, "busy": True}
    questions = intercept(page, "predict", lambda _: answer if is_busy else None)
    page.keyboard.press("7")
    expect(notice(page)).to_contain_text("is busy. Your picture is kept")
    page.wait_for_timeout(3000)
    assert 2 <= len(questions) <= 6  # every 400 ms it would be 8
    is_busy.clear()
    expect(notice(page)).to_be_hidden()
    expect(page.locator(".live .best")).to_have_text("7")


@pytest.mark.parametrize("final", [True, False])
def test_map_features_are_not_requested_after_close(visit, page_url, final):
    page = visit(page_url)
    expect(page.locator(".live .winner")).to_have_count(1)
    questions = intercept(page, "map_features", lambda _: {"error": "no", "final": final})
    layer = next(layer for layer in GALLERIES if layer.name == "h_conv2")
    page.mouse.click(*middle_of(page, ".live .gallery[data-name=h_conv2] .mosaic", layer, 5))
    expect(page.locator(".live .zoom")).to_be_visible()
    page.wait_for_timeout(1000)
    if final:
        assert len(questions) == 1
    page.keyboard.press("Escape")
    before = len(questions)
    page.wait_for_timeout(QUIET_MS)
    assert len(questions) == before


def test_map_features_are_those_of_the_shown_version(open_page, client):
    page = open_page()
    versions = client.versions()
    ask_anew(page, lambda: page.locator(f'.version[value="{versions[1]}"]').click())
    page.locator(".keep").click()
    expect(page.locator(".compare-switch")).to_be_visible()
    ask_anew(page, lambda: page.locator(f'.version[value="{versions[-1]}"]').click())
    layer = next(layer for layer in GALLERIES if layer.name == "h_conv2")
    page.mouse.click(*middle_of(page, ".live .gallery[data-name=h_conv2] .mosaic", layer, 5))
    for shown, version in (("B", versions[-1]), ("A", versions[1]), ("B", versions[-1])):
        page.locator(f'.compare-switch [value="{shown}"]').click()
        weights = client.predict("weights", {"units": np.array([], np.int32)}, version=version)
        picture = render_grid(weights["h_conv2_features"][5], "grey", 255)
        expect(page.locator(".live .feature img")).to_have_attribute("src", picture)


def test_download_without_the_page_server_shows_an_error(visit, page_url):
    page = visit(page_url)
    expect(page.locator(".live .winner")).to_have_count(1)
    page.context.set_offline(True)
    click_download(page, "curl")
    expect(page.locator('.downloads [value="curl"]')).to_contain_text(
        "connection to the page server is lost"
    )
    page.context.set_offline(False)


def test_version_chosen_during_a_request_stays_chosen(visit, page_url, client):
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


def test_expired_drawing_is_reported_and_retried(visit, page_url):
    page = visit(page_url)
    expect(page.locator(".live .winner")).to_have_count(1)
    page.locator(".keep").click()
    expect(page.locator(".compare-switch")).to_be_visible()
    is_lost = [True]
    questions = intercept(
        page, "predict", lambda _: {"reference_expired": True} if is_lost else None
    )
    page.keyboard.press("7")
    expect(notice(page)).to_contain_text("no longer has this drawing")
    before = len(questions)
    while len(questions) == before:  # until the retry
        page.wait_for_timeout(50)
    is_lost.clear()
    expect(notice(page)).to_be_hidden()
    expect(page.locator(".live .best")).to_have_text("7")


@pytest.mark.parametrize(
    ("error", "answer"),
    [
        (KeyError("images"), {"error": FAILED, "final": True}),
        (ValueError("shape"), {"error": FAILED, "final": True}),
    ],
)
def test_internal_error_is_final_and_logged(caplog, monkeypatch, error, answer):
    async def fail(self: Answers, question: Question) -> dict:
        raise error

    fail.__name__ = "repaint"
    monkeypatch.setattr(Answers, "repaint", fail)
    with Client("127.0.0.1:1") as client:
        answers = Answers(client, {}, Metrics())
        question = Question("ann", {"ask": "repaint"}, b"")
        with start_blocking_portal() as portal:  # Playwright's event loop may run in this thread
            assert portal.call(answers.answer, question) == answer
    assert "Traceback" in caplog.text
    assert f"{type(error).__name__}: {error}" in caplog.text


def test_malformed_answer_of_the_server_is_reported(visit):
    def send_wrong_shape(request, context) -> PredictResponse:
        response = PredictResponse()
        for name in (*request.output_filter, "descriptions"):
            proto = response.outputs[name]
            proto.dtype = 1
            proto.tensor_shape.dim.add().size = 7
            proto.tensor_content = b"1234"
        return response

    with OtherServer(send_wrong_shape) as server, run_page(server.target) as url:
        page = visit(url)
        expect(notice(page)).to_have_text(re.compile("answered with no tensor"))


def test_pictures_are_predicted_concurrently(server):
    model_server = PredictionServiceStub(grpc.insecure_channel(server.target))
    barrier = threading.Barrier(2)

    def answer_in_pairs(request, context) -> PredictResponse:
        """Answers predictions only two at a time, and everything else at once."""
        if request.model_spec.signature_name == "preview":
            try:
                barrier.wait(10)
            except threading.BrokenBarrierError:
                context.abort(grpc.StatusCode.INTERNAL, "one at a time")
        return model_server.Predict(request, timeout=10)

    def describe(request, context) -> GetModelMetadataResponse:
        return model_server.GetModelMetadata(request, timeout=10)

    with (
        OtherServer(answer_in_pairs, threads=8, tell=describe) as pairing_server,
        run_page(pairing_server.target) as url,
    ):

        def call(name: str) -> dict:
            api = GradioClient(url, verbose=False)
            try:
                return api.predict(handle_file(ROOT / "demo" / "digit.png"), api_name=name)
            finally:
                api.close()

        with ThreadPoolExecutor(2) as threads:
            for name in ("/activations", "/classify", "/activations"):
                both = list(threads.map(call, [name, name]))
                assert len(both) == 2
                assert all(len(answer["scores"]) == 10 for answer in both)


def test_hanging_server_is_reported_in_time(visit):
    released = threading.Event()

    def hang(request, context) -> PredictResponse:
        released.wait(60)
        return PredictResponse()

    with OtherServer(hang, threads=50) as server, run_page(server.target) as url:
        page = visit(url)
        # 3.5 s after the page has loaded, which takes seconds under load.
        expect(notice(page)).to_have_text(re.compile(AWAY[:40]), timeout=10_000)
        page.close()
        released.set()
