"""The embedded server's REST API."""

import base64
import http.client
import json
import time

import numpy as np
import pytest
from tensorflow.core.framework import types_pb2

from serving.embedded.json_tensors import read_columns
from serving.embedded.rest_api import MAX_BODY_BYTES
from serving.embedded.status import StatusError
from tests.pictures import dark_on_light, encode

BLANK = np.zeros((28, 28), np.float32)


@pytest.fixture
def rest(server):
    """A function that sends a request to the REST API and returns the status and the content."""

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


def test_status_lists_the_versions(rest, base_path):
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


def test_metadata_describes_the_signatures(rest, final_version):
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


def test_all_predict_formats_give_the_same_answer(rest, client, digits):
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


def test_bytes_are_sent_as_base64(rest, digits):
    files = [encode(dark_on_light(digits[0][i]), "PNG") for i in (200, 3200)]
    b64 = [{"b64": base64.b64encode(file).decode()} for file in files]
    code, answer = predict(rest, {"signature_name": "classify", "instances": b64})
    assert code == 200
    assert [prediction["classes"] for prediction in answer["predictions"]] == [0, 6]
    named = {"signature_name": "classify", "inputs": {"image_bytes": b64}}
    code, answer = predict(rest, named)
    assert answer["outputs"]["classes"] == [0, 6]


def test_drawing_is_predicted(rest, digits):
    body = {"signature_name": "sketch", "instances": [digits[0][2600].tolist()]}
    code, answer = predict(rest, body)
    assert code == 200
    assert np.argmax(answer["predictions"][0]["probabilities"]) == 5


def test_each_version_is_selected_by_number(rest, client):
    for version in client.versions():
        path = f"/v1/models/mnist/versions/{version}:predict"
        code, answer = predict(rest, {"instances": [BLANK.tolist()]}, path)
        expected = client.predict("serving_default", {"images": BLANK[None]}, version=version)
        assert code == 200
        np.testing.assert_allclose(
            answer["predictions"][0]["logits"], expected["logits"][0], rtol=1e-4, atol=1e-6
        )


ROW = BLANK.tolist()
INVALID = {
    "not JSON": (b"{", 400, "JSON Parse error"),
    "no body": (b"", 400, "The document is empty"),
    "not an object": (["instances"], 400, "JSON Value"),
    "neither form": ({}, 400, "only one of 'inputs' or 'instances'"),
    "both forms": ({"instances": [ROW], "inputs": [ROW]}, 400, "only one of"),
    "not a list": ({"instances": "x"}, 400, "Expecting 'instances' to be an list/array"),
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
    "fractional byte": (
        {"signature_name": "sketch", "instances": [[[0.5]]]},
        400,
        "Type: Number is not of expected type: uint8",
    ),
    "not base64": (
        {"signature_name": "classify", "instances": [{"b64": "%%%"}]},
        400,
        "Unable to base64 decode",
    ),
    "unknown signature": (
        {"signature_name": "nope", "instances": [ROW]},
        400,
        'name: "nope" not found',
    ),
    "70 nested lists": (
        ("[" * 70 + "1.0" + "]" * 70).join(('{"instances": [', "]}")).encode(),
        400,
        "Cannot read a tensor of type float",
    ),
    "half a surrogate": (
        b'{"signature_name": "classify", "instances": ["\\ud800"]}',
        400,
        "surrogates not allowed",
    ),
    "half a surrogate in UTF-8": (b'{"instances": "\xed\xa0\x80"}', 400, "JSON Parse error"),
    "half a surrogate as a signature": (
        b'{"signature_name": "\\ud800", "instances": [1]}',
        400,
        "surrogates not allowed",
    ),
    "files in 33 nested lists": (  # crashed the process without a check
        ("[" * 33 + '{"b64": "QQ=="}' + "]" * 33)
        .join(('{"signature_name": "classify", "inputs": ', "}"))
        .encode(),
        400,
        "a tensor may have at most 32 dimensions, but got 33",
    ),
    "number as a signature": ({"signature_name": 3, "instances": [ROW]}, 400, "must be a string"),
}


@pytest.mark.parametrize("name", INVALID)
def test_invalid_predict_is_rejected(rest, name):
    body, code, sentence = INVALID[name]
    status, answer = predict(rest, body)
    assert (status, sentence in answer["error"]) == (code, True), answer["error"][-300:]


@pytest.mark.parametrize(
    ("method", "path", "code", "sentence"),
    [
        ("GET", "/v1/models/cifar", 404, "Could not find any versions of model cifar"),
        ("GET", "/v1/models/mnist/versions/99", 404, "Could not find version 99 of model mnist"),
        ("GET", "/v1/models", 400, "Missing model name"),
        ("GET", "/v1/models/mnist:predict", 400, "Malformed request: GET"),
        ("GET", "/v1/models/mnist/versions/99999999999999999999", 400, "to numeric"),
        ("GET", f"/v1/models/mnist/versions/{'9' * 5000}", 400, "to numeric"),
        ("POST", "/v1/models/mnist", 400, "Malformed request: POST"),
        ("POST", "/v1/models/mnist:nope", 400, "Malformed request: POST"),
        ("GET", "/v1/models/mnist/versions/99/metadata", 404, "Specific(mnist, 99)"),
    ],
)
def test_invalid_path_is_rejected(rest, method, path, code, sentence):
    status, answer = rest(method, path, {} if method == "POST" else None)
    assert (status, sentence in answer["error"]) == (code, True), answer


def test_unknown_versions_and_labels_are_rejected(rest):
    body = {"instances": [ROW]}
    code, answer = predict(rest, body, "/v1/models/mnist/versions/99:predict")
    assert (code, answer["error"]) == (404, "Servable not found for request: Specific(mnist, 99)")
    code, answer = predict(rest, body, "/v1/models/mnist/labels/nope:predict")
    assert (code, answer["error"]) == (400, "Unrecognized servable version label: nope")


def test_path_outside_the_api_is_not_found(rest):
    code, answer = rest("GET", "/")
    assert code == 404
    assert "404 Not Found" in answer


@pytest.mark.parametrize("depth", [300, 900, 5_000, 100_000])
@pytest.mark.parametrize("form", [b'{"instances": %s}', b'{"inputs": {"images": %s}}', b"%s"])
def test_deeply_nested_json_is_rejected_quickly(rest, depth, form):
    body = form % (b"[" * depth + b"1" + b"]" * depth)
    started = time.monotonic()
    code, answer = predict(rest, body)
    assert code == 400
    assert answer["error"]
    assert time.monotonic() - started < 1


def test_too_large_body_is_rejected(rest):
    code, answer = predict(rest, b" " * (MAX_BODY_BYTES + 1))
    assert code == 413
    assert "33,554,432 bytes" in answer["error"]


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ([[1, True]], "Type: true is not of expected type: float"),
        ([[1, None]], "Type: Null is not of expected type: float"),
        ([[1, "2"]], "Type: String is not of expected type: float"),
        ([[1, 2], [3]], "unexpected size: 1 at level: 1 expected size: 2"),
        ([[1, [2]]], "unexpected level: 2"),
        ([1, [2]], "unexpected level: 1"),
    ],
)
def test_invalid_tensor_error_names_the_position(value, sentence):
    with pytest.raises(StatusError) as caught:
        read_columns({"inputs": value}, {"x": types_pb2.DT_FLOAT})
    assert sentence.lower() in caught.value.message.lower()


@pytest.mark.parametrize(
    ("enum", "value", "expected"),
    [
        (types_pb2.DT_FLOAT, [[1, 2.5], [3, 1e300]], np.float32([[1, 2.5], [3, np.inf]])),
        (types_pb2.DT_UINT8, [0, 255, 256, -1], np.uint8([0, 255, 0, 255])),
        (types_pb2.DT_INT64, [2**62], np.int64([2**62])),
        (types_pb2.DT_UINT64, [2**63], np.uint64([2**63])),
        (types_pb2.DT_FLOAT, [2**70], np.float32([2**70])),
        (types_pb2.DT_FLOAT, [[], []], np.zeros((2, 0), np.float32)),
        (types_pb2.DT_BOOL, [True, False], np.array([True, False])),
    ],
)
def test_numbers_are_read_exactly(enum, value, expected):
    read = read_columns({"inputs": value}, {"x": enum})["x"]
    assert read.dtype == expected.dtype
    np.testing.assert_array_equal(read, expected)


def test_strings_are_answered_as_text(rest):
    """In row and column format; the description is a string."""
    request = {"signature_name": "describe"}
    code, answer = predict(rest, {**request, "instances": [0, 0]})
    assert code == 200
    first, second = answer["predictions"]
    assert first == second
    assert json.loads(first)["schema"] == "layer-xray/2"
    code, answer = predict(rest, {**request, "inputs": [0]})
    assert (code, answer["outputs"]) == (200, [first])
    code, answer = predict(rest, {**request, "inputs": {"anything": [0] * 9}})
    assert code == 400
    assert "at most 8 in a request" in answer["error"]
