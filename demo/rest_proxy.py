"""One address for everything: the page's own port passes TensorFlow Serving's REST API on.

So that a share link or a Space can be called with curl. It is the one door to the model server that
strangers have, so it lets in what it is for, and a body only once it is known to be harmless:
TensorFlow Serving itself takes gigabytes for JSON that is nested deep (docs/security.md).
"""

import asyncio
import contextlib
import re
import ssl
import time
from collections.abc import AsyncIterator, Sequence

import httpx
import numpy as np
import orjson
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from demo.auth import ASK_FOR_PASSWORD, has_password
from demo.metrics import Metrics
from serving.http_body import read_body

MAX_BODY_BYTES = 8 * 2**20  # bytes; 256 images as JSON numbers are about 3
DEEPEST = 254  # lists in lists: a tensor has no more dimensions (TensorShape::MaxDimensions)
MAX_LISTS = 100_000  # or objects; 256 images have 7,425
AT_ONCE = 2  # requests that the model server gets from here; it has few threads for REST
MAX_BODIES = 16  # that are received at once
# Seconds: for a place among them, for a body to arrive, for all of it.
PATIENCE, UPLOAD, IN_ALL = 5.0, 10.0, 60.0
BROKEN_OFF = 499  # nginx's status, for the metrics: the caller or the server went away
TIMEOUT = httpx.Timeout(30.0, connect=2.0)  # seconds; 30 is TensorFlow Serving's own

_VERSION = r"(?:/versions/[0-9]{1,19}|/labels/[\w.-]{1,100})?"
# One pass, also through a string without an end.
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)


class Refused(Exception):
    """A request that is not passed on."""

    def __init__(self, status: int, sentence: str, headers: dict[str, str] | None = None):
        super().__init__(sentence)
        self.status, self.headers = status, headers


def make_rest_route(
    server: str,
    models: Sequence[str],
    metrics: Metrics,
    auth: tuple[str, str] | None = None,
    ca: bytes | None = None,
) -> Route:
    """A route that answers what a model server answers of some models.

    Args:
        server: the URL of its REST API, `http://HOST:PORT`.
        models: the names that they have there.
        metrics: where requests are counted.
        auth: user and password that a caller has to give (HTTP Basic), as visitors of the page do.
        ca: certificates in PEM to trust; the system's if there are none.
    """
    return Route("/v1/{path:path}", _RestProxy(server, models, metrics, auth, ca))


class _RestProxy:
    """The route's ASGI application."""

    def __init__(
        self,
        server: str,
        models: Sequence[str],
        metrics: Metrics,
        auth: tuple[str, str] | None,
        ca: bytes | None,
    ):
        self._server, self._metrics, self._auth = httpx.URL(server), metrics, auth
        trusted = ssl.create_default_context(cadata=ca.decode()) if ca else True
        transport = httpx.AsyncHTTPTransport(verify=trusted, retries=2)  # of connecting
        self._client = httpx.AsyncClient(timeout=TIMEOUT, transport=transport, trust_env=False)
        self._places = asyncio.Semaphore(AT_ONCE)
        self._bodies = asyncio.Semaphore(MAX_BODIES)
        names = "|".join(map(re.escape, models))
        base = f"/v1/models/(?:{names}){_VERSION}"
        model = " or ".join(models)
        self._paths = {
            "GET": re.compile(f"{base}(?:/metadata)?"),
            "POST": re.compile(f"{base}:predict"),
        }
        self._what = f"GET /v1/models/{model} and …/metadata, POST /v1/models/{model}:predict"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request, started, status = Request(scope, receive), time.perf_counter(), BROKEN_OFF
        # A caller who goes away, or takes the answer too slowly, is left, and so is a server that
        # breaks off: what has begun is ended.
        with contextlib.suppress(TimeoutError, ClientDisconnect, httpx.TransportError):
            async with contextlib.AsyncExitStack() as stack:
                try:
                    self._check(request)
                    async with _place(self._bodies):
                        body = await _read_json(request) if request.method == "POST" else None
                    await stack.enter_async_context(_place(self._places))
                    await stack.enter_async_context(asyncio.timeout(IN_ALL))
                    response = await self._pass_on(request, body, stack)
                except Refused as refused:
                    response = JSONResponse(
                        {"error": str(refused)}, refused.status, refused.headers
                    )
                await response(scope, receive, send)
                status = response.status_code
        self._metrics.passed_on(status, time.perf_counter() - started)

    def _check(self, request: Request) -> None:
        if self._auth and not has_password(request, self._auth):
            raise Refused(
                401,
                "This page asks for a user and a password: curl -u USER:PASSWORD …",
                ASK_FOR_PASSWORD,
            )
        pattern = self._paths.get(request.method)
        query = "?" if request.scope["query_string"] else ""
        path = request.scope["path"] + query
        if not (pattern and pattern.fullmatch(path)):
            raise Refused(
                404,
                f"This page does not pass on {request.method} {path[:200]}, but "
                f"{self._what}; /versions/NUMBER or /labels/NAME may follow the model's name.",
            )
        if "content-encoding" in request.headers:
            raise Refused(415, "The body must not be compressed: send it without Content-Encoding.")

    async def _pass_on(
        self, request: Request, body: bytes | None, stack: contextlib.AsyncExitStack
    ) -> Response:
        passed = self._client.build_request(
            request.method,
            self._server.copy_with(path=request.scope["path"]),
            content=body,
            headers={"content-type": "application/json", "accept-encoding": "identity"},
        )
        try:
            answer = await self._client.send(passed, stream=True)
        except httpx.TimeoutException:
            raise Refused(
                504, "The model server did not answer in time; try again, or with less."
            ) from None
        except httpx.TransportError:
            raise Refused(
                503, "The model server behind this page does not answer REST now; try again later."
            ) from None
        stack.push_async_callback(answer.aclose)
        content = ("Content-Type", "Content-Length")
        return StreamingResponse(
            answer.aiter_raw(),
            answer.status_code,
            {name: answer.headers[name] for name in content if name in answer.headers},
        )


@contextlib.asynccontextmanager
async def _place(places: asyncio.Semaphore) -> AsyncIterator[None]:
    """One of the places, which is waited for with patience."""
    try:
        async with asyncio.timeout(PATIENCE):
            await places.acquire()
    except TimeoutError:
        raise Refused(
            503,
            "More requests are under way than this page passes on at once; try again later.",
            {"Retry-After": "5"},
        ) from None
    try:
        yield
    finally:
        places.release()


async def _read_json(request: Request) -> bytes:
    """The body, known to be JSON that the model server can read at no great cost."""
    try:
        async with asyncio.timeout(UPLOAD):
            body = await read_body(request, MAX_BODY_BYTES)
    except TimeoutError:
        raise Refused(408, f"The body has not arrived within {UPLOAD:.0f} seconds.") from None
    if body is None:
        raise Refused(
            413, f"A request may have at most {MAX_BODY_BYTES:,} bytes; send fewer items at once."
        )
    await run_in_threadpool(check_json, body)
    return body


def check_json(body: bytes) -> None:
    """Raises `Refused` if a body is no JSON, or has lists deeper or more than a tensor can have."""
    outside_strings = np.frombuffer(_STRING.sub(b"", body), np.uint8)
    is_open, is_close = (
        (outside_strings == ord(a)) | (outside_strings == ord(b)) for a, b in ("[{", "]}")
    )
    steps = (is_open.astype(np.int8) - is_close)[is_open | is_close]
    if np.cumsum(steps, dtype=np.int32).max(initial=0) > DEEPEST + 2:  # in an object, in its list
        raise Refused(
            400, f"The body has more than {DEEPEST} lists or objects in each other: no tensor has."
        )
    if is_open.sum() > MAX_LISTS:  # which would cost far more than their bytes
        raise Refused(
            400,
            f"The body has more than {MAX_LISTS:,} lists or objects; send fewer items at once.",
        )
    try:
        orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Refused(400, f"The body must be JSON, which it is not: {error}.") from None
