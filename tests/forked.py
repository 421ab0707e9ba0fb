"""Pages and model servers that start without importing TensorFlow and Gradio again.

These imports take four to five seconds of CPU time each. A fork server, one for each test process,
does them once; every process under test is a fork of it with a command line, signals and an exit
code of its own. test_local.py, test_docs.py and test_demo_main.py start the real commands.
"""

import multiprocessing
import os
import runpy
import subprocess
import sys
import threading
from multiprocessing.connection import wait
from pathlib import Path

from serving.local import LocalServer

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["serving.embedded.server", "demo.page", "demo.rest_proxy"])


class Forked:
    """Runs `python -m module arguments`, with the methods of `subprocess.Popen` that tests use.

    Args:
        module: name of the module.
        arguments: of its command line.
        output: file for stdout and stderr; by default, stdout is dropped.
    """

    def __init__(self, module: str, arguments: list[str], output: Path | None = None):
        self.args = ["python", "-m", module, *arguments]
        self._process = _context.Process(
            target=_run,
            args=(module, arguments, dict(os.environ), output),
            name=" ".join(self.args),
            daemon=True,
        )
        self._process.start()
        self._reading = threading.Lock()  # the exit code can be read from its pipe only once

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        return self.poll()

    def poll(self) -> int | None:
        with self._reading:
            return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        if not wait([self._process.sentinel], timeout):
            raise subprocess.TimeoutExpired(self.args, timeout)
        return self.poll()

    def terminate(self) -> None:
        self._process.terminate()

    def kill(self) -> None:
        self._process.kill()


class ForkedServer(LocalServer):
    """A local model server, as a fork."""

    def _start(self) -> None:
        self._process = Forked("serving", self._command[3:], Path(self._log.name))


def find_pid(port: int) -> int:
    """Returns the id of the fork that was started with `--port=PORT`.

    Raises:
        LookupError: there is no such process.
    """
    for process in multiprocessing.active_children():
        if f"--port={port}" in process.name.split():
            return process.pid
    raise LookupError(f"no process was started with --port={port}")


def _run(module: str, arguments: list[str], environment: dict, output: Path | None) -> None:
    os.environ.clear()
    os.environ.update(environment)
    file = os.open(output or os.devnull, os.O_WRONLY | os.O_APPEND)
    os.dup2(file, 1)
    if output:
        os.dup2(file, 2)
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
