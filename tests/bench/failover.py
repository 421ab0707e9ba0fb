"""Counts the requests that are lost, and how long the others take, when one of three servers fails.

python -m tests.bench.failover [--seconds 30]
python -m tests.bench.failover --server 127.0.0.1:8500 [--seconds 30]   # cause the failure yourself
"""

import argparse
import contextlib
import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np

from model.export import export_versions
from model.weights import RELEASED, find_snapshots
from serving.client import Client, ServingError
from serving.local import LocalServer
from tests.line import Line

RATE = 20.0  # drawings per second
TIMEOUT = 3.0  # seconds per call, the same as the page's
FAULT_AT = 2.0  # seconds after the first drawing
DRAWING = {"drawings": np.zeros((1, 112, 112), np.uint8)}
RELEASES = find_snapshots(RELEASED)


class Drawing(NamedTuple):
    """The outcome of sending one drawing."""

    sent: float  # seconds after the first drawing
    wait: float  # seconds until the response
    error: str | None


def send_drawings(
    client: Client, seconds: float, fault: Callable[[], object], fault_at: float = FAULT_AT
) -> list[Drawing]:
    """Sends drawings at a constant rate, without waiting for earlier responses (open loop).

    Args:
        client: client of the servers.
        seconds: how long to send.
        fault: called once, to make a server fail.
        fault_at: when to call `fault`, in seconds after the first drawing.
    """
    begin = time.monotonic()

    def predict(sent: float) -> Drawing:
        started, error = time.monotonic(), None
        try:
            client.predict("sketch", DRAWING)
        except ServingError as caught:
            error = str(caught)
        return Drawing(sent, time.monotonic() - started, error)

    timer = threading.Timer(fault_at, fault)
    timer.start()
    with ThreadPoolExecutor(int(RATE * 2 * TIMEOUT)) as pool:
        pending = []
        for index in range(int(seconds * RATE)):
            time.sleep(max(0.0, begin + index / RATE - time.monotonic()))
            pending.append(pool.submit(predict, index / RATE))
        drawings = [future.result() for future in pending]
    timer.join()
    return drawings


@contextlib.contextmanager
def three_servers() -> Iterator[tuple[list[LocalServer], Line, str]]:
    """Yields three servers, the connection to the first one, which can be cut, and their target."""
    with contextlib.ExitStack() as stack:
        base_path = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        export_versions({max(RELEASES): RELEASES[max(RELEASES)]}, base_path)
        servers = [stack.enter_context(LocalServer(base_path)) for _ in range(3)]
        line = stack.enter_context(Line(servers[0].target))
        targets = [line.target, *(server.target for server in servers[1:])]
        yield servers, line, f"ipv4:{','.join(targets)}"


def measure(seconds: float) -> dict[str, list[Drawing]]:
    """Returns the outcomes by the kind of failure of one of three servers."""
    outcomes = {}
    for name in ("killed", "stopped", "disconnected", "paused"):
        with three_servers() as (servers, line, target), Client(target, timeout=TIMEOUT) as client:
            pid = servers[0].pid
            fault = {
                "killed": lambda pid=pid: os.kill(pid, signal.SIGKILL),
                "stopped": lambda pid=pid: os.kill(pid, signal.SIGTERM),
                "disconnected": line.cut,
                "paused": lambda pid=pid: os.kill(pid, signal.SIGSTOP),
            }[name]
            for _ in range(3):
                client.predict("sketch", DRAWING)
            outcomes[name] = send_drawings(client, seconds, fault)
            if name == "paused":
                os.kill(pid, signal.SIGCONT)
    return outcomes


def print_outcomes(outcomes: dict[str, list[Drawing]]) -> None:
    """Prints a Markdown table."""
    print(
        "| one of three servers is | requests lost | requests sent | longest wait "
        "| longest wait from 3 s after the failure on |"
    )
    print("| --- | --- | --- | --- | --- |")
    for name, drawings in outcomes.items():
        lost = sum(drawing.error is not None for drawing in drawings)
        late = [d.wait for d in drawings if d.sent > FAULT_AT + 3]
        waits = max(d.wait for d in drawings), max(late, default=0.0)
        print(f"| {name} | {lost} | {len(drawings)} | {waits[0]:.2f} s | {waits[1]:.2f} s |")


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.failover", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--server", metavar="HOST:PORT", help="gRPC address of running servers")
    parser.add_argument("--seconds", type=float, default=30.0, help="for each kind of failure")
    arguments = parser.parse_args()
    if not arguments.server:
        return print_outcomes(measure(arguments.seconds))
    with Client(arguments.server, timeout=TIMEOUT) as client:
        drawings = send_drawings(
            client, arguments.seconds, lambda: print("Stop a server now.", flush=True)
        )
    return print_outcomes({"stopped by you": drawings})


if __name__ == "__main__":
    main()
