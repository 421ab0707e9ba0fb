"""HTTP/1.1 requests as bytes, with valid and with invalid framing."""

from hypothesis import strategies as st

from tests.fuzz.mutate import mutated
from tests.fuzz.request import Request

METHODS = ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "BREW", "get"]
JSON = b"Content-Type: application/json\r\n"
UNUSUAL_HEADERS = [  # none makes the server wait for more
    b"Content-Type: text/plain; charset=\xff\r\n",
    b"Content-Type: multipart/form-data\r\n",
    b"Content-Encoding: gzip\r\n",
    b"Accept-Encoding: zstd, \r\n",
    b"Authorization: Basic !!!\r\n",
    b"Cookie: " + b"a=b; " * 1000 + b"\r\n",
    b"X-Long: " + b"x" * 30_000 + b"\r\n",
    b"Host: \r\n",
    b"X-Forwarded-Host: a b\r\nX-Forwarded-Proto: javascript\r\n",
    b"Range: bytes=-1,5-2,99999999999999999999-\r\n",
    b"Origin: null\r\nReferer: \xc3\xa9\r\n",
]
INVALID_FRAMING = [  # each may make the server wait for more, or is not HTTP
    b"Content-Length: 10000000\r\n",
    b"Content-Length: 3\r\n",
    b"Content-Length: -1\r\n",
    b"Content-Length: 99999999999999999999999\r\n",
    b"Content-Length: 1\r\nContent-Length: 2\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
    b"Transfer-Encoding: gzip, chunked\r\n",
    b"Expect: 100-continue\r\nContent-Length: 7\r\n",
    b"Upgrade: h2c\r\nConnection: Upgrade\r\nHTTP2-Settings: x\r\n",
    b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 99\r\n",
    b"No colon\r\n",
    b" : \x00\r\n",
]
CHUNKED = [
    b"5\r\nab",
    b"zz\r\nab\r\n0\r\n\r\n",
    b"ffffffffffffffff\r\n",
    b"2\r\nab\r\n0\r\nX: \0\r\n\r\n",
]


def framed(method: str, target: str | bytes, body: bytes = b"", headers: bytes = JSON) -> bytes:
    """Returns a request with valid framing."""
    target = target if isinstance(target, bytes) else target.encode()
    return (
        b"%b %b HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n" % (method.encode(), target)
        + headers
        + b"Content-Length: %d\r\n\r\n" % len(body)
        + body
    )


@st.composite
def http_requests(draw, kind: str, interface: str, parts: st.SearchStrategy) -> Request:
    """Generates requests from `parts` (method, target, body); a quarter is malformed as HTTP."""
    method, target, body = draw(parts)
    choice = draw(st.integers(0, 19))
    if choice < 15:
        return Request(kind, interface, framed(method, target, body))
    if choice < 17:
        headers = b"".join(draw(st.lists(st.sampled_from(UNUSUAL_HEADERS), max_size=3)))
        other = draw(st.sampled_from(METHODS))
        return Request(kind, interface, framed(other, target, body, headers))
    if choice < 18:
        body = draw(st.sampled_from([body, *CHUNKED]))
        head = f"{method} {target} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n".encode()
        content = head + draw(st.sampled_from(INVALID_FRAMING)) + b"\r\n" + body
        return Request(kind, interface, content, is_complete=False)
    content = draw(mutated(framed(method, target, body[:2000])))
    return Request(kind, interface, content, is_complete=False)
