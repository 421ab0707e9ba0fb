"""A short run of malformed requests, always the same, and that a run notices what goes wrong.

What longer runs have found has its case in the tests of the part that was wrong.
"""

from urllib.parse import urlsplit

import pytest

from tests.fuzz.generate import generate
from tests.fuzz.memory import pid_of
from tests.fuzz.promise import find_breach
from tests.fuzz.request import Request
from tests.fuzz.run import run
from tests.fuzz.send import SILENT, Answer, Doors
from tests.fuzz.tensors import PREDICT
from tests.questions import find_component

REQUESTS, SEED = 1000, 1


@pytest.fixture
def doors(server, page_url):
    with Doors(server.target, server.rest_api_port, page_url) as doors:
        yield doors


def test_malformed_requests_do_no_harm(doors, server, page_url, base_path):
    requests = generate(REQUESTS, SEED, base_path, find_component(page_url))
    pids = {"server": server.pid, "page": pid_of(urlsplit(page_url).port)}
    outcome = run(doors, requests, pids)
    assert outcome.breaches == []
    assert sum(tally.answers.total() for tally in outcome.tallies.values()) >= 0.9 * REQUESTS


def test_a_run_can_be_repeated(base_path):
    first, again = (list(generate(50, SEED, base_path, 5)) for _ in range(2))
    assert first == again


def test_a_request_is_kept_for_a_replay(tmp_path):
    request = Request("tensors", "grpc", b"\n\0\xff", PREDICT, is_whole=False)
    request.save(tmp_path / "request")
    assert Request.load(tmp_path / "request") == request


@pytest.mark.parametrize(
    ("door", "answer"),
    [
        ("grpc", Answer("UNKNOWN", 0.1, b"Exception calling application: 'x'")),
        ("rest", Answer("500", 0.1)),
        ("picture", Answer(SILENT, 10.0)),
    ],
)
def test_a_broken_promise_is_noticed(door, answer):
    assert find_breach(Request("any", door, b""), answer)
