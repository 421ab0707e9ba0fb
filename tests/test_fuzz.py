"""A short, reproducible fuzz test; and violations are detected.

Whatever longer runs have found has a test case with the code that was wrong.
"""

from urllib.parse import urlsplit

import pytest

from tests.forked import find_pid
from tests.fuzz.generate import generate
from tests.fuzz.invariants import find_violation
from tests.fuzz.request import Request
from tests.fuzz.run import run
from tests.fuzz.send import NO_RESPONSE, Response, Sender
from tests.fuzz.tensors import PREDICT
from tests.questions import find_component

REQUESTS, SEED = 1000, 1


@pytest.fixture
def sender(server, page_url):
    with Sender(server.target, server.rest_api_port, page_url) as sender:
        yield sender


def test_malformed_requests_violate_no_invariant(sender, server, page_url, base_path):
    requests = generate(REQUESTS, SEED, base_path, find_component(page_url))
    pids = {"server": server.pid, "page": find_pid(urlsplit(page_url).port)}
    result = run(sender, requests, pids)
    assert result.violations == []
    sent = sum(summary.statuses.total() for summary in result.summaries.values())
    assert sent >= 0.9 * REQUESTS


def test_run_is_reproducible(base_path):
    first, again = (list(generate(50, SEED, base_path, 5)) for _ in range(2))
    assert first == again


def test_request_is_saved_for_replay(tmp_path):
    request = Request("tensors", "grpc", b"\n\0\xff", PREDICT, is_complete=False)
    request.save(tmp_path / "request")
    assert Request.load(tmp_path / "request") == request


@pytest.mark.parametrize(
    ("interface", "response"),
    [
        ("grpc", Response("UNKNOWN", 0.1, b"Exception calling application: 'x'")),
        ("rest", Response("500", 0.1)),
        ("picture", Response(NO_RESPONSE, 10.0)),
    ],
)
def test_violation_is_detected(interface, response):
    assert find_violation(Request("any", interface, b""), response)
