"""The page, and with no --server a model server of its own behind it."""

import argparse
import contextlib
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from demo.page import STYLE, make_page
from serving.client import Client
from serving.local import LocalServer, LocalServerError
from serving.ports import BASE_PATH

ROOT = Path(__file__).parent.parent
PORT = 7860


def main() -> None:
    arguments = parse_arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # so that our own server ends with us
    try:
        with find_server(arguments.server) as target, Client(target) as client:
            make_page(client).launch(
                server_name=arguments.host,
                server_port=arguments.port,
                share=arguments.share,
                auth=arguments.auth,
                css_paths=STYLE,
                footer_links=["api", "settings"],
            )
    except LocalServerError as error:
        sys.exit(f"python -m demo: {error}")
    except OSError as error:  # Gradio's own for a port that is taken
        sys.exit(f"python -m demo: {error} Choose another port with --port.")


@contextlib.contextmanager
def find_server(target: str | None) -> Iterator[str]:
    """The address of the server to use: the one that is given, or one started for a while."""
    if target:
        yield target
        return
    base_path = ROOT / BASE_PATH
    if not any(base_path.glob("[0-9]*")):  # what somebody exported stays as it is
        exporting = subprocess.run([sys.executable, ROOT / "export.py", f"--out={base_path}"])
        if exporting.returncode != 0:
            sys.exit("python -m demo: there is nothing to show, for the export failed.")
    with LocalServer(base_path) as server:
        print(f"* Model server: gRPC on {server.target}, REST on port {server.rest_api_port}")
        yield server.target


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--server",
        metavar="HOST:PORT",
        help="a TensorFlow Serving's gRPC address; without it a local server is started",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=PORT, help="of the page")
    parser.add_argument("--share", action="store_true", help="also open a public Gradio link")
    parser.add_argument(
        "--auth", type=parse_auth, metavar="USER:PASSWORD", help="ask visitors for these"
    )
    return parser.parse_args()


def parse_auth(text: str) -> tuple[str, str]:
    user, colon, password = text.partition(":")
    if not (user and colon and password):
        raise argparse.ArgumentTypeError("expected USER:PASSWORD")
    return user, password


if __name__ == "__main__":
    main()
