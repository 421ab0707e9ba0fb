"""What measurements say when there is nothing to measure."""

import threading

import grpc
import pytest
from tensorflow_serving.apis.predict_pb2 import PredictResponse

from tests.bench.load import NotMeasured, measure_load
from tests.test_client import OtherServer


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
