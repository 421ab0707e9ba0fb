"""Runs the embedded server until it is told to stop."""

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
SIGNAL_SECONDS = 1.0  # that a signal may take to be noticed
GRACE_SECONDS = 5.0  # for requests that run when the server is told to stop


class CannotListen(Exception):
    """An address is taken, or is none of this machine's."""


def serve(
    read_config: Callable[[], ModelServerConfig],
    host: str,
    port: int,
    rest_api_port: int,
    config_poll_seconds: float = 0,
) -> None:
    """Loads the models, answers gRPC on `port` and REST on `rest_api_port`, ends on SIGTERM.

    As in TensorFlow Serving, `rest_api_port` 0 is no REST.

    Args:
        read_config: called at the start, and then every `config_poll_seconds` if that is not 0.
        host: address to listen on.

    Raises:
        CannotListen: one of the ports is in use, or the host is not this one.
        ConfigError: the configuration cannot be read, or has a label for what is not there.
    """
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    tune_malloc()
    models = Models()
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
    # A signal that comes just before a wait does not end it, so none is without an end.
    while not stop.wait(config_poll_seconds or SIGNAL_SECONDS):
        if config_poll_seconds:
            config = _follow(read_config, config, models)
    rest_server.should_exit = True
    grpc_server.stop(GRACE_SECONDS).wait()
    if rest_sockets:
        rest_thread.join()
    models.stop()


def _follow(
    read_config: Callable[[], ModelServerConfig], old: ModelServerConfig, models: Models
) -> ModelServerConfig:
    """Takes a configuration that has changed; one that cannot be taken leaves all as it was."""
    try:
        new = read_config()
        if new != old:
            models.configure(new)
    except (ConfigError, StatusError) as error:
        _log.error("the configuration is not followed: %s", error)
        return old
    return new
