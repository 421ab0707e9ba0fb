"""Fault injection: what is done to page and server, in random order and partly concurrently."""

import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from random import Random

from tests.soak.system import SERVER, SERVER_CONNECTION, VISITOR_CONNECTION, System

DAY = 86400.0
MAX_CONCURRENT = 3  # faults
TWO_POLLS_SECONDS = 2.5  # for the server to look at its versions twice
LOAD_SECONDS = 90.0  # to load a version, including a restart of the server


def kill_the_server_repeatedly(system: System, random: Random) -> None:
    """Sends SIGKILL every second, for a while."""
    with system.outage(SERVER):
        for _ in range(random.randint(1, 6)):
            system.signal_server(signal.SIGKILL)
            time.sleep(1)
        system.wait_for_server()


def pause_the_server(system: System, random: Random) -> None:
    with system.outage(SERVER):
        paused = system.signal_server(signal.SIGSTOP)
        try:
            time.sleep(random.uniform(1, 8))
        finally:
            system.signal_server(signal.SIGCONT, paused)
        system.wait_for_server()


def add_and_remove_a_version(system: System, random: Random) -> None:
    original = random.choice(system.originals)
    version = system.reserve_version(original)
    system.add_version(original, version)
    system.wait_for_version(version, LOAD_SECONDS)
    time.sleep(random.uniform(0, 4))
    shutil.rmtree(system.base_path / str(version))


def break_and_repair_a_version(system: System, random: Random) -> None:
    """Adds an empty folder or a truncated SavedModel, and replaces it with a complete one."""
    original = random.choice(system.originals)
    version = system.reserve_version(original)
    folder = system.base_path / str(version)
    if random.random() < 0.5:
        folder.mkdir()
    else:
        system.add_version(original, version)  # may be loaded before it is truncated
        graph = folder / "saved_model.pb"
        graph.write_bytes(graph.read_bytes()[: random.randint(0, 100_000)])
    time.sleep(random.uniform(0, 4))
    shutil.rmtree(folder)
    time.sleep(TWO_POLLS_SECONDS)
    system.add_version(original, version)
    system.wait_for_version(version, LOAD_SECONDS)
    shutil.rmtree(folder)


def remove_and_restore_all_versions(system: System, random: Random) -> None:
    hidden = system.base_path.with_name(f"hidden-{random.random()}")
    hidden.mkdir()
    try:
        for version in system.originals:
            (system.base_path / str(version)).rename(hidden / str(version))
        time.sleep(random.uniform(1, 5))
    finally:
        for version in system.originals:
            (hidden / str(version)).rename(system.base_path / str(version))
        hidden.rmdir()
    for version in system.originals:
        system.wait_for_version(version, LOAD_SECONDS)


def kill_the_page(system: System, random: Random) -> None:
    system.restart_page(signal.SIGKILL)


def terminate_the_page(system: System, random: Random) -> None:
    system.restart_page(signal.SIGTERM)


def reset_the_server_connections(system: System, random: Random) -> None:
    """Breaks the page's connections to the server repeatedly."""
    with system.outage(SERVER_CONNECTION):
        for _ in range(random.randint(1, 5)):
            for connection in system.server_connections:
                connection.drop()
            time.sleep(random.uniform(0, 1))


def block_the_server_connections(system: System, random: Random) -> None:
    """Lets the page's connections to the server hang for a while."""
    with system.outage(SERVER_CONNECTION):
        for connection in system.server_connections:
            connection.cut()
        time.sleep(random.uniform(1, 8))
        for connection in system.server_connections:
            connection.mend()


def reset_the_visitor_connections(system: System, random: Random) -> None:
    """Breaks the visitors' connections to the page repeatedly."""
    with system.outage(VISITOR_CONNECTION):
        for _ in range(random.randint(1, 5)):
            system.visitor_connection.drop()
            time.sleep(random.uniform(0, 1))


def block_the_visitor_connections(system: System, random: Random) -> None:
    """Lets the visitors' connections to the page hang for a while."""
    with system.outage(VISITOR_CONNECTION):
        system.visitor_connection.cut()
        time.sleep(random.uniform(1, 8))
        system.visitor_connection.mend()


def fill_the_disk(system: System, random: Random) -> None:
    """Fills the disk with the page's temporary files, for a while."""
    try:
        system.disk.fill()
        time.sleep(random.uniform(2, 8))
    finally:
        system.disk.empty()


def shift_the_clock(system: System, random: Random) -> None:
    """Shifts the wall clock by up to a day, forward or back; the last shift remains."""
    for _ in range(random.randint(1, 3)):
        system.set_clock(random.uniform(-DAY, DAY))
        time.sleep(random.uniform(0, 2))


Fault = Callable[[System, Random], None]
# These end a process, so they stop early enough to measure the memory of its last start.
PAGE_FAULTS: tuple[Fault, ...] = (kill_the_page, terminate_the_page)
SERVER_FAULTS: tuple[Fault, ...] = (kill_the_server_repeatedly,)
OTHER_FAULTS: tuple[Fault, ...] = (
    pause_the_server,
    add_and_remove_a_version,
    break_and_repair_a_version,
    remove_and_restore_all_versions,
    reset_the_server_connections,
    block_the_server_connections,
    reset_the_visitor_connections,
    block_the_visitor_connections,
    fill_the_disk,
    shift_the_clock,
)


def name_of(fault: Fault) -> str:
    return fault.__name__.replace("_", " ")


@dataclass
class Round:
    """Faults that were injected at the same time."""

    faults: list[Fault]
    ended: float  # when the system was healthy again


class FaultInjector:
    """Injects faults in random order; every kind occurs once before any is repeated.

    Args:
        system: the system under test.
        seed: of the order of the faults and their parameters.
    """

    def __init__(self, system: System, seed: int):
        self._system, self._random = system, Random(seed)
        self._queue: list[Fault] = []
        self.rounds: list[Round] = []
        self.healthy_since: float | None = time.monotonic()  # None while a fault is active

    @property
    def counts(self) -> Counter[Fault]:
        return Counter(fault for each in self.rounds for fault in each.faults)

    def inject(self, kinds: tuple[Fault, ...]) -> None:
        """Injects one round of faults; returns when the system is healthy again."""
        faults = self._choose(kinds)
        self.healthy_since = None
        began = time.strftime("%H:%M:%S")
        with ThreadPoolExecutor() as pool:
            running = []
            for fault in faults:
                random, delay = Random(self._random.random()), self._random.uniform(0, 3)
                running.append((fault, pool.submit(self._run, fault, random, delay)))
        for fault, future in running:
            if error := future.exception():
                self._system.report(f"No recovery after “{name_of(fault)}”: {error!r}")
        self.healthy_since = time.monotonic()
        self.rounds.append(Round(faults, self.healthy_since))
        names = ", ".join(map(name_of, faults))
        print(f"{began} to {time.strftime('%H:%M:%S')}: {names}", file=sys.stderr, flush=True)

    def _run(self, fault: Fault, random: Random, delay: float) -> None:
        time.sleep(delay)
        fault(self._system, random)

    def _choose(self, kinds: tuple[Fault, ...]) -> list[Fault]:
        chosen: list[Fault] = []
        for _ in range(self._random.randint(1, MAX_CONCURRENT)):
            self._queue = [fault for fault in self._queue if fault in kinds]
            self._queue = self._queue or self._random.sample(kinds, len(kinds))
            if self._queue[-1] in chosen:
                break
            chosen.append(self._queue.pop())
        return chosen
