"""The embedded server: REST, versions that come and go, labels, and the ends of it."""

import base64
import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest

from serving.client import Client, ModelNotLoaded, RequestRefused, ServingError
from serving.config import read_config
from serving.local import LocalServer, LocalServerError, find_free_port
from tests.pages import ROOT
from tests.pictures import dark_on_light, encode

BLANK = np.zeros((28, 28), np.float32)


def wait_until(condition, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to that in time"
        time.sleep(0.05)


@pytest.fixture
def rest(server):
    """Sends a request to the REST API and returns status and JSON."""

    def send(method: str, path: str, body: object = None) -> tuple[int, object]:
        connection = http.client.HTTPConnection("127.0.0.1", server.rest_api_port, timeout=30)
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        connection.request(method, path, body)
        response = connection.getresponse()
        content = response.read()
        connection.close()
        is_json = response.headers["Content-Type"] == "application/json"
        return response.status, json.loads(content) if is_json else content.decode()

    return send


def predict(rest, body: object, path: str = "/v1/models/mnist:predict") -> tuple[int, object]:
    return rest("POST", path, body)


def test_status(rest, base_path):
    code, answer = rest("GET", "/v1/models/mnist")
    assert code == 200
    versions = sorted((int(path.name) for path in base_path.iterdir()), reverse=True)
    assert answer["model_version_status"] == [
        {
            "version": str(version),
            "state": "AVAILABLE",
            "status": {"error_code": "OK", "error_message": ""},
        }
        for version in versions
    ]
    code, answer = rest("GET", f"/v1/models/mnist/versions/{versions[0]}")
    assert [entry["version"] for entry in answer["model_version_status"]] == [str(versions[0])]


def test_metadata(rest, final_version):
    code, answer = rest("GET", "/v1/models/mnist/metadata")
    assert code == 200
    assert answer["model_spec"] == {
        "name": "mnist",
        "signature_name": "",
        "version": str(final_version),
    }
    signature = answer["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert signature["method_name"] == "tensorflow/serving/predict"
    images = signature["inputs"]["images"]
    assert images["dtype"] == "DT_FLOAT"
    assert [dim["size"] for dim in images["tensor_shape"]["dim"]] == ["-1", "28", "28"]


def test_all_forms_of_predict_answer_alike(rest, client, digits):
    images = digits[0][[1500, 4800]].astype(np.float32) / 255
    expected = client.predict("serving_default", {"images": images})
    lists = images.tolist()
    rows = [
        predict(rest, {"instances": lists}),
        predict(rest, {"instances": [{"images": image} for image in lists]}),
        predict(rest, {"signature_name": "serving_default", "instances": lists}),
    ]
    columns = [
        predict(rest, {"inputs": lists}),
        predict(rest, {"inputs": {"images": lists}}),
    ]
    for code, answer in rows:
        assert code == 200
        for index, prediction in enumerate(answer["predictions"]):
            assert set(prediction) == set(expected)
            for name, values in prediction.items():
                np.testing.assert_allclose(values, expected[name][index], rtol=1e-5, atol=1e-6)
    for code, answer in columns:
        assert code == 200
        for name, values in answer["outputs"].items():
            np.testing.assert_allclose(values, expected[name], rtol=1e-5, atol=1e-6)


def test_bytes_travel_as_base64(rest, digits):
    files = [encode(dark_on_light(digits[0][i]), "PNG") for i in (200, 3200)]
    b64 = [{"b64": base64.b64encode(file).decode()} for file in files]
    code, answer = predict(rest, {"signature_name": "classify", "instances": b64})
    assert code == 200
    assert [prediction["classes"] for prediction in answer["predictions"]] == [0, 6]
    named = {"signature_name": "classify", "inputs": {"image_bytes": b64}}
    code, answer = predict(rest, named)
    assert answer["outputs"]["classes"] == [0, 6]


def test_a_drawing_over_rest(rest, digits):
    body = {"signature_name": "sketch", "instances": [digits[0][2600].tolist()]}
    code, answer = predict(rest, body)
    assert code == 200
    assert np.argmax(answer["predictions"][0]["probabilities"]) == 5


def test_versions_by_number(rest, client):
    for version in client.versions():
        path = f"/v1/models/mnist/versions/{version}:predict"
        code, answer = predict(rest, {"instances": [BLANK.tolist()]}, path)
        expected = client.predict("serving_default", {"images": BLANK[None]}, version=version)
        assert code == 200
        np.testing.assert_allclose(
            answer["predictions"][0]["logits"], expected["logits"][0], rtol=1e-4, atol=1e-6
        )


ROW = BLANK.tolist()
WRONG = {
    "no JSON": (b"{", 400, "JSON Parse error"),
    "no body": (b"", 400, "The document is empty"),
    "no object": (["instances"], 400, "JSON Value"),
    "neither form": ({}, 400, "only one of 'inputs' or 'instances'"),
    "both forms": ({"instances": [ROW], "inputs": [ROW]}, 400, "only one of"),
    "no list": ({"instances": "x"}, 400, "Expecting 'instances' to be an list/array"),
    "no instances": ({"instances": []}, 400, "No values in 'instances' array"),
    "wrong name": ({"instances": [{"image": ROW}]}, 400, "does not have named input: image"),
    "missing column": ({"inputs": {"image": [ROW]}}, 400, "Missing named input: images"),
    "ragged": ({"instances": [[*ROW[:27], ROW[0][:27]]]}, 400, "list at unexpected size: 27"),
    "ragged batch": (
        {"instances": [ROW, ROW[:27]]},
        400,
        "Expecting tensor size: 784 but got: 756",
    ),
    "text": (
        {"instances": [[["a"] * 28] * 28]},
        400,
        "Type: String is not of expected type: float",
    ),
    "true": ({"instances": [[[True] * 28] * 28]}, 400, "Type: True is not of expected type: float"),
    "wrong shape": ({"instances": [[0.0] * 784]}, 400, "[?,28,28]"),
    "NaN": (json.dumps({"instances": [[[float("nan")] * 28] * 28]}).encode(), 400, "finite"),
    "half a byte": (
        {"signature_name": "sketch", "instances": [[[0.5]]]},
        400,
        "Type: Number is not of expected type: uint8",
    ),
    "no base64": (
        {"signature_name": "classify", "instances": [{"b64": "%%%"}]},
        400,
        "Unable to base64 decode",
    ),
    "signature": ({"signature_name": "nope", "instances": [ROW]}, 400, 'name: "nope" not found'),
    "seventy lists in each other": (
        ("[" * 70 + "1.0" + "]" * 70).join(('{"instances": [', "]}")).encode(),
        400,
        "This is no tensor of type float",
    ),
    "half a surrogate": (
        b'{"signature_name": "classify", "instances": ["\\ud800"]}',
        400,
        "must be a PNG, JPEG, BMP or GIF file",
    ),
    "signature of a number": ({"signature_name": 3, "instances": [ROW]}, 400, "must be a string"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_predictions(rest, name):
    body, code, sentence = WRONG[name]
    got, answer = predict(rest, body)
    assert (got, sentence in answer["error"]) == (code, True), answer["error"][-300:]


@pytest.mark.parametrize(
    ("method", "path", "code", "sentence"),
    [
        ("GET", "/v1/models/cifar", 404, "Could not find any versions of model cifar"),
        ("GET", "/v1/models/mnist/versions/99", 404, "Could not find version 99 of model mnist"),
        ("GET", "/v1/models", 400, "Missing model name"),
        ("GET", "/v1/models/mnist:predict", 400, "Malformed request: GET"),
        ("GET", "/v1/models/mnist/versions/99999999999999999999", 400, "to numeric"),
        ("POST", "/v1/models/mnist", 400, "Malformed request: POST"),
        ("POST", "/v1/models/mnist:nope", 400, "Malformed request: POST"),
        ("GET", "/v1/models/mnist/versions/99/metadata", 404, "Specific(mnist, 99)"),
    ],
)
def test_wrong_paths(rest, method, path, code, sentence):
    got, answer = rest(method, path, {} if method == "POST" else None)
    assert (got, sentence in answer["error"]) == (code, True), answer


def test_versions_that_are_not_there(rest):
    body = {"instances": [ROW]}
    code, answer = predict(rest, body, "/v1/models/mnist/versions/99:predict")
    assert (code, answer["error"]) == (404, "Servable not found for request: Specific(mnist, 99)")
    code, answer = predict(rest, body, "/v1/models/mnist/labels/nope:predict")
    assert (code, answer["error"]) == (400, "Unrecognized servable version label: nope")


def test_pages_that_are_not_there(rest):
    code, answer = rest("GET", "/")
    assert code == 404
    assert "404 Not Found" in answer


def test_versions_come_break_and_go_while_it_serves(base_path, tmp_path):
    versions = sorted(int(path.name) for path in base_path.iterdir())
    first, last = versions[0], versions[-1]
    served = tmp_path / "mnist"
    shutil.copytree(base_path / str(first), served / str(first))
    config = tmp_path / "models.config"
    config.write_text(
        f'model_config_list {{ config {{ name: "mnist" base_path: "{served}" '
        f'model_platform: "tensorflow" model_version_policy {{ all {{}} }} '
        f'version_labels {{ key: "stable" value: {first} }} }} }}'
    )
    flags = (f"--model_config_file={config}",)
    with LocalServer(served, flags=flags) as server, Client(server.target) as client:

        def logits(**which) -> list[float]:
            answer = client.predict("serving_default", {"images": BLANK[None]}, **which)
            return answer["logits"][0].tolist()

        old = logits()
        assert logits(label="stable") == old
        unfinished = served / "copying"
        shutil.copytree(base_path / str(last), unfinished)
        unfinished.rename(served / str(last))
        wait_until(lambda: client.versions() == [first, last])
        new = logits()
        assert new != old
        assert logits(version=first) == logits(label="stable") == old
        assert logits(version=last) == new

        (served / str(last + 1)).mkdir()  # no SavedModel in it
        log = f"http://127.0.0.1:{server.rest_api_port}/v1/models/mnist/versions/{last + 1}"
        wait_until(lambda: "END" in _get(log))
        [status] = json.loads(_get(log))["model_version_status"]
        assert status["status"]["error_code"] != "OK"
        assert status["status"]["error_message"]
        assert logits() == new

        shutil.rmtree(served / str(first))
        wait_until(lambda: client.versions() == [last])
        with pytest.raises(ModelNotLoaded, match=f"Specific.mnist, {first}"):
            logits(version=first)
        assert logits() == new
        with pytest.raises(RequestRefused, match="other"):
            logits(label="other")


def _get(url: str) -> str:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return response.read().decode()
    except urllib.error.HTTPError as error:
        return error.read().decode()


def run_serving(*flags: str, **options) -> subprocess.Popen:
    command = [sys.executable, "-m", "serving", *flags]
    return subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
    )


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--model-base-path=/nowhere"], "there is no folder /nowhere. `python export.py` makes"),
        (["--model-config-file=README.md"], "README.md is no model configuration"),
    ],
)
def test_says_why_it_does_not_start(flags, sentence):
    process = run_serving(*flags)
    _, error = process.communicate(timeout=60)
    assert process.returncode != 0
    assert sentence in error
    assert "Traceback" not in error


def test_a_port_that_is_taken(server, base_path):
    process = run_serving(
        f"--model-base-path={base_path}",
        f"--port={server.port}",
        f"--rest-api-port={find_free_port()}",
    )
    _, error = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "choose other ports with --port" in error
    assert "Traceback" not in error


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_ends_when_told(base_path, number):
    port = find_free_port()
    process = run_serving(
        f"--model-base-path={base_path}", f"--port={port}", f"--rest-api-port={find_free_port()}"
    )
    with Client(f"127.0.0.1:{port}") as client:
        client.wait_until_ready(60)
    process.send_signal(number)
    process.communicate(timeout=20)
    assert process.returncode == 0


def test_the_local_server_says_why_it_failed(tmp_path):
    with pytest.raises(LocalServerError, match="there is no folder"):
        LocalServer(tmp_path / "nothing").__enter__()


def test_the_local_server_starts_again_after_a_crash(base_path):
    with LocalServer(base_path) as server, Client(server.target) as client:
        os.kill(server.pid, signal.SIGKILL)
        wait_until(lambda: not _is_ready(client))
        wait_until(lambda: _is_ready(client), seconds=60)
        pid = server.pid
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def _is_ready(client: Client) -> bool:
    try:
        return bool(client.versions(timeout=1))
    except ServingError:
        return False


def test_the_real_server_takes_over_where_there_is_one(tmp_path, base_path):
    """A stand-in that writes down how it was called."""
    program = tmp_path / "tensorflow_model_server"
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {tmp_path}/flags\n')
    program.chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    process = run_serving(
        f"--model_base_path={base_path}",
        "--model_name=digits",
        "--port=1234",
        "--rest_api_port=5678",
        env=environment,
    )
    process.communicate(timeout=60)
    flags = dict(line[2:].split("=", 1) for line in (tmp_path / "flags").read_text().splitlines())
    assert flags["port"] == "1234"
    assert flags["rest_api_port"] == "5678"
    assert flags["enable_serialization_as_tensor_content"] == "true"
    [model] = read_config(Path(flags["model_config_file"])).model_config_list.config
    assert (model.name, model.base_path) == ("digits", str(base_path))
    assert model.model_version_policy.HasField("all")
