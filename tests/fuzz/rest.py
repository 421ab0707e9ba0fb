"""Requests to the REST API, at the server and through the page's proxy."""

from hypothesis import strategies as st

from serving.defaults import MODEL
from tests.fuzz.http_requests import METHODS, http_requests
from tests.fuzz.json_values import json_bodies
from tests.fuzz.request import Request

KIND, KIND_THROUGH_PAGE = "REST", "REST through the page"
IMAGE = [[0.0] * 28] * 28
VALID_BODIES = [
    {"instances": [IMAGE]},
    {"instances": [{"images": IMAGE}], "signature_name": "serving_default"},
    {"inputs": {"images": [IMAGE]}},
    {"inputs": [[[0, 255]]], "signature_name": "sketch"},
    {"instances": [{"b64": "R0lGODlh"}], "signature_name": "classify"},
    {"instances": [{"drawings": [[9]], "digits": 3}], "signature_name": "explain"},
    {"inputs": [0, 1023], "signature_name": "weights"},
    {"inputs": {"pictures": [[[[0], [255]]]], "layers": [0, 6]}, "signature_name": "preview"},
    {"inputs": {"pictures": [[[[0], [255]]]], "layer": 4}, "signature_name": "layer"},
    {"inputs": {"layer": 3, "map": 63}, "signature_name": "parameters"},
    {"instances": [{"pictures": [[[9]]], "classes": 3}], "signature_name": "explain_class"},
    {"instances": [0, 1], "signature_name": "describe"},
    {"examples": [{"x": 1.0}], "signature_name": "serving_default"},
]
VERBS = ["predict", "classify", "regress"]
BASE = f"/v1/models/{MODEL}"
TARGETS = [
    *(BASE + end for end in ("", "/metadata", "/", "//", ":", ":predict", "/versions/1", "?a=b")),
    *(f"{BASE}/versions/{v}" for v in ("-1", "1e3", "9" * 19, "9" * 5000, "%31", "\u0661", "")),
    *(f"{BASE}/labels/{v}:predict" for v in ("stable", "%00", "l" * 3000, "a:b", "%2F..%2F")),
    *("/v1/models/", "/v1/models/none", "/v1", "/v1/", "/v1//models/mnist:predict", "/", "*"),
    *("/v1/../v1/models/mnist", "/%2e%2e/%2e%2e/etc/passwd", "/v1/models/%ff%fe", "http://h/v1/x"),
    *("/v1/models/mnist%0d%0aX:%20y", "/v1/models/mnist:predict#f", "/v1/models/mnist;a=b"),
]


def server_requests() -> st.SearchStrategy[Request]:
    """Generates requests to the server."""
    return http_requests(KIND, "rest", _calls())


def page_requests() -> st.SearchStrategy[Request]:
    """Generates requests to the page, which forwards those that it accepts."""
    return http_requests(KIND_THROUGH_PAGE, "page", _calls())


@st.composite
def _calls(draw) -> tuple[str, str, bytes]:
    """Generates method, target and body."""
    body = draw(json_bodies(VALID_BODIES))
    if draw(st.integers(0, 4)):
        return "POST", f"{BASE}:{draw(st.sampled_from([*VERBS, 'predict', 'predict']))}", body
    method = draw(st.sampled_from(["GET", "POST", *METHODS]))
    return method, draw(st.sampled_from(TARGETS)), body
