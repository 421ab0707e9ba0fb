"""Passes TensorFlow Serving's REST API on through the page's port, for a share link or a Space.

This is the only access that strangers have to the model server. So it passes on few kinds of
requests, and a body only after checking that it is harmless: TensorFlow Serving needs gigabytes of
memory for deeply nested JSON (docs/security.md).
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

MAX_BODY_BYTES = 8 * 2**20  # 256 images as JSON numbers have about 3 MB
MAX_DEPTH = 254  # nested lists: the rank limit of a tensor (TensorShape::MaxDimensions)
MAX_LISTS = 100_000  # lists and objects in a body; 256 images have 7,425
AT_ONCE = 2  # requests passed on concurrently; the model server has few threads for REST
MAX_BODIES = 16  # bodies received concurrently
SLOT_SECONDS = 5.0  # to wait for one of these slots
BODY_SECONDS = 10.0  # to receive a body
ANSWER_SECONDS = 60.0  # to pass a request on and send the answer to the caller
TIMEOUT = httpx.Timeout(30.0, connect=2.0)  # seconds; 30 is TensorFlow Serving's own timeout
CLIENT_CLOSED_REQUEST = 499  # nginx's status, for the metrics: no response was completed

_VERSION = r"(?:/versions/[0-9]{1,19}|/labels/[\w.-]{1,100})?"
# Possessive quantifiers, so that an unterminated string takes linear time.
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)


class Refused(Exception):
    """A request that is not passed on, with the response to it."""

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
    """Returns the route /v1, which passes requests on to a model server.

    Args:
        server: URL of its REST API, `http://HOST:PORT`.
        models: names of the models to give access to.
        metrics: counts the requests.
        auth: user and password that callers must give (HTTP Basic), if any.
        ca: trusted certificates in PEM; None for the system's.
    """
    return Route("/v1/{path:path}", _RestProxy(server, models, metrics, auth, ca))


class _RestProxy:
    """The ASGI application of the route."""

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
        transport = httpx.AsyncHTTPTransport(verify=trusted, retries=2)  # of the connection only
        self._client = httpx.AsyncClient(timeout=TIMEOUT, transport=transport, trust_env=False)
        self._request_slots = asyncio.Semaphore(AT_ONCE)
        self._body_slots = asyncio.Semaphore(MAX_BODIES)
        # Not Starlette's path parameters, which match by path alone: they would need nine routes,
        # convertors for versions and labels, and a tenth route to refuse everything else.
        base = f"/v1/models/(?:{'|'.join(map(re.escape, models))}){_VERSION}"
        self._paths = {
            "GET": re.compile(f"{base}(?:/metadata)?"),
            "POST": re.compile(f"{base}:predict"),
        }
        model = " or ".join(models)
        self._allowed = f"GET /v1/models/{model} and …/metadata, POST /v1/models/{model}:predict"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request, started = Request(scope, receive), time.perf_counter()
        status = CLIENT_CLOSED_REQUEST
        # Ends without a response if the caller disconnects or receives the answer too slowly, or if
        # the server's answer breaks off.
        with contextlib.suppress(TimeoutError, ClientDisconnect, httpx.TransportError):
            async with contextlib.AsyncExitStack() as stack:
                try:
                    self._check(request)
                    async with _acquire(self._body_slots):
                        body = await _read_json(request) if request.method == "POST" else None
                    await stack.enter_async_context(_acquire(self._request_slots))
                    await stack.enter_async_context(asyncio.timeout(ANSWER_SECONDS))
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
                f"{self._allowed}; /versions/NUMBER or /labels/NAME may follow the model's name.",
            )
        if "content-encoding" in request.headers:
            raise Refused(415, "The body must not be compressed: send it without Content-Encoding.")

    async def _pass_on(
        self, request: Request, body: bytes | None, stack: contextlib.AsyncExitStack
    ) -> Response:
        outgoing = self._client.build_request(
            request.method,
            self._server.copy_with(path=request.scope["path"]),
            content=body,
            headers={"content-type": "application/json", "accept-encoding": "identity"},
        )
        try:
            answer = await self._client.send(outgoing, stream=True)
        except httpx.TimeoutException:
            raise Refused(
                504, "The model server did not answer in time; try again, or with fewer items."
            ) from None
        except httpx.TransportError:
            raise Refused(
                503, "The model server behind this page does not answer REST now; try again later."
            ) from None
        stack.push_async_callback(answer.aclose)
        passed_headers = ("Content-Type", "Content-Length")
        return StreamingResponse(
            answer.aiter_raw(),
            answer.status_code,
            {name: answer.headers[name] for name in passed_headers if name in answer.headers},
        )


@contextlib.asynccontextmanager
async def _acquire(slots: asyncio.Semaphore) -> AsyncIterator[None]:
    """Holds a slot; refuses the request if none is free within `SLOT_SECONDS`."""
    try:
        async with asyncio.timeout(SLOT_SECONDS):
            await slots.acquire()
    except TimeoutError:
        raise Refused(
            503,
            "This page passes on only a few requests at a time; try again later.",
            {"Retry-After": "5"},
        ) from None
    try:
        yield
    finally:
        slots.release()


async def _read_json(request: Request) -> bytes:
    """Returns a body that the model server can parse at low cost."""
    try:
        async with asyncio.timeout(BODY_SECONDS):
            body = await read_body(request, MAX_BODY_BYTES)
    except TimeoutError:
        raise Refused(408, f"The body did not arrive within {BODY_SECONDS:.0f} seconds.") from None
    if body is None:
        raise Refused(
            413, f"A request may have at most {MAX_BODY_BYTES:,} bytes; send fewer items at once."
        )
    await run_in_threadpool(check_json, body)
    return body


def check_json(body: bytes) -> None:
    """Raises `Refused` if a body is not JSON, or has too many or too deeply nested lists."""
    outside_strings = np.frombuffer(_STRING.sub(b"", body), np.uint8)
    is_open, is_close = (
        (outside_strings == ord(a)) | (outside_strings == ord(b)) for a, b in ("[{", "]}")
    )
    steps = (is_open.astype(np.int8) - is_close)[is_open | is_close]
    # A tensor is nested in an object and in the list of instances.
    if np.cumsum(steps, dtype=np.int32).max(initial=0) > MAX_DEPTH + 2:
        raise Refused(
            400,
            f"The body has more than {MAX_DEPTH} lists or objects in each other; no tensor has.",
        )
    if is_open.sum() > MAX_LISTS:  # they need far more memory than their bytes
        raise Refused(
            400,
            f"The body has more than {MAX_LISTS:,} lists or objects; send fewer items at once.",
        )
    try:
        orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Refused(400, f"The body must be JSON, but is not: {error}.") from None
