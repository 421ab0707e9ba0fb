"""Requests to the page's HTTP endpoints: its server function, and Gradio's own."""

import base64
import json

from hypothesis import strategies as st

from tests.fuzz import picture_files
from tests.fuzz.http_requests import METHODS, framed, http_requests
from tests.fuzz.json_values import UNUSUAL_VALUES, json_bodies
from tests.fuzz.mutate import mutated, mutated_json
from tests.fuzz.request import Request
from tests.questions import GRADIO_PATH, INK, VALID_FIELDS, WITH_DRAWING, as_call

KIND, QUESTIONS = "Gradio's endpoints", "questions through Gradio"
FILE = {"path": "/etc/hostname", "meta": {"_type": "gradio.FileData"}}
BODIES = {  # of Gradio's own endpoints; valid, or almost
    "queue/join": {"data": [FILE], "fn_index": 0, "session_hash": "fuzz", "trigger_id": 1},
    "call/activations": {"data": [{"url": "http://127.0.0.1:1/a.png", "orig_name": "a", **FILE}]},
    "call/classify": {"data": [None], "session_hash": "fuzz"},
    "call/v2/activations": {"picture": FILE},
    "run/activations": {"data": [FILE], "event_data": {}, "batched": True},
    "api/predict": {"data": [1], "fn_index": 1, "simple_format": True},
    "cancel": {"session_hash": "fuzz", "fn_index": 0, "event_id": "none"},
    "reset": {"event_id": "none"},
    "stream/none": {"data": [], "session_hash": "fuzz"},
    "run-history/connect": {},
}
PATHS = [  # without upload_progress, where Gradio waits three seconds for an upload
    *("/", "/config", "/info", "/theme.css", "/robots.txt", "/manifest.json", "/favicon.ico"),
    *("/static/../../etc/passwd", "/static/%2e%2e/%2e%2e/x", "/assets/..%5c..", "/svelte/%00"),
    *("/login", "/logout", "/monitoring", "/?__theme=%ff", "/?deep_link=../../x", "/?view=api"),
    *(f"/gradio_api/{end}" for end in ("info", "openapi.json", "app_id", "token", "user", "x")),
    *(
        f"/gradio_api/file={path}"
        for path in ("/etc/passwd", "../../etc/passwd", "%00", "a" * 3000)
    ),
    *("/gradio_api/file=http://127.0.0.1:1/", "/gradio_api/file=file:///etc/passwd"),
    *("/gradio_api/proxy=http://127.0.0.1:1/", "/gradio_api/proxy=%00", "/gradio_api/file/x"),
    *("/gradio_api/queue/data?session_hash=none", "/gradio_api/queue/data", "/gradio_api/call/x/y"),
    *("/gradio_api/queue/status", "/gradio_api/heartbeat/%00", "/gradio_api/deep_link"),
    *("/gradio_api/stream/a/1/2/playlist.m3u8", "/gradio_api/custom_component/a/b/c/d"),
    *("/gradio_api/run-history/records", "/gradio_api/mcp/", "/gradio_api/mcp/sse?x"),
]
BOUNDARY = b"Content-Type: multipart/form-data; boundary=b\r\n"
PART = (
    b'--b\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\nabc\r\n--b--\r\n'
)
UNUSUAL_PARTS = [
    PART.replace(b"a.png", name)
    for name in (b"", b"../../a", b"a" * 5000, b"\xff", b"/", b"CON", b"a\0b")
]
UNUSUAL_PARTS += [
    PART.replace(b"--b--", b""),
    PART[:40],
    PART.replace(b"files", b"f" * 9000),
    PART * 50,
]
MCP = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "classify_picture"}}
MCP["params"]["arguments"] = {"picture": "data:image/png;base64,AAAA"}
MCP_HEADERS = b"Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n"


def question_requests(component: int) -> st.SearchStrategy[Request]:
    """Generates calls of the page's server function.

    Args:
        component: Gradio's id of the live component, which has the function.
    """
    return http_requests(QUESTIONS, "page", _calls(component))


def page_requests() -> st.SearchStrategy[Request]:
    """Generates requests to all other endpoints of the page."""
    return st.one_of(
        http_requests(KIND, "page", _posts()),
        http_requests(
            KIND, "page", st.tuples(st.just("GET"), st.sampled_from(PATHS), st.just(b""))
        ),
        http_requests(KIND, "page", _unusual_methods()),
        _uploads(),
        _tool_calls(),
    )


@st.composite
def _calls(draw, component: int) -> tuple[str, str, bytes]:
    name = draw(st.sampled_from(list(VALID_FIELDS)))
    valid = {"ask": name, "visitor": "fuzz", **VALID_FIELDS[name]}
    if name in WITH_DRAWING:
        content = draw(st.one_of(st.just(INK), picture_files.files()))
        valid["content"] = base64.b64encode(content).decode()
    if draw(st.integers(0, 5)):
        question = json.dumps(draw(mutated_json(valid, UNUSUAL_VALUES))).encode()
    else:
        question = draw(json_bodies([valid]))
    body = as_call(component, "fuzz", "the question")
    return "POST", GRADIO_PATH, body.replace(b'"the question"', question)


@st.composite
def _posts(draw) -> tuple[str, str, bytes]:
    end = draw(st.sampled_from(list(BODIES)))
    return "POST", f"/gradio_api/{end}", draw(json_bodies([BODIES[end]]))


def _unusual_methods() -> st.SearchStrategy:
    paths = [*PATHS, *(f"/gradio_api/{end}" for end in BODIES)]
    return st.tuples(st.sampled_from(METHODS), st.sampled_from(paths), st.binary(max_size=20))


@st.composite
def _uploads(draw) -> Request:
    parts = draw(st.one_of(st.sampled_from(UNUSUAL_PARTS), mutated(PART)))
    target = draw(st.sampled_from(["upload", "upload?upload_id=%00", "component_server"]))
    return Request(KIND, "page", framed("POST", f"/gradio_api/{target}", parts, BOUNDARY))


@st.composite
def _tool_calls(draw) -> Request:
    body = draw(json_bodies([MCP]))
    return Request(KIND, "page", framed("POST", "/gradio_api/mcp/", body, MCP_HEADERS))
