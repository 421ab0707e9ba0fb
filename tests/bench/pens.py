"""Many pens on one page at once: answers a second, how long each takes, and whether all get alike.

python -m tests.bench.pens [--url URL] [--pens 1,4,10,30,100]

Each pen draws over and over, and sends its newest drawing as soon as the last one is answered, over
the live connection as a browser does, or with --through-gradio the way of those who can have none.
The generator runs in one process beside the page, and says how much of a core it takes itself. What
the page takes, it tells itself at /metrics.
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
from tests.questions import GRADIO_PATH, RIGHT, SIDE, as_call, find_component, live_address

PENS = (1, 4, 10, 30, 100)
WARM_UP = 1.0  # seconds
SECONDS = 6.0  # of each measurement after that
IDLE_SECONDS = 20.0
LONGEST = 10.0  # seconds that an answer may take
QUESTION = {"ask": "predict", **RIGHT["predict"]}


class Pens(NamedTuple):
    """What some pens have got."""

    pens: int
    times: list[list[float]]  # seconds, of each answer, by pen
    seconds: float  # of all of them together
    generator: float  # cores that the generator itself has taken
    page: float  # cores that the page has taken
    megabytes: list[float]  # that the page has taken before, while they drew, and after they left
    errors: list[str]

    @property
    def rate(self) -> float:
        """Answers a second."""
        return sum(map(len, self.times)) / self.seconds

    @property
    def fairness(self) -> float:
        """What the pen with the fewest answers has got of what the median pen has."""
        counts = [len(times) for times in self.times]
        return min(counts) / max(1.0, float(np.median(counts)))


def drawings(side: int = SIDE) -> list[bytes]:
    """What is on the pad while digits are drawn, again and again: side x side bytes each."""
    return [frame for digit in (3, 8, 1, 5) for frame in frames_of(digit, side)]


def frames_of(digit: int, side: int = SIDE) -> list[bytes]:
    """What is on the pad while one digit is drawn: side x side bytes each."""
    rows, columns = np.mgrid[:side, :side] / side
    ink = np.zeros((side, side), np.uint8)
    frames = []
    for stroke in strokes_of(digit):
        for x, y in stroke[::2]:
            ink[(columns - x) ** 2 + (rows - y) ** 2 < 0.04**2] = 255
            frames.append(ink.tobytes())
    return frames


def measure_pens(url: str, pens: int, *, through_gradio: bool = False) -> Pens:
    """Has so many pens draw on the page at `url`."""
    draw = _draw_through_gradio if through_gradio else _draw
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_measure(url, pens, draw))


def measure_idle(url: str) -> float:
    """The cores that a page takes while nobody draws."""
    before = _usage(url)
    time.sleep(IDLE_SECONDS)
    return (_usage(url).seconds - before.seconds) / IDLE_SECONDS


def print_pens(measured: list[Pens]) -> None:
    """A table in Markdown."""
    print(
        "| pens | answers a second | median ms | 95th | least / median pen "
        "| cores: page | generator | MB of the page: before | with them | after |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for one in measured:
        times = 1000 * np.concatenate(one.times)
        median, high = np.percentile(times, [50, 95])
        print(
            f"| {one.pens} | {one.rate:.0f} | {median:.1f} | {high:.0f} | {one.fairness:.2f} "
            f"| {one.page:.2f} | {one.generator:.2f} | "
            + " | ".join(f"{size:.0f}" for size in one.megabytes)
            + " |"
        )
        for error in sorted(set(one.errors)):
            print(f"  {one.errors.count(error)} errors: {error}")


Draw = Callable[[str, list[bytes], "Watch"], Awaitable[None]]


class Watch:
    """When to stop, and what has been measured of one pen."""

    def __init__(self, begin: float, end: float):
        self.begin, self.end = begin, end
        self.times: list[float] = []
        self.errors: list[str] = []

    def goes_on(self) -> bool:
        return perf_counter() < self.end

    def note(self, sent: float, answer: bytes) -> None:
        """Counts an answer that has been waited for in the measured time."""
        now = perf_counter()
        if b'"error"' in answer[:200]:
            self.errors.append(answer[:200].decode(errors="replace"))
        elif sent >= self.begin and now <= self.end:
            self.times.append(now - sent)


async def _measure(url: str, pens: int, draw: Draw) -> Pens:
    frames = drawings()
    before = await asyncio.to_thread(_usage, url)
    begin = perf_counter() + WARM_UP + 0.02 * pens  # to connect
    watches = [Watch(begin, begin + SECONDS) for _ in range(pens)]
    drawing = [
        asyncio.create_task(draw(url, frames[7 * pen :] + frames[: 7 * pen], watch))
        for pen, watch in enumerate(watches)
    ]
    await asyncio.sleep(begin - perf_counter())
    started, own = await asyncio.to_thread(_usage, url), _cpu()
    await asyncio.sleep(begin + SECONDS - perf_counter())
    generator = (_cpu() - own) / SECONDS
    ended = await asyncio.to_thread(_usage, url)
    await asyncio.gather(*drawing)
    await asyncio.sleep(1)  # for the page to notice that they have left
    after = await asyncio.to_thread(_usage, url)
    return Pens(
        pens,
        [watch.times for watch in watches],
        SECONDS,
        generator,
        (ended.seconds - started.seconds) / SECONDS,
        [usage.megabytes for usage in (before, ended, after)],
        [error for watch in watches for error in watch.errors],
    )


class _Usage(NamedTuple):
    seconds: float  # of a core, since the page has started
    megabytes: float


def _usage(url: str) -> _Usage:
    with urllib.request.urlopen(f"{url.rstrip('/')}/metrics", timeout=LONGEST) as response:
        told = dict(re.findall(r"^(\w+) (\S+)$", response.read().decode(), re.MULTILINE))
    seconds, size = told["process_cpu_seconds_total"], told["process_resident_memory_bytes"]
    return _Usage(float(seconds), float(size) / 2**20)


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def _draw(url: str, frames: list[bytes], watch: Watch) -> None:
    head = json.dumps({"id": 0, **QUESTION}).encode() + b"\n"
    async with connect(live_address(url), compression=None, open_timeout=LONGEST) as socket:
        count = 0
        while watch.goes_on():
            sent = perf_counter()
            await socket.send(head + frames[count % len(frames)])
            async with asyncio.timeout(LONGEST):
                watch.note(sent, await socket.recv())
            count += 1


async def _draw_through_gradio(url: str, frames: list[bytes], watch: Watch) -> None:
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    component, visitor = await asyncio.to_thread(find_component, url), f"pen{id(watch)}"
    count = 0
    while watch.goes_on():
        content = base64.b64encode(frames[count % len(frames)]).decode()
        body = as_call(component, visitor, {**QUESTION, "visitor": visitor, "content": content})
        sent = perf_counter()
        async with asyncio.timeout(LONGEST):
            watch.note(sent, await _request(reader, writer, body))
        count += 1
    writer.close()


async def _request(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, body: bytes
) -> bytes:
    """The body of an answer, over a connection that is kept: a client library would cost more than
    what is measured.
    """
    head = f"POST {GRADIO_PATH} HTTP/1.1\r\nHost: page\r\nContent-Type: application/json\r\n"
    writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
    headers = await reader.readuntil(b"\r\n\r\n")
    return await reader.readexactly(int(re.search(rb"(?i)content-length: (\d+)", headers)[1]))


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.pens", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--url", help="of the page; without it one is started, with a server")
    parser.add_argument("--pens", default=",".join(map(str, PENS)), metavar="N,N,…")
    parser.add_argument("--through-gradio", action="store_true", help="not over live connections")
    arguments = parser.parse_args()
    pens = [int(count) for count in arguments.pens.split(",")]
    with contextlib.ExitStack() as stack:
        url = arguments.url or stack.enter_context(run_own_page())
        print_pens([measure_pens(url, n, through_gradio=arguments.through_gradio) for n in pens])


@contextlib.contextmanager
def run_own_page() -> Iterator[str]:
    """A page with the released weights on an embedded server, and its address."""
    from model.export import export_versions  # TensorFlow, which a page elsewhere does not need
    from model.weights import RELEASED, find_snapshots
    from serving.local import LocalServer
    from tests.pages import ROOT, run_page

    base_path = ROOT / "exported" / "for-tests"
    export_versions(find_snapshots(RELEASED), base_path)
    with LocalServer(base_path) as server, run_page(server.target) as url:
        yield url


if __name__ == "__main__":
    main()
