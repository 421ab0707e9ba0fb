"""What is done to page and server, in an order that a seed gives, some of it at the same time."""

import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from random import Random

from tests.soak.world import LINE, SERVER, VISITORS, World

DAY = 86400.0
MAX_CONCURRENT = 3
POLLS_SECONDS = 2.5  # two looks of the server at its folder
LOAD_SECONDS = 90.0  # for a version to be loaded, also by a server that is still to start


def kill_the_server(world: World, chance: Random) -> None:
    """Every second, for a while."""
    with world.away(SERVER):
        for _ in range(chance.randint(1, 6)):
            world.signal_server(signal.SIGKILL)
            time.sleep(1)
        world.wait_for_server()


def stop_the_server_for_a_while(world: World, chance: Random) -> None:
    with world.away(SERVER):
        stopped = world.signal_server(signal.SIGSTOP)
        try:
            time.sleep(chance.uniform(1, 8))
        finally:
            world.signal_server(signal.SIGCONT, stopped)
        world.wait_for_server()


def a_version_comes_and_goes(world: World, chance: Random) -> None:
    version = _add_version(world, chance)
    time.sleep(chance.uniform(0, 4))
    shutil.rmtree(world.base_path / str(version))


def a_version_is_broken_and_mended(world: World, chance: Random) -> None:
    """An empty folder or half a SavedModel, which goes and comes back whole."""
    original = chance.choice(world.originals)
    version = world.take_version(original)
    folder = world.base_path / str(version)
    if chance.random() < 0.5:
        folder.mkdir()
    else:
        world.add_version(original, version)  # which may be loaded before it breaks
        graph = folder / "saved_model.pb"
        graph.write_bytes(graph.read_bytes()[: chance.randint(0, 100_000)])
    time.sleep(chance.uniform(0, 4))
    shutil.rmtree(folder)
    time.sleep(POLLS_SECONDS)
    world.add_version(original, version)
    world.wait_for_version(version, LOAD_SECONDS)
    shutil.rmtree(folder)


def all_versions_go_and_come_back(world: World, chance: Random) -> None:
    hidden = world.base_path.with_name(f"hidden-{chance.random()}")
    hidden.mkdir()
    try:
        for version in world.originals:
            (world.base_path / str(version)).rename(hidden / str(version))
        time.sleep(chance.uniform(1, 5))
    finally:
        for version in world.originals:
            (hidden / str(version)).rename(world.base_path / str(version))
        hidden.rmdir()
    for version in world.originals:
        world.wait_for_version(version, LOAD_SECONDS)


def kill_the_page(world: World, chance: Random) -> None:
    world.restart_page(signal.SIGKILL)


def tell_the_page_to_end(world: World, chance: Random) -> None:
    world.restart_page(signal.SIGTERM)


def drop_the_page_s_line_to_the_server(world: World, chance: Random) -> None:
    """Again and again."""
    with world.away(LINE):
        for _ in range(chance.randint(1, 5)):
            for line in world.lines:
                line.drop()
            time.sleep(chance.uniform(0, 1))


def cut_the_page_s_line_to_the_server(world: World, chance: Random) -> None:
    with world.away(LINE):
        for line in world.lines:
            line.cut()
        time.sleep(chance.uniform(1, 8))
        for line in world.lines:
            line.mend()


def drop_the_visitors_line(world: World, chance: Random) -> None:
    with world.away(VISITORS):
        for _ in range(chance.randint(1, 5)):
            world.visitors_line.drop()
            time.sleep(chance.uniform(0, 1))


def cut_the_visitors_line(world: World, chance: Random) -> None:
    with world.away(VISITORS):
        world.visitors_line.cut()
        time.sleep(chance.uniform(1, 8))
        world.visitors_line.mend()


def fill_the_disk(world: World, chance: Random) -> None:
    """The one that the page has its temporary files on."""
    try:
        world.disk.fill()
        time.sleep(chance.uniform(2, 8))
    finally:
        world.disk.empty()


def let_the_clock_jump(world: World, chance: Random) -> None:
    """To any time within a day, forward or back; it stays there."""
    for _ in range(chance.randint(1, 3)):
        world.set_clock(chance.uniform(-DAY, DAY))
        time.sleep(chance.uniform(0, 2))


def _add_version(world: World, chance: Random) -> int:
    original = chance.choice(world.originals)
    version = world.take_version(original)
    world.add_version(original, version)
    world.wait_for_version(version, LOAD_SECONDS)
    return version


Fault = Callable[[World, Random], None]
OF_THE_PAGE: tuple[Fault, ...] = (kill_the_page, tell_the_page_to_end)  # its memory begins anew
OF_THE_SERVER: tuple[Fault, ...] = (kill_the_server,)  # the same of the server
OTHERS: tuple[Fault, ...] = (
    stop_the_server_for_a_while,
    a_version_comes_and_goes,
    a_version_is_broken_and_mended,
    all_versions_go_and_come_back,
    drop_the_page_s_line_to_the_server,
    cut_the_page_s_line_to_the_server,
    drop_the_visitors_line,
    cut_the_visitors_line,
    fill_the_disk,
    let_the_clock_jump,
)


def name_of(fault: Fault) -> str:
    return fault.__name__.replace("_s_", "'s_").replace("_", " ")


@dataclass
class Round:
    """Some faults at the same time."""

    faults: list[Fault]
    ended: float  # when all of them were over


class Faults:
    """Deals faults like cards: each kind comes once before any comes again.

    Args:
        world: that they are done to.
        seed: of their order, and of how each of them is done.
    """

    def __init__(self, world: World, seed: int):
        self._world, self._chance = world, Random(seed)
        self._deck: list[Fault] = []
        self.rounds: list[Round] = []
        self.calm_since: float | None = time.monotonic()  # None while anything is wrong

    @property
    def counts(self) -> Counter[Fault]:
        return Counter(fault for one in self.rounds for fault in one.faults)

    def do_some(self, kinds: tuple[Fault, ...]) -> None:
        """One round; ends when all is mended."""
        faults = self._deal(kinds)
        self.calm_since = None
        began = time.strftime("%H:%M:%S")
        with ThreadPoolExecutor() as pool:
            doing = []
            for fault in faults:
                chance, pause = Random(self._chance.random()), self._chance.uniform(0, 3)
                doing.append((fault, pool.submit(self._do, fault, chance, pause)))
        for fault, done in doing:
            if error := done.exception():
                self._world.note(f"after “{name_of(fault)}” all was not well again: {error!r}")
        self.calm_since = time.monotonic()
        self.rounds.append(Round(faults, self.calm_since))
        done = ", ".join(map(name_of, faults))
        print(f"{began} to {time.strftime('%H:%M:%S')}: {done}", file=sys.stderr, flush=True)

    def _do(self, fault: Fault, chance: Random, pause: float) -> None:
        time.sleep(pause)
        fault(self._world, chance)

    def _deal(self, kinds: tuple[Fault, ...]) -> list[Fault]:
        dealt: list[Fault] = []
        for _ in range(self._chance.randint(1, MAX_CONCURRENT)):
            self._deck = [fault for fault in self._deck if fault in kinds] or self._chance.sample(
                kinds, len(kinds)
            )
            if self._deck[-1] in dealt:
                break
            dealt.append(self._deck.pop())
        return dealt
