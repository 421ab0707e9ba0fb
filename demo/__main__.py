"""The page, and with no --server a model server of its own behind it."""

import argparse
import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from starlette.middleware import Middleware

from demo.answers import Answers
from demo.body_limit import BodyLimit
from demo.downloads import Endpoint
from demo.live import configure_server, make_live_route
from demo.metrics import Metrics
from demo.networks import Networks
from demo.page import STYLE, make_page
from demo.rest_proxy import make_rest_route
from demo.scripts import make_scripts_route
from demo.uploads import remove_failed_uploads, tell_full_disk
from model.exposed.arguments import add_keras_arguments, check_keras_arguments, keras_flags
from model.exposed.command import export_keras_file
from serving.client import Client
from serving.defaults import BASE_PATH, MODEL, REAL_SERVER, REST_PORT
from serving.local import LocalServer, LocalServerError

ROOT = Path(__file__).parent.parent
EXPORTED = "exported"
PORT = 7860
MAX_SESSIONS = 64  # that Gradio remembers, 33 kB each; of its own 10,000 this page needs none
MAX_UPLOAD = "20mb"  # a photograph straight from a phone is about 5
SIGNAL_SECONDS = 1.0  # that a signal may take to be noticed
TIMEOUT = 3.0  # seconds; a page that waits for longer had better say so


class Server(NamedTuple):
    """Where a model server answers."""

    grpc: str  # a target, as `serving.client.Client` takes it
    rest: str  # a URL; empty where there is no REST


def main() -> None:
    arguments = parse_arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # so that our own server ends with us
    try:
        with (
            find_server(arguments) as server,
            contextlib.ExitStack() as stack,
        ):
            clients = [
                stack.enter_context(
                    Client(server.grpc, name, TIMEOUT, tls=arguments.tls, ca=arguments.ca)
                )
                for name in arguments.model
            ]
            tell_what_is_open(arguments)
            metrics = Metrics()
            networks = Networks({client.model: client for client in clients}, arguments.pixels)
            answers = Answers(networks, endpoint_of(arguments, server), metrics)
            page = make_page(networks, answers, metrics)
            routes = [
                make_live_route(answers, metrics),
                make_scripts_route(),
                metrics.route(arguments.auth),
            ]
            if arguments.rest:
                auth, ca = arguments.auth, arguments.ca
                routes.append(make_rest_route(server.rest, arguments.model, metrics, auth, ca))
            remove_failed_uploads()
            # From here on a signal only asks to end: raised amid Gradio's threads it can be lost.
            stop = threading.Event()
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda *_: stop.set())
            page.launch(
                server_name=arguments.host,
                server_port=arguments.port,
                share=arguments.share,
                auth=arguments.auth,
                root_path=arguments.root_path,
                max_file_size=MAX_UPLOAD,
                state_session_capacity=MAX_SESSIONS,
                css_paths=STYLE,
                footer_links=["api", "settings"],
                app_kwargs={
                    "routes": routes,
                    "middleware": [Middleware(BodyLimit)],
                    "exception_handlers": {OSError: tell_full_disk},
                },
                mcp_server=not arguments.auth,  # Gradio's calls of tools could not log in
                ssr_mode=False,  # Gradio's Node server would not pass /v1 on
                prevent_thread_lock=True,
            )
            configure_server(page)
            while not stop.wait(SIGNAL_SECONDS):
                pass  # a signal that comes just before a wait does not end it
            page.close(verbose=False)
    except LocalServerError as error:
        sys.exit(f"python -m demo: {error}")
    except OSError as error:
        # Gradio's own, for a port that is taken, has no number of the operating system.
        advice = " Choose another port with --port." if error.errno is None else ""
        sys.exit(f"python -m demo: {error}{advice}")


@contextlib.contextmanager
def find_server(arguments: argparse.Namespace) -> Iterator[Server]:
    """The server to use: the one that is given, or one started for a while."""
    if arguments.server:
        yield Server(arguments.server, arguments.rest_server or rest_beside(arguments.server))
        return
    base_path = export_model(arguments)
    is_closed = arguments.real_server and not arguments.rest
    with LocalServer(
        base_path,
        arguments.model[0],
        rest_api_port=0 if is_closed else None,
        is_real=arguments.real_server,
    ) as server:
        rest = "" if is_closed else f"http://127.0.0.1:{server.rest_api_port}"
        print(f"* Model server: gRPC on {server.target}, REST on {rest or 'no port'}", flush=True)
        if arguments.real_server and rest:
            print(
                f"* {REAL_SERVER} cannot be bound to one address: whoever reaches this machine "
                f"reaches its REST API on port {server.rest_api_port} (--no-rest leaves it out).",
                flush=True,
            )
        yield Server(server.target, rest)


def export_model(arguments: argparse.Namespace) -> Path:
    """Exports what is to be shown, unless it is there already; returns its base path."""
    if arguments.keras:
        base_path = ROOT / EXPORTED / arguments.name
        code = export_keras_file(keras_flags(arguments), base_path)
    else:
        base_path = ROOT / BASE_PATH
        # Brings an export of the released weights up to date, and leaves any other as it is.
        export = [sys.executable, ROOT / "export.py", f"--out={base_path}", "--spare-others"]
        code = subprocess.run(export).returncode
    if code != 0:
        sys.exit("python -m demo: there is nothing to show, for the export failed.")
    return base_path


def rest_beside(target: str) -> str:
    """The URL of the REST API on the (first) host of a gRPC target."""
    first = re.sub(r"^(dns|ipv4|ipv6):", "", target).rpartition("/")[2].partition(",")[0]
    return f"http://{re.sub(r':[0-9]+$', '', first)}:{REST_PORT}"


def endpoint_of(arguments: argparse.Namespace, server: Server) -> Endpoint:
    """Where requests that are taken along from the page are answered."""
    ca = arguments.ca and arguments.ca.decode()
    if arguments.rest:
        return Endpoint(None, bool(arguments.auth), ca)
    return Endpoint(server.rest, False, ca)  # the page's password is not the model server's


def tell_what_is_open(arguments: argparse.Namespace) -> None:
    """Says who can reach what, where that is more than this machine."""
    is_local = arguments.host in ("localhost", "::1") or arguments.host.startswith("127.")
    if is_local and not arguments.share:
        return
    what = "this page and its API" if arguments.auth else "this page, its API and its MCP tools"
    if arguments.rest:
        what += ", and the model server's REST API under /v1 (--no-rest leaves it out)"
    who = "with user and password" if arguments.auth else "without a password (--auth asks for one)"
    if not is_local:
        print(
            f"* --host {arguments.host}: whoever reaches this machine can use {what}, {who}.",
            flush=True,
        )
    if arguments.share:
        print(f"* --share: whoever has the link can use {what}, {who}.", flush=True)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--server",
        metavar="HOST:PORT",
        help="a TensorFlow Serving's gRPC address (dns:///NAME:PORT for all that a name has); "
        "without it a local server is started",
    )
    parser.add_argument(
        "--model",
        action="append",
        metavar="NAME",
        help="the name of a model that --server has; given several times, the page lets one choose "
        f"(default: {MODEL})",
    )
    parser.add_argument(
        "--real-server",
        action="store_true",
        help=f"as the local server run the {REAL_SERVER} on the PATH; its REST API can be bound to "
        "no single address",
    )
    parser.add_argument("--tls", action="store_true", help="speak gRPC with --server over TLS")
    parser.add_argument(
        "--ca",
        type=read_certificates,
        metavar="FILE",
        help="certificates in PEM to trust, not the system's",
    )
    parser.add_argument(
        "--rest-server",
        type=parse_url,
        metavar="HOST:PORT",
        help=f"its REST API; without it port {REST_PORT} of the same host",
    )
    parser.add_argument(
        "--no-rest",
        dest="rest",
        action="store_false",
        help="do not answer the model server's REST API under /v1 of the page",
    )
    parser.add_argument(
        "--host",
        default=os.environ.get("GRADIO_SERVER_NAME", "127.0.0.1"),
        help="address to listen on",
    )
    parser.add_argument(
        "--port",
        type=int,
        default=os.environ.get("GRADIO_SERVER_PORT", PORT),
        help="of the page",
    )
    parser.add_argument(
        "--root-path",
        metavar="/PATH",
        help="the path under which a reverse proxy serves the page, if it is not /",
    )
    parser.add_argument("--share", action="store_true", help="also open a public Gradio link")
    parser.add_argument(
        "--auth", type=parse_auth, metavar="USER:PASSWORD", help="ask visitors for these"
    )
    add_keras_arguments(parser)
    arguments = parser.parse_args()
    # A model of a server that does not describe itself says not either what it takes for black.
    check_keras_arguments(parser, arguments, others=("pixels",) if arguments.server else ())
    if (arguments.model and not arguments.server) or (arguments.keras and arguments.server):
        parser.error(
            "--keras shows a model on a server of its own, --model one that --server has: use "
            "either --keras or --server with --model"
        )
    arguments.model = arguments.model or [arguments.name or MODEL]
    if (arguments.tls or arguments.ca or arguments.rest_server) and not arguments.server:
        parser.error("--tls, --ca and --rest-server tell of a server: name it with --server")
    if arguments.ca and not arguments.tls:
        parser.error("--ca has a meaning with --tls only")
    if arguments.real_server and arguments.server:
        parser.error("--real-server is about the local server, which --server does without")
    if arguments.real_server and not shutil.which(REAL_SERVER):
        parser.error(f"--real-server: there is no {REAL_SERVER} on the PATH")
    return arguments


def parse_auth(text: str) -> tuple[str, str]:
    user, colon, password = text.partition(":")
    if not (user and colon and password):
        raise argparse.ArgumentTypeError("expected USER:PASSWORD")
    return user, password


def read_certificates(path: str) -> bytes:
    try:
        certificates = Path(path).read_bytes()
    except OSError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    if b"-----BEGIN CERTIFICATE-----" not in certificates:
        raise argparse.ArgumentTypeError(f"{path} holds no certificate in PEM")
    return certificates


def parse_url(text: str) -> str:
    url = text if "://" in text else f"http://{text}"
    if not re.fullmatch(r"https?://([^/:\s]+|\[[0-9a-fA-F:]+\])(:[0-9]+)?/?", url):
        raise argparse.ArgumentTypeError("expected HOST:PORT or the URL of a server")
    return url


if __name__ == "__main__":
    main()
