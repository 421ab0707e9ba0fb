"""Messages on the page's live connection: a JSON object and, for some, a drawing or a picture."""

import json

from hypothesis import strategies as st

from tests.fuzz.http_requests import framed, http_requests
from tests.fuzz.json_values import UNUSUAL_VALUES, json_bodies
from tests.fuzz.mutate import mutated, mutated_json
from tests.fuzz.picture_files import files
from tests.fuzz.request import Request
from tests.questions import INK, LIVE_PATH, VALID_FIELDS, WITH_DRAWING

KIND = "the live connection"
HANDSHAKES = [  # only the first is valid
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
    """Generates messages, invalid handshakes and frames, and plain HTTP requests."""
    types = st.sampled_from(["binary", "binary", "binary", "text"])
    messages = st.builds(
        lambda content, target: Request(KIND, "live", content, target), _messages(), types
    )
    plain = st.tuples(st.sampled_from(["GET", "POST"]), st.just(LIVE_PATH), st.binary(max_size=9))
    return st.one_of(*[messages] * 3, _invalid_connections(), http_requests(KIND, "page", plain))


@st.composite
def _messages(draw) -> bytes:
    ask = draw(st.sampled_from(list(VALID_FIELDS)))
    question = {"id": 7, "ask": ask, **VALID_FIELDS[ask]}
    head = json.dumps(question).encode()
    ink = b"\n" + INK if ask in WITH_DRAWING else b""
    match draw(st.sampled_from(["value", "value", "value", "json", "ink", "file", "bytes"])):
        case "value":
            return json.dumps(draw(mutated_json(question, UNUSUAL_VALUES))).encode() + ink
        case "json":
            return draw(json_bodies([question])) + ink
        case "ink":
            length = draw(st.sampled_from([0, 1, len(INK) - 1, len(INK) + 1, 2 * len(INK), 2**21]))
            return head + draw(st.sampled_from([b"\n", b"", b"\r\n", b"\n\n"])) + bytes(length)
        case "file":
            return head + b"\n" + draw(files())
        case _:
            return draw(mutated(head + ink))


@st.composite
def _invalid_connections(draw) -> Request:
    upgrade = b"Upgrade: websocket\r\nConnection: Upgrade\r\n" + draw(st.sampled_from(HANDSHAKES))
    frames = b"".join(draw(st.lists(st.sampled_from(FRAMES), max_size=3)))
    request = framed("GET", LIVE_PATH, headers=upgrade).replace(b"Connection: close\r\n", b"")
    return Request(KIND, "page", request + frames, is_complete=False)
