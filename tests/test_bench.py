"""The benchmarks measure, and explain why when they cannot; each runs for a moment only."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import grpc
import pytest
from tensorflow_serving.apis.predict_pb2 import PredictResponse

from tests.bench import latency_breakdown, page_load
from tests.bench.server_load import ServerOverloaded, measure_server_load
from tests.test_client import OtherServer

T = TypeVar("T")


def in_thread(measure: Callable[[], T]) -> T:
    """Runs a measurement in a new thread: Playwright's event loop may run in this one."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(measure).result()


def test_latency_breakdown_measures_every_part(
    client, base_path, final_version, page_url, monkeypatch
):
    monkeypatch.setattr(latency_breakdown, "CALLS", 20)
    newest = base_path / str(final_version)
    parts = in_thread(lambda: latency_breakdown.measure_latency_breakdown(client, newest, page_url))
    assert len(parts) == 7
    for name in ("connection and JSON, round trip", "graph", "PNG"):
        assert 0 < parts[name] < 1000


@pytest.mark.parametrize("through_gradio", [False, True])
def test_page_load_is_measured_without_errors(page_url, monkeypatch, through_gradio):
    monkeypatch.setattr(page_load, "SECONDS", 1.0)
    measured = in_thread(
        lambda: page_load.measure_page_load(page_url, 3, through_gradio=through_gradio)
    )
    assert measured.errors == []
    assert min(map(len, measured.times)) > 0
    assert measured.rate > 0


def test_overloaded_server_is_reported_with_the_flag_to_set():
    running = threading.Semaphore(8)

    def respond(request, context) -> PredictResponse:
        if not running.acquire(blocking=False):
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "Server Threadpool Exhausted")
        threading.Event().wait(0.005)  # the computation
        running.release()
        return PredictResponse()

    with OtherServer(respond, threads=32) as server:
        with pytest.raises(
            ServerOverloaded, match=r"16 clients .*Exhausted.*--grpc_max_threads=64"
        ):
            measure_server_load(server.target, seconds=0.5)
