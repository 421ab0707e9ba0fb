"""Sends requests, several at once, and keeps count of how they were answered."""

import threading
from collections import Counter, defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.fuzz.memory import held
from tests.fuzz.promise import (
    LATEST,
    MAX_GROWTH,
    find_breach,
    is_late,
    largest_let_in,
    read_rightly,
)
from tests.fuzz.request import Request
from tests.fuzz.send import Answer, Doors

AT_ONCE = 4
WARM_UP = 4 * AT_ONCE  # times that the largest requests are sent before all others
LOOK_EVERY = 10  # answers of a kind, at the memory
MAX_BREACHES = 100  # after which a run is given up


@dataclass
class Tally:
    """The answers to the requests of one kind."""

    answers: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0  # seconds
    late: int = 0  # while others were under way


class Breach(NamedTuple):
    """A promise that is broken, and by which request, if it was a single one."""

    what: str
    request: Request | None = None


@dataclass
class Memory:
    """Bytes that a process holds."""

    pid: int
    idle: int
    warm: int = 0  # after the largest requests that are right
    most: int = 0
    after: int = 0

    def look(self) -> None:
        """Takes note of what it holds now."""
        self.after = held(self.pid)
        self.most = max(self.most, self.after)


@dataclass
class Outcome:
    """What has come of a run."""

    tallies: dict[str, Tally]
    memory: dict[str, Memory]  # by process
    breaches: list[Breach]


def run(doors: Doors, requests: Iterable[Request], pids: dict[str, int]) -> Outcome:
    """Sends all requests and then asks rightly.

    Args:
        pids: of the processes that have to survive, by name.
    """
    outcome = Outcome(
        defaultdict(Tally), {name: Memory(pid, held(pid)) for name, pid in pids.items()}, []
    )
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(doors.send, largest_let_in() * WARM_UP))
        for memory in outcome.memory.values():
            memory.warm = held(memory.pid)
        late = _send_all(doors, requests, outcome, pool)
    breaches = outcome.breaches
    breaches += [Breach("late", request) for request in late if is_late(doors, request)]
    breaches += [
        Breach(f"{way} is wrong") for way, right in read_rightly(doors).items() if not right
    ]
    for name, memory in outcome.memory.items():
        memory.look()
        if memory.after == 0:
            breaches.append(Breach(f"{name} has died"))
        if (growth := memory.most - memory.warm) > MAX_GROWTH:
            breaches.append(Breach(f"{name} has grown by {growth >> 20} MB"))
    return outcome


def _send_all(
    doors: Doors, requests: Iterable[Request], outcome: Outcome, pool: ThreadPoolExecutor
) -> list[Request]:
    """Sends all, each thread the next one, and returns those whose answers came late."""
    late: list[Request] = []
    upcoming = iter(requests)
    taking, noting = threading.Lock(), threading.Lock()

    def send_next_ones() -> None:
        while len(outcome.breaches) < MAX_BREACHES:
            with taking:
                request = next(upcoming, None)
            if request is None:
                return
            answer = doors.send(request)
            with noting:
                note(request, answer)

    def note(request: Request, answer: Answer) -> None:
        tally = outcome.tallies[request.kind]
        tally.answers[answer.status] += 1
        tally.slowest = max(tally.slowest, answer.seconds)
        if breach := find_breach(request, answer):
            outcome.breaches.append(Breach(breach, request))
        elif answer.seconds > LATEST:
            tally.late += 1
            late.append(request)
        if tally.answers.total() % LOOK_EVERY == 0:
            for memory in outcome.memory.values():
                memory.look()

    for sending in [pool.submit(send_next_ones) for _ in range(AT_ONCE)]:
        sending.result()
    return late
