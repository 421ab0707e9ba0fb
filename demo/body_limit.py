"""A limit on what Gradio's own endpoints receive: they read any body whole, and as JSON.

Uploads and /v1 have limits of their own.
"""

import asyncio

from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.http_body import read_body

LARGEST = 2**20  # bytes: a picture of 0.7 MB in an agent's call. Four times as much can take 1.6 s.
SECONDS = 30.0  # for a body to arrive


class BodyLimit:
    """ASGI middleware that refuses bodies that are too large, or too slow."""

    def __init__(self, app: ASGIApp):
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self._app
        if scope["type"] == "http" and not _has_its_own(request := Request(scope, receive)):
            try:
                async with asyncio.timeout(SECONDS):
                    body = await read_body(request, LARGEST)
            except ClientDisconnect:
                return
            except TimeoutError:
                app = PlainTextResponse(f"The body did not arrive within {SECONDS:g} seconds.", 408)
            else:
                receive = _again(body, receive)
                if body is None:
                    app = PlainTextResponse(f"A body may have at most {LARGEST:,} bytes.", 413)
        await app(scope, receive, send)


def _again(body: bytes | None, receive: Receive) -> Receive:
    """What receives a body that has been read."""
    messages: list[Message] = [{"type": "http.request", "body": body or b""}]

    async def receive_again() -> Message:
        return messages.pop() if messages else await receive()

    return receive_again


def _has_its_own(request: Request) -> bool:
    """Whether there is another limit on the body, or nobody reads it."""
    path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
    kind = request.headers.get("content-type", "").lower()
    return (
        request.method in ("GET", "HEAD")
        or path.startswith("/v1/")
        or kind.startswith("multipart/")
    )
