"""Malformed messages to the page server: each gets a readable error, none a status 500."""

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
    STYLE,
    VALID_FIELDS,
    WITH_DRAWING,
    as_call,
    find_component,
    live_address,
)

MALFORMED = {
    "no drawing": ("predict", {}, b""),
    "half a drawing": ("predict", {}, INK[:100]),
    "more than a drawing": ("predict", {}, INK + b"\n"),
    "a version as text": ("predict", {"version": "newest"}, INK),
    "a version too large": ("predict", {"version": 2**63}, INK),
    "a style as text": ("predict", {"style": "inferno"}, INK),
    "an unknown style": ("predict", {"style": {**STYLE, "shown": "C"}}, INK),
    "half a drawing to keep": ("keep", {}, INK[:100]),
    "explaining an 11": ("explain", {"label": 11}, INK),
    "explaining a label too large": ("explain", {"label": 2**64}, INK),
    "explaining a list": ("explain", {"label": [1, 2]}, INK),
    "an unknown download": ("download", {"what": "everything"}, INK),
    "a list of downloads": ("download", {"what": ["curl"]}, INK),
    "repainting with a list as style": ("repaint", {"style": []}, b""),
    "a unit out of range": ("inspect_unit", {"row": 28}, b""),
    "decomposing a layer by name": ("decompose_unit", {"layer": "images"}, b""),
    "decomposing a map out of range": ("decompose_unit", {"map": 32}, b""),
    "decomposing a row as text": ("decompose_unit", {"row": "1"}, b""),
    "decomposing A, which is not kept": ("decompose_unit", {"shown": "A"}, b""),
    "a map of a layer out of range": ("show_map", {"layer": 99}, b""),
    "a map out of range": ("show_map", {"map": -1}, b""),
    "a map of a layer by name": ("show_map", {"layer": "\ud800"}, b""),
    "an unknown question": ("look_away", {}, b""),
    "an unknown model": ("predict", {"model": "\ud800"}, INK),
    "a list of models": ("describe", {"model": ["mnist"]}, b""),
    "layers out of range": ("predict", {"layers": [99]}, INK),
    "layers as text": ("repaint", {"layers": "1"}, b""),
    "a broken PNG": ("predict", {}, b"\x89PNG" + INK),
    "a list of questions": (["predict"], {}, b""),
}
Ask = Callable[[dict, bytes], dict]


def live(url: str, **headers: str) -> ClientConnection:
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return connect(live_address(url), compression=None, proxy=None, additional_headers=headers)


def over_websocket(url: str, stack: ExitStack) -> Ask:
    socket = stack.enter_context(live(url))

    def ask(question: dict, content: bytes) -> dict:
        socket.send(json.dumps(question).encode() + b"\n" + content)
        return json.loads(socket.recv(timeout=10).partition(b"\n")[0])

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


@pytest.fixture(params=[over_websocket, through_gradio])
def ask(request, page_url) -> Iterator[Ask]:
    """Sends questions to the page server, as a visitor whose drawing has been predicted."""
    with ExitStack() as stack:
        ask = request.param(page_url, stack)
        assert "scores" in ask({"ask": "predict", **VALID_FIELDS["predict"]}, INK)
        yield ask


@pytest.mark.parametrize("name", VALID_FIELDS)
def test_valid_question_is_answered(ask, name):
    answer = ask({"ask": name, **VALID_FIELDS[name]}, INK if name in WITH_DRAWING else b"")
    assert "error" not in answer
    assert answer.keys() - {"id", "took"}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_question_is_refused(ask, name):
    question, fields, content = MALFORMED[name]
    valid = VALID_FIELDS.get(question, {}) if isinstance(question, str) else {}
    answer = ask({"ask": question, **valid, **fields}, content)
    assert answer.get("expired") or len(answer["error"]) > 20


@pytest.mark.parametrize("name", VALID_FIELDS)
def test_question_with_missing_fields_is_refused(ask, name):
    answer = ask({"ask": name}, INK)
    assert "is missing" in answer["error"]


def test_unknown_visitor_has_nothing_to_repaint(page_url):
    with ExitStack() as stack:
        ask = through_gradio(page_url, stack)
        for visitor in ("nobody", {}, None):
            assert ask({"ask": "repaint", "visitor": visitor, **VALID_FIELDS["repaint"]}, b"") == {
                "expired": True
            }
        for question in (None, [], "x", {}):
            assert "what can be asked is" in ask(question, b"")["error"]


def test_invalid_message_is_refused_and_the_next_answered(page_url):
    with live(page_url) as socket:
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
            socket.send(message)
            assert "must be a JSON object" in json.loads(socket.recv(timeout=10))["error"]
        socket.send(
            json.dumps({"id": 9, "ask": "predict", **VALID_FIELDS["predict"]}).encode()
            + b"\n"
            + INK
        )
        assert json.loads(socket.recv(timeout=10).partition(b"\n")[0])["id"] == 9


@pytest.mark.parametrize("origin", ["http://elsewhere.example", "null", "file://", "http://["])
def test_other_origins_cannot_connect(page_url, origin):
    with pytest.raises(InvalidStatus, match="403"):
        live(page_url, Origin=origin)


@pytest.mark.parametrize("forwarded", ["page.example", "page.example, inner.example:8080"])
def test_own_origin_can_connect_behind_a_proxy(page_url, forwarded):
    live(page_url, Origin=page_url.rstrip("/")).close()
    live(page_url, Origin="https://page.example", X_Forwarded_Host=forwarded).close()


def test_body_that_is_too_large_is_refused(page_url):
    answer = httpx.post(
        page_url.rstrip("/") + GRADIO_PATH,
        content=b"[" + b"[]," * 10 * MAX_BODY_BYTES + b"[]]",
        headers={"Content-Type": "application/json"},
        timeout=10,
        trust_env=False,
    )
    assert (answer.status_code, answer.text) == (413, "A body may have at most 1,048,576 bytes.")


def test_message_that_is_too_large_closes_the_connection(page_url):
    with live(page_url) as socket:
        socket.send(bytes(MAX_MESSAGE_BYTES + 1))
        with pytest.raises(ConnectionClosed) as caught:
            socket.recv(timeout=10)
        assert caught.value.rcvd.code == 1009


def test_queued_drawings_are_superseded_by_newer_ones(page_url):
    """Each is answered; those that are predicted keep their order, and the last is predicted."""
    with live(page_url) as socket:
        for number in range(50):
            question = {"id": number, "ask": "predict", **VALID_FIELDS["predict"]}
            socket.send(json.dumps(question).encode() + b"\n" + INK)
        answers = [json.loads(socket.recv(timeout=10).partition(b"\n")[0]) for _ in range(50)]
    predicted = [answer["id"] for answer in answers if "superseded" not in answer]
    assert sorted(answer["id"] for answer in answers) == list(range(50))
    assert predicted == sorted(predicted)
    assert predicted[-1] == 49
    assert len(predicted) < 50
