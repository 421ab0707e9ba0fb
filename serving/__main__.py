"""Starts a model server: tensorflow_model_server if it is installed, else the embedded server.

The flags are TensorFlow Serving's own; flags unknown here are passed to tensorflow_model_server.
Without a configuration file, all versions in the base path are served.
"""

import argparse
import logging
import os
import shutil
import sys
from functools import partial
from pathlib import Path

from google.protobuf import text_format

from serving.config import ConfigError, config_of_all_versions, read_config
from serving.defaults import BASE_PATH, GRPC_PORT, MODEL, REAL_SERVER, REST_PORT
from serving.messages import ModelServerConfig
from serving.version import VERSION


def main() -> None:
    arguments, others = parse_arguments()
    try:
        if not arguments.embedded and (real_server := shutil.which(REAL_SERVER)):
            run_real_server(real_server, arguments, others)
        if others:
            sys.exit(
                f"python -m serving: unknown to the embedded server: {' '.join(others)}. Install "
                f"{REAL_SERVER} on the PATH and omit --embedded, or remove these flags."
            )
        run_embedded_server(arguments)
    except ConfigError as error:
        sys.exit(f"python -m serving: {error}")


def parse_arguments() -> tuple[argparse.Namespace, list[str]]:
    parser = argparse.ArgumentParser(prog="python -m serving", description=__doc__.splitlines()[0])

    def add(name: str, **options) -> None:
        parser.add_argument(f"--{name}", f"--{name.replace('-', '_')}", **options)

    add("model-name", default=MODEL, help="model name in requests")
    add("model-base-path", type=Path, default=Path(BASE_PATH), help="folder with numbered versions")
    add(
        "model-config-file",
        type=Path,
        help="model configuration in TensorFlow Serving's text format",
    )
    add(
        "model-config-file-poll-wait-seconds",
        type=int,
        default=0,
        help="seconds between reloads of that file, e.g. to move labels; 0 reads it once",
    )
    add("port", type=int, default=GRPC_PORT, help="gRPC port")
    add("rest-api-port", type=int, default=REST_PORT, help="REST port; 0 disables REST")
    add(
        "enable-model-warmup",
        choices=("true", "false", "1", "0"),
        nargs="?",
        const="true",
        default="true",
        help="run the warm-up requests of a version before it is served",
    )
    parser.add_argument(
        "--embedded",
        action="store_true",
        help=f"use the embedded server even if {REAL_SERVER} is installed",
    )
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (embedded server only)"
    )
    parser.add_argument("--version", action="version", version=f"Layer X-ray {VERSION}")
    return parser.parse_known_args()


def read_server_config(arguments: argparse.Namespace) -> ModelServerConfig:
    if arguments.model_config_file:
        return read_config(arguments.model_config_file)
    if not arguments.model_base_path.is_dir():
        raise ConfigError(
            f"there is no folder {arguments.model_base_path}. `python export.py` creates "
            f"{BASE_PATH}; for another folder use --model-base-path."
        )
    return config_of_all_versions(arguments.model_name, arguments.model_base_path)


def run_real_server(program: str, arguments: argparse.Namespace, others: list[str]) -> None:
    """Replaces this process with the real server; does not return."""
    config = read_server_config(arguments)
    file = arguments.model_config_file or write_to_memory(config)
    ports = {"gRPC": arguments.port, "REST": arguments.rest_api_port}
    if listening := [f"{name} on port {port}" for name, port in ports.items() if port]:
        print(
            f"Starting {program}. It listens on all addresses, so everyone who reaches this "
            f"machine reaches {' and '.join(listening)}; use --embedded to listen on one address.",
            flush=True,
        )
    os.execv(
        program,
        [
            program,
            f"--model_config_file={file}",
            "--model_config_file_poll_wait_seconds="
            f"{arguments.model_config_file_poll_wait_seconds}",
            # Without it, a label for a version that is still loading stops the server.
            "--allow_version_labels_for_unavailable_models=true",
            f"--enable_model_warmup={arguments.enable_model_warmup}",
            "--enable_profiler=false",  # or every gRPC client can trace the server
            f"--port={arguments.port}",
            f"--rest_api_port={arguments.rest_api_port}",
            *others,
        ],
    )


def write_to_memory(config: ModelServerConfig) -> Path:
    """Writes a configuration to a file in memory, which disappears with the process."""
    file = os.memfd_create("models.config", 0)  # flags 0: inherited by the program that replaces us
    os.write(file, text_format.MessageToBytes(config))
    return Path(f"/proc/self/fd/{file}")


def run_embedded_server(arguments: argparse.Namespace) -> None:
    logging.basicConfig(format="%(message)s", level=logging.INFO)
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    read_config = partial(read_server_config, arguments)
    read_config()  # reports errors before TensorFlow's import, which takes seconds
    from serving.embedded.server import CannotListen, serve  # imports TensorFlow

    try:
        serve(
            read_config,
            arguments.host,
            arguments.port,
            arguments.rest_api_port,
            arguments.model_config_file_poll_wait_seconds,
            arguments.enable_model_warmup in ("true", "1"),
        )
    except CannotListen as error:
        sys.exit(
            f"python -m serving: {error}. If another program uses a port, stop it or choose other "
            "ports with --port and --rest-api-port."
        )


if __name__ == "__main__":
    main()
