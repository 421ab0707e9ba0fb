"""The served contract over gRPC: what each signature returns and what it rejects."""

import io

import grpc
import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file
from scipy.special import softmax
from tensorflow.core.framework import types_pb2
from tensorflow_serving.apis.get_model_metadata_pb2 import GetModelMetadataRequest, SignatureDefMap
from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub

from model.weights import RELEASED, find_snapshots
from serving.client import RequestRefused
from tests.pictures import dark_on_light, encode

LAYERS = {
    "h_conv1": [28, 28, 32],
    "h_pool1": [14, 14, 32],
    "h_conv2": [14, 14, 64],
    "h_pool2": [7, 7, 64],
}
SHAPES = {
    "serving_default": {**LAYERS, "logits": [10]},
    "sketch": {
        "images": [28, 28],
        **LAYERS,
        "h_fc1": [1024],
        "logits": [10],
        "probabilities": [10],
    },
    "classify": {"classes": [], "probabilities": [10]},
}
# The signatures of any exposed model (test_exposed); MNIST has its own `explain` in addition.
EXPOSED = {"describe", "preview", "layer", "parameters", "explain_class"}
INPUTS = {
    "serving_default": ("images", types_pb2.DT_FLOAT, [-1, 28, 28]),
    "sketch": ("drawings", types_pb2.DT_UINT8, [-1, -1, -1]),
    "classify": ("image_bytes", types_pb2.DT_STRING, [-1]),
}


def bytes_array(*files: bytes) -> np.ndarray:
    return np.array(files, object)


@pytest.fixture
def good(digits) -> dict[str, np.ndarray]:
    """Two valid inputs for each signature."""
    images = digits[0][[600, 4100]]
    return {
        "serving_default": images.astype(np.float32) / 255,
        "sketch": images,
        "classify": bytes_array(*(encode(dark_on_light(image), "PNG") for image in images)),
    }


@pytest.fixture
def ask(client):
    def ask(signature: str, value: np.ndarray) -> dict[str, np.ndarray]:
        return client.predict(signature, {INPUTS[signature][0]: value})

    return ask


def test_metadata_is_the_contract(server):
    request = GetModelMetadataRequest(metadata_field=["signature_def"])
    request.model_spec.name = "mnist"
    stub = PredictionServiceStub(grpc.insecure_channel(server.target))
    answer = stub.GetModelMetadata(request, timeout=10).metadata["signature_def"]
    signatures = SignatureDefMap()
    answer.Unpack(signatures)

    def shape(info):
        return [dim.size for dim in info.tensor_shape.dim]

    for name, outputs in SHAPES.items():
        signature = signatures.signature_def[name]
        input_name, dtype, input_shape = INPUTS[name]
        [(got_name, got)] = signature.inputs.items()
        assert (got_name, got.dtype, shape(got)) == (input_name, dtype, input_shape)
        assert {key: shape(info) for key, info in signature.outputs.items()} == {
            key: [-1, *dims] for key, dims in outputs.items()
        }
        for key, info in signature.outputs.items():
            expected = types_pb2.DT_INT64 if key == "classes" else types_pb2.DT_FLOAT
            assert info.dtype == expected
    named = {name for name in signatures.signature_def if not name.startswith("__")}
    others = {"explain", "weights"}  # tested in test_explanation
    assert named == {*SHAPES, *others, *EXPOSED}


@pytest.mark.parametrize("signature", SHAPES)
@pytest.mark.parametrize("count", [0, 1, 2])
def test_outputs_have_their_shapes_for_any_batch_size(ask, good, signature, count):
    answer = ask(signature, good[signature][:count])
    assert {name: list(array.shape) for name, array in answer.items()} == {
        name: [count, *dims] for name, dims in SHAPES[signature].items()
    }


def test_images_drawings_and_files_give_the_same_results(ask, good, final_version):
    images, drawings, pictures = (ask(name, value) for name, value in good.items())
    for name in (*LAYERS, "logits"):
        np.testing.assert_allclose(drawings[name], images[name], rtol=0.1, atol=0.02)
    temperature = load_file(find_snapshots(RELEASED)[final_version])["temperature"]
    np.testing.assert_allclose(
        drawings["probabilities"], softmax(drawings["logits"] / temperature, axis=1), atol=1e-5
    )
    assert pictures["classes"].dtype == np.int64
    assert pictures["classes"].tolist() == [1, 8]
    assert pictures["probabilities"].argmax(axis=1).tolist() == [1, 8]


def test_empty_batch_may_have_height_and_width_0(ask):
    assert ask("sketch", np.zeros((0, 0, 0), np.uint8))["logits"].shape == (0, 10)


def test_progressive_jpeg_is_accepted(ask, digits):
    file = io.BytesIO()
    dark_on_light(digits[0][3000]).convert("RGB").save(file, "JPEG", progressive=True)
    assert ask("classify", bytes_array(file.getvalue()))["classes"].tolist() == [6]


def test_empty_drawing_gives_finite_numbers(ask):
    answer = ask("sketch", np.zeros((1, 50, 60), np.uint8))
    assert not answer["images"].any()
    assert all(np.isfinite(array).all() for array in answer.values())


def blank(*shape: int, dtype: type = np.float32) -> np.ndarray:
    return np.zeros(shape, dtype)


def png(width: int, height: int) -> bytes:
    return encode(Image.new("L", (width, height), 255), "PNG")


WRONG = {
    "images of rank 2": ("serving_default", blank(1, 784), r"\[1,784\].*\[\?,28,28\]"),
    "images of rank 4": ("serving_default", blank(1, 28, 28, 1), r"\[\?,28,28\]"),
    "a number": ("serving_default", blank(), r"\[\?,28,28\]"),
    "images of 27": ("serving_default", blank(1, 28, 27), r"\[\?,28,28\]"),
    "float64": ("serving_default", blank(1, 28, 28, dtype=np.float64), "to be float but double"),
    "NaN": ("serving_default", np.full((1, 28, 28), np.nan, np.float32), "finite number"),
    "infinity": ("serving_default", np.full((1, 28, 28), np.inf, np.float32), "finite number"),
    "257 images": ("serving_default", blank(257, 28, 28), "at most 256 in a request"),
    "drawings of rank 2": ("sketch", blank(28, 28, dtype=np.uint8), r"\[\?,\?,\?\]"),
    "float drawings": ("sketch", blank(1, 28, 28), "to be uint8 but float"),
    "a high drawing": ("sketch", blank(1, 2049, 3, dtype=np.uint8), "must be 1 to 2,048 pixels"),
    "a flat drawing": ("sketch", blank(1, 0, 9, dtype=np.uint8), "must be 1 to 2,048 pixels"),
    "257 drawings": ("sketch", blank(257, 2, 2, dtype=np.uint8), "at most 256 in a request"),
    "large drawings": ("sketch", blank(65, 512, 512, dtype=np.uint8), "at most 16,777,216 pix"),
    "no picture": ("classify", bytes_array(png(9, 9), b"hello"), "must be a PNG, JPEG, BMP or GIF"),
    "no bytes": ("classify", bytes_array(b""), "must be a PNG, JPEG, BMP or GIF"),
    "half a picture": ("classify", bytes_array(png(90, 90)[:60]), "Invalid PNG data"),
    "a wide picture": ("classify", bytes_array(png(3000, 9)), "must be 1 to 2,048 pixels"),
    "a long GIF": (
        "classify",
        bytes_array(b"GIF89a" + bytes(70_000)),
        "GIF may have at most 65,536 bytes",
    ),
    "a JPEG of many scans": (
        "classify",
        bytes_array(b"\xff\xd8\xff" + 33 * b"\xff\xda________"),
        "at most 32 scans",
    ),
    "pictures of rank 2": ("classify", bytes_array(png(9, 9))[None], r"\[1,1\].*\[\?\]"),
    "1,025 pictures": ("classify", bytes_array(*[b"x"] * 1025), "at most 1,024 in a request"),
    "17 large pictures": (
        "classify",
        bytes_array(*[png(2048, 2048)] * 17),
        "at most 67,108,864 pixels",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_invalid_input_is_rejected_with_a_sentence(ask, name):
    signature, value, sentence = WRONG[name]
    with pytest.raises(RequestRefused, match=r"(?s)INVALID_ARGUMENT.*" + sentence):
        ask(signature, value)


def test_largest_requests_are_accepted(ask):
    assert len(ask("serving_default", blank(256, 28, 28))["logits"]) == 256
    assert len(ask("sketch", blank(256, 256, 256, dtype=np.uint8))["logits"]) == 256
    assert len(ask("sketch", blank(4, 2048, 2048, dtype=np.uint8))["logits"]) == 4
    assert len(ask("classify", bytes_array(*[png(16, 16)] * 1024))["classes"]) == 1024
    assert len(ask("classify", bytes_array(*[png(2048, 2048)] * 16))["classes"]) == 16
