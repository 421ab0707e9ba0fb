"""The system under test: a model server, a page, and the breakable connections to both."""

import contextlib
import os
import shutil
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from serving.client import Client
from serving.local import LocalServer, find_free_port
from tests.line import Line
from tests.pages import ROOT, wait_for
from tests.soak.disk import FILLER, SmallDisk
from tests.soak.oracle import Oracle
from tests.soak.resources import set_environment

START_SECONDS = 180  # to start a page or a server on a machine under load
STOP_SECONDS = 20
# What a fault can make unavailable.
PAGE, SERVER = "page", "server"
SERVER_CONNECTION, VISITOR_CONNECTION = "connection to the server", "connection of the visitors"


class System:
    """Starts the system in a folder, as a context manager.

    Args:
        exported: base path whose newest versions are copied into the served one.
        folder: an empty folder for all files.
    """

    def __init__(self, exported: Path, folder: Path):
        self._exported, self._folder = exported, folder
        versions = sorted(int(path.name) for path in exported.iterdir() if path.name.isdecimal())
        self.originals = versions[-2:]
        self.base_path = folder / "mnist"
        self.violations: list[str] = []  # sentences
        self.page_starts = 0
        self._orphans: set[str] = set()  # temporary files of pages that were killed
        self._outages: list[tuple[str, float, float]] = []  # component, start, end
        self._lock = threading.Lock()
        self._restarting = threading.Lock()
        self._next_version = versions[-1] + 1

    def __enter__(self) -> "System":
        self._stack = contextlib.ExitStack()
        try:
            self._start()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _start(self) -> None:
        for name in ("mnist", "disk", "home", "clock"):
            (self._folder / name).mkdir()
        for version in self.originals:
            shutil.copytree(self._exported / str(version), self.base_path / str(version))
        self._clock = self._folder / "clock" / "seconds"
        self.set_clock(0.0)
        clock = {"PYTHONPATH": str(Path(__file__).parent / "clock"), "SOAK_CLOCK": str(self._clock)}
        enter = self._stack.enter_context
        enter(set_environment(**clock))
        self.server = enter(LocalServer(self.base_path))
        self.rest_target = f"127.0.0.1:{self.server.rest_api_port}"
        with Client(self.server.target, timeout=60) as client:
            self.oracle = Oracle(client, self.originals)
        self.server_connections = [enter(Line(self.server.target)), enter(Line(self.rest_target))]
        self.page_port = find_free_port()
        self.visitor_connection = enter(Line(f"127.0.0.1:{self.page_port}"))
        self.url = f"http://{self.visitor_connection.target}/"
        self.disk = enter(SmallDisk(self._folder / "disk"))
        self._page_log = enter((self._folder / "page.log").open("a+"))
        self.page: subprocess.Popen | None = None
        self._stack.callback(self.stop_page, signal.SIGTERM)
        self.start_page()

    @property
    def ports(self) -> list[int]:
        """All ports that the system listens on."""
        connections = [*self.server_connections, self.visitor_connection]
        targets = [self.server.target, *(connection.target for connection in connections)]
        return [*(int(t.split(":")[1]) for t in targets), self.server.rest_api_port, self.page_port]

    @contextlib.contextmanager
    def outage(self, component: str) -> Iterator[None]:
        """Records that a component is unavailable, which explains broken connections."""
        start = time.monotonic()
        with self._lock:
            self._outages.append((component, start, float("inf")))
        try:
            yield
        finally:
            with self._lock:
                self._outages.remove((component, start, float("inf")))
                self._outages.append((component, start, time.monotonic()))

    def had_outage(self, components: tuple[str, ...], since: float) -> bool:
        """Whether any of the components was unavailable at any time since then."""
        with self._lock:
            return any(
                component in components and end >= since for component, _, end in self._outages
            )

    def start_page(self) -> None:
        """Starts the page; restarts it if it exits at once, as a service manager does."""
        command = [
            *(*self.disk.enter, sys.executable, "-m", "demo", f"--port={self.page_port}"),
            f"--server={self.server_connections[0].target}",
            f"--rest-server={self.server_connections[1].target}",
        ]
        folders = {"TMPDIR": str(self._folder / "disk"), "HOME": str(self._folder / "home")}
        end = time.monotonic() + START_SECONDS
        while True:
            self.page_starts += 1
            self.page = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**os.environ, **folders},
                stdout=self._page_log,
                stderr=self._page_log,
            )
            try:
                return wait_for(f"http://127.0.0.1:{self.page_port}/", self.page)
            except (RuntimeError, TimeoutError) as error:
                if time.monotonic() > end:
                    raise
                self.report(f"The page did not start: {error}")
                self._page_log.flush()
                self.page.kill()
                self.page.wait(STOP_SECONDS)

    def stop_page(self, number: signal.Signals) -> None:
        """Stops the page; after a SIGTERM it must exit in time, with code 0, and leave no files."""
        if self.page is None or self.page.poll() is not None:
            return
        if number is signal.SIGKILL:
            self._orphans |= set(self.disk.files())
        self.page.send_signal(number)
        try:
            status = self.page.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.page.kill()
            status = self.page.wait(STOP_SECONDS)
            self.report(f"The page did not exit within {STOP_SECONDS} s of {number.name}.")
        if number is signal.SIGTERM:
            if status != 0:
                self.report(f"The page exited with code {status} after SIGTERM.")
            for file in sorted(set(self.disk.files()) - self._orphans - {FILLER}):
                self.report(f"The page exited and left the temporary file {file}.")

    def restart_page(self, number: signal.Signals) -> None:
        """Stops the page with a signal and starts it again at the same address."""
        with self._restarting, self.outage(PAGE):
            self.stop_page(number)
            self.start_page()

    def signal_server(self, number: signal.Signals, pid: int | None = None) -> int:
        """Sends a signal to the model server's process, and returns its id."""
        pid = pid or self.server.pid
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        return pid

    def wait_for_server(self) -> None:
        """Waits until the model server is ready; `LocalServer` restarts it automatically."""
        with Client(self.server.target) as client:
            client.wait_until_ready(START_SECONDS)

    def reserve_version(self, original: int) -> int:
        """Returns the number of a new version that will be a copy of an original."""
        with self._lock:
            version = self._next_version
            self._next_version += 1
        self.oracle.add_copy(original, version)
        return version

    def add_version(self, original: int, version: int) -> None:
        """Adds a copy of an original to the served versions, atomically."""
        unfinished = self._folder / f"copying-{version}"
        shutil.copytree(self._exported / str(original), unfinished)
        unfinished.rename(self.base_path / str(version))

    def wait_for_version(self, version: int, seconds: float) -> None:
        """Waits until the model server has loaded a version.

        Raises:
            TimeoutError: it was not loaded in time.
        """
        end = time.monotonic() + seconds
        with Client(self.server.target) as client:
            while version not in client.wait_until_ready(max(0, end - time.monotonic())):
                if time.monotonic() > end:
                    raise TimeoutError(f"version {version} was not loaded within {seconds:.0f} s")
                time.sleep(0.2)

    def set_clock(self, seconds: float) -> None:
        """Sets the offset of the page's and the server's wall clock."""
        with self._clock.open("r+b" if self._clock.exists() else "wb") as file:
            file.write(struct.pack("d", seconds))

    def report(self, violation: str) -> None:
        """Reports a violation, a sentence."""
        with self._lock:
            self.violations.append(f"{time.strftime('%H:%M:%S')} {violation}")

    def page_log(self) -> str:
        return (self._folder / "page.log").read_text(errors="replace")
