"""Failover: calls succeed although one of several servers crashes, hangs, is cut off or is busy."""

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
    """A fake server in its own process, and its address."""
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
    """The addresses of two working servers."""
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(OtherServer(answer_at_once)) for _ in range(2)]
        yield ",".join(server.target for server in servers)


def answer_at_once(request, context) -> PredictResponse:
    return PredictResponse()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "paused"])
def test_no_drawing_is_lost_when_a_server_dies_or_hangs(process, others, number):
    serving, target = process
    with Client(f"ipv4:{target},{others}", timeout=TIMEOUT) as client:
        drawings = send_drawings(client, 6, lambda: os.kill(serving.pid, number), fault_at=0.5)
    assert_nothing_is_lost(drawings)


@pytest.mark.slow
def test_no_drawing_is_lost_when_a_server_is_cut_off(others):
    with OtherServer(answer_at_once) as server, Line(server.target) as line:
        with Client(f"ipv4:{line.target},{others}", timeout=TIMEOUT) as client:
            drawings = send_drawings(client, 6, line.cut, fault_at=0.5)
    assert_nothing_is_lost(drawings)


def assert_nothing_is_lost(drawings: list[Drawing]) -> None:
    assert [drawing.error for drawing in drawings if drawing.error] == []
    # After some seconds, no calls are sent to the failed server.
    assert max(drawing.wait for drawing in drawings if drawing.sent > 4) < 0.3


def test_resumed_server_is_called_again(process, others):
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
def test_call_moves_on_from_a_server_that_stops_or_is_full(others, code):
    requests = []

    def fail(request, context) -> PredictResponse:
        requests.append(request)
        context.abort(grpc.StatusCode[code], "not now")

    with OtherServer(fail) as server, Client(f"ipv4:{server.target},{others}") as client:
        for _ in range(12):
            client.predict("sketch", DRAWING)
    assert requests


def test_long_call_is_not_cut_off_at_the_usual_time_per_attempt():
    """An explanation may take longer than a third of the client's timeout."""
    requests = []

    def take_long(request, context) -> PredictResponse:
        requests.append(request)
        time.sleep(1.5)
        return PredictResponse()

    with (
        OtherServer(take_long) as first,
        OtherServer(take_long) as second,
        Client(f"ipv4:{first.target},{second.target}", timeout=TIMEOUT) as client,
    ):
        client.predict("explain", DRAWING, timeout=10)
    assert len(requests) == 1


def test_long_call_moves_on_from_a_hanging_server(others):
    released = threading.Event()

    def hang(request, context) -> PredictResponse:
        released.wait(30)
        return PredictResponse()

    with (
        OtherServer(hang) as server,
        Client(f"ipv4:{server.target},{others}", timeout=0.5) as client,
    ):
        for _ in range(3):
            client.predict("explain", DRAWING, timeout=3)
        released.set()


def reject(code: grpc.StatusCode, sentence: str):
    def answer(request, context) -> PredictResponse:
        context.abort(code, sentence)

    return answer


@pytest.mark.parametrize(
    "answer",
    [
        reject(grpc.StatusCode.RESOURCE_EXHAUSTED, "Server Threadpool Exhausted"),
        reject(
            grpc.StatusCode.UNAVAILABLE,
            "The batch scheduling queue to which this task was submitted is full",
        ),
    ],
    ids=["threads", "queue"],
)
def test_full_server_is_busy_not_unreachable(answer):
    with OtherServer(answer) as server, Client(server.target) as client:
        with pytest.raises(ServerBusy, match="is busy; try again in a moment"):
            client.predict("sketch", DRAWING)


def test_calls_beyond_the_limit_wait():
    running, maximum, lock = 0, 0, threading.Lock()

    def count(request, context) -> PredictResponse:
        nonlocal running, maximum
        with lock:
            running += 1
            maximum = max(maximum, running)
        time.sleep(0.02)  # the work
        with lock:
            running -= 1
        return PredictResponse()

    with OtherServer(count, threads=32) as server, Client(server.target) as client:
        with ThreadPoolExecutor(32) as pool:
            list(pool.map(lambda _: client.predict("sketch", DRAWING), range(64)))
    assert 1 < maximum <= MAX_CONCURRENT


def test_calls_are_not_repeated_when_all_servers_hang():
    """Three times the load would not help."""
    released, requests = threading.Event(), []

    def hang(request, context) -> PredictResponse:
        requests.append(request)
        released.wait(30)
        return PredictResponse()

    with (
        OtherServer(hang, threads=200) as first,
        OtherServer(hang, threads=200) as second,
        Client(f"ipv4:{first.target},{second.target}", timeout=0.3) as client,
    ):

        def predict(_) -> None:
            with pytest.raises(ServerUnreachable):
                client.predict("sketch", DRAWING)

        with ThreadPoolExecutor(6) as callers:
            list(callers.map(predict, range(60)))
        released.set()
    assert len(requests) < 130  # not 180
