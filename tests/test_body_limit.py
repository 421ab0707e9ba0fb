"""The limit on request bodies, in front of an application that reads whole bodies."""

import anyio
import pytest
from anyio.from_thread import start_blocking_portal
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from demo import body_limit
from demo.body_limit import LARGEST, BodyLimit


async def count(request: Request) -> PlainTextResponse:
    return PlainTextResponse(str(len(await request.body())))


APP = Starlette(
    routes=[Route("/{path:path}", count, methods=["POST"])], middleware=[Middleware(BodyLimit)]
)
MULTIPART = {"Content-Type": "multipart/form-data; boundary=b"}


@pytest.mark.parametrize(
    ("size", "path", "headers", "answer"),
    [
        (0, "/run", {}, (200, "0")),
        (LARGEST, "/run", {}, (200, str(LARGEST))),
        (LARGEST + 1, "/run", {}, (413, "A body may have at most 1,048,576 bytes.")),
        (LARGEST + 1, "/run/v1/", {}, (413, "A body may have at most 1,048,576 bytes.")),
        (LARGEST + 1, "/v1/models", {}, (200, str(LARGEST + 1))),
        (LARGEST + 1, "/upload", MULTIPART, (200, str(LARGEST + 1))),
    ],
)
@pytest.mark.parametrize("is_chunked", [False, True])
def test_body_arrives_whole_or_is_refused(size, path, headers, answer, is_chunked):
    body = bytes(size)
    chunks = (body[start : start + 50_000] for start in range(0, size, 50_000))
    with TestClient(APP) as client:
        response = client.post(path, content=chunks if is_chunked else body, headers=headers)
    assert (response.status_code, response.text) == answer


def test_body_that_does_not_arrive_times_out(monkeypatch):
    monkeypatch.setattr(body_limit, "SECONDS", 0.1)
    assert statuses_for(anyio.sleep_forever) == [408]


def test_disconnected_caller_gets_no_response():
    async def disconnect() -> dict:
        return {"type": "http.disconnect"}

    assert statuses_for(disconnect) == []


def statuses_for(receive) -> list[int]:
    """The statuses of the responses to a request with this `receive`."""
    statuses = []

    async def send(message: dict) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    scope = {"type": "http", "method": "POST", "path": "/run", "headers": [], "root_path": ""}
    with start_blocking_portal() as portal:  # Playwright's event loop may run in this thread
        portal.call(BodyLimit(APP), scope, receive, send)
    return statuses
