"""Load test of the page: throughput, latency and fairness with many visitors drawing at once.

python -m tests.bench.page_load [--url URL] [--visitors 1,4,10,30,100]

Each visitor draws continuously and sends the newest drawing as soon as the previous one is
answered (closed loop): over a live connection as a browser does, or with --through-gradio through
Gradio's HTTP API, the fallback of browsers without WebSockets. The load generator is one process on
the same machine and reports its own CPU use; the page's is read from its /metrics.
"""

import argparse
import asyncio
import base64
import contextlib
import json
import re
import resource
import time
import urllib.request
from collections.abc import Awaitable, Callable, Iterator
from time import perf_counter
from typing import NamedTuple
from urllib.parse import urlsplit

import numpy as np
import uvloop
from websockets.asyncio.client import connect

from tests.hand import strokes_of
from tests.questions import GRADIO_PATH, SIDE, VALID_FIELDS, as_call, find_component, live_address

VISITORS = (1, 4, 10, 30, 100)
WARM_UP = 1.0  # seconds
SECONDS = 6.0  # duration of each measurement, after the warm-up
IDLE_SECONDS = 20.0
TIMEOUT = 10.0  # seconds per response
QUESTION = {"ask": "predict", **VALID_FIELDS["predict"]}


class PageLoad(NamedTuple):
    """The result of one measurement."""

    visitors: int
    times: list[list[float]]  # latencies in seconds, by visitor
    seconds: float  # duration
    generator_cores: float  # CPU cores used by the load generator
    page_cores: float  # CPU cores used by the page server
    megabytes: list[float]  # the page server's memory before, during and after
    errors: list[str]

    @property
    def rate(self) -> float:
        """Responses per second, over all visitors."""
        return sum(map(len, self.times)) / self.seconds

    @property
    def fairness(self) -> float:
        """Responses to the slowest visitor, as a fraction of the median visitor's."""
        counts = [len(times) for times in self.times]
        return min(counts) / max(1.0, float(np.median(counts)))


def make_drawings(side: int = SIDE) -> list[bytes]:
    """Returns the states of the pad while several digits are drawn: side x side bytes each."""
    return [frame for digit in (3, 8, 1, 5) for frame in frames_of(digit, side)]


def frames_of(digit: int, side: int = SIDE) -> list[bytes]:
    """Returns the states of the pad while one digit is drawn: side x side bytes each."""
    rows, columns = np.mgrid[:side, :side] / side
    ink = np.zeros((side, side), np.uint8)
    frames = []
    for stroke in strokes_of(digit):
        for x, y in stroke[::2]:
            ink[(columns - x) ** 2 + (rows - y) ** 2 < 0.04**2] = 255
            frames.append(ink.tobytes())
    return frames


def measure_page_load(url: str, visitors: int, *, through_gradio: bool = False) -> PageLoad:
    """Measures the page at `url` with concurrent visitors."""
    draw = _draw_through_gradio if through_gradio else _draw
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_measure(url, visitors, draw))


def measure_idle(url: str) -> float:
    """Returns the CPU cores that the page uses without visitors."""
    before = _get_usage(url)
    time.sleep(IDLE_SECONDS)
    return (_get_usage(url).seconds - before.seconds) / IDLE_SECONDS


def print_page_load(loads: list[PageLoad]) -> None:
    """Prints a Markdown table."""
    print(
        "| visitors | responses per second, total | median ms | 95th percentile ms "
        "| slowest visitor / median visitor | cores: page | cores: load generator "
        "| MB of the page: before | during | after |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for load in loads:
        median, high = np.percentile(1000 * np.concatenate(load.times), [50, 95])
        print(
            f"| {load.visitors} | {load.rate:.0f} | {median:.1f} | {high:.0f} "
            f"| {load.fairness:.2f} | {load.page_cores:.2f} | {load.generator_cores:.2f} | "
            + " | ".join(f"{size:.0f}" for size in load.megabytes)
            + " |"
        )
        for error in sorted(set(load.errors)):
            print(f"  {load.errors.count(error)} errors: {error}")


Draw = Callable[[str, list[bytes], "Recorder"], Awaitable[None]]


class Recorder:
    """Records one visitor's latencies and errors between `begin` and `end`."""

    def __init__(self, begin: float, end: float):
        self.begin, self.end = begin, end
        self.times: list[float] = []
        self.errors: list[str] = []

    @property
    def is_running(self) -> bool:
        return perf_counter() < self.end

    def record(self, sent: float, response: bytes) -> None:
        """Records a response, if both it and its request are within the measured time."""
        now = perf_counter()
        if b'"error"' in response[:200]:
            self.errors.append(response[:200].decode(errors="replace"))
        elif sent >= self.begin and now <= self.end:
            self.times.append(now - sent)


async def _measure(url: str, visitors: int, draw: Draw) -> PageLoad:
    frames = make_drawings()
    before = await asyncio.to_thread(_get_usage, url)
    begin = perf_counter() + WARM_UP + 0.02 * visitors  # time to connect
    recorders = [Recorder(begin, begin + SECONDS) for _ in range(visitors)]
    drawing = [
        asyncio.create_task(draw(url, frames[7 * index :] + frames[: 7 * index], recorder))
        for index, recorder in enumerate(recorders)
    ]
    await asyncio.sleep(begin - perf_counter())
    started, generator_started = await asyncio.to_thread(_get_usage, url), _cpu_seconds()
    await asyncio.sleep(begin + SECONDS - perf_counter())
    generator_cores = (_cpu_seconds() - generator_started) / SECONDS
    ended = await asyncio.to_thread(_get_usage, url)
    await asyncio.gather(*drawing)
    await asyncio.sleep(1)  # until the page has noticed that they have left
    after = await asyncio.to_thread(_get_usage, url)
    return PageLoad(
        visitors,
        [recorder.times for recorder in recorders],
        SECONDS,
        generator_cores,
        (ended.seconds - started.seconds) / SECONDS,
        [usage.megabytes for usage in (before, ended, after)],
        [error for recorder in recorders for error in recorder.errors],
    )


class _Usage(NamedTuple):
    seconds: float  # CPU time since the page server started
    megabytes: float  # resident memory


def _get_usage(url: str) -> _Usage:
    with urllib.request.urlopen(f"{url.rstrip('/')}/metrics", timeout=TIMEOUT) as response:
        metrics = dict(re.findall(r"^(\w+) (\S+)$", response.read().decode(), re.MULTILINE))
    seconds, size = metrics["process_cpu_seconds_total"], metrics["process_resident_memory_bytes"]
    return _Usage(float(seconds), float(size) / 2**20)


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def _draw(url: str, frames: list[bytes], recorder: Recorder) -> None:
    head = json.dumps({"id": 0, **QUESTION}).encode() + b"\n"
    async with connect(live_address(url), compression=None, open_timeout=TIMEOUT) as socket:
        count = 0
        while recorder.is_running:
            sent = perf_counter()
            await socket.send(head + frames[count % len(frames)])
            async with asyncio.timeout(TIMEOUT):
                recorder.record(sent, await socket.recv())
            count += 1


async def _draw_through_gradio(url: str, frames: list[bytes], recorder: Recorder) -> None:
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    component, visitor = await asyncio.to_thread(find_component, url), f"visitor{id(recorder)}"
    count = 0
    while recorder.is_running:
        content = base64.b64encode(frames[count % len(frames)]).decode()
        body = as_call(component, visitor, {**QUESTION, "visitor": visitor, "content": content})
        sent = perf_counter()
        async with asyncio.timeout(TIMEOUT):
            recorder.record(sent, await _post(reader, writer, body))
        count += 1
    writer.close()


async def _post(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, body: bytes) -> bytes:
    """Posts over a keep-alive connection and returns the response's body.

    An HTTP client library would take more CPU than the page.
    """
    head = f"POST {GRADIO_PATH} HTTP/1.1\r\nHost: page\r\nContent-Type: application/json\r\n"
    writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
    headers = await reader.readuntil(b"\r\n\r\n")
    return await reader.readexactly(int(re.search(rb"(?i)content-length: (\d+)", headers)[1]))


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.page_load", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--url", help="of the page; default: start a page and a model server")
    parser.add_argument(
        "--visitors",
        default=",".join(map(str, VISITORS)),
        metavar="N,N,…",
        help="numbers of concurrent visitors to measure (default: %(default)s)",
    )
    parser.add_argument(
        "--through-gradio", action="store_true", help="use Gradio's HTTP API, not live connections"
    )
    arguments = parser.parse_args()
    with contextlib.ExitStack() as stack:
        url = arguments.url or stack.enter_context(_run_released())
        print_page_load(
            [
                measure_page_load(url, int(count), through_gradio=arguments.through_gradio)
                for count in arguments.visitors.split(",")
            ]
        )


@contextlib.contextmanager
def _run_released() -> Iterator[str]:
    """Runs a page with the released weights on an embedded server, and yields its address."""
    from model.export import export_versions  # imports TensorFlow, which --url does not need
    from model.weights import RELEASED, find_snapshots
    from serving.local import LocalServer
    from tests.pages import ROOT, run_page

    base_path = ROOT / "exported" / "for-tests"
    export_versions(find_snapshots(RELEASED), base_path)
    with LocalServer(base_path) as server, run_page(server.target) as url:
        yield url


if __name__ == "__main__":
    main()
