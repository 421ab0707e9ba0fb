"""What a broken browser may send to the page: each is answered with a sentence, none with a 500."""

import base64
import json
import secrets
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from demo.body_limit import LARGEST as MAX_BODY_BYTES
from demo.live import MAX_MESSAGE_BYTES
from tests.questions import (
    GRADIO_PATH,
    INK,
    OF_DRAWINGS,
    RIGHT,
    STYLE,
    as_call,
    find_component,
    live_address,
)

WRONG = {
    "no drawing": ("predict", {}, b""),
    "half a drawing": ("predict", {}, INK[:100]),
    "more than a drawing": ("predict", {}, INK + b"\n"),
    "a version that is none": ("predict", {"version": "newest"}, INK),
    "a version too large": ("predict", {"version": 2**63}, INK),
    "no style": ("predict", {"style": "inferno"}, INK),
    "a style that there is not": ("predict", {"style": {**STYLE, "shown": "C"}}, INK),
    "half a drawing to keep": ("keep", {}, INK[:100]),
    "why an 11": ("explain", {"label": 11}, INK),
    "why a number too large": ("explain", {"label": 2**64}, INK),
    "why some": ("explain", {"label": [1, 2]}, INK),
    "to take something else": ("download", {"what": "everything"}, INK),
    "to take a list": ("download", {"what": ["curl"]}, INK),
    "repainting in no style": ("repaint", {"style": []}, b""),
    "a unit outside": ("inspect_unit", {"row": 28}, b""),
    "a part of no layer": ("decompose_unit", {"layer": "images"}, b""),
    "a part of no map": ("decompose_unit", {"map": 32}, b""),
    "a part of no unit": ("decompose_unit", {"row": "1"}, b""),
    "a part of A that is not kept": ("decompose_unit", {"shown": "A"}, b""),
    "a map of no layer": ("show_map", {"layer": 99}, b""),
    "no map": ("show_map", {"map": -1}, b""),
    "a layer by name": ("show_map", {"layer": "\ud800"}, b""),
    "what there is not": ("look_away", {}, b""),
    "of a model that there is not": ("predict", {"model": "\ud800"}, INK),
    "of some models": ("describe", {"model": ["mnist"]}, b""),
    "layers that there are not": ("predict", {"layers": [99]}, INK),
    "a layer as text": ("repaint", {"layers": "1"}, b""),
    "a picture that is none": ("predict", {}, b"\x89PNG" + INK),
    "a list of questions": (["predict"], {}, b""),
}
Ask = Callable[[dict, bytes], dict]


def live(url: str, **headers: str) -> ClientConnection:
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return connect(live_address(url), compression=None, proxy=None, additional_headers=headers)


def over_line(url: str, stack: ExitStack) -> Ask:
    line = stack.enter_context(live(url))

    def ask(question: dict, content: bytes) -> dict:
        line.send(json.dumps(question).encode() + b"\n" + content)
        return json.loads(line.recv(timeout=10).partition(b"\n")[0])

    return ask


def through_gradio(url: str, stack: ExitStack) -> Ask:
    component = find_component(url)
    visitor = secrets.token_hex(8)

    def ask(question: dict | None, content: bytes) -> dict:
        data = question
        if isinstance(question, dict):
            data = {"visitor": visitor, "content": base64.b64encode(content).decode(), **question}
        request = urllib.request.Request(
            url.rstrip("/") + GRADIO_PATH,
            as_call(component, "s", data),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as response:
            return json.load(response)

    return ask


@pytest.fixture(params=[over_line, through_gradio])
def ask(request, page_url) -> Iterator[Ask]:
    """Asks the page one question, as a visitor whose drawing it has read."""
    with ExitStack() as stack:
        ask = request.param(page_url, stack)
        assert "scores" in ask({"ask": "predict", **RIGHT["predict"]}, INK)
        yield ask


@pytest.mark.parametrize("name", RIGHT)
def test_what_is_right_is_answered(ask, name):
    answer = ask({"ask": name, **RIGHT[name]}, INK if name in OF_DRAWINGS else b"")
    assert "error" not in answer
    assert answer.keys() - {"id", "took"}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_refused_with_a_sentence(ask, name):
    what, wrong, pixels = WRONG[name]
    right = RIGHT.get(what, {}) if isinstance(what, str) else {}
    answer = ask({"ask": what, **right, **wrong}, pixels)
    assert answer.get("expired") or len(answer["error"]) > 20


@pytest.mark.parametrize("name", RIGHT)
def test_half_a_question_is_refused_too(ask, name):
    answer = ask({"ask": name}, INK)
    assert "is missing" in answer["error"]


def test_a_stranger_has_nothing_to_repaint(page_url):
    with ExitStack() as stack:
        ask = through_gradio(page_url, stack)
        for visitor in ("nobody", {}, None):
            assert ask({"ask": "repaint", "visitor": visitor, **RIGHT["repaint"]}, b"") == {
                "expired": True
            }
        for nothing in (None, [], "x", {}):
            assert "what can be asked is" in ask(nothing, b"")["error"]


def test_a_message_that_is_no_question_is_refused_and_the_next_one_answered(page_url):
    with live(page_url) as line:
        odd_id = b'{"ask": "predict", "id": %b}' % (b"[" * 300 + b"]" * 300)
        for message in (
            b"",
            b"\n",
            b"[]",
            b"7",
            b'{"ask"',
            b"\xff\xfe",
            b"[" * 60_000,
            "{}",
            odd_id,
        ):
            line.send(message)
            assert "must be a JSON object" in json.loads(line.recv(timeout=10))["error"]
        line.send(
            json.dumps({"id": 9, "ask": "predict", **RIGHT["predict"]}).encode() + b"\n" + INK
        )
        assert json.loads(line.recv(timeout=10).partition(b"\n")[0])["id"] == 9


@pytest.mark.parametrize("origin", ["http://elsewhere.example", "null", "file://", "http://["])
def test_other_sites_cannot_connect_to_a_page_on_the_visitors_machine(page_url, origin):
    with pytest.raises(InvalidStatus, match="403"):
        live(page_url, Origin=origin)


@pytest.mark.parametrize("forwarded", ["page.example", "page.example, inner.example:8080"])
def test_the_page_itself_can_also_behind_a_proxy(page_url, forwarded):
    live(page_url, Origin=page_url.rstrip("/")).close()
    live(page_url, Origin="https://page.example", X_Forwarded_Host=forwarded).close()


def test_what_is_too_large_for_gradio_is_refused(page_url):
    answer = httpx.post(
        page_url.rstrip("/") + GRADIO_PATH,
        content=b"[" + b"[]," * 10 * MAX_BODY_BYTES + b"[]]",
        headers={"Content-Type": "application/json"},
        timeout=10,
        trust_env=False,
    )
    assert (answer.status_code, answer.text) == (413, "A body may have at most 1,048,576 bytes.")


def test_a_message_that_is_too_large_ends_the_connection(page_url):
    with live(page_url) as line:
        line.send(bytes(MAX_MESSAGE_BYTES + 1))
        with pytest.raises(ConnectionClosed) as caught:
            line.recv(timeout=10)
        assert caught.value.rcvd.code == 1009


def test_drawings_that_come_faster_than_they_are_read_are_overtaken(page_url):
    """Each has an answer, in the order of asking but for those superseded, and the last is read."""
    with live(page_url) as line:
        for number in range(50):
            question = {"id": number, "ask": "predict", **RIGHT["predict"]}
            line.send(json.dumps(question).encode() + b"\n" + INK)
        answers = [json.loads(line.recv(timeout=10).partition(b"\n")[0]) for _ in range(50)]
    read = [answer["id"] for answer in answers if "superseded" not in answer]
    assert sorted(answer["id"] for answer in answers) == list(range(50))
    assert read == sorted(read)
    assert read[-1] == 49
    assert len(read) < 50
