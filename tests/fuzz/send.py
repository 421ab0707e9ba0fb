"""Sends requests over every interface, and returns status, time and content of the responses."""

import http.client
import json
import socket
import time
from typing import NamedTuple
from urllib.parse import urlsplit

import grpc
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.sync.client import connect

from tests.fuzz.http_requests import framed
from tests.fuzz.request import Request
from tests.questions import INK, VALID_FIELDS, live_address

TIMEOUT = 10.0  # seconds per response
CLOSED, NO_RESPONSE = "closed", "no response"
_BOUNDARY = b"layer-xray-fuzz"
_UNLIMITED = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
_IDENTITY = bytes  # messages are sent as raw bytes

# A valid message, which is sent on a live connection after a malformed one.
VALID_ID = 2**40
VALID_MESSAGE = json.dumps({"id": VALID_ID, "ask": "predict", **VALID_FIELDS["predict"]}).encode()
VALID_MESSAGE += b"\n" + INK


class Response(NamedTuple):
    """The response to a request."""

    status: str  # of gRPC or HTTP, event of a picture, `CLOSED` or `NO_RESPONSE`
    seconds: float
    content: bytes = b""


class Sender:
    """Sends requests to a server and a page, as a context manager; thread-safe.

    Args:
        grpc_target: `HOST:PORT` of the server, gRPC.
        rest_port: port of the server's REST API on 127.0.0.1.
        page_url: address of the page.
    """

    def __init__(self, grpc_target: str, rest_port: int, page_url: str):
        self._channel = grpc.insecure_channel(grpc_target, _UNLIMITED)
        self._live_url = live_address(page_url)
        self._addresses = {
            "rest": ("127.0.0.1", rest_port),
            "page": ("127.0.0.1", urlsplit(page_url).port),
        }

    def __enter__(self) -> "Sender":
        return self

    def __exit__(self, *_: object) -> None:
        self._channel.close()

    def send(self, request: Request) -> Response:
        """Sends a request and waits for the response, at most `TIMEOUT` seconds."""
        started = time.perf_counter()
        try:
            if request.interface == "grpc":
                status, content = self._send_grpc(request)
            elif request.interface == "live":
                status, content = self._send_live(request)
            elif request.interface == "picture":
                status, content = self._send_picture(request)
            else:
                status, content = self._send_http(
                    request.interface, request.content, request.is_complete
                )
        except TimeoutError:
            status, content = NO_RESPONSE, b""
        except ConnectionError:
            status, content = CLOSED, b""
        return Response(status, time.perf_counter() - started, content)

    def _send_grpc(self, request: Request) -> tuple[str, bytes]:
        try:
            method = self._channel.unary_unary(request.target, _IDENTITY, _IDENTITY)
            return "OK", method(request.content, timeout=TIMEOUT)
        except grpc.RpcError as error:
            return error.code().name, (error.details() or "").encode()

    def _send_http(
        self, interface: str, content: bytes, is_complete: bool = True
    ) -> tuple[str, bytes]:
        """Returns status and body; the body of an event stream is not read."""
        with socket.create_connection(self._addresses[interface], TIMEOUT) as connection:
            response = http.client.HTTPResponse(
                connection, method=content.split(b" ", 1)[0].decode(errors="replace")
            )
            try:
                connection.sendall(content)
                if not is_complete:
                    connection.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # the response was sent before the end of the request
            try:
                response.begin()
                is_stream = response.headers.get_content_type() == "text/event-stream"
                return str(response.status), b"" if is_stream else response.read()
            except (ConnectionError, http.client.HTTPException):
                return CLOSED, b""

    def _send_live(self, request: Request) -> tuple[str, bytes]:
        """Sends one message on a new connection, followed by a valid one."""
        content = request.content
        if request.target == "text":
            content = content.decode(errors="replace")
        try:
            with connect(self._live_url, max_size=None, compression=None) as connection:
                connection.send(content)
                connection.send(VALID_MESSAGE)
                first = last = connection.recv(TIMEOUT)
                while _head(last).get("id") != VALID_ID:
                    last = connection.recv(TIMEOUT)
        except InvalidHandshake as error:
            return f"no connection: {error}", b""
        except ConnectionClosed:
            return CLOSED, b""
        if "error" in _head(last):
            return f"the valid message after it: {last.decode()}", b""
        return "error" if "error" in _head(first) else "answered", first

    def _send_picture(self, request: Request) -> tuple[str, bytes]:
        """Uploads a picture, calls an endpoint with it, and reads events until the result."""
        endpoint, _, name = request.target.partition("/")
        head = b'--%b\r\nContent-Disposition: form-data; name="files"; filename="%b"\r\n\r\n'
        body = head % (_BOUNDARY, name.encode()) + request.content + b"\r\n--%b--\r\n" % _BOUNDARY
        kind = b"Content-Type: multipart/form-data; boundary=%b\r\n" % _BOUNDARY
        status, content = self._send_http("page", framed("POST", "/gradio_api/upload", body, kind))
        if status != "200":
            return f"upload {status}", content
        file = {"path": json.loads(content)[0], "meta": {"_type": "gradio.FileData"}}
        target = f"/gradio_api/call/{endpoint}"
        body = json.dumps({"data": [file]}).encode()
        status, content = self._send_http("page", framed("POST", target, body))
        if status != "200":
            return f"call {status}", content
        return self._wait_for_event(f"{target}/{json.loads(content)['event_id']}")

    def _wait_for_event(self, target: str) -> tuple[str, bytes]:
        with socket.create_connection(self._addresses["page"], TIMEOUT) as connection:
            connection.sendall(framed("GET", target))
            response = http.client.HTTPResponse(connection)
            response.begin()
            for line in response:
                event = line.removeprefix(b"event: ").strip().decode()
                if event in ("complete", "error"):
                    return event, response.readline().removeprefix(b"data: ")
        return CLOSED, b""


def _head(message: bytes) -> dict:
    """Returns the JSON object at the beginning of a message."""
    return json.loads(message.partition(b"\n")[0])
