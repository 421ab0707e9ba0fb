"""Three servers, one of which goes: how many drawings are lost, and how long the others wait.

python -m tests.bench.failover [--seconds 30]
python -m tests.bench.failover --server 127.0.0.1:8500 [--seconds 30]   # do the harm yourself
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

RATE = 20.0  # drawings a second
TIMEOUT = 3.0  # seconds, as the page's
FAULT_AT = 2.0  # seconds after the first drawing
DRAWING = {"drawings": np.zeros((1, 112, 112), np.uint8)}
RELEASES = find_snapshots(RELEASED)


class Drawing(NamedTuple):
    """What became of one drawing."""

    sent: float  # seconds after the first one
    wait: float  # seconds
    error: str | None


def send_drawings(
    client: Client, seconds: float, fault: Callable[[], object], fault_at: float = FAULT_AT
) -> list[Drawing]:
    """Sends drawings at a steady rate, each at its time whatever became of those before."""
    begin = time.monotonic()

    def ask(sent: float) -> Drawing:
        started, error = time.monotonic(), None
        try:
            client.predict("sketch", DRAWING)
        except ServingError as caught:
            error = str(caught)
        return Drawing(sent, time.monotonic() - started, error)

    timer = threading.Timer(fault_at, fault)
    timer.start()
    with ThreadPoolExecutor(int(RATE * 2 * TIMEOUT)) as pool:
        asked = []
        for turn in range(int(seconds * RATE)):
            time.sleep(max(0.0, begin + turn / RATE - time.monotonic()))
            asked.append(pool.submit(ask, turn / RATE))
        drawings = [each.result() for each in asked]
    timer.join()
    return drawings


@contextlib.contextmanager
def three_servers() -> Iterator[tuple[list[LocalServer], Line, str]]:
    """Three servers, the first of them at the end of a line that can be cut, and their target."""
    with contextlib.ExitStack() as stack:
        base_path = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        export_versions({max(RELEASES): RELEASES[max(RELEASES)]}, base_path)
        servers = [stack.enter_context(LocalServer(base_path)) for _ in range(3)]
        line = stack.enter_context(Line(servers[0].target))
        targets = [line.target, *(server.target for server in servers[1:])]
        yield servers, line, f"ipv4:{','.join(targets)}"


def measure(seconds: float) -> dict[str, list[Drawing]]:
    """The drawings, by what happened to one of three servers."""
    found = {}
    for name in ("killed", "stopped", "cut off", "paused"):
        with three_servers() as (servers, line, target), Client(target, timeout=TIMEOUT) as client:
            pid = servers[0].pid
            fault = {
                "killed": lambda pid=pid: os.kill(pid, signal.SIGKILL),
                "stopped": lambda pid=pid: os.kill(pid, signal.SIGTERM),
                "cut off": line.cut,
                "paused": lambda pid=pid: os.kill(pid, signal.SIGSTOP),
            }[name]
            for _ in range(3):
                client.predict("sketch", DRAWING)
            found[name] = send_drawings(client, seconds, fault)
            if name == "paused":
                os.kill(pid, signal.SIGCONT)
    return found


def print_found(found: dict[str, list[Drawing]]) -> None:
    """A table in Markdown."""
    print("| one of three servers is | lost | of | longest wait | the same 3 s later |")
    print("| --- | --- | --- | --- | --- |")
    for name, drawings in found.items():
        lost = sum(drawing.error is not None for drawing in drawings)
        late = [d.wait for d in drawings if d.sent > FAULT_AT + 3]
        waits = max(d.wait for d in drawings), max(late, default=0.0)
        print(f"| {name} | {lost} | {len(drawings)} | {waits[0]:.2f} s | {waits[1]:.2f} s |")


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.failover", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--server", metavar="HOST:PORT", help="of gRPC, one that runs already")
    parser.add_argument("--seconds", type=float, default=30.0, help="for each row")
    arguments = parser.parse_args()
    if not arguments.server:
        return print_found(measure(arguments.seconds))
    with Client(arguments.server, timeout=TIMEOUT) as client:
        drawings = send_drawings(client, arguments.seconds, lambda: print("now", flush=True))
    return print_found({"as you did it": drawings})


if __name__ == "__main__":
    main()
