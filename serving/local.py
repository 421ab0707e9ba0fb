"""A local model server: started, restarted after a crash, and stopped at the end."""

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

START_SECONDS = 120.0  # to import TensorFlow and load all versions on a slow machine
STOP_SECONDS = 10.0  # to finish running requests; then the server is killed
# Below the system's ephemeral ports, of which a connection could take one while a server starts.
PORTS = range(20_000, 32_768)
PAUSE_SECONDS = 1.0  # before a crashed server is restarted


class LocalServerError(Exception):
    """The server did not start; the message contains its output."""


class LocalServer:
    """Runs a model server in a child process, as a context manager.

    Entering waits until the model is ready. A server that crashes later is restarted at the same
    addresses.

    Args:
        base_path: folder with numbered SavedModels.
        model: name of the model.
        port: gRPC port; a free one by default.
        rest_api_port: REST port; a free one by default, 0 disables REST.
        flags: further flags of `python -m serving`.
        is_real: whether to run `tensorflow_model_server` from the PATH. It listens on all addresses
            of the machine, so gRPC uses a Unix socket instead of a port.

    Attributes:
        target: the gRPC target of the server.

    Raises:
        LocalServerError: on entering, if the server does not start.
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
        """Process ID of the running server."""
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
        root = Path(__file__).parent.parent  # makes `-m serving` importable
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
                        "The local model server did not start. Its output:\n" + self._log.read()
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
    """Returns a port that nothing listens on.

    Raises:
        OSError: no port is free.
    """
    # SystemRandom: two processes with the same seed would choose the same port.
    for port in random.SystemRandom().sample(PORTS, len(PORTS)):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise OSError("no port is free")
