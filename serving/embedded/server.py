"""Runs the embedded server until it receives a signal."""

import logging
import signal
import socket
import threading
from collections.abc import Callable

import uvicorn
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

from serving.config import ConfigError
from serving.embedded.grpc_api import make_grpc_server
from serving.embedded.models import Models
from serving.embedded.rest_api import make_rest_app
from serving.embedded.status import StatusError
from serving.memory import tune_malloc

_log = logging.getLogger(__name__)
SIGNAL_POLL_SECONDS = 1.0  # interval of checks for a signal
GRACE_SECONDS = 5.0  # for running requests when the server stops


class CannotListen(Exception):
    """An address is in use, or does not belong to this machine."""


def serve(
    read_config: Callable[[], ModelServerConfig],
    host: str,
    port: int,
    rest_api_port: int,
    config_poll_seconds: float = 0,
    warms_up: bool = True,
) -> None:
    """Serves the models of a configuration until SIGTERM or SIGINT.

    Args:
        read_config: returns the configuration; called at the start and on every poll.
        host: address to listen on.
        port: gRPC port.
        rest_api_port: REST port; 0 disables REST, as in TensorFlow Serving.
        config_poll_seconds: interval of polls of the configuration; 0 disables them.
        warms_up: whether to run the warm-up requests of the newest version before it is served.

    Raises:
        CannotListen: a port is in use, or the host is not an address of this machine.
        ConfigError: the configuration cannot be read or applied.
    """
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    tune_malloc()
    models = Models(warms_up=warms_up)
    config = read_config()
    try:
        grpc_server = make_grpc_server(models, f"{host}:{port}")
        rest_sockets = [socket.create_server((host, rest_api_port))] if rest_api_port else []
    except (RuntimeError, OSError) as error:
        raise CannotListen(f"cannot listen on {host}:{port} and {host}:{rest_api_port}") from error
    try:
        models.configure(config)
    except StatusError as error:
        raise ConfigError(error.message) from error
    models.start()
    rest_server = uvicorn.Server(
        uvicorn.Config(
            make_rest_app(models), log_level="warning", timeout_graceful_shutdown=int(GRACE_SECONDS)
        )
    )
    rest_thread = threading.Thread(target=rest_server.run, args=(rest_sockets,))
    if rest_sockets:
        rest_thread.start()
    grpc_server.start()
    rest = f" and REST on http://{host}:{rest_api_port}" if rest_sockets else ""
    print(f"Serving gRPC on {host}:{port}{rest}", flush=True)
    # A signal just before a wait does not end it, so every wait has a timeout.
    while not stop.wait(config_poll_seconds or SIGNAL_POLL_SECONDS):
        if config_poll_seconds:
            config = _reload(read_config, config, models)
    rest_server.should_exit = True
    grpc_server.stop(GRACE_SECONDS).wait()
    if rest_sockets:
        rest_thread.join()
    models.stop()


def _reload(
    read_config: Callable[[], ModelServerConfig], old: ModelServerConfig, models: Models
) -> ModelServerConfig:
    """Applies a changed configuration and returns the one in force: the old one after an error."""
    try:
        new = read_config()
        if new != old:
            models.configure(new)
    except (ConfigError, StatusError) as error:
        _log.error("the configuration is not reloaded: %s", error)
        return old
    return new
