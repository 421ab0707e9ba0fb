"""Many clients at once on one model server: requests a second, and how long each of them takes.

python -m tests.bench.load HOST:PORT
"""

import argparse
import contextlib
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from typing import NamedTuple

import grpc
import numpy as np
from tensorflow_serving.apis.predict_pb2 import PredictRequest

from serving.client import Client, ServingError
from serving.defaults import MODEL
from serving.tensors import to_proto

CLIENTS = (1, 4, 16)
ANSWERS = {"the full answer": (), 'output_filter=["logits"]': ("logits",)}
WARM_UP = 20  # requests of each client
SECONDS = 4.0  # of each measurement after that


class NotMeasured(Exception):
    """The server does not bear the load; the message says what to do."""


class Load(NamedTuple):
    """What one kind of load came to."""

    clients: int
    answer: str
    milliseconds: list[float]  # of each request
    seconds: float  # of all of them together

    @property
    def rate(self) -> float:
        """Requests a second."""
        return len(self.milliseconds) / self.seconds


def measure_load(target: str, seconds: float = SECONDS) -> list[Load]:
    """`serving_default` of one image, from clients that each wait for an answer and ask again.

    Each has a channel of its own; answers are received, not read, so that the server is what is
    measured, as far as clients on the same machine allow.
    """
    return [
        _measure(target, clients, answer, outputs, seconds)
        for answer, outputs in ANSWERS.items()
        for clients in CLIENTS
    ]


def print_load(loads: list[Load]) -> None:
    """A table in Markdown."""
    print("| `serving_default`, one image | clients | requests a second | median ms | 99th |")
    print("| --- | --- | --- | --- | --- |")
    for load in loads:
        median, high = np.percentile(load.milliseconds, [50, 99])
        print(f"| {load.answer} | {load.clients} | {load.rate:.0f} | {median:.2f} | {high:.1f} |")


def _measure(
    target: str, clients: int, answer: str, outputs: tuple[str, ...], seconds: float
) -> Load:
    request = PredictRequest(output_filter=outputs)
    request.model_spec.name = MODEL
    request.inputs["images"].CopyFrom(to_proto(np.zeros((1, 28, 28), np.float32)))
    begin, end = threading.Barrier(clients + 1, timeout=60), threading.Event()
    refused: list[grpc.RpcError] = []

    def ask() -> list[float]:
        times = []
        with grpc.insecure_channel(target, [("grpc.use_local_subchannel_pool", 1)]) as channel:
            predict = channel.unary_unary(
                "/tensorflow.serving.PredictionService/Predict",
                PredictRequest.SerializeToString,
                lambda received: received,
            )
            try:
                for _ in range(WARM_UP):
                    predict(request, timeout=30)
                begin.wait()
                while not end.is_set():
                    started = perf_counter()
                    predict(request, timeout=30)
                    times.append(1000 * (perf_counter() - started))
            except grpc.RpcError as error:
                refused.append(error)
                begin.abort()
            except threading.BrokenBarrierError:
                pass  # of another client
        return times

    with ThreadPoolExecutor(clients) as threads:
        asking = [threads.submit(ask) for _ in range(clients)]
        with contextlib.suppress(threading.BrokenBarrierError):
            begin.wait()
            started = perf_counter()
            end.wait(seconds)
        end.set()
        if refused:
            raise NotMeasured(
                f"with {clients} clients at once the server refuses requests "
                f"({refused[0].code().name}: {refused[0].details()}). TensorFlow Serving has 4 "
                "threads a core for gRPC; start it with --grpc_max_threads=64 to measure it."
            )
        times = [time for each in asking for time in each.result()]
        return Load(clients, answer, times, perf_counter() - started)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.load", description=__doc__.splitlines()[0]
    )
    parser.add_argument("server", metavar="HOST:PORT", help="of gRPC")
    target = parser.parse_args().server
    try:
        with Client(target) as client:
            client.wait_until_ready(10)
    except ServingError as error:
        sys.exit(f"python -m tests.bench.load: {error}")
    try:
        print_load(measure_load(target))
    except NotMeasured as error:
        sys.exit(f"python -m tests.bench.load: {error}")


if __name__ == "__main__":
    main()
