"""The campaign: pens draw and callers call while faults are done; then all is counted."""

import contextlib
import secrets
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from playwright.sync_api import Error as PlaywrightError

from model.export import export_versions
from model.weights import RELEASED, find_snapshots
from serving.client import Client
from tests.browser import launch_chromium
from tests.pages import ROOT
from tests.soak.browser import BrowserVisitor
from tests.soak.callers import (
    GradioCaller,
    call_on,
    grpc_at_the_server,
    metrics_of_the_page,
    rest_at_the_page,
    rest_at_the_server,
)
from tests.soak.faults import OF_THE_PAGE, OF_THE_SERVER, OTHERS, Fault, Faults
from tests.soak.pens import LIMIT, Pen
from tests.soak.tally import Tally
from tests.soak.watch import MARK, Growth, Look, Watch, environment, find_left
from tests.soak.world import World

PENS = 4
MAX_WORKING = 16  # threads: pens, callers, the browser
MAX_OF_A_DIGIT = 10.0  # seconds, to draw one that was begun before the faults were over
# Of the time, until when these faults are done: what lives on then has to stay as large as it is.
PAGE_UNTIL, SERVER_UNTIL = 0.3, 0.6
WARM_UP, MIN_MEASURED = 120.0, 240.0  # seconds
MAX_GROWTH = 40.0  # MB an hour, where that is more than the memory goes up and down by anyway:
CLEARLY = 3.0  # standard deviations
UNHANDLED = "Exception in ASGI application"  # uvicorn's words
MAX_OF_LOG = 3000  # characters
MAX_MORE = 20  # open files, and threads, than after the warm-up

Visitor = Pen | BrowserVisitor


@dataclass
class Result:
    """What has come of a campaign; `lost` is empty if every promise was kept."""

    seed: int
    minutes: float
    lost: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    faults: dict[Fault, int] = field(default_factory=dict)
    rounds: int = 0
    recovery: dict[Fault, float] = field(default_factory=dict)  # seconds, the longest
    tallies: list[Tally] = field(default_factory=list)
    growth: dict[str, Growth | None] = field(default_factory=dict)
    looks: dict[str, list[Look]] = field(default_factory=dict)
    page_starts: int = 0


def run(minutes: float, seed: int, *, has_browser: bool = True) -> Result:
    """Runs a campaign of so many minutes, besides those that starting and ending take.

    Everything is on 127.0.0.1, and in a folder that is removed in the end.
    """
    result, mark = Result(seed, minutes), secrets.token_hex(8)
    exported = ROOT / "exported" / "for-tests"
    export_versions(find_snapshots(RELEASED), exported)
    folder = Path(tempfile.mkdtemp(prefix="layer-xray-soak-"))
    try:
        temporary, everything = folder / "temporary", folder / "world"
        temporary.mkdir()
        everything.mkdir()
        with environment(**{MARK: mark}), _temporary(temporary):
            with World(exported, everything) as world:
                ports = world.ports
                _run(world, result, has_browser)
        result.lost += world.lost
        result.page_starts = world.page_starts
        result.left = find_left(mark, ports, [temporary])
        if UNHANDLED in (log := world.page_log()):
            last = log.rpartition(UNHANDLED)[2][:MAX_OF_LOG]
            result.lost.append(
                f"The page has failed {log.count(UNHANDLED)} times, the last time:{last}"
            )
    finally:
        shutil.rmtree(folder)
    result.lost += result.left
    return result


def _run(world: World, result: Result, has_browser: bool) -> None:
    if not world.disk.is_small:
        result.left_out.append("the full disk, for nothing may be mounted here")
    if has_browser and not _has_chromium():
        result.left_out.append("the real browser, for there is none here")
        has_browser = False
    seed, stop, faults = result.seed, threading.Event(), Faults(world, result.seed)
    processes = {"page": lambda: world.page.pid, "server": lambda: world.server.pid}
    with (
        Watch(processes) as watch,
        Client(world.server.target) as client,
        contextlib.closing(GradioCaller(world.base_path.parent)) as gradio,
        ThreadPoolExecutor(MAX_WORKING) as pool,
        _set_in_the_end(stop),
    ):
        result.tallies = [pens := Tally("pens")]
        visitors = [Pen(world, faults, pens, 1000 * seed + number) for number in range(PENS)]
        working = [pool.submit(pen.draw_on, stop) for pen in visitors]
        callers = {
            "REST at the page": rest_at_the_page,
            "REST at the server": rest_at_the_server,
            "gRPC at the server": grpc_at_the_server(client),
            "Gradio's API": gradio,
            "/metrics": metrics_of_the_page,
        }
        for number, (kind, call) in enumerate(callers.items()):
            result.tallies.append(tally := Tally(kind))
            working.append(pool.submit(call_on, call, world, tally, 2000 * seed + number, stop))
        if has_browser:
            result.tallies.append(tally := Tally("a real browser"))
            visitors.append(BrowserVisitor(world, faults, tally, seed))
            working.append(pool.submit(visitors[-1].draw_on, stop))
        for kinds in _plan(60 * result.minutes):
            faults.do_some(kinds)
            _wait_until_read(visitors, faults, world)
        stop.set()
        result.lost += [f"A caller failed: {e!r}" for done in working if (e := done.exception())]
        gradio.close()
        _check_nobody_stays(world)
    _count(result, faults, visitors)
    _judge_growth(result, watch)
    for tally in result.tallies:
        result.lost += tally.wrong


def _has_chromium() -> bool:
    try:
        with launch_chromium():
            return True
    except PlaywrightError:
        return False


def _plan(seconds: float) -> Iterator[tuple[Fault, ...]]:
    """The kinds of faults of the next round, until the time is over."""
    began = time.monotonic()
    while (passed := time.monotonic() - began) < seconds:
        yield (
            *OTHERS,
            *(OF_THE_PAGE if passed < PAGE_UNTIL * seconds else ()),
            *(OF_THE_SERVER if passed < SERVER_UNTIL * seconds else ()),
        )


def _wait_until_read(visitors: list[Visitor], faults: Faults, world: World) -> None:
    """Until each visitor has had a digit read after the faults."""
    end = time.monotonic() + LIMIT + MAX_OF_A_DIGIT
    while time.monotonic() < end:
        if all(pen.readings and pen.readings[-1][1] > faults.calm_since for pen in visitors):
            return
        time.sleep(0.2)
    world.note("Not every visitor had a drawing read after the faults.")


def _check_nobody_stays(world: World) -> None:
    """When all have left, the page knows of nobody."""
    wanted, end = "layer_xray_visitors 0.0", time.monotonic() + LIMIT
    while time.monotonic() < end:
        told = httpx.get(f"http://127.0.0.1:{world.page_port}/metrics", timeout=10, trust_env=False)
        if wanted in told.text and "layer_xray_queued_drawings 0.0" in told.text:
            return
        time.sleep(0.2)
    world.note("The page believes that somebody is there still, or waits: its /metrics says so.")


def _count(result: Result, faults: Faults, visitors: list[Visitor]) -> None:
    result.faults, result.rounds = dict(faults.counts), len(faults.rounds)
    for one in faults.rounds:
        waited = [
            read - one.ended
            for visitor in visitors
            for drawn, read in visitor.readings
            if drawn <= one.ended < read
        ]
        for fault in one.faults:
            result.recovery[fault] = max([*waited, result.recovery.get(fault, 0.0)])


def _judge_growth(result: Result, watch: Watch) -> None:
    result.looks = watch.looks
    for name in watch.looks:
        growth = result.growth[name] = watch.growth(name, WARM_UP)
        if growth is None or growth.seconds < MIN_MEASURED:
            continue
        result.lost += complaints(name, growth)


def complaints(name: str, growth: Growth) -> list[str]:
    """Sentences on a process that is not flat."""
    found = []
    if growth.mb_an_hour > MAX_GROWTH and growth.rise_mb > CLEARLY * growth.spread_mb:
        found.append(
            f"The {name} grows by {growth.mb_an_hour:.0f} MB an hour, from {growth.first_mb:.0f} "
            f"to {growth.last_mb:.0f} MB."
        )
    if growth.files > MAX_MORE:
        found.append(f"The {name} has {growth.files} more files open than after its warm-up.")
    if growth.threads > MAX_MORE:
        found.append(f"The {name} has {growth.threads} more threads than after its warm-up.")
    return found


@contextlib.contextmanager
def _set_in_the_end(event: threading.Event) -> Iterator[None]:
    try:
        yield
    finally:
        event.set()


@contextlib.contextmanager
def _temporary(folder: Path) -> Iterator[None]:
    """Has this process, and those that it starts, put their temporary files into a folder."""
    with environment(TMPDIR=str(folder)):
        before, tempfile.tempdir = tempfile.tempdir, str(folder)
        try:
            yield
        finally:
            tempfile.tempdir = before
