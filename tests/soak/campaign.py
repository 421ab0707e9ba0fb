"""Runs a campaign: visitors draw and clients call while faults are injected; then it is judged."""

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
    call_page_rest,
    call_repeatedly,
    call_server_rest,
    get_page_metrics,
    make_grpc_call,
)
from tests.soak.faults import OTHER_FAULTS, PAGE_FAULTS, SERVER_FAULTS, Fault, FaultInjector
from tests.soak.outcomes import Outcomes
from tests.soak.resources import (
    MARKER,
    Growth,
    ResourceMonitor,
    Sample,
    find_leftovers,
    set_environment,
)
from tests.soak.system import System
from tests.soak.visitors import MAX_RECOVERY, Visitor

VISITORS = 4
MAX_THREADS = 16  # visitors, callers, browser
MAX_DRAWING_SECONDS = 10.0  # to finish a drawing that was begun before the end of the faults
# Fractions of the time after which the page and the server are no longer killed: the memory of
# their last processes must then stay constant.
LAST_PAGE_FAULT, LAST_SERVER_FAULT = 0.3, 0.6
WARM_UP, MIN_MEASURED = 120.0, 240.0  # seconds
# A process leaks if it grows faster than this and by more than its memory fluctuates.
MAX_GROWTH = 40.0  # MB per hour
SIGNIFICANCE = 3.0  # standard deviations
MAX_ADDED = 20  # open files, and threads, since the warm-up
UNHANDLED = "Exception in ASGI application"  # uvicorn's message
MAX_LOG_CHARACTERS = 3000


@dataclass
class Result:
    """The result of a campaign; `violations` is empty if it has passed."""

    seed: int
    minutes: float
    violations: list[str] = field(default_factory=list)
    leftovers: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    faults: dict[Fault, int] = field(default_factory=dict)
    rounds: int = 0
    recovery: dict[Fault, float] = field(default_factory=dict)  # longest, seconds
    outcomes: list[Outcomes] = field(default_factory=list)
    growth: dict[str, Growth | None] = field(default_factory=dict)
    samples: dict[str, list[Sample]] = field(default_factory=dict)
    page_starts: int = 0


def run(minutes: float, seed: int, *, has_browser: bool = True) -> Result:
    """Runs a campaign on 127.0.0.1 and in a temporary folder.

    Args:
        minutes: duration, without start and shutdown.
        seed: of the kind and time of the faults.
        has_browser: whether one visitor uses a real browser.
    """
    result, marker = Result(seed, minutes), secrets.token_hex(8)
    exported = ROOT / "exported" / "for-tests"
    export_versions(find_snapshots(RELEASED), exported)
    folder = Path(tempfile.mkdtemp(prefix="layer-xray-soak-"))
    try:
        temporary, system_folder = folder / "temporary", folder / "system"
        temporary.mkdir()
        system_folder.mkdir()
        with set_environment(**{MARKER: marker}), _set_temporary_folder(temporary):
            with System(exported, system_folder) as system:
                ports = system.ports
                _run(system, result, has_browser)
        result.violations += system.violations
        result.page_starts = system.page_starts
        result.leftovers = find_leftovers(marker, ports, [temporary])
        if UNHANDLED in (log := system.page_log()):
            last = log.rpartition(UNHANDLED)[2][:MAX_LOG_CHARACTERS]
            result.violations.append(
                f"The page had {log.count(UNHANDLED)} unhandled exceptions, the last:{last}"
            )
    finally:
        shutil.rmtree(folder)
    result.violations += result.leftovers
    return result


def _run(system: System, result: Result, has_browser: bool) -> None:
    if not system.disk.is_small:
        result.skipped.append("the full disk (no permission to mount one)")
    if has_browser and not _has_chromium():
        result.skipped.append("the real browser (none is installed)")
        has_browser = False
    seed, stop, faults = result.seed, threading.Event(), FaultInjector(system, result.seed)
    processes = {"page": lambda: system.page.pid, "server": lambda: system.server.pid}
    with (
        ResourceMonitor(processes) as monitor,
        Client(system.server.target) as client,
        contextlib.closing(GradioCaller(system.base_path.parent)) as gradio,
        ThreadPoolExecutor(MAX_THREADS) as pool,
        _set_at_exit(stop),
    ):
        result.outcomes = [outcomes := Outcomes("visitors")]
        visitors: list[Visitor | BrowserVisitor] = [
            Visitor(system, faults, outcomes, 1000 * seed + number) for number in range(VISITORS)
        ]
        running = [pool.submit(visitor.run, stop) for visitor in visitors]
        callers = {
            "REST at the page": call_page_rest,
            "REST at the server": call_server_rest,
            "gRPC at the server": make_grpc_call(client),
            "Gradio's API": gradio,
            "/metrics": get_page_metrics,
        }
        for number, (name, call) in enumerate(callers.items()):
            result.outcomes.append(outcomes := Outcomes(name))
            running.append(
                pool.submit(call_repeatedly, call, system, outcomes, 2000 * seed + number, stop)
            )
        if has_browser:
            result.outcomes.append(outcomes := Outcomes("real browser"))
            visitors.append(BrowserVisitor(system, faults, outcomes, seed))
            running.append(pool.submit(visitors[-1].run, stop))
        for kinds in _plan(60 * result.minutes):
            faults.inject(kinds)
            _wait_for_predictions(visitors, faults, system)
        stop.set()
        result.violations += [
            f"A client raised {error!r}" for future in running if (error := future.exception())
        ]
        gradio.close()
        _check_no_visitors(system)
    _count_faults(result, faults, visitors)
    _judge_growth(result, monitor)
    for outcomes in result.outcomes:
        result.violations += outcomes.failures


def _has_chromium() -> bool:
    try:
        with launch_chromium():
            return True
    except PlaywrightError:
        return False


def _plan(seconds: float) -> Iterator[tuple[Fault, ...]]:
    """Yields the kinds of faults of the next round, until the time is over."""
    began = time.monotonic()
    while (passed := time.monotonic() - began) < seconds:
        yield (
            *OTHER_FAULTS,
            *(PAGE_FAULTS if passed < LAST_PAGE_FAULT * seconds else ()),
            *(SERVER_FAULTS if passed < LAST_SERVER_FAULT * seconds else ()),
        )


def _wait_for_predictions(
    visitors: list[Visitor | BrowserVisitor], faults: FaultInjector, system: System
) -> None:
    """Waits until every visitor has got a prediction since the faults."""
    end = time.monotonic() + MAX_RECOVERY + MAX_DRAWING_SECONDS
    while time.monotonic() < end:
        if all(v.predictions and v.predictions[-1][1] > faults.healthy_since for v in visitors):
            return
        time.sleep(0.2)
    system.report("Not every visitor got a prediction after the faults.")


def _check_no_visitors(system: System) -> None:
    """Checks that the page forgets visitors who have left."""
    expected = ("layer_xray_visitors 0.0", "layer_xray_queued_drawings 0.0")
    end = time.monotonic() + MAX_RECOVERY
    while time.monotonic() < end:
        url = f"http://127.0.0.1:{system.page_port}/metrics"
        metrics = httpx.get(url, timeout=10, trust_env=False).text
        if all(line in metrics for line in expected):
            return
        time.sleep(0.2)
    system.report("The page's /metrics counts visitors or drawings although all have left.")


def _count_faults(
    result: Result, faults: FaultInjector, visitors: list[Visitor | BrowserVisitor]
) -> None:
    result.faults, result.rounds = dict(faults.counts), len(faults.rounds)
    for each in faults.rounds:
        waits = [
            predicted - each.ended
            for visitor in visitors
            for drawn, predicted in visitor.predictions
            if drawn <= each.ended < predicted
        ]
        for fault in each.faults:
            result.recovery[fault] = max([*waits, result.recovery.get(fault, 0.0)])


def _judge_growth(result: Result, monitor: ResourceMonitor) -> None:
    result.samples = monitor.samples
    for name in monitor.samples:
        growth = result.growth[name] = monitor.growth(name, WARM_UP)
        if growth is None or growth.seconds < MIN_MEASURED:
            continue
        result.violations += find_leaks(name, growth)


def find_leaks(name: str, growth: Growth) -> list[str]:
    """Describes what a process leaks: memory, files or threads."""
    found = []
    if growth.mb_an_hour > MAX_GROWTH and growth.rise_mb > SIGNIFICANCE * growth.spread_mb:
        found.append(
            f"The {name} grows by {growth.mb_an_hour:.0f} MB per hour, from {growth.first_mb:.0f} "
            f"to {growth.last_mb:.0f} MB."
        )
    if growth.files > MAX_ADDED:
        found.append(f"The {name} has {growth.files} more open files than after its warm-up.")
    if growth.threads > MAX_ADDED:
        found.append(f"The {name} has {growth.threads} more threads than after its warm-up.")
    return found


@contextlib.contextmanager
def _set_at_exit(event: threading.Event) -> Iterator[None]:
    try:
        yield
    finally:
        event.set()


@contextlib.contextmanager
def _set_temporary_folder(folder: Path) -> Iterator[None]:
    """Redirects temporary files of this process, and of those it starts, to a folder."""
    with set_environment(TMPDIR=str(folder)):
        before, tempfile.tempdir = tempfile.tempdir, str(folder)
        try:
            yield
        finally:
            tempfile.tempdir = before
