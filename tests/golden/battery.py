"""Sends recorded requests to a server and compares the answers with TensorFlow Serving's."""

import base64
import enum
import http.client
import json
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import grpc
from tensorflow_serving.apis.get_model_metadata_pb2 import GetModelMetadataResponse, SignatureDefMap
from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusResponse
from tensorflow_serving.apis.predict_pb2 import PredictResponse

HERE = Path(__file__).parent
TIMEOUT = 30.0  # seconds per request
# Codes of the released model where the recorded stand-in had no guards or fewer signatures.
CONTRACT = {
    **{"NaN pixel": (400,), "Infinity pixel": (400,), "png none": ("OK",)},
    **{"metadata": (200, "OK"), "metadata version": (200,), "metadata label": ("OK",)},
}


class Verdict(enum.Enum):
    """Result of comparing an answer with the recorded one."""

    SAME = "same answer"
    OTHER_TEXT = "same code, other text"
    CONTRACT = "as our contract has it"
    OTHER_CODE = "other code"


class Result(NamedTuple):
    """Comparison of one answer; codes are HTTP status codes or names of gRPC codes."""

    name: str
    verdict: Verdict
    expected: tuple[int | str, Any]
    got: tuple[int | str, Any]


def hold_rest(address: str) -> Iterator[Result]:
    """Sends the REST requests to HOST:PORT and yields the comparisons."""
    for entry in json.loads((HERE / "rest.json").read_text()):
        request, answer = entry["request"], entry["answer"]
        expected = answer["status"], _plain(answer["body"]), answer["type"]
        status, body, content_type = _send_rest(address, **request)
        received = status, _plain(body), content_type
        verdict = _judge(entry["name"], expected, received)
        yield Result(entry["name"], verdict, expected[:2], received[:2])


def hold_grpc(address: str) -> Iterator[Result]:
    """Sends the gRPC requests to HOST:PORT and yields the comparisons."""
    with grpc.insecure_channel(address, [("grpc.max_receive_message_length", -1)]) as channel:
        for entry in json.loads((HERE / "grpc.json").read_text()):
            request, answer = entry["request"], entry["answer"]
            expected = answer["code"], answer.get("answer") or _plain(answer["details"])
            message = zlib.decompress(base64.b64decode(request["request_zlib_b64"]))
            code, content = _send_grpc(channel, request["method"], message)
            received = code, _plain(content) if isinstance(content, str) else content
            verdict = _judge(entry["name"], expected, received)
            yield Result(entry["name"], verdict, expected, received)


def _judge(name: str, expected: tuple, received: tuple) -> Verdict:
    if received == expected:
        return Verdict.SAME
    if received[0] in CONTRACT.get(name, ()):
        return Verdict.CONTRACT
    return Verdict.OTHER_TEXT if received[0] == expected[0] else Verdict.OTHER_CODE


def _send_rest(address: str, method: str, path: str, body: str | None) -> tuple[int, Any, str]:
    connection = http.client.HTTPConnection(address, timeout=TIMEOUT)
    headers = {} if body is None else {"Content-Type": "application/json"}
    connection.request(method, path, body, headers)
    response = connection.getresponse()
    text = response.read().decode()
    connection.close()
    content_type = response.headers.get("Content-Type", "").partition(";")[0]
    content = json.loads(text) if content_type == "application/json" else text
    return response.status, content, content_type


def _send_grpc(channel: grpc.Channel, method: str, message: bytes) -> tuple[str, Any]:
    as_bytes = channel.unary_unary(method, lambda sent: sent, lambda received: received)
    try:
        received = as_bytes(message, timeout=TIMEOUT)
    except grpc.RpcError as error:
        return error.code().name, error.details()
    return "OK", _READERS[method.rpartition("/")[2]](received)


def _read_predict(received: bytes) -> dict[str, Any]:
    answer = PredictResponse.FromString(received)
    spec = answer.model_spec
    return {
        "outputs": {name: _type_and_shape(proto) for name, proto in answer.outputs.items()},
        "spec": [spec.name, spec.version.value, spec.signature_name],
    }


def _read_metadata(received: bytes) -> dict[str, Any]:
    answer = GetModelMetadataResponse.FromString(received)
    signatures = SignatureDefMap()
    answer.metadata["signature_def"].Unpack(signatures)
    spec = answer.model_spec
    return {
        "signatures": {
            name: {
                "in": {key: _type_and_shape(info) for key, info in signature.inputs.items()},
                "out": {key: _type_and_shape(info) for key, info in signature.outputs.items()},
                "method": signature.method_name,
            }
            for name, signature in signatures.signature_def.items()
            if signature.method_name  # the graph's initialiser has none
        },
        "spec": [spec.name, spec.version.value],
    }


def _read_status(received: bytes) -> list[list]:
    return [
        [entry.version, entry.state, entry.status.error_code, entry.status.error_message]
        for entry in GetModelStatusResponse.FromString(received).model_version_status
    ]


_READERS = {
    "Predict": _read_predict,
    "GetModelMetadata": _read_metadata,
    "GetModelStatus": _read_status,
}


def _type_and_shape(tensor) -> list:
    return [tensor.dtype, [dim.size for dim in tensor.tensor_shape.dim]]


def _plain(content: Any) -> Any:
    """Removes from an answer what differs between models: numbers and names inside the graph."""
    match content:
        case {"dtype": _, "name": _, "tensor_shape": _}:
            return {key: _plain(value) for key, value in content.items() if key != "name"}
        case dict():
            return {key: _plain(value) for key, value in content.items()}
        case list() if content and _is_numbers(content):
            return _kind(content)
        case list():
            return [_plain(item) for item in content]
        case str():
            content = re.sub(r"\n\t \[\[\{\{.*\}\}\]\]", "", content)
            return re.sub(r"Shape of tensor \S+", "Shape of tensor …", content)
        case int() | float() if not isinstance(content, bool):
            return type(content).__name__
        case _:
            return content


def _is_numbers(content: list) -> bool:
    while isinstance(content, list) and content:
        content = content[0]
    return isinstance(content, int | float) and not isinstance(content, bool)


def _kind(content: list) -> str:
    shape = []
    while isinstance(content, list):
        shape.append(len(content))
        content = content[0]
    return f"{type(content).__name__}{shape}"
