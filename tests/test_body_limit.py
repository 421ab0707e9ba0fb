"""The limit on bodies, in front of an application that reads them whole."""

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
def test_a_body_arrives_whole_or_is_refused(size, path, headers, answer, is_chunked):
    body = bytes(size)
    chunks = (body[at : at + 50_000] for at in range(0, size, 50_000))
    with TestClient(APP) as client:
        response = client.post(path, content=chunks if is_chunked else body, headers=headers)
    assert (response.status_code, response.text) == answer


def test_a_body_that_does_not_arrive_is_given_up(monkeypatch):
    monkeypatch.setattr(body_limit, "SECONDS", 0.1)
    assert answer_to(anyio.sleep_forever) == [408]


def test_a_caller_who_goes_away_is_left():
    async def go_away() -> dict:
        return {"type": "http.disconnect"}

    assert answer_to(go_away) == []


def answer_to(receive) -> list[int]:
    """The statuses that a request with such a body is answered with."""
    statuses = []

    async def send(message: dict) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    scope = {"type": "http", "method": "POST", "path": "/run", "headers": [], "root_path": ""}
    with start_blocking_portal() as portal:  # in this thread Playwright's event loop may run
        portal.call(BodyLimit(APP), scope, receive, send)
    return statuses
