"""That measurements measure, in a moment, and what they say when there is nothing to measure."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import grpc
import pytest
from tensorflow_serving.apis.predict_pb2 import PredictResponse

from tests.bench import answer, pens
from tests.bench.load import NotMeasured, measure_load
from tests.test_client import OtherServer

T = TypeVar("T")


def aside(measure: Callable[[], T]) -> T:
    """In a thread of its own, for in this one Playwright's event loop may run."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(measure).result()


def test_all_parts_of_an_answer_are_measured(
    client, base_path, final_version, page_url, monkeypatch
):
    monkeypatch.setattr(answer, "CALLS", 20)
    newest = base_path / str(final_version)
    parts = aside(lambda: answer.measure_answer(client, newest, page_url))
    assert len(parts) == 7
    for name in ("connection and JSON, there and back", "the graph", "PNG"):
        assert 0 < parts[name] < 1000


@pytest.mark.parametrize("through_gradio", [False, True])
def test_pens_draw_and_are_answered(page_url, monkeypatch, through_gradio):
    monkeypatch.setattr(pens, "SECONDS", 1.0)
    measured = aside(lambda: pens.measure_pens(page_url, 3, through_gradio=through_gradio))
    assert measured.errors == []
    assert min(map(len, measured.times)) > 0
    assert measured.rate > 0


def test_a_server_with_too_few_threads_is_told_as_that():
    running = threading.Semaphore(8)

    def answer(request, context) -> PredictResponse:
        if not running.acquire(blocking=False):
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "Server Threadpool Exhausted")
        threading.Event().wait(0.005)  # the work
        running.release()
        return PredictResponse()

    with OtherServer(answer, threads=32) as server:
        with pytest.raises(NotMeasured, match=r"16 clients .*Exhausted.*--grpc_max_threads=64"):
            measure_load(server.target, seconds=0.5)
