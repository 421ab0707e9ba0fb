"""Several servers, one of which crashes, hangs, falls silent or is busy: what a caller notices."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from tensorflow_serving.apis.predict_pb2 import PredictResponse

from serving.client import MAX_CONCURRENT, Client, ServerBusy, ServerUnreachable
from tests.bench.failover import DRAWING, TIMEOUT, Drawing, send_drawings
from tests.line import Line
from tests.pages import ROOT
from tests.test_client import OtherServer

SERVE = """
import sys
from tests.test_client import OtherServer, PredictResponse
with OtherServer(lambda request, context: PredictResponse()) as server:
    print(server.target, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def process() -> Iterator[tuple[subprocess.Popen, str]]:
    """A server in a process of its own, and its address."""
    serving = subprocess.Popen(
        [sys.executable, "-c", SERVE],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    yield serving, serving.stdout.readline().strip()
    serving.kill()
    serving.communicate(timeout=20)


@pytest.fixture
def others() -> Iterator[str]:
    """The addresses of two servers that answer."""
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(OtherServer(answer_at_once)) for _ in range(2)]
        yield ",".join(server.target for server in servers)


def answer_at_once(request, context) -> PredictResponse:
    return PredictResponse()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "paused"])
def test_a_server_that_dies_or_hangs_loses_nothing(process, others, number):
    serving, target = process
    with Client(f"ipv4:{target},{others}", timeout=TIMEOUT) as client:
        drawings = send_drawings(client, 6, lambda: os.kill(serving.pid, number), fault_at=0.5)
    assert_nothing_is_lost(drawings)


@pytest.mark.slow
def test_a_server_whose_network_is_cut_loses_nothing(others):
    with OtherServer(answer_at_once) as server, Line(server.target) as line:
        with Client(f"ipv4:{line.target},{others}", timeout=TIMEOUT) as client:
            drawings = send_drawings(client, 6, line.cut, fault_at=0.5)
    assert_nothing_is_lost(drawings)


def assert_nothing_is_lost(drawings: list[Drawing]) -> None:
    assert [drawing.error for drawing in drawings if drawing.error] == []
    # After some seconds nobody is sent there any more.
    assert max(drawing.wait for drawing in drawings if drawing.sent > 4) < 0.3


def test_a_server_that_is_back_is_asked_again(process, others):
    serving, target = process
    with Client(target, timeout=TIMEOUT) as client:
        client.predict("sketch", DRAWING)
        os.kill(serving.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, serving.pid, os.WSTOPPED)  # until then it may answer
        with pytest.raises(ServerUnreachable, match="did not answer in time"):
            client.predict("sketch", DRAWING)
        os.kill(serving.pid, signal.SIGCONT)
        end = time.monotonic() + 10
        while True:
            try:
                client.predict("sketch", DRAWING)
                break
            except ServerUnreachable:
                assert time.monotonic() < end


@pytest.mark.parametrize("code", ["CANCELLED", "UNAVAILABLE", "RESOURCE_EXHAUSTED"])
def test_what_one_server_leaves_another_one_does(others, code):
    """A server that stops, goes or has no room."""
    asked = []

    def leave(request, context) -> PredictResponse:
        asked.append(request)
        context.abort(grpc.StatusCode[code], "not now")

    with OtherServer(leave) as server, Client(f"ipv4:{server.target},{others}") as client:
        for _ in range(12):
            client.predict("sketch", DRAWING)
    assert asked


def refuse(code: grpc.StatusCode, sentence: str):
    def answer(request, context) -> PredictResponse:
        context.abort(code, sentence)

    return answer


@pytest.mark.parametrize(
    "answer",
    [
        refuse(grpc.StatusCode.RESOURCE_EXHAUSTED, "Server Threadpool Exhausted"),
        refuse(
            grpc.StatusCode.UNAVAILABLE,
            "The batch scheduling queue to which this task was submitted is full",
        ),
    ],
    ids=["threads", "queue"],
)
def test_a_server_without_room_is_busy_and_not_away(answer):
    with OtherServer(answer) as server, Client(server.target) as client:
        with pytest.raises(ServerBusy, match="is busy; try again in a moment"):
            client.predict("sketch", DRAWING)


def test_more_callers_than_places_wait_for_their_turn():
    running, most, lock = 0, 0, threading.Lock()

    def count(request, context) -> PredictResponse:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.02)  # the work
        with lock:
            running -= 1
        return PredictResponse()

    with OtherServer(count, threads=32) as server, Client(server.target) as client:
        with ThreadPoolExecutor(32) as pool:
            list(pool.map(lambda _: client.predict("sketch", DRAWING), range(64)))
    assert 1 < most <= MAX_CONCURRENT


def test_a_server_that_hangs_is_not_asked_ever_more():
    """Where all servers hang, repeating ends: three times the load would not help."""
    released, asked = threading.Event(), []

    def hang(request, context) -> PredictResponse:
        asked.append(request)
        released.wait(30)
        return PredictResponse()

    with (
        OtherServer(hang, threads=200) as one,
        OtherServer(hang, threads=200) as two,
        Client(f"ipv4:{one.target},{two.target}", timeout=0.3) as client,
    ):

        def ask(_) -> None:
            with pytest.raises(ServerUnreachable):
                client.predict("sketch", DRAWING)

        with ThreadPoolExecutor(6) as callers:
            list(callers.map(ask, range(60)))
        released.set()
    assert len(asked) < 130  # not 180
