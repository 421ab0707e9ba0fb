"""Load test of a model server: throughput and latency under concurrent clients.

python -m tests.bench.server_load HOST:PORT
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
OUTPUTS = {"all outputs": (), '`output_filter=["logits"]`': ("logits",)}
WARM_UP = 20  # requests per client
SECONDS = 4.0  # duration of each measurement, after the warm-up


class ServerOverloaded(Exception):
    """The server refuses concurrent requests; the message says what to do."""


class ServerLoad(NamedTuple):
    """The result of one measurement."""

    clients: int
    outputs: str
    milliseconds: list[float]  # latency of each request
    seconds: float  # duration

    @property
    def rate(self) -> float:
        """Requests per second, over all clients."""
        return len(self.milliseconds) / self.seconds


def measure_server_load(target: str, seconds: float = SECONDS) -> list[ServerLoad]:
    """Calls `serving_default` with one image, from clients that wait for each response.

    Each client has its own channel. Responses are not parsed, so that the clients, which run on the
    same machine, take as little CPU as possible from the server.

    Args:
        target: `HOST:PORT` of the server, gRPC.
        seconds: duration of each measurement.

    Raises:
        ServerOverloaded: the server refuses requests at this number of clients.
    """
    return [
        _measure(target, clients, name, outputs, seconds)
        for name, outputs in OUTPUTS.items()
        for clients in CLIENTS
    ]


def print_server_load(loads: list[ServerLoad]) -> None:
    """Prints a Markdown table."""
    print(
        "| `serving_default`, one image | clients | requests per second | median ms "
        "| 99th percentile ms |"
    )
    print("| --- | --- | --- | --- | --- |")
    for load in loads:
        median, high = np.percentile(load.milliseconds, [50, 99])
        print(f"| {load.outputs} | {load.clients} | {load.rate:.0f} | {median:.2f} | {high:.1f} |")


def _measure(
    target: str, clients: int, name: str, outputs: tuple[str, ...], seconds: float
) -> ServerLoad:
    request = PredictRequest(output_filter=outputs)
    request.model_spec.name = MODEL
    request.inputs["images"].CopyFrom(to_proto(np.zeros((1, 28, 28), np.float32)))
    begin, end = threading.Barrier(clients + 1, timeout=60), threading.Event()
    errors: list[grpc.RpcError] = []

    def call_repeatedly() -> list[float]:
        times = []
        with grpc.insecure_channel(target, [("grpc.use_local_subchannel_pool", 1)]) as channel:
            predict = channel.unary_unary(
                "/tensorflow.serving.PredictionService/Predict",
                PredictRequest.SerializeToString,
                lambda response: response,
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
                errors.append(error)
                begin.abort()
            except threading.BrokenBarrierError:
                pass  # another client has failed
        return times

    with ThreadPoolExecutor(clients) as threads:
        running = [threads.submit(call_repeatedly) for _ in range(clients)]
        with contextlib.suppress(threading.BrokenBarrierError):
            begin.wait()
            started = perf_counter()
            end.wait(seconds)
        end.set()
        if errors:
            raise ServerOverloaded(
                f"With {clients} clients the server refuses requests "
                f"({errors[0].code().name}: {errors[0].details()}). TensorFlow Serving has 4 gRPC "
                "threads per core by default; start it with --grpc_max_threads=64."
            )
        times = [time for future in running for time in future.result()]
        return ServerLoad(clients, name, times, perf_counter() - started)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.server_load", description=__doc__.splitlines()[0]
    )
    parser.add_argument("server", metavar="HOST:PORT", help="gRPC address")
    target = parser.parse_args().server
    try:
        with Client(target) as client:
            client.wait_until_ready(10)
        print_server_load(measure_server_load(target))
    except (ServingError, ServerOverloaded) as error:
        sys.exit(f"{parser.prog}: {error}")


if __name__ == "__main__":
    main()
