"""Malformed gRPC messages for every method of both services."""

from pathlib import Path

import numpy as np
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError, Message
from hypothesis import strategies as st
from tensorflow_serving.apis import model_service_pb2, prediction_service_pb2
from tensorflow_serving.apis.classification_pb2 import ClassificationRequest
from tensorflow_serving.apis.get_model_metadata_pb2 import GetModelMetadataRequest
from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusRequest
from tensorflow_serving.apis.inference_pb2 import MultiInferenceRequest
from tensorflow_serving.apis.model_management_pb2 import ReloadConfigRequest
from tensorflow_serving.apis.predict_pb2 import PredictRequest
from tensorflow_serving.apis.regression_pb2 import RegressionRequest

from serving.config import config_of_all_versions
from serving.defaults import MODEL
from serving.tensors import to_proto
from tests.fuzz.mutate import mutated
from tests.fuzz.request import Request

KIND = "gRPC messages"
SERVICES = (
    prediction_service_pb2.DESCRIPTOR.services_by_name["PredictionService"],
    model_service_pb2.DESCRIPTOR.services_by_name["ModelService"],
)
METHODS = {  # by path, the type of its request
    f"/{service.full_name}/{method.name}": method.input_type
    for service in SERVICES
    for method in service.methods
}
RELOAD = "/tensorflow.serving.ModelService/HandleReloadConfigRequest"
MAX_DEPTH = 5  # of messages within messages
NAMES = [MODEL, "serving_default", "sketch", "classify", "explain", "weights", "images", "inputs"]
NAMES += ["preview", "layer", "parameters", "describe", "pictures"]
NUMBERS = [0, 1, 7254, 2**31, 2**32, 2**63 - 1, 2**63, 2**64 - 1]
PATHS = ["", "\0", "/", "/dev/null", "/nowhere", "n" * 300, "../" * 2000, "exported\n", "\ud7ff"]
_TEXTS = st.one_of(
    st.sampled_from([text.encode() for text in [*NAMES, *PATHS, "a" * 5000, "\r\nx: y"]]),
    st.text(max_size=8).map(lambda text: text.encode(errors="replace")),
)
_BYTES = st.binary(max_size=16) | st.sampled_from([b"\xed\xa0\x80", b"\x80" * 20_000])


def message_requests(base_path: Path) -> st.SearchStrategy[Request]:
    """Generates requests to every method; none of them unloads the model.

    Args:
        base_path: base path of the served model.
    """
    methods = [_method_requests(path, descriptor) for path, descriptor in METHODS.items()]
    return st.one_of(*methods, _reloads(base_path)).map(
        lambda request: Request(KIND, "grpc", request[1], request[0])
    )


@st.composite
def _method_requests(draw, path: str, descriptor: Descriptor) -> tuple[str, bytes]:
    valid = _VALID[path].SerializeToString(deterministic=True)
    content = draw(st.one_of(_BYTES, mutated(valid), *[_serialized(descriptor)] * 4))
    if path == RELOAD and _is_configuration(content):
        content += b"\x07"  # an invalid tag, so that it is refused
    return path, content


@st.composite
def _reloads(draw, base_path: Path) -> tuple[str, bytes]:
    """Generates configurations with the served model and others that cannot be served."""
    config = config_of_all_versions(MODEL, base_path)
    for _ in range(draw(st.integers(0, 3))):
        other = config.model_config_list.config.add(
            name=draw(st.sampled_from(["", "other", "x" * 3000, "a/b:c", "\n"])),
            base_path=draw(st.sampled_from(PATHS)),
        )
        policy = other.model_version_policy
        match draw(st.sampled_from(["latest", "all", "specific", "none"])):
            case "latest":
                policy.latest.num_versions = draw(st.sampled_from([0, 1, 2**32 - 1]))
            case "all":
                policy.all.SetInParent()
            case "specific":
                policy.specific.versions.append(draw(st.sampled_from([-1, 0, 2**63 - 1])))
        other.version_labels[draw(st.sampled_from(["", "stable", "\0"]))] = draw(
            st.sampled_from([-(2**63), 0, 2**63 - 1])
        )
    return RELOAD, ReloadConfigRequest(config=config).SerializeToString(deterministic=True)


def _is_configuration(content: bytes) -> bool:
    try:
        return ReloadConfigRequest.FromString(content).config.HasField("model_config_list")
    except DecodeError:
        return False


@st.composite
def _serialized(draw, descriptor: Descriptor, depth: int = 0) -> bytes:
    """Generates messages in wire format: fields in any order, with unusual values, and some that
    are unknown, of a wrong type, or of a wrong length.
    """
    message = b""
    fields = descriptor.fields
    for _ in range(draw(st.integers(0 if depth else 1, 3))):
        field = fields[draw(st.integers(0, len(fields) - 1))] if fields else None
        malformation = draw(st.integers(0, 150))  # in the middle: Hypothesis prefers the ends
        if field is None or malformation == 71:
            number, wire = draw(st.integers(0, 2**29)), draw(st.integers(0, 7))
            message += _varint(number << 3 | wire) + draw(st.binary(max_size=9))
        elif malformation == 72:
            longer = draw(st.sampled_from([1, 127, 2**31 - 1, 2**32, 2**63]))
            message += _varint(field.number << 3 | 2) + _varint(longer) + draw(_TEXTS)
        elif field.message_type and depth < MAX_DEPTH:
            message += _delimited(field, draw(_serialized(field.message_type, depth + 1)))
        elif malformation == 73 or field.type == FieldDescriptor.TYPE_BYTES:
            message += _delimited(field, draw(_BYTES))
        elif field.type == FieldDescriptor.TYPE_STRING:
            message += _delimited(field, draw(_TEXTS))
        elif field.message_type:
            message += _delimited(field, b"")
        else:
            message += _varint(field.number << 3) + _varint(draw(st.sampled_from(NUMBERS)))
    return message


def _delimited(field: FieldDescriptor, content: bytes) -> bytes:
    return _varint(field.number << 3 | 2) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    low = bytearray()
    while number > 0x7F:
        low.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*low, number])


def _valid_requests() -> dict[str, Message]:
    """Returns a valid request for each method, by path."""
    predict = PredictRequest()
    predict.inputs["images"].CopyFrom(to_proto(np.zeros((1, 28, 28), np.float32)))
    metadata = GetModelMetadataRequest(metadata_field=["signature_def"])
    classify, regress = ClassificationRequest(), RegressionRequest()
    for request in (classify, regress):
        example = request.input.example_list.examples.add()
        example.features.feature["inputs"].float_list.value.extend([0.0] * 4)
    inference = MultiInferenceRequest(input=classify.input)
    inference.tasks.add(method_name="tensorflow/serving/classify").model_spec.name = MODEL
    reload = ReloadConfigRequest()
    reload.config.custom_model_config.type_url = "type.googleapis.com/tensorflow.serving.None"
    status = GetModelStatusRequest()
    for request in (predict, metadata, classify, regress, status):
        request.model_spec.name = MODEL
    by_type = {
        type(request).DESCRIPTOR.full_name: request
        for request in (predict, metadata, classify, regress, inference, reload, status)
    }
    return {path: by_type[descriptor.full_name] for path, descriptor in METHODS.items()}


_VALID = _valid_requests()
