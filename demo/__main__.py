"""Starts the page and, without --server, a local model server for it."""

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
from demo.page_language import PageLanguage
from demo.rest_proxy import make_rest_route
from demo.scripts import make_scripts_route
from demo.uploads import remove_failed_uploads, report_full_disk
from demo.words import I18N
from model.exposed.arguments import add_keras_arguments, check_keras_arguments, keras_flags
from model.exposed.command import export_keras_file
from serving.client import Client
from serving.defaults import BASE_PATH, MODEL, REAL_SERVER, REST_PORT
from serving.local import LocalServer, LocalServerError
from serving.version import VERSION

ROOT = Path(__file__).parent.parent
EXPORTED = "exported"
PORT = 7860
MAX_SESSIONS = 64  # Gradio keeps 33 kB each, by default for 10,000; this page uses none of it
MAX_UPLOAD = "20mb"  # a photo from a phone has about 5
POLL_SECONDS = 1.0  # poll interval for signals
TIMEOUT = 3.0  # seconds per call; beyond that, the page shows an error


class Server(NamedTuple):
    """Addresses of a model server."""

    grpc: str  # target for `serving.client.Client`
    rest: str  # URL of the REST API; empty if there is none


def main() -> None:
    arguments = parse_arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # so that the local server is stopped
    try:
        with (
            running_server(arguments) as server,
            contextlib.ExitStack() as stack,
        ):
            clients = [
                stack.enter_context(
                    Client(server.grpc, name, TIMEOUT, tls=arguments.tls, ca=arguments.ca)
                )
                for name in arguments.model
            ]
            print_access(arguments)
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
            # An exception raised by a signal could be lost in Gradio's threads, so poll an event.
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
                i18n=I18N,
                footer_links=["api", "settings"],
                app_kwargs={
                    "routes": routes,
                    "middleware": [Middleware(BodyLimit), Middleware(PageLanguage)],
                    "exception_handlers": {OSError: report_full_disk},
                },
                mcp_server=not arguments.auth,  # Gradio's MCP server cannot log in to the page
                ssr_mode=False,  # Gradio's Node server does not forward /v1
                prevent_thread_lock=True,
            )
            configure_server(page)
            while not stop.wait(POLL_SECONDS):
                pass  # with a timeout, since a signal just before the wait does not end it
            page.close(verbose=False)
    except LocalServerError as error:
        sys.exit(f"python -m demo: {error}")
    except OSError as error:
        # Gradio's own error, for a port in use, has no error number.
        advice = " Choose another port with --port." if error.errno is None else ""
        sys.exit(f"python -m demo: {error}{advice}")


@contextlib.contextmanager
def running_server(arguments: argparse.Namespace) -> Iterator[Server]:
    """Yields the given server, or starts a local one and stops it at the end."""
    if arguments.server:
        yield Server(arguments.server, arguments.rest_server or default_rest_url(arguments.server))
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
                f"* {REAL_SERVER} listens on every address: anyone who can reach this machine can "
                f"use its REST API on port {server.rest_api_port} (--no-rest turns it off).",
                flush=True,
            )
        yield Server(server.target, rest)


def export_model(arguments: argparse.Namespace) -> Path:
    """Exports the model to show, if its export is missing or outdated; returns the base path."""
    if arguments.keras:
        base_path = ROOT / EXPORTED / arguments.name
        code = export_keras_file(keras_flags(arguments), base_path)
    else:
        base_path = ROOT / BASE_PATH
        # Updates an export of the released weights, and leaves exports of other weights alone.
        export = [sys.executable, ROOT / "export.py", f"--out={base_path}", "--spare-others"]
        code = subprocess.run(export).returncode
    if code != 0:
        sys.exit("python -m demo: the export failed, so there is nothing to show.")
    return base_path


def default_rest_url(target: str) -> str:
    """Returns the URL of the REST API on the (first) host of a gRPC target."""
    first = re.sub(r"^(dns|ipv4|ipv6):", "", target).rpartition("/")[2].partition(",")[0]
    return f"http://{re.sub(r':[0-9]+$', '', first)}:{REST_PORT}"


def endpoint_of(arguments: argparse.Namespace, server: Server) -> Endpoint:
    """Returns the address for the requests that visitors download from the page."""
    ca = arguments.ca and arguments.ca.decode()
    if arguments.rest:
        return Endpoint(None, bool(arguments.auth), ca)
    return Endpoint(server.rest, False, ca)  # the page's password does not protect the server


def print_access(arguments: argparse.Namespace) -> None:
    """Prints what other machines can access, if they can access anything."""
    is_local = arguments.host in ("localhost", "::1") or arguments.host.startswith("127.")
    if is_local and not arguments.share:
        return
    what = "this page and its API" if arguments.auth else "this page, its API and its MCP tools"
    if arguments.rest:
        what += ", and the model server's REST API under /v1 (--no-rest turns it off)"
    how = "with user and password" if arguments.auth else "without a password (--auth sets one)"
    if not is_local:
        print(
            f"* --host {arguments.host}: anyone who can reach this machine can use {what}, {how}.",
            flush=True,
        )
    if arguments.share:
        print(f"* --share: anyone with the link can use {what}, {how}.", flush=True)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__.splitlines()[0])
    parser.add_argument("--version", action="version", version=f"Layer X-ray {VERSION}")
    parser.add_argument(
        "--server",
        metavar="HOST:PORT",
        help="gRPC address of a TensorFlow Serving (dns:///NAME:PORT for all addresses of a name); "
        "without it, a local server is started",
    )
    parser.add_argument(
        "--model",
        action="append",
        metavar="NAME",
        help="name of a model on --server; repeat it to let visitors choose between several models "
        f"(default: {MODEL})",
    )
    parser.add_argument(
        "--real-server",
        action="store_true",
        help=f"use the {REAL_SERVER} on the PATH as the local server; its REST API listens on "
        "every address",
    )
    parser.add_argument("--tls", action="store_true", help="connect to --server over TLS")
    parser.add_argument(
        "--ca",
        type=read_certificates,
        metavar="FILE",
        help="trusted certificates in PEM, instead of the system's",
    )
    parser.add_argument(
        "--rest-server",
        type=parse_url,
        metavar="HOST:PORT",
        help=f"REST API of --server (default: port {REST_PORT} of the same host)",
    )
    parser.add_argument(
        "--no-rest",
        dest="rest",
        action="store_false",
        help="do not pass the model server's REST API on under /v1 of the page",
    )
    parser.add_argument(
        "--host",
        default=os.environ.get("GRADIO_SERVER_NAME", "127.0.0.1"),
        help="address that the page listens on (default: %(default)s)",
    )
    parser.add_argument(
        "--port",
        type=int,
        default=os.environ.get("GRADIO_SERVER_PORT", PORT),
        help="port of the page (default: %(default)s)",
    )
    parser.add_argument(
        "--root-path",
        metavar="/PATH",
        help="path of the page behind a reverse proxy (default: /)",
    )
    parser.add_argument("--share", action="store_true", help="create a public Gradio link as well")
    parser.add_argument(
        "--auth", type=parse_auth, metavar="USER:PASSWORD", help="require this user and password"
    )
    add_keras_arguments(parser)
    arguments = parser.parse_args()
    # A model on a server may have no description, which would say what black and white are.
    check_keras_arguments(parser, arguments, others=("pixels",) if arguments.server else ())
    if (arguments.model and not arguments.server) or (arguments.keras and arguments.server):
        parser.error(
            "--keras starts a local server, and --model names a model on --server: use either "
            "--keras or --server with --model"
        )
    arguments.model = arguments.model or [arguments.name or MODEL]
    if (arguments.tls or arguments.ca or arguments.rest_server) and not arguments.server:
        parser.error("--tls, --ca and --rest-server describe a server: name it with --server")
    if arguments.ca and not arguments.tls:
        parser.error("--ca needs --tls")
    if arguments.real_server and arguments.server:
        parser.error("--real-server starts a local server: use it without --server")
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
