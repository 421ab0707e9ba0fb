"""Runs the page in a process of its own."""

import contextlib
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from serving.local import find_free_port
from tests.forked import Forked

ROOT = Path(__file__).parent.parent
START_SECONDS = 60  # timeout
FAST_START = ("--enable-model-warmup=false",)  # for servers of a single test: saves 2 s of CPU


@contextlib.contextmanager
def run_page(
    server: str, *flags: str, module: str = "demo", port: int | None = None
) -> Iterator[str]:
    """Starts `python -m demo --server …`, waits until it answers, and yields its URL."""
    port = port or find_free_port()
    url = f"http://127.0.0.1:{port}/"
    process = Forked(module, [f"--server={server}", f"--port={port}", *flags])
    try:
        wait_for(url, process)
        yield url
    finally:
        process.terminate()
        process.wait(20)


def wait_for(url: str, process: subprocess.Popen | Forked) -> None:
    """Waits until the URL answers.

    Raises:
        RuntimeError: the process ended.
        TimeoutError: it did not answer within START_SECONDS.
    """
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        if process.poll() is not None:
            raise RuntimeError(f"{process.args} ended with {process.returncode}")
        with contextlib.suppress(OSError):
            urllib.request.urlopen(url, timeout=2).close()
            return
        time.sleep(0.1)
    raise TimeoutError(f"{url} did not answer within {START_SECONDS} s")
