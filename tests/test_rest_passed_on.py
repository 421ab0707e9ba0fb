"""The model server's REST API through the page's own port."""

import base64
import http.client
import json
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from demo.__main__ import rest_beside
from demo.rest import LARGEST_BODY
from serving.local import LocalServer, find_free_port
from tests.golden.battery import hold_rest
from tests.pages import run_page

BLANK = {"instances": [[[0.0] * 28] * 28]}


@pytest.fixture(scope="module")
def guarded(server: LocalServer) -> Iterator[str]:
    """A page that asks for a user and a password."""
    with run_page(server.target, rest_of(server), "--auth=ann:secret") as url:
        yield url


def rest_of(server: LocalServer) -> str:
    return f"--rest-server=127.0.0.1:{server.rest_api_port}"


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


def test_answers_are_the_servers_own(server, page_url):
    """Through the page the whole battery gets what it gets from the server itself."""
    through = {result.name: result.got for result in hold_rest(urlsplit(page_url).netloc)}
    direct = {result.name: result.got for result in hold_rest(f"127.0.0.1:{server.rest_api_port}")}
    not_under_v1 = {name for name in direct if through[name] != direct[name]}
    assert not_under_v1 == {"root", "v1"}


def test_asks_for_the_same_credentials(guarded):
    for auth in ("", "ann:wrong", "ann", "bob:secret"):
        status, headers, answer = send(guarded, "POST", "/v1/models/mnist:predict", BLANK, auth)
        assert status == 401
        assert headers["WWW-Authenticate"].startswith("Basic")
        assert "curl -u USER:PASSWORD" in json.loads(answer)["error"]
    status, _, answer = send(guarded, "POST", "/v1/models/mnist:predict", BLANK, "ann:secret")
    assert status == 200
    assert len(json.loads(answer)["predictions"][0]["logits"]) == 10


def test_a_request_that_is_too_large(guarded):
    body = b" " * (LARGEST_BODY + 1)
    status, _, answer = send(guarded, "POST", "/v1/models/mnist:predict", body, "ann:secret")
    assert status == 413
    assert "16,777,216 bytes" in json.loads(answer)["error"]


@pytest.mark.parametrize("path", ["/v1/../config", "/v1/models/../../config", "/v1/%2e%2e/config"])
def test_nothing_beside_v1_is_reached(guarded, server, path):
    direct = urlsplit(f"http://127.0.0.1:{server.rest_api_port}")
    assert send(direct.geturl(), "GET", path)[0] in (400, 404)
    status, _, answer = send(guarded, "GET", path, auth="ann:secret")
    assert status in (400, 404)
    assert b"/v1/" in answer or b"no such path" in answer


def test_is_off_with_a_flag(server):
    with run_page(server.target, "--no-rest") as url:
        assert send(url, "GET", "/v1/models/mnist")[0] == 404
        assert send(url, "GET", "/config")[0] == 200


def test_says_so_when_there_is_no_rest_server(server):
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
def test_rest_is_sought_beside_grpc(target, url):
    assert rest_beside(target) == url
