"""`Predict` requests with tensors whose type, shape and content do not match."""

import numpy as np
from hypothesis import strategies as st
from tensorflow.core.framework import tensor_pb2, types_pb2
from tensorflow_serving.apis.predict_pb2 import PredictRequest

from serving.defaults import MODEL
from serving.tensors import to_proto
from tests.fuzz.request import Request

KIND = "tensors"
PREDICT = "/tensorflow.serving.PredictionService/Predict"
DRAWING = np.zeros((1, 112, 112), np.uint8)
PICTURES = DRAWING[..., None]
VALID_INPUTS = {  # by signature
    "": {"images": np.zeros((1, 28, 28), np.float32)},
    "serving_default": {"images": np.zeros((2, 28, 28), np.float32)},
    "sketch": {"drawings": DRAWING},
    "classify": {"image_bytes": np.array([b"GIF89a"], object)},
    "explain": {"drawings": DRAWING, "digits": np.array([3])},
    "weights": {"units": np.array([0, 1023], np.int32)},
    "preview": {"pictures": PICTURES, "layers": np.array([0, 3, 6], np.int32)},
    "layer": {"pictures": PICTURES, "layer": np.array(3, np.int32)},
    "parameters": {"layer": np.array(3, np.int32), "map": np.array(63, np.int32)},
    "explain_class": {"pictures": PICTURES, "classes": np.array([3])},
    "describe": {"anything": np.array([0, 1], np.int32)},
}
SIZES = [0, 1, 2, 3, 9, 27, 28, 29, 112, 1025, 2048, 2049, 2**16, 2**31, 2**32, 2**62, 2**63 - 1]
SIZES += [-1, -2, -(2**63)]
INTEGERS = [-(2**63), -(2**31), -2, -1, 0, 6, 7, 9, 10, 31, 32, 1023, 1024]
INTEGERS += [2**31 - 1, 2**31, 2**63 - 1]
FLOATS = [float("nan"), float("inf"), -float("inf"), 3.4e38, 1e-45, -1.0, 2.0]
LISTS = {  # by field of a TensorProto, its possible values
    **dict.fromkeys(("float_val", "double_val", "scomplex_val", "dcomplex_val"), FLOATS),
    "int_val": [i for i in INTEGERS if -(2**31) <= i < 2**31],
    "half_val": [-1, 0, 65_535, 2**31 - 1],
    "int64_val": INTEGERS,
    "uint32_val": [0, 2**32 - 1],
    "uint64_val": [0, 2**64 - 1],
    "bool_val": [False, True],
    "string_val": [b"", b"\0", b"\xff\xd8\xff" + bytes(30), b"\x89PNG\r\n\x1a\n" + bytes(20)],
}
DTYPES = list(types_pb2.DataType.values())
NAMES = ["images", "drawings", "image_bytes", "digits", "units", "pictures", "layers", "layer"]
NAMES += ["map", "classes", "anything", "", "\n", "x" * 9000]
OUTPUTS = ["logits", "probabilities", "h_conv1", "images", "classes", "maps", "kernel"]
OUTPUTS += ["", "images:0", "x" * 9000]


@st.composite
def tensor_requests(draw) -> Request:
    """Generates valid requests with one to four mutations."""
    signature = draw(st.sampled_from(list(VALID_INPUTS)))
    request = PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = MODEL, signature
    for name, array in VALID_INPUTS[signature].items():
        request.inputs[name].CopyFrom(to_proto(array))
    for _ in range(draw(st.integers(1, 4))):
        draw(st.sampled_from(_MUTATIONS))(draw, request)
    return Request(KIND, "grpc", request.SerializeToString(deterministic=True), PREDICT)


def _any_input(draw, request: PredictRequest) -> tensor_pb2.TensorProto:
    names = sorted(request.inputs)
    return request.inputs[draw(st.sampled_from(names or NAMES))]


def _size(draw, request: PredictRequest) -> None:
    dims = _any_input(draw, request).tensor_shape.dim
    if dims:
        dims[draw(st.integers(0, len(dims) - 1))].size = draw(st.sampled_from(SIZES))


def _shape(draw, request: PredictRequest) -> None:
    shape = _any_input(draw, request).tensor_shape
    shape.Clear()
    sizes = draw(st.lists(st.sampled_from(SIZES), max_size=5))
    for size in sizes * draw(st.sampled_from([1, 1, 1, 1, 60])):  # a tensor has at most 254
        shape.dim.add(size=size, name=draw(st.sampled_from(["", "\0", "N"])))
    shape.unknown_rank = draw(st.integers(0, 9)) == 0


def _dtype(draw, request: PredictRequest) -> None:
    _any_input(draw, request).dtype = draw(st.sampled_from([*DTYPES, -1, 2**31 - 1]))


def _content(draw, request: PredictRequest) -> None:
    """Replaces the content by other bytes, of the same or another length."""
    tensor = _any_input(draw, request)
    length = len(tensor.tensor_content) + draw(st.sampled_from([-4, -1, 0, 1, 4, 4096]))
    pattern = draw(st.binary(min_size=1, max_size=8))
    tensor.tensor_content = (pattern * (max(length, 0) // len(pattern) + 1))[: max(length, 0)]


def _values(draw, request: PredictRequest) -> None:
    """Adds lists of values, mostly instead of the content."""
    tensor = _any_input(draw, request)
    if draw(st.integers(0, 4)):
        tensor.tensor_content = b""
    for field in draw(st.lists(st.sampled_from(list(LISTS)), min_size=1, max_size=2)):
        values = draw(st.lists(st.sampled_from(LISTS[field]), max_size=3))
        getattr(tensor, field).extend(values * draw(st.sampled_from([1, 1, 1, 784])))


def _extra(draw, request: PredictRequest) -> None:
    request.inputs[draw(st.sampled_from(NAMES))].CopyFrom(_any_input(draw, request))


def _missing(draw, request: PredictRequest) -> None:
    if request.inputs:
        del request.inputs[draw(st.sampled_from(sorted(request.inputs)))]


def _outputs(draw, request: PredictRequest) -> None:
    request.output_filter.extend(draw(st.lists(st.sampled_from(OUTPUTS), max_size=4)))


def _signature(draw, request: PredictRequest) -> None:
    others = [*VALID_INPUTS, "nothing", "__saved_model_init_op", "x" * 9000, "\n"]
    request.model_spec.signature_name = draw(st.sampled_from(others))


def _spec(draw, request: PredictRequest) -> None:
    spec = request.model_spec
    spec.name = draw(st.sampled_from([MODEL, MODEL, "", "\0", "m" * 9000]))
    if draw(st.booleans()):
        spec.version.value = draw(st.sampled_from(INTEGERS))
    else:
        spec.version_label = draw(st.sampled_from(["", "stable", "l" * 9000, "\r\n"]))


# Mutations of tensors are twice as frequent as those of the other fields.
_MUTATIONS = [_size, _shape, _dtype, _content, _values] * 2
_MUTATIONS += [_extra, _missing, _outputs, _signature, _spec]
