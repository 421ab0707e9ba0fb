"""What the campaign is about: a model server, a page, and the lines to both, all breakable."""

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
from tests.soak.disk import FILLING, SmallDisk
from tests.soak.truth import Truth
from tests.soak.watch import environment

START_SECONDS = 180  # for a page or a server, on a machine that does other things as well
END_SECONDS = 20
PAGE, SERVER, LINE, VISITORS = "page", "server", "line", "visitors"  # what can be away


class World:
    """Starts everything in a folder, as a context manager.

    Args:
        exported: base path whose versions are copied into the served one.
        folder: for all that is written; an empty one.
    """

    def __init__(self, exported: Path, folder: Path):
        self._exported, self._folder = exported, folder
        versions = sorted(int(path.name) for path in exported.iterdir() if path.name.isdecimal())
        self.originals = versions[-2:]
        self.base_path = folder / "mnist"
        self.lost: list[str] = []  # sentences about what may not be
        self.page_starts = 0
        self._orphans: set[str] = set()  # files of pages that were killed
        self._away: list[tuple[str, float, float]] = []  # what, from when, till when
        self._lock = threading.Lock()
        self._restarting = threading.Lock()
        self._next_version = versions[-1] + 1

    def __enter__(self) -> "World":
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
        self._stack.enter_context(environment(**clock))
        enter = self._stack.enter_context
        self.server = enter(LocalServer(self.base_path))
        self.rest_target = f"127.0.0.1:{self.server.rest_api_port}"
        with Client(self.server.target, timeout=60) as client:
            self.truth = Truth(client, self.originals)
        self.lines = [enter(Line(self.server.target)), enter(Line(self.rest_target))]
        self.page_port = find_free_port()
        self.visitors_line = enter(Line(f"127.0.0.1:{self.page_port}"))
        self.url = f"http://{self.visitors_line.target}/"
        self.disk = enter(SmallDisk(self._folder / "disk"))
        self._page_log = enter((self._folder / "page.log").open("a+"))
        self.page: subprocess.Popen | None = None
        self._stack.callback(self.end_page, signal.SIGTERM)
        self.start_page()

    @property
    def ports(self) -> list[int]:
        """All that something listens on."""
        lines = [*self.lines, self.visitors_line]
        targets = [self.server.target, *(line.target for line in lines)]
        return [*(int(t.split(":")[1]) for t in targets), self.server.rest_api_port, self.page_port]

    @contextlib.contextmanager
    def away(self, what: str) -> Iterator[None]:
        """Notes that something is away meanwhile, so that broken connections are no wonder."""
        since = time.monotonic()
        with self._lock:
            self._away.append((what, since, float("inf")))
        try:
            yield
        finally:
            with self._lock:
                self._away.remove((what, since, float("inf")))
                self._away.append((what, since, time.monotonic()))

    def was_away(self, whats: tuple[str, ...], since: float) -> bool:
        """Whether one of these has been away at any time since then."""
        with self._lock:
            return any(what in whats and end >= since for what, _, end in self._away)

    def start_page(self) -> None:
        """Starts the page, again if it ends at once, as whoever runs services does."""
        command = [
            *(*self.disk.enter, sys.executable, "-m", "demo", f"--port={self.page_port}"),
            *(f"--server={self.lines[0].target}", f"--rest-server={self.lines[1].target}"),
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
                self.note(f"the page did not start: {error}")
                self._page_log.flush()
                self.page.kill()
                self.page.wait(END_SECONDS)

    def end_page(self, number: signal.Signals) -> None:
        """Ends the page: after a SIGTERM in time, with exit code 0, and tidily."""
        if self.page is None or self.page.poll() is not None:
            return
        if number is signal.SIGKILL:
            self._orphans |= set(self.disk.files())
        self.page.send_signal(number)
        try:
            status = self.page.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self.page.kill()
            status = self.page.wait(END_SECONDS)
            self.note(f"the page did not end within {END_SECONDS} s of {number.name}.")
        if number is signal.SIGTERM:
            if status != 0:
                self.note(f"the page ended with {status} when it was told to.")
            for file in sorted(set(self.disk.files()) - self._orphans - {FILLING}):
                self.note(f"the page has ended, and left {file} among its temporary files.")

    def restart_page(self, number: signal.Signals) -> None:
        """Ends the page and starts it at the same address."""
        with self._restarting, self.away(PAGE):
            self.end_page(number)
            self.start_page()

    def signal_server(self, number: signal.Signals, pid: int | None = None) -> int:
        """Sends a signal to the model server's process, and returns its id."""
        pid = pid or self.server.pid
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        return pid

    def wait_for_server(self) -> None:
        """Waits until the model server answers; it is started again by itself."""
        with Client(self.server.target) as client:
            client.wait_until_ready(START_SECONDS)

    def take_version(self, original: int) -> int:
        """The number of a new version that will be a copy of an original."""
        with self._lock:
            version = self._next_version
            self._next_version += 1
        self.truth.copy(original, version)
        return version

    def add_version(self, original: int, version: int) -> None:
        """Copies an original; it appears whole."""
        unfinished = self._folder / f"copying-{version}"
        shutil.copytree(self._exported / str(original), unfinished)
        unfinished.rename(self.base_path / str(version))

    def wait_for_version(self, version: int, seconds: float) -> None:
        """Waits until the model server has loaded a version."""
        end = time.monotonic() + seconds
        with Client(self.server.target) as client:
            while version not in client.wait_until_ready(max(0, end - time.monotonic())):
                if time.monotonic() > end:
                    raise TimeoutError(f"version {version} was not loaded within {seconds:.0f} s")
                time.sleep(0.2)

    def set_clock(self, seconds: float) -> None:
        """Lets the wall clock of page and server be off by so much."""
        with self._clock.open("r+b" if self._clock.exists() else "wb") as file:
            file.write(struct.pack("d", seconds))

    def note(self, sentence: str) -> None:
        """Something that may not be."""
        with self._lock:
            self.lost.append(f"{time.strftime('%H:%M:%S')} {sentence}")

    def page_log(self) -> str:
        return (self._folder / "page.log").read_text(errors="replace")
