"""Monitors the resources of processes, and finds what they leave behind."""

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

INTERVAL_SECONDS = 2.0  # between two samples
HOUR = 3600.0
MARKER = "LAYER_XRAY_SOAK"  # environment variable that all processes of a campaign inherit


class Sample(NamedTuple):
    """The resources of a process at one moment."""

    time: float  # seconds, monotonic clock
    pid: int
    mb: float  # resident memory
    files: int  # open files and sockets
    threads: int


class Growth(NamedTuple):
    """The growth of one process from the end of its warm-up to its last sample."""

    seconds: float
    first_mb: float
    last_mb: float
    mb_an_hour: float  # slope of a linear fit
    rise_mb: float  # of the linear fit, over the whole time
    spread_mb: float  # standard deviation of the residuals
    files: int  # more at the end than after the warm-up
    threads: int  # likewise


class ResourceMonitor:
    """Samples processes periodically, as a context manager.

    Args:
        processes: by name, a function that returns the current process id; it may have exited.
        seconds: interval between two samples.
    """

    def __init__(
        self, processes: Mapping[str, Callable[[], int]], seconds: float = INTERVAL_SECONDS
    ):
        self._processes, self._seconds = processes, seconds
        self.samples: dict[str, list[Sample]] = {name: [] for name in processes}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "ResourceMonitor":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def growth(self, name: str, warm_up: float) -> Growth | None:
        """Returns the growth of the last process of this name.

        Args:
            name: of the process.
            warm_up: seconds to leave out at the start. None is returned for a process that has not
                lived longer.
        """
        samples = [s for s in self.samples[name] if s.pid == self.samples[name][-1].pid]
        samples = [sample for sample in samples if sample.time >= samples[0].time + warm_up]
        if len(samples) < 3:
            return None
        first, last = samples[0], samples[-1]
        seconds = np.array([sample.time - first.time for sample in samples])
        mb = np.array([sample.mb for sample in samples])
        slope, start = np.polyfit(seconds, mb, 1)
        return Growth(
            seconds=last.time - first.time,
            first_mb=first.mb,
            last_mb=last.mb,
            mb_an_hour=HOUR * float(slope),
            rise_mb=float(slope * seconds[-1]),
            spread_mb=float(np.std(mb - start - slope * seconds)),
            files=last.files - first.files,
            threads=last.threads - first.threads,
        )

    def _run(self) -> None:
        while True:
            for name, get_pid in self._processes.items():
                if sample := take_sample(get_pid()):
                    self.samples[name].append(sample)
            if self._stop.wait(self._seconds):
                return


def take_sample(pid: int) -> Sample | None:
    """Returns the current resources of a process, or None if it has exited."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
        files = len(list(Path(f"/proc/{pid}/fd").iterdir()))
    except OSError:
        return None
    fields = dict(line.split(":", 1) for line in status.splitlines())
    if "VmRSS" not in fields:  # a zombie
        return None
    mb = int(fields["VmRSS"].split()[0]) / 1024
    return Sample(time.monotonic(), pid, mb, files, int(fields["Threads"]))


def find_leftovers(marker: str, ports: Iterable[int], folders: Iterable[Path]) -> list[str]:
    """Describes the processes, listening ports and files that a campaign has left behind.

    Args:
        marker: value of the environment variable `MARKER` in the campaign's processes.
        ports: ports on 127.0.0.1 that should be free.
        folders: folders that should be empty.
    """
    found = [f"Process {process} is still running." for process in _marked_processes(marker)]
    for port in ports:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                found.append(f"Port {port} is still open.")
    for folder in folders:
        found += [f"{path} was not removed." for path in sorted(folder.rglob("*"))]
    return found


def _marked_processes(marker: str) -> list[str]:
    variable, found = f"{MARKER}={marker}".encode(), []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if variable in (process / "environ").read_bytes().split(b"\0"):
                command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                found.append(f"{process.name} ({command.strip()[:100]})")
        except OSError:
            continue  # it has exited, or belongs to another user
    return found


@contextlib.contextmanager
def set_environment(**values: str) -> Iterator[None]:
    """Sets environment variables temporarily; processes started meanwhile inherit them."""
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
