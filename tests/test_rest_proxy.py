"""The model server's REST API through the page's own port."""

import base64
import gzip
import http.client
import http.server
import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import httpx
import pytest
from anyio.from_thread import start_blocking_portal
from starlette.applications import Starlette
from starlette.testclient import TestClient

from demo import rest_proxy
from demo.__main__ import default_rest_url
from demo.metrics import Metrics
from demo.rest_proxy import MAX_BODY_BYTES, Refused, check_json
from serving.local import find_free_port
from tests.golden.battery import hold_rest
from tests.pages import run_page

BLANK = {"instances": [[[0.0] * 28] * 28]}


def send(url: str, method: str, path: str, body: object = None, auth: str = ""):
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
    headers = {"Content-Type": "application/json"}
    if auth:
        headers["Authorization"] = "Basic " + base64.b64encode(auth.encode()).decode()
    if body is not None and not isinstance(body, bytes):
        body = json.dumps(body)
    connection.request(method, path, body, headers)
    response = connection.getresponse()
    answer = response.status, response.headers, response.read()
    connection.close()
    return answer


def test_recorded_requests_get_the_servers_answer_or_are_refused(server, page_url):
    """Compares the answers through the page with those of the model server."""
    through = {result.name: result.got for result in hold_rest(urlsplit(page_url).netloc)}
    direct = {result.name: result.got for result in hold_rest(f"127.0.0.1:{server.rest_api_port}")}
    refused = {name for name in direct if through[name] != direct[name]}
    for name in refused - {"root", "v1"}:
        code, answer = through[name]
        assert 400 <= code < 500, (name, direct[name], through[name])
        assert answer["error"].startswith(("This page does not pass on", "The body must be JSON"))
        assert 400 <= direct[name][0] < 500, name
    assert len(direct) - len(refused) > 30


def post(url: str, body: bytes, path: str = "/v1/models/mnist:predict", **headers: str):
    """Posts raw bytes; returns the status and the decoded answer."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request("POST", path, body, names)
    response = connection.getresponse()
    answer = response.status, json.loads(response.read() or b"null")
    connection.close()
    return answer


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/models/mnist:classify"),
        ("POST", "/v1/models/mnist:regress"),
        ("POST", "/v1/models/mnist/versions/1:classify"),
        ("POST", "/v1/models/cifar:predict"),
        ("POST", "/v1/models/mnist"),
        ("GET", "/v1/models/cifar"),
        ("GET", "/v1/models/mnist/metadata/more"),
        ("GET", "/v1/models/mnist:predict"),
        ("DELETE", "/v1/models/mnist"),
        ("PUT", "/v1/models/mnist:predict"),
        ("GET", "/v1/anything"),
    ],
)
def test_other_requests_are_refused(page_url, method, path):
    status, _, answer = send(page_url, method, path, b"{}")
    assert status == 404
    assert "does not pass on" in json.loads(answer)["error"]
    assert "POST /v1/models/mnist:predict" in json.loads(answer)["error"]


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"[" * 20_000, "more than 254 lists or objects in each other"),
        (b'{"instances": ' + b"[" * 300 + b"1" + b"]" * 300 + b"}", "more than 254 lists"),
        (b'{"a":' * 300 + b"1" + b"}" * 300, "more than 254 lists or objects in each other"),
        (b"", "must be JSON"),
        (b'{"instances": [1', "must be JSON"),
        (b'{"instances": [NaN]}', "must be JSON"),
        (b"\xff\xfe", "must be JSON"),
    ],
    ids=["open", "lists", "objects", "nothing", "half", "NaN", "bytes"],
)
def test_invalid_body_is_refused(page_url, body, sentence):
    status, answer = post(page_url, body)
    assert status == 400
    assert sentence in answer["error"]


def test_brackets_in_strings_are_ignored():
    check_json(b'{"b64": "' + b"[" * 1000 + b'\\"' + b"[" * 1000 + b'"}')
    with pytest.raises(Refused, match="254"):
        check_json(b'{"b64": "", "x": ' + b"[" * 300)


def test_only_the_given_models_are_passed_on():
    """The server answers with the path of the request."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = json.dumps(self.path).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        route = rest_proxy.make_rest_route(url, ["mnist", "a.b"], Metrics())
        with TestClient(Starlette(routes=[route])) as page:
            for path in ("/v1/models/mnist", "/v1/models/a.b/versions/3/metadata"):
                assert page.get(path).json() == path
            for path in ("/v1/models/m", "/v1/models/acb", "/v1/models/mnista.b"):
                answer = page.get(path)
                assert answer.status_code == 404
                assert "POST /v1/models/mnist or a.b:predict" in answer.json()["error"]
        server.shutdown()


def test_body_is_checked_quickly():
    for body in (
        b'"' + b'\\"' * 2**22,
        b'"a"' * 2**21,
        b"[" * 2**23,
        b"[0," * 2**21,
        b"[" + b"[]," * 2_600_000 + b"0]",
        b"[" + b'{"":1},' * 1_100_000 + b"0]",
    ):
        started = time.monotonic()
        with pytest.raises(Refused):
            check_json(body)
        assert time.monotonic() - started < 2


def test_compressed_body_is_refused(page_url):
    body = gzip.compress(json.dumps(BLANK).encode())
    status, answer = post(page_url, body, Content_Encoding="gzip")
    assert status == 415
    assert "without Content-Encoding" in answer["error"]


def test_refused_requests_do_not_reach_the_server(server):
    """The server records the paths that reach it."""
    reached = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            reached.append(self.path)
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as fragile:
        threading.Thread(target=fragile.serve_forever, daemon=True).start()
        with run_page(server.target, f"--rest-server=127.0.0.1:{fragile.server_port}") as url:
            for path in ("/v1/models/mnist:classify", "/v1/models/mnist:regress"):
                assert post(url, b"{}", path)[0] == 404
            assert post(url, b"[" * 40_000)[0] == 400
            assert post(url, b"x" * (MAX_BODY_BYTES + 1))[0] == 413
            assert reached == []
            assert post(url, json.dumps(BLANK).encode())[0] == 200
        fragile.shutdown()
    assert reached == ["/v1/models/mnist:predict"]


def test_hanging_server_releases_its_slots(monkeypatch):
    """Requests beyond the number of slots are refused, and the slots are free afterwards."""
    monkeypatch.setattr(rest_proxy, "TIMEOUT", httpx.Timeout(2.0))
    monkeypatch.setattr(rest_proxy, "SLOT_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        route = rest_proxy.make_rest_route(
            f"http://127.0.0.1:{silent.getsockname()[1]}", ["mnist"], Metrics()
        )
        with TestClient(Starlette(routes=[route])) as page, ThreadPoolExecutor(8) as threads:

            def ask(_) -> int:
                return page.post("/v1/models/mnist:predict", json=BLANK).status_code

            codes = list(threads.map(ask, range(8)))
            again = ask(None)
    assert sorted(codes) == [503] * (8 - rest_proxy.AT_ONCE) + [504] * rest_proxy.AT_ONCE
    assert again == 504  # it got a slot


def test_disconnected_caller_is_counted():
    metrics = Metrics()
    route = rest_proxy.make_rest_route("http://127.0.0.1:1", ["mnist"], metrics)

    async def disconnect() -> dict:
        return {"type": "http.disconnect"}

    async def send(_: dict) -> None:
        pytest.fail("there must be no response")

    path = "/v1/models/mnist:predict"
    scope = {"type": "http", "method": "POST", "path": path, "headers": [], "query_string": b""}
    with start_blocking_portal() as portal:  # Playwright's event loop may run in this thread
        portal.call(Starlette(routes=[route]), scope, disconnect, send)
    with TestClient(Starlette(routes=[metrics.route()])) as page:
        assert 'layer_xray_rest_seconds_count{status="499"} 1.0' in page.get("/metrics").text


def test_password_is_required(guarded_url):
    for auth in ("", "ann:wrong", "ann", "bob:secret"):
        status, headers, answer = send(guarded_url, "POST", "/v1/models/mnist:predict", BLANK, auth)
        assert status == 401
        assert headers["WWW-Authenticate"].startswith("Basic")
        assert "curl -u USER:PASSWORD" in json.loads(answer)["error"]
    status, _, answer = send(guarded_url, "POST", "/v1/models/mnist:predict", BLANK, "ann:secret")
    assert status == 200
    assert len(json.loads(answer)["predictions"][0]["logits"]) == 10


def test_too_large_body_is_refused(guarded_url):
    body = b" " * (MAX_BODY_BYTES + 1)
    status, _, answer = send(guarded_url, "POST", "/v1/models/mnist:predict", body, "ann:secret")
    assert status == 413
    assert "8,388,608 bytes" in json.loads(answer)["error"]


@pytest.mark.parametrize("path", ["/v1/../config", "/v1/models/../../config", "/v1/%2e%2e/config"])
def test_other_paths_are_not_reached(guarded_url, server, path):
    direct = urlsplit(f"http://127.0.0.1:{server.rest_api_port}")
    assert send(direct.geturl(), "GET", path)[0] in (400, 404)
    status, _, answer = send(guarded_url, "GET", path, auth="ann:secret")
    assert status in (400, 404)
    assert b"/v1/" in answer or b"no such path" in answer


def test_no_rest_turns_the_proxy_off(server):
    with run_page(server.target, "--no-rest") as url:
        assert send(url, "GET", "/v1/models/mnist")[0] == 404
        assert send(url, "GET", "/config")[0] == 200


def test_missing_rest_server_is_reported(server):
    nowhere = f"--rest-server=127.0.0.1:{find_free_port()}"
    with run_page(server.target, nowhere) as url:
        status, _, answer = send(url, "GET", "/v1/models/mnist")
        assert status == 503
        assert "does not answer REST now" in json.loads(answer)["error"]


@pytest.mark.parametrize(
    ("target", "url"),
    [
        ("10.0.0.7:8500", "http://10.0.0.7:8501"),
        ("dns:///serving:8500", "http://serving:8501"),
        ("ipv4:10.0.0.7:8500,10.0.0.8:8500", "http://10.0.0.7:8501"),
        ("dns:serving:8500", "http://serving:8501"),
        ("ipv6:[::1]:8500", "http://[::1]:8501"),
        ("models.example.org", "http://models.example.org:8501"),
    ],
)
def test_default_rest_url_is_on_the_grpc_host(target, url):
    assert default_rest_url(target) == url
