"""The page's memory use with many visitors."""

import contextlib
import json
import re
import urllib.request

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from demo.__main__ import MAX_SESSIONS
from demo.live import TRY_AGAIN_LATER
from demo.visitor_cache import MAX_VISITORS
from tests.pages import run_page
from tests.questions import GRADIO_PATH, INK, VALID_FIELDS, as_call, find_component, live_address

MORE = 1500
MAX_MB = 15  # growth; it would be 50 if every visitor stayed in memory
VISITORS, ROUNDS = 50, 5
MAX_MB_PER_VISITOR = 1
JSON = {"Content-Type": "application/json"}
PLAIN = {"compression": None, "proxy": None}


def test_memory_of_visitors_over_http_is_limited(server):
    with run_page(server.target) as url, httpx.Client(base_url=url, trust_env=False) as client:
        component = find_component(url)

        def visit(visitors: range) -> None:
            for visitor in visitors:
                call = as_call(component, str(visitor), {})
                answer = client.post(GRADIO_PATH, content=call, headers=JSON)
                assert "error" in answer.json()

        visit(range(MAX_SESSIONS))
        before = _megabytes(url)
        visit(range(MAX_SESSIONS, MAX_SESSIONS + MORE))
        assert _megabytes(url) < before + MAX_MB


def test_memory_of_live_visitors_is_small_and_released(server):
    question = (
        json.dumps({"id": 0, "ask": "predict", **VALID_FIELDS["predict"]}).encode() + b"\n" + INK
    )
    with run_page(server.target) as url:
        address = live_address(url)

        def draw(visitors: int) -> float:
            """Returns the page's megabytes while some visitors draw at the same time."""
            with contextlib.ExitStack() as stack:
                sockets = [stack.enter_context(connect(address, **PLAIN)) for _ in range(visitors)]
                for socket in sockets:
                    socket.send(question)
                for socket in sockets:
                    head, _, sheet = socket.recv(timeout=20).partition(b"\n")
                    assert "error" not in json.loads(head)
                    assert sheet
                return _megabytes(url)

        draw(2)
        alone = _megabytes(url)
        drawing = draw(VISITORS)
        assert drawing < alone + MAX_MB_PER_VISITOR * VISITORS
        for _ in range(ROUNDS):  # 250 drawings of 0.2 MB
            assert draw(VISITORS) < drawing + MAX_MB


def test_full_page_refuses_visitors(server):
    with run_page(server.target) as url, contextlib.ExitStack() as stack:
        address = live_address(url)
        first, *_ = [stack.enter_context(connect(address, **PLAIN)) for _ in range(MAX_VISITORS)]
        with connect(address, **PLAIN) as one_more, pytest.raises(ConnectionClosed) as closed:
            one_more.recv(timeout=10)
        assert closed.value.rcvd.code == TRY_AGAIN_LATER
        first.close()
        with connect(address, **PLAIN) as one_more:
            one_more.send(b"{}")
            assert b"what can be asked" in one_more.recv(timeout=10)


def _megabytes(url: str) -> float:
    with urllib.request.urlopen(f"{url}metrics", timeout=10) as response:
        metrics = response.read().decode()
    return float(re.search(r"(?m)^process_resident_memory_bytes (\S+)$", metrics)[1]) / 2**20
