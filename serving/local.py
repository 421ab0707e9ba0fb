"""A model server for a while: started, kept alive, stopped at the end."""

import contextlib
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from serving.client import Client, ServingError
from serving.defaults import MODEL

START_SECONDS = 120.0  # for importing TensorFlow and loading all versions on a slow machine
STOP_SECONDS = 10.0
# Higher ones are given to connections by the system: one could take a server's while it starts.
PORTS = range(20_000, 32_768)
PAUSE_SECONDS = 1.0  # before a server that died is started again


class LocalServerError(Exception):
    """The server did not start; the message holds what it said."""


class LocalServer:
    """Runs a server beside this process, as a context manager.

    On entering it waits until the model answers; if the server dies meanwhile, it is started again
    at the same addresses. `target` is where it answers gRPC.

    Args:
        base_path: folder of numbered SavedModels.
        model: the name that they are served under.
        port: for gRPC; a free one by default.
        rest_api_port: for REST; a free one by default, 0 for no REST.
        flags: more flags of `python -m serving`.
        is_real: whether to run the `tensorflow_model_server` that is on the PATH. It listens on all
            addresses of the machine, so gRPC goes over a Unix socket instead of a port.

    Raises:
        LocalServerError: on entering, if it does not come up.
    """

    def __init__(
        self,
        base_path: Path,
        model: str = MODEL,
        port: int | None = None,
        rest_api_port: int | None = None,
        flags: tuple[str, ...] = (),
        *,
        is_real: bool = False,
    ):
        self._model = model
        self.rest_api_port = find_free_port() if rest_api_port is None else rest_api_port
        self._folder = tempfile.TemporaryDirectory(prefix="layer-xray-")
        if is_real:
            socket_path = Path(self._folder.name) / "grpc"
            self.target = f"unix:{socket_path}"
            listening = ("--port=0", f"--grpc_socket_path={socket_path}")
            flags = (*listening, "--rest_api_num_threads=3", *flags)
        else:
            self.port = port or find_free_port()
            self.target = f"127.0.0.1:{self.port}"
            flags = ("--embedded", f"--port={self.port}", *flags)
        self._command = [
            *(sys.executable, "-m", "serving"),
            f"--model-name={model}",
            f"--model-base-path={base_path.resolve()}",
            f"--rest-api-port={self.rest_api_port}",
            *flags,
        ]
        self._log = (Path(self._folder.name) / "log").open("w+")
        self._stopping = threading.Event()
        self._starting = threading.Lock()

    @property
    def pid(self) -> int:
        """The process that serves now."""
        return self._process.pid

    def __enter__(self) -> "LocalServer":
        self._start()
        self._watcher = threading.Thread(target=self._keep_alive, daemon=True)
        try:
            self._wait_until_ready()
        except BaseException:
            self._process.kill()
            self._process.wait()
            self._close()
            raise
        self._watcher.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._starting:
            self._stopping.set()
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self._watcher.join()
        self._close()

    def _close(self) -> None:
        self._log.close()
        self._folder.cleanup()

    def _start(self) -> None:
        root = Path(__file__).parent.parent  # where `-m serving` is found
        self._process = subprocess.Popen(
            self._command, stdout=self._log, stderr=self._log, cwd=root
        )

    def _wait_until_ready(self) -> None:
        with Client(self.target, self._model) as client:
            end = time.monotonic() + START_SECONDS
            while time.monotonic() < end:
                if self._process.poll() is not None:
                    self._log.seek(0)
                    raise LocalServerError(
                        "The local model server did not start. It said:\n" + self._log.read()
                    )
                try:
                    client.wait_until_ready(seconds=1)
                    return
                except ServingError:
                    continue
        raise LocalServerError(f"The local model server was not ready after {START_SECONDS:.0f} s.")

    def _keep_alive(self) -> None:
        while True:
            self._process.wait()
            self._stopping.wait(PAUSE_SECONDS)
            with self._starting:
                if self._stopping.is_set():
                    return
                self._start()


def find_free_port() -> int:
    """A port that nothing listens on.

    Raises:
        OSError: there is none.
    """
    # Not of Python's own generator: two processes with the same seed would find the same port.
    for port in random.SystemRandom().sample(PORTS, len(PORTS)):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise OSError("no port is free")
