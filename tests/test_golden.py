"""The embedded server, compared with recorded answers of TensorFlow Serving."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.forked import ForkedServer
from tests.golden.__main__ import copy_of, prepare
from tests.golden.battery import CONTRACT, Verdict, hold_grpc, hold_rest
from tests.golden.stand_in import write_stand_in

# Messages that depend on TensorFlow Serving's C++ libraries and are not imitated.
OTHER_TEXT = {
    "both formats",  # quotes the request with RapidJSON's 17 digits
    "instances object",
    "signature not a string",
    "garbage bytes",  # gRPC for Python has a message, gRPC for C++ has none
    "unknown method",
}


@pytest.fixture(params=["stand-in", "released"], scope="module")
def model(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def golden_server(model, base_path, tmp_path_factory) -> Iterator[ForkedServer]:
    folder: Path = tmp_path_factory.mktemp(model)
    config = prepare(folder, write_stand_in if model == "stand-in" else copy_of(base_path))
    flags = (f"--model_config_file={config}",)
    with ForkedServer(folder / "mnist", flags=flags) as server:
        yield server


def test_embedded_server_answers_as_recorded(model, golden_server):
    rest = list(hold_rest(f"127.0.0.1:{golden_server.rest_api_port}"))
    grpc = list(hold_grpc(golden_server.target))
    assert (len(rest), len(grpc)) == (62, 46)
    verdicts: dict[Verdict, set[str]] = {verdict: set() for verdict in Verdict}
    for result in (*rest, *grpc):
        verdicts[result.verdict].add(result.name)
    assert verdicts[Verdict.OTHER_CODE] == set()
    assert verdicts[Verdict.CONTRACT] == (set(CONTRACT) if model == "released" else set())
    assert verdicts[Verdict.OTHER_TEXT] == OTHER_TEXT


def test_server_with_other_versions_fails(server):
    """The comparison detects a server with other versions and labels."""
    results = hold_rest(f"127.0.0.1:{server.rest_api_port}")
    failed = {result.name for result in results if result.verdict is Verdict.OTHER_CODE}
    assert failed == {"label", "status version 2"}
