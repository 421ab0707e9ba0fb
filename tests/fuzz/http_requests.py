"""HTTP/1.1 requests as bytes: rightly framed ones, and ones whose frame is broken."""

from hypothesis import strategies as st

from tests.fuzz.mangle import mangled
from tests.fuzz.request import Request

METHODS = ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "BREW", "get"]
JSON = b"Content-Type: application/json\r\n"
ODD_HEADERS = [  # each is answered without waiting for more
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
BROKEN_FRAMES = [  # each may be waited for, or is no HTTP at all
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
    """A request as a client would send it."""
    target = target if isinstance(target, bytes) else target.encode()
    return (
        b"%b %b HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n" % (method.encode(), target)
        + headers
        + b"Content-Length: %d\r\n\r\n" % len(body)
        + body
    )


@st.composite
def http_requests(draw, kind: str, door: str, wants: st.SearchStrategy) -> Request:
    """Requests for what is wanted, `(method, target, body)`; some of them in a broken frame."""
    method, target, body = draw(wants)
    frame = draw(st.integers(0, 19))
    if frame < 15:
        return Request(kind, door, framed(method, target, body))
    if frame < 17:
        headers = b"".join(draw(st.lists(st.sampled_from(ODD_HEADERS), max_size=3)))
        odd = draw(st.sampled_from(METHODS))
        return Request(kind, door, framed(odd, target, body, headers))
    if frame < 18:
        body = draw(st.sampled_from([body, *CHUNKED]))
        head = f"{method} {target} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n".encode()
        content = head + draw(st.sampled_from(BROKEN_FRAMES)) + b"\r\n" + body
        return Request(kind, door, content, is_whole=False)
    return Request(kind, door, draw(mangled(framed(method, target, body[:2000]))), is_whole=False)
