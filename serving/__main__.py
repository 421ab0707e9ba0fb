"""A model server on this machine: the real tensorflow_model_server if there is one, else ours.

The flags are TensorFlow Serving's own; those that only the real one knows are handed on to it.
Without a configuration file all versions in the base path are served.
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


def main() -> None:
    arguments, others = parse_arguments()
    try:
        if not arguments.embedded and (real_server := shutil.which(REAL_SERVER)):
            run_real_server(real_server, arguments, others)
        if others:
            sys.exit(
                f"python -m serving: {' '.join(others)}: only the real {REAL_SERVER} knows this, "
                "which is not what runs: there is none on the PATH, or --embedded asks for ours."
            )
        run_embedded_server(arguments)
    except ConfigError as error:
        sys.exit(f"python -m serving: {error}")


def parse_arguments() -> tuple[argparse.Namespace, list[str]]:
    parser = argparse.ArgumentParser(prog="python -m serving", description=__doc__.splitlines()[0])

    def add(name: str, **options) -> None:
        parser.add_argument(f"--{name}", f"--{name.replace('-', '_')}", **options)

    add("model-name", default=MODEL, help="the name that requests use")
    add("model-base-path", type=Path, default=Path(BASE_PATH), help="folder of numbered versions")
    add("model-config-file", type=Path, help="configuration in TensorFlow Serving's text format")
    add(
        "model-config-file-poll-wait-seconds",
        type=int,
        default=0,
        help="between two looks at that file, by which labels move; 0 is one look at the start",
    )
    add("port", type=int, default=GRPC_PORT, help="for gRPC")
    add("rest-api-port", type=int, default=REST_PORT, help="for REST; 0 is no REST")
    parser.add_argument(
        "--embedded", action="store_true", help="our own server, even where there is the real one"
    )
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (embedded server only)"
    )
    return parser.parse_known_args()


def read_server_config(arguments: argparse.Namespace) -> ModelServerConfig:
    if arguments.model_config_file:
        return read_config(arguments.model_config_file)
    if not arguments.model_base_path.is_dir():
        raise ConfigError(
            f"there is no folder {arguments.model_base_path}. `python export.py` makes "
            f"{BASE_PATH}; another folder goes into --model-base-path."
        )
    return config_of_all_versions(arguments.model_name, arguments.model_base_path)


def run_real_server(program: str, arguments: argparse.Namespace, others: list[str]) -> None:
    """Becomes the real server; does not return."""
    config = read_server_config(arguments)
    file = arguments.model_config_file or hold_in_memory(config)
    ports = {"gRPC": arguments.port, "REST": arguments.rest_api_port}
    if listening := [f"{name} on port {port}" for name, port in ports.items() if port]:
        print(
            f"{program} takes over. It can be bound to no single address, so whoever reaches this "
            f"machine reaches {' and '.join(listening)}; --embedded runs a server that can.",
            flush=True,
        )
    os.execv(
        program,
        [
            program,
            f"--model_config_file={file}",
            "--model_config_file_poll_wait_seconds="
            f"{arguments.model_config_file_poll_wait_seconds}",
            # Without it a label for a version that is still loading stops the start.
            "--allow_version_labels_for_unavailable_models=true",
            "--enable_profiler=false",  # or every gRPC caller may trace the server
            f"--port={arguments.port}",
            f"--rest_api_port={arguments.rest_api_port}",
            *others,
        ],
    )


def hold_in_memory(config: ModelServerConfig) -> Path:
    """A configuration file for the program that this process becomes; it ends with the process."""
    file = os.memfd_create("models.config", 0)  # is inherited
    os.write(file, text_format.MessageToBytes(config))
    return Path(f"/proc/self/fd/{file}")


def run_embedded_server(arguments: argparse.Namespace) -> None:
    logging.basicConfig(format="%(message)s", level=logging.INFO)
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    read_config = partial(read_server_config, arguments)
    read_config()  # what is wrong with it is said at once, and not after seconds of TensorFlow
    from serving.embedded.server import CannotListen, serve  # imports TensorFlow

    try:
        serve(
            read_config,
            arguments.host,
            arguments.port,
            arguments.rest_api_port,
            arguments.model_config_file_poll_wait_seconds,
        )
    except CannotListen as error:
        sys.exit(
            f"python -m serving: {error}. If another program does already, stop it, or choose "
            "other ports with --port and --rest-api-port."
        )


if __name__ == "__main__":
    main()
