"""The page's live connection: messages of a JSON object and, perhaps, a drawing or a picture."""

import json

from hypothesis import strategies as st

from tests.fuzz.http_requests import framed, http_requests
from tests.fuzz.json_values import ODD_VALUES, json_bodies
from tests.fuzz.mangle import mangled, with_part_exchanged
from tests.fuzz.picture_files import files
from tests.fuzz.request import Request
from tests.questions import INK, LIVE_PATH, OF_DRAWINGS, RIGHT

KIND = "the live connection"
HANDSHAKES = [  # of which only the first is one
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
    b"Sec-WebSocket-Version: 99\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
    b"Sec-WebSocket-Version: 13\r\n",
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: \xff\r\n",
]
FRAMES = [  # unmasked, of a reserved kind, longer than they are, a lone continuation, a wrong close
    b"\x82\x02{}",
    b"\x8b\x80\0\0\0\0",
    b"\x82\xff\x7f" + b"\xff" * 7 + b"\0\0\0\0",
    b"\x80\x80\0\0\0\0",
    b"\x88\x81\0\0\0\0a",
    b"\xf2\x80\0\0\0\0",
]


def live_requests() -> st.SearchStrategy[Request]:
    """Messages, most of them, and connections that are not made rightly."""
    to = st.sampled_from(["binary", "binary", "binary", "text"])
    sent = st.builds(lambda content, to: Request(KIND, "live", content, to), _messages(), to)
    plain = st.tuples(st.sampled_from(["GET", "POST"]), st.just(LIVE_PATH), st.binary(max_size=9))
    return st.one_of(sent, sent, sent, _broken_connections(), http_requests(KIND, "page", plain))


@st.composite
def _messages(draw) -> bytes:
    ask = draw(st.sampled_from(list(RIGHT)))
    question = {"id": 7, "ask": ask, **RIGHT[ask]}
    right = json.dumps(question).encode()
    ink = b"\n" + INK if ask in OF_DRAWINGS else b""
    match draw(st.sampled_from(["part", "part", "part", "json", "ink", "file", "mangled"])):
        case "part":
            asked = json.dumps(draw(with_part_exchanged(question, ODD_VALUES))).encode()
            return asked + ink
        case "json":
            return draw(json_bodies([question])) + ink
        case "ink":
            length = draw(st.sampled_from([0, 1, len(INK) - 1, len(INK) + 1, 2 * len(INK), 2**21]))
            return right + draw(st.sampled_from([b"\n", b"", b"\r\n", b"\n\n"])) + bytes(length)
        case "file":
            return right + b"\n" + draw(files())
        case _:
            return draw(mangled(right + ink))


@st.composite
def _broken_connections(draw) -> Request:
    upgrade = b"Upgrade: websocket\r\nConnection: Upgrade\r\n" + draw(st.sampled_from(HANDSHAKES))
    frames = b"".join(draw(st.lists(st.sampled_from(FRAMES), max_size=3)))
    request = framed("GET", LIVE_PATH, headers=upgrade).replace(b"Connection: close\r\n", b"")
    return Request(KIND, "page", request + frames, is_whole=False)
