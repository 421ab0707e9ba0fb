"""What many visitors leave in the page's memory."""

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
from tests.questions import GRADIO_PATH, INK, RIGHT, as_call, find_component, live_address

MORE = 1500
MAX_MB = 15  # 50 if each of them stayed
PENS, CLASSES = 50, 5
MAX_MB_A_PEN = 1
JSON = {"Content-Type": "application/json"}
PLAIN = {"compression": None, "proxy": None}


def test_visitors_through_gradio_do_not_stay_in_memory(server):
    with run_page(server.target) as url, httpx.Client(base_url=url, trust_env=False) as client:
        component = find_component(url)

        def come(visitors: range) -> None:
            for visitor in visitors:
                call = as_call(component, str(visitor), {})
                answer = client.post(GRADIO_PATH, content=call, headers=JSON)
                assert "error" in answer.json()

        come(range(MAX_SESSIONS))
        before = _megabytes(url)
        come(range(MAX_SESSIONS, MAX_SESSIONS + MORE))
        assert _megabytes(url) < before + MAX_MB


def test_pens_take_little_memory_and_give_it_back(server):
    question = json.dumps({"id": 0, "ask": "predict", **RIGHT["predict"]}).encode() + b"\n" + INK
    with run_page(server.target) as url:
        address = live_address(url)

        def come(pens: int) -> float:
            """Pens that draw at the same time and then leave; the page's megabytes with them."""
            with contextlib.ExitStack() as stack:
                sockets = [stack.enter_context(connect(address, **PLAIN)) for _ in range(pens)]
                for socket in sockets:
                    socket.send(question)
                for socket in sockets:
                    head, _, sheet = socket.recv(timeout=20).partition(b"\n")
                    assert "error" not in json.loads(head)
                    assert sheet
                return _megabytes(url)

        come(2)
        alone = _megabytes(url)
        with_pens = come(PENS)
        assert with_pens < alone + MAX_MB_A_PEN * PENS
        for _ in range(CLASSES):  # 250 drawings of 0.2 MB, if they stayed
            assert come(PENS) < with_pens + MAX_MB


def test_a_page_that_is_full_sends_visitors_away(server):
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
        told = response.read().decode()
    return float(re.search(r"(?m)^process_resident_memory_bytes (\S+)$", told)[1]) / 2**20
