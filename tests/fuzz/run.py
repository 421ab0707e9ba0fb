"""Sends the requests concurrently, summarises the responses, and finds violations."""

import threading
from collections import Counter, defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.fuzz.invariants import (
    MAX_GROWTH,
    MAX_SECONDS,
    check_predictions,
    find_violation,
    is_late,
    largest_valid_requests,
)
from tests.fuzz.memory import resident_bytes
from tests.fuzz.request import Request
from tests.fuzz.send import Response, Sender

THREADS = 4
WARM_UP = 4 * THREADS  # times that the largest valid requests are sent first
SAMPLE_EVERY = 10  # responses of a kind, between two samples of the memory
MAX_VIOLATIONS = 100  # after which a run stops


@dataclass
class Summary:
    """The responses to the requests of one kind."""

    statuses: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0  # seconds
    late: int = 0  # while other requests were running


class Violation(NamedTuple):
    """A violated invariant, and the request that violates it, if it was a single one."""

    description: str
    request: Request | None = None


@dataclass
class Memory:
    """The memory of a process in bytes."""

    pid: int
    idle: int
    warm: int = 0  # after the largest valid requests
    maximum: int = 0
    current: int = 0

    def sample(self) -> None:
        self.current = resident_bytes(self.pid)
        self.maximum = max(self.maximum, self.current)


@dataclass
class Result:
    """The result of a run."""

    summaries: dict[str, Summary]  # by kind of request
    memory: dict[str, Memory]  # by process
    violations: list[Violation]


def run(sender: Sender, requests: Iterable[Request], pids: dict[str, int]) -> Result:
    """Sends all requests, then valid ones, and checks the invariants.

    Args:
        sender: connected to the server and the page.
        requests: malformed requests.
        pids: ids of the processes that must survive, by name.
    """
    result = Result(
        defaultdict(Summary),
        {name: Memory(pid, resident_bytes(pid)) for name, pid in pids.items()},
        [],
    )
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(sender.send, largest_valid_requests() * WARM_UP))
        for memory in result.memory.values():
            memory.warm = resident_bytes(memory.pid)
        late = _send_all(sender, requests, result, pool)
    violations = result.violations
    violations += [Violation("late", request) for request in late if is_late(sender, request)]
    violations += [
        Violation(f"wrong prediction over {interface}")
        for interface, is_correct in check_predictions(sender).items()
        if not is_correct
    ]
    for name, memory in result.memory.items():
        memory.sample()
        if memory.current == 0:
            violations.append(Violation(f"the {name} has crashed"))
        if (growth := memory.maximum - memory.warm) > MAX_GROWTH:
            violations.append(Violation(f"the {name} has grown by {growth >> 20} MB"))
    return result


def _send_all(
    sender: Sender, requests: Iterable[Request], result: Result, pool: ThreadPoolExecutor
) -> list[Request]:
    """Sends all requests from several threads, and returns those with late responses."""
    late: list[Request] = []
    remaining = iter(requests)
    request_lock, result_lock = threading.Lock(), threading.Lock()

    def send_remaining() -> None:
        while len(result.violations) < MAX_VIOLATIONS:
            with request_lock:
                request = next(remaining, None)
            if request is None:
                return
            response = sender.send(request)
            with result_lock:
                record(request, response)

    def record(request: Request, response: Response) -> None:
        summary = result.summaries[request.kind]
        summary.statuses[response.status] += 1
        summary.slowest = max(summary.slowest, response.seconds)
        if description := find_violation(request, response):
            result.violations.append(Violation(description, request))
        elif response.seconds > MAX_SECONDS:
            summary.late += 1
            late.append(request)
        if summary.statuses.total() % SAMPLE_EVERY == 0:
            for memory in result.memory.values():
                memory.sample()

    for future in [pool.submit(send_remaining) for _ in range(THREADS)]:
        future.result()
    return late
