"""What processes take up over time, and what is left of them in the end."""

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

SECONDS = 2.0  # between two looks
HOUR = 3600.0
MARK = "LAYER_XRAY_SOAK"  # a variable that all processes of a campaign inherit


class Look(NamedTuple):
    """A process at one moment."""

    at: float  # seconds, of the monotonic clock
    pid: int
    mb: float  # of memory that is resident
    files: int  # that are open, sockets among them
    threads: int


class Growth(NamedTuple):
    """How a process has grown between warm-up and end, within one life."""

    seconds: float
    first_mb: float
    last_mb: float
    mb_an_hour: float
    rise_mb: float  # in all, by that
    spread_mb: float  # what it goes up and down by besides: a standard deviation
    files: int  # more at the end than after the warm-up
    threads: int


class Watch:
    """Looks at processes again and again, as a context manager.

    Args:
        processes: by name, what tells the id of the process now; it may be dead.
        seconds: between two looks.
    """

    def __init__(self, processes: Mapping[str, Callable[[], int]], seconds: float = SECONDS):
        self._processes, self._seconds = processes, seconds
        self.looks: dict[str, list[Look]] = {name: [] for name in processes}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look_on, daemon=True)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def growth(self, name: str, warm_up: float) -> Growth | None:
        """Of the process that lives now, or has lived last; None if it has not lived for longer
        than the warm-up, in seconds.
        """
        looks = [look for look in self.looks[name] if look.pid == self.looks[name][-1].pid]
        looks = [look for look in looks if look.at >= looks[0].at + warm_up]
        if len(looks) < 3:
            return None
        first, last = looks[0], looks[-1]
        at, mb = (np.array([getattr(look, name) for look in looks]) for name in ("at", "mb"))
        slope, start = np.polyfit(at - at[0], mb, 1)
        return Growth(
            seconds=last.at - first.at,
            first_mb=first.mb,
            last_mb=last.mb,
            mb_an_hour=HOUR * float(slope),
            rise_mb=float(slope * (at[-1] - at[0])),
            spread_mb=float(np.std(mb - start - slope * (at - at[0]))),
            files=last.files - first.files,
            threads=last.threads - first.threads,
        )

    def _look_on(self) -> None:
        while True:
            for name, pid_now in self._processes.items():
                if look := predict(pid_now()):
                    self.looks[name].append(look)
            if self._stop.wait(self._seconds):
                return


def predict(pid: int) -> Look | None:
    """A process now; None if it is dead."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
        files = len(list(Path(f"/proc/{pid}/fd").iterdir()))
    except OSError:
        return None
    fields = dict(line.split(":", 1) for line in status.splitlines())
    if "VmRSS" not in fields:  # a zombie
        return None
    mb = int(fields["VmRSS"].split()[0]) / 1024
    return Look(time.monotonic(), pid, mb, files, int(fields["Threads"]))


def find_left(mark: str, ports: Iterable[int], folders: Iterable[Path]) -> list[str]:
    """Sentences on processes that have inherited `MARK=mark`, ports that something listens on, and
    files in folders that should be empty.
    """
    left = [f"The process {line} is left." for line in _marked_processes(mark)]
    for port in ports:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                left.append(f"Something listens on port {port} still.")
    for folder in folders:
        left += [f"{path} is left." for path in sorted(folder.rglob("*"))]
    return left


def _marked_processes(mark: str) -> list[str]:
    wanted, found = f"{MARK}={mark}".encode(), []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if wanted in (process / "environ").read_bytes().split(b"\0"):
                command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                found.append(f"{process.name} ({command.strip()[:100]})")
        except OSError:
            continue  # it has ended, or is not ours
    return found


@contextlib.contextmanager
def environment(**values: str) -> Iterator[None]:
    """Sets variables of this process's environment for a while: processes inherit them."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
