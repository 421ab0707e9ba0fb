"""One address for everything: the page's own port passes `/v1/…` on to TensorFlow Serving's REST.

So that a share link or a Space can be called with curl.
"""

import base64
import binascii
import secrets
from collections.abc import AsyncIterator

import httpx
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

LARGEST_BODY = 16 * 2**20  # bytes; a batch of 1,024 images as JSON numbers is about as large
TIMEOUT = httpx.Timeout(30.0, connect=2.0)  # seconds; 30 is TensorFlow Serving's own

_PASSED_ON = ("content-type", "content-encoding", "accept-encoding")


def make_rest_route(server: str, auth: tuple[str, str] | None = None) -> Route:
    """A route that answers what the server at `server` answers.

    Args:
        server: the URL of a REST API, `http://HOST:PORT`.
        auth: user and password that a caller has to give (HTTP Basic), as visitors of the page do.
    """
    client = httpx.AsyncClient(timeout=TIMEOUT, trust_env=False)

    async def pass_on(request: Request) -> Response:
        if ".." in request.scope["path"].split("/"):  # which leads out of /v1
            return _error(404, "There is no such path.")
        if auth and not _is_known(request, auth):
            return _error(
                401,
                "This page asks for a user and a password: curl -u USER:PASSWORD …",
                {"WWW-Authenticate": 'Basic realm="Layer X-ray"'},
            )
        body = await _read_body(request)
        if body is None:
            return _error(
                413, f"A request may have at most {LARGEST_BODY:,} bytes; send fewer items at once."
            )
        headers = {"content-type": "application/json", "accept-encoding": "identity"}
        headers |= {name: value for name, value in request.headers.items() if name in _PASSED_ON}
        url = httpx.URL(server, raw_path=_raw_path(request))
        passed = client.build_request(request.method, url, content=body, headers=headers)
        try:
            answer = await client.send(passed, stream=True)
        except httpx.TimeoutException:
            return _error(504, "The model server did not answer in time; try again, or with less.")
        except httpx.TransportError:
            return _error(
                503, "The model server behind this page does not answer REST now; try again later."
            )
        content = ("Content-Type", "Content-Length", "Content-Encoding")
        return StreamingResponse(
            answer.aiter_raw(),
            answer.status_code,
            {name: answer.headers[name] for name in content if name in answer.headers},
            background=BackgroundTask(answer.aclose),
        )

    return Route("/v1/{path:path}", pass_on, methods=["GET", "POST", "PUT", "DELETE", "PATCH"])


def _raw_path(request: Request) -> bytes:
    query = request.scope["query_string"]
    return request.scope["raw_path"].partition(b"?")[0] + (b"?" + query if query else b"")


async def _read_body(request: Request) -> bytes | None:
    """The body, or None if it is too large; never more of it in memory than that."""
    chunks: list[bytes] = []
    size = 0
    stream: AsyncIterator[bytes] = request.stream()
    async for chunk in stream:
        size += len(chunk)
        if size > LARGEST_BODY:
            return None
        chunks.append(chunk)
    return b"".join(chunks)


def _is_known(request: Request, auth: tuple[str, str]) -> bool:
    scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
    try:
        given = base64.b64decode(credentials, validate=True)
    except (binascii.Error, ValueError):
        return False
    expected = ":".join(auth).encode()
    return scheme.lower() == "basic" and secrets.compare_digest(given, expected)


def _error(status: int, sentence: str, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"error": sentence}, status, headers)
