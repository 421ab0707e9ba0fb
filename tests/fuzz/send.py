"""Sends a request to its door and tells how it was answered, and when."""

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
from tests.questions import INK, RIGHT, live_address

PATIENCE = 10.0  # seconds for an answer
CLOSED, SILENT = "closed", "no answer"
_BOUNDARY = b"layer-xray-fuzz"
_UNLIMITED = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
_IDENTITY = bytes  # messages travel as the bytes that they are


# What is asked on a live connection after a malformed message.
RIGHT_ID = 2**40
RIGHT_AFTER = json.dumps({"id": RIGHT_ID, "ask": "predict", **RIGHT["predict"]}).encode()
RIGHT_AFTER += b"\n" + INK


class Answer(NamedTuple):
    """How a request was answered."""

    status: str  # gRPC's or HTTP's, or what became of a picture; `CLOSED`, `SILENT`
    seconds: float
    content: bytes = b""


class Doors:
    """Where requests go, as a context manager; may be used from many threads.

    Args:
        grpc_target: `HOST:PORT` of the server.
        rest_port: of the server, on 127.0.0.1.
        page_url: of the page.
    """

    def __init__(self, grpc_target: str, rest_port: int, page_url: str):
        self._channel = grpc.insecure_channel(grpc_target, _UNLIMITED)
        self._live_url = live_address(page_url)
        self._addresses = {
            "rest": ("127.0.0.1", rest_port),
            "page": ("127.0.0.1", urlsplit(page_url).port),
        }

    def __enter__(self) -> "Doors":
        return self

    def __exit__(self, *_: object) -> None:
        self._channel.close()

    def send(self, request: Request) -> Answer:
        """Sends it and waits for the answer, for `PATIENCE` at most."""
        started = time.perf_counter()
        try:
            if request.door == "grpc":
                status, content = self._call(request)
            elif request.door == "live":
                status, content = self._tell(request)
            elif request.door == "picture":
                status, content = self._show_picture(request)
            else:
                status, content = self._ask(request.door, request.content, request.is_whole)
        except TimeoutError:
            status, content = SILENT, b""
        except ConnectionError:
            status, content = CLOSED, b""
        return Answer(status, time.perf_counter() - started, content)

    def _call(self, request: Request) -> tuple[str, bytes]:
        try:
            method = self._channel.unary_unary(request.to, _IDENTITY, _IDENTITY)
            return "OK", method(request.content, timeout=PATIENCE)
        except grpc.RpcError as error:
            return error.code().name, (error.details() or "").encode()

    def _ask(self, door: str, content: bytes, is_whole: bool = True) -> tuple[str, bytes]:
        """Status and body of an answer over HTTP; of a stream of events the body is not read."""
        with socket.create_connection(self._addresses[door], PATIENCE) as connection:
            response = http.client.HTTPResponse(
                connection, method=content.split(b" ", 1)[0].decode(errors="replace")
            )
            try:
                connection.sendall(content)
                if not is_whole:
                    connection.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # it has been answered before its end
            try:
                response.begin()
                is_stream = response.headers.get_content_type() == "text/event-stream"
                return str(response.status), b"" if is_stream else response.read()
            except (ConnectionError, http.client.HTTPException):
                return CLOSED, b""

    def _tell(self, request: Request) -> tuple[str, bytes]:
        """Sends one message on a connection of its own, and after it a right one."""
        content = request.content
        if request.to == "text":
            content = content.decode(errors="replace")
        try:
            with connect(self._live_url, max_size=None, compression=None) as connection:
                connection.send(content)
                connection.send(RIGHT_AFTER)
                first = answer = connection.recv(PATIENCE)
                while _head(answer).get("id") != RIGHT_ID:
                    answer = connection.recv(PATIENCE)
        except InvalidHandshake as error:
            return f"no connection: {error}", b""
        except ConnectionClosed:
            return CLOSED, b""
        if "error" in _head(answer):
            return f"the right one after it: {answer.decode()}", b""
        return "error" if "error" in _head(first) else "answered", first

    def _show_picture(self, request: Request) -> tuple[str, bytes]:
        """Uploads a picture, has it looked at, and reads the events until that is done."""
        endpoint, _, name = request.to.partition("/")
        head = b'--%b\r\nContent-Disposition: form-data; name="files"; filename="%b"\r\n\r\n'
        body = head % (_BOUNDARY, name.encode()) + request.content + b"\r\n--%b--\r\n" % _BOUNDARY
        kind = b"Content-Type: multipart/form-data; boundary=%b\r\n" % _BOUNDARY
        status, content = self._ask("page", framed("POST", "/gradio_api/upload", body, kind))
        if status != "200":
            return f"upload {status}", content
        file = {"path": json.loads(content)[0], "meta": {"_type": "gradio.FileData"}}
        target = f"/gradio_api/call/{endpoint}"
        body = json.dumps({"data": [file]}).encode()
        status, content = self._ask("page", framed("POST", target, body))
        if status != "200":
            return f"call {status}", content
        return self._wait_for_event(f"{target}/{json.loads(content)['event_id']}")

    def _wait_for_event(self, target: str) -> tuple[str, bytes]:
        with socket.create_connection(self._addresses["page"], PATIENCE) as connection:
            connection.sendall(framed("GET", target))
            response = http.client.HTTPResponse(connection)
            response.begin()
            for line in response:
                event = line.removeprefix(b"event: ").strip().decode()
                if event in ("complete", "error"):
                    return event, response.readline().removeprefix(b"data: ")
        return CLOSED, b""


def _head(answer: bytes) -> dict:
    """The JSON object of an answer on the live connection."""
    return json.loads(answer.partition(b"\n")[0])
