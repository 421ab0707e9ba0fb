"""Runs the embedded server until it is told to stop."""

import signal
import socket
import threading

import uvicorn
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

from serving.embedded.grpc_api import make_grpc_server
from serving.embedded.models import Models
from serving.embedded.rest_api import make_rest_app

GRACE_SECONDS = 5.0  # for requests that run when the server is told to stop


class CannotListen(Exception):
    """An address is taken, or is none of this machine's."""


def serve(config: ModelServerConfig, host: str, port: int, rest_api_port: int) -> None:
    """Loads the models, answers gRPC on `port` and REST on `rest_api_port`, ends on SIGTERM.

    Raises:
        CannotListen: one of the ports is in use, or the host is not this one.
    """
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    models = Models(config)
    try:
        grpc_server = make_grpc_server(models, f"{host}:{port}")
        rest_socket = socket.create_server((host, rest_api_port))
    except (RuntimeError, OSError) as error:
        raise CannotListen(f"cannot listen on {host}:{port} and {host}:{rest_api_port}") from error
    models.start()
    rest_server = uvicorn.Server(
        uvicorn.Config(
            make_rest_app(models), log_level="warning", timeout_graceful_shutdown=int(GRACE_SECONDS)
        )
    )
    rest_thread = threading.Thread(target=rest_server.run, args=([rest_socket],))
    rest_thread.start()
    grpc_server.start()
    print(f"Serving gRPC on {host}:{port} and REST on http://{host}:{rest_api_port}", flush=True)
    stop.wait()
    rest_server.should_exit = True
    grpc_server.stop(GRACE_SECONDS).wait()
    rest_thread.join()
    models.stop()
