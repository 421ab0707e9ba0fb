"""A size limit on the bodies of Gradio's own endpoints, which read any body into memory as JSON.

Uploads and /v1 have other limits.
"""

import asyncio

from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.http_body import read_body

LARGEST = 2**20  # bytes: a picture of 0.7 MB in base64. Parsing 4 MB of JSON can take 1.6 s.
SECONDS = 30.0  # to receive a body


class BodyLimit:
    """ASGI middleware that refuses bodies that are too large or arrive too slowly."""

    def __init__(self, app: ASGIApp):
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self._app
        if scope["type"] == "http" and _is_limited(request := Request(scope, receive)):
            try:
                async with asyncio.timeout(SECONDS):
                    body = await read_body(request, LARGEST)
            except ClientDisconnect:
                return
            except TimeoutError:
                app = PlainTextResponse(f"The body did not arrive within {SECONDS:g} seconds.", 408)
            else:
                receive = _replay(body, receive)
                if body is None:
                    app = PlainTextResponse(f"A body may have at most {LARGEST:,} bytes.", 413)
        await app(scope, receive, send)


def _replay(body: bytes | None, receive: Receive) -> Receive:
    """Returns a `receive` that yields the body that was read, and then what follows it."""
    messages: list[Message] = [{"type": "http.request", "body": body or b""}]

    async def replay() -> Message:
        return messages.pop() if messages else await receive()

    return replay


def _is_limited(request: Request) -> bool:
    """Whether the request may have a body that is not limited elsewhere."""
    path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
    media_type = request.headers.get("content-type", "").lower()
    return not (
        request.method in ("GET", "HEAD")
        or path.startswith("/v1/")
        or media_type.startswith("multipart/")
    )
