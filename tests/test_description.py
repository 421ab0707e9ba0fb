"""Descriptions: a valid one is read, and an invalid one raises WrongAnswer and nothing else."""

import copy
import json

import numpy as np
import pytest
from tensorflow.core.framework import types_pb2
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef
from tensorflow_serving.apis.get_model_metadata_pb2 import GetModelMetadataResponse, SignatureDefMap
from tensorflow_serving.apis.predict_pb2 import PredictResponse

from demo.description import Description, ReceptiveField, Window, read_description
from demo.errors import RequestError
from demo.network import ExposedNetwork
from serving.client import Client, WrongAnswer
from serving.tensors import to_proto
from tests.test_client import OtherServer

INPUT = {
    "name": "input",
    "kind": "input",
    "class": None,
    "shape": [12, 8],
    "from": [],
    "is_exact": False,
    "window": None,
    "activation": "linear",
    "is_signed": False,
    "receptive_field": [{"size": 1, "stride": 1, "before": 0}] * 2,
    "thumbnail": {"maps": [0], "height": 12, "width": 8, "blocks": [1, 1]},
}
CONVOLUTION = {
    "name": "block/conv",
    "kind": "convolution",
    "class": "Conv2D",
    "shape": [6, 4, 3],
    "from": [0],
    "is_exact": True,
    "window": {
        "size": [3, 2],
        "stride": [2, 2],
        "dilation": [1, 1],
        "pad": [1, 0],
        "groups": 1,
    },
    "activation": "relu",
    "is_signed": False,
    "receptive_field": [
        {"size": 3, "stride": 2, "before": 1},
        {"size": 2, "stride": 2, "before": 0},
    ],
    "thumbnail": {"maps": [0, 2], "height": 3, "width": 4, "blocks": [2, 1]},
}
DENSE = {
    **{"name": "scores", "kind": "dense", "class": "Dense", "shape": [3], "from": [1]},
    **{"is_exact": True, "window": None, "activation": "softmax", "is_signed": False},
    **{
        "receptive_field": None,
        "thumbnail": {"maps": [0], "height": 2, "width": 2, "blocks": [1, 1]},
    },
}
VALID = {
    "schema": "layer-xray/2",
    "name": "cats",
    "title": "Cats",
    "input": {"name": "x", "kind": "drawing", "height": 12, "width": 8, "channels": 1},
    "max_batch_size": 16,
    "layers": [INPUT, CONVOLUTION, DENSE],
    "outputs": ["scores"],
    "scores": {
        "name": "scores",
        "classes": 3,
        "output_activation": "softmax",
        "labels": ["tabby", "manx", "none"],
    },
}


def read(fields: object, version: int = 5) -> Description:
    text = fields if isinstance(fields, str) else json.dumps(fields)
    return read_description(text, "cats", version, frozenset({"preview", "describe"}))


def changed(*path: str | int, to: object) -> dict:
    """The valid description with one field replaced, or removed if `to` is MISSING."""
    fields = copy.deepcopy(VALID)
    *parents, last = path
    inner = fields
    for key in parents:
        inner = inner[key]
    if to is MISSING:
        del inner[last]
    else:
        inner[last] = to
    return fields


MISSING = object()


def test_fields_are_read():
    description = read(VALID)
    assert (description.model, description.version) == ("cats", 5)
    assert (description.title, description.max_batch_size) == ("Cats", 16)
    assert description.input == ("drawing", 12, 8, 1)
    assert description.signatures == {"preview", "describe"}
    assert description.explain == "explain"
    image, convolution, dense = description.layers
    assert (image.index, convolution.index, dense.index) == (0, 1, 2)
    assert convolution.window == Window((3, 2), (2, 2), (1, 1), (1, 0), 1)
    assert convolution.receptive_field == (ReceptiveField(3, 2, 1), ReceptiveField(2, 2, 0))
    assert convolution.sources == (0,)
    assert (convolution.maps, convolution.blocks) == ((0, 2), (2, 1))
    assert (convolution.height, convolution.width) == (3, 4)
    assert (convolution.count, convolution.units, convolution.size) == (3, None, (6, 4))
    assert (dense.count, dense.units, dense.size) == (1, 3, (2, 2))
    assert dense.receptive_field is None
    assert (image.title, convolution.title) == ("Input", "Convolution")
    assert (image.about, convolution.about, dense.about) == ("", "", "")
    assert description.scores == (2, 3, ("tabby", "manx", "none"), "softmax", None)
    assert [description.scores.label(index) for index in (0, 2)] == ["tabby", "none"]


def test_optional_fields_override_defaults():
    fields = copy.deepcopy(VALID)
    fields["layers"][1] |= {"title": "Edges", "about": "of fur", "columns": 1, "is_wide": True}
    fields["layers"][1]["lessons"] = [["Why?", "So."]]
    fields |= {
        "confidence_threshold": 0.8,
        "explain": "reasons",
        "samples": [{"name": "a"}],
        "lessons": {"x": []},
    }
    description = read(fields)
    layer = description.layers[1]
    assert (layer.title, layer.about, layer.columns, layer.is_wide) == ("Edges", "of fur", 1, True)
    assert layer.lessons == (("Why?", "So."),)
    assert (layer.rows, layer.mosaic_height, layer.mosaic_width) == (2, 7, 4)
    assert (description.scores.confidence_threshold, description.explain, description.samples) == (
        0.8,
        "reasons",
        ({"name": "a"},),
    )
    assert description.lessons == {"x": []}


def test_unknown_fields_are_ignored():
    """`docs/description.md` announces that fields may be added."""
    fields = copy.deepcopy(VALID)
    layer = fields["layers"][1]
    for inner in (
        fields,
        fields["input"],
        fields["scores"],
        layer,
        layer["window"],
        layer["thumbnail"],
        layer["receptive_field"][0],
    ):
        inner["new"] = {"any": ["thing"]}
    assert read(fields).layers == read(VALID).layers


def test_identity_does_not_depend_on_training():
    identity = read(VALID, version=1).identity
    assert read({**VALID, "trained": {"steps": 9}}, version=2).identity == identity
    assert read({**VALID, "title": "Dogs"}).identity != identity
    other = read_description(json.dumps(VALID), "dogs", 1, frozenset())
    assert other.identity != identity


INVALID = {
    "not JSON": "cats",
    "empty": "",
    "truncated": json.dumps(VALID)[:300],
    "a list": [VALID],
    "a number": 7,
    "null": None,
    "deeply nested": "[" * 200_000,
    "deeply nested in an object": '{"schema": ' + "[" * 200_000,
    "another schema": {**VALID, "schema": "layer-xray/3"},
    "no schema": {name: value for name, value in VALID.items() if name != "schema"},
    **{f"no {name}": changed(name, to=MISSING) for name in ("input", "layers", "max_batch_size")},
    **{f"input without {name}": changed("input", name, to=MISSING) for name in ("kind", "height")},
    **{
        f"layer without {name}": changed("layers", 1, name, to=MISSING)
        for name in (
            "name",
            "kind",
            "shape",
            "from",
            "is_exact",
            "activation",
            "is_signed",
            "thumbnail",
        )
    },
    **{
        f"thumbnail without {name}": changed("layers", 1, "thumbnail", name, to=MISSING)
        for name in ("maps", "height", "width", "blocks")
    },
    "unknown kind of input": changed("input", "kind", to="sound"),
    "height of 0": changed("input", "height", to=0),
    "batch size of 0": changed("max_batch_size", to=0),
    "infinite batch size": json.dumps(VALID).replace(
        '"max_batch_size": 16', '"max_batch_size": Infinity'
    ),
    "NaN batch size": json.dumps(VALID).replace('"max_batch_size": 16', '"max_batch_size": NaN'),
    "no layers": changed("layers", to=[]),
    "numbers as layers": changed("layers", to=[1, 2]),
    "text as layers": changed("layers", to="abc"),
    "no maps": changed("layers", 1, "thumbnail", "maps", to=[]),
    "map out of range": changed("layers", 1, "thumbnail", "maps", to=[0, 3]),
    "negative map": changed("layers", 1, "thumbnail", "maps", to=[-1, 0]),
    "duplicate map": changed("layers", 1, "thumbnail", "maps", to=[1, 1]),
    "thumbnail height of 0": changed("layers", 1, "thumbnail", "height", to=0),
    "wrong thumbnail width": changed("layers", 1, "thumbnail", "width", to=3),
    "blocks of 0": changed("layers", 1, "thumbnail", "blocks", to=[0, 1]),
    "block of one axis": changed("layers", 1, "thumbnail", "blocks", to=[2]),
    "shape of rank 4": changed("layers", 1, "shape", to=[6, 4, 3, 2]),
    "shape of rank 0": changed("layers", 1, "shape", to=[]),
    "side of 0": changed("layers", 1, "shape", to=[6, 0, 3]),
    "negative sides": changed("layers", 1, "shape", to=[-6, -4, 3]),
    "huge side": changed("layers", 1, "shape", to=[10**400, 4, 3]),
    "thumbnail larger than the units": changed("layers", 2, "thumbnail", "height", to=9),
    "0 columns": changed("layers", 1, "columns", to=0),
    "text as columns": changed("layers", 1, "columns", to="many"),
    "window of one axis": changed("layers", 1, "window", "size", to=[3]),
    "window of size 0": changed("layers", 1, "window", "size", to=[0, 3]),
    "window without groups": changed("layers", 1, "window", "groups", to=MISSING),
    "0 groups": changed("layers", 1, "window", "groups", to=0),
    "receptive field of one axis": changed(
        "layers", 1, "receptive_field", to=[{"size": 1, "stride": 1, "before": 0}]
    ),
    "receptive field without size": changed("layers", 1, "receptive_field", 0, "size", to=MISSING),
    "name as source": changed("layers", 1, "from", to=["input"]),
    "negative source": changed("layers", 1, "from", to=[-1]),
    "text as lesson": changed("layers", 1, "lessons", to=["Why?"]),
    "fewer labels": changed("scores", "labels", to=["tabby", "manx"]),
    "more labels": changed("scores", "labels", to=["tabby", "manx", "none", "what"]),
    "0 classes": changed("scores", "classes", to=0),
    "scores without labels": changed("scores", "labels", to=MISSING),
    "number as scores": changed("scores", to=1),
    "text as confidence threshold": {**VALID, "confidence_threshold": "very"},
}


@pytest.mark.parametrize("name", INVALID)
def test_invalid_description_is_a_wrong_answer(name):
    with pytest.raises(WrongAnswer) as caught:
        read(INVALID[name])
    sentence = str(caught.value)
    assert sentence.startswith("The description of cats cannot be read: ")
    assert sentence.endswith("Export the model again with this version of the project.")


def test_unknown_layer_is_refused():
    description = read(VALID)
    assert description.find_layer(1) is description.layers[1]
    for index in (3, -1, True, "1", None, 1.0, 2**70):
        with pytest.raises(RequestError, match="cats has no layer"):
            description.find_layer(index)


def serve(outputs: dict[str, np.ndarray], description: object = VALID) -> OtherServer:
    """A server with a description, and outputs for every other signature."""
    if description is MISSING:
        describe_outputs = {"something": np.zeros(1, np.float32)}
    else:
        text = description if isinstance(description, bytes) else json.dumps(description)
        describe_outputs = {"descriptions": np.array([text], object)}

    def answer(request, context) -> PredictResponse:
        response = PredictResponse()
        response.model_spec.version.value = 1
        is_describe = request.model_spec.signature_name == "describe"
        for name, array in (describe_outputs if is_describe else outputs).items():
            response.outputs[name].CopyFrom(to_proto(array))
        return response

    def tell(request, context) -> GetModelMetadataResponse:
        signatures = SignatureDefMap()
        for name in ("describe", "preview"):
            signature = SignatureDef(method_name="tensorflow/serving/predict")
            signature.inputs["x"].dtype = types_pb2.DT_FLOAT
            signatures.signature_def[name].CopyFrom(signature)
        response = GetModelMetadataResponse()
        response.metadata["signature_def"].Pack(signatures)
        return response

    return OtherServer(answer, tell=tell)


LEVELS = np.arange(96 + 24 + 4, dtype=np.uint8)[None]
RANGES = np.array([[[0, 255], [0, 51], [-1, 1], [0, 1]]], np.float32)
SCORES = np.array([[0.5, 0.25, 0.25]], np.float32)
PREVIEW = {"maps": LEVELS, "ranges": RANGES, "scores": SCORES, "probabilities": SCORES}


def infer(outputs: dict[str, np.ndarray], description: object = VALID):
    with serve(outputs, description) as server, Client(server.target, "cats") as client:
        [inference] = ExposedNetwork(client).infer(np.zeros((1, 12, 8, 1), np.uint8), [0, 1, 2])
        return inference


def test_preview_is_unpacked_by_the_description():
    inference = infer(PREVIEW)
    assert inference.version == 1
    np.testing.assert_allclose(inference.maps[0].ravel(), np.arange(96))
    levels = np.arange(96, 120).reshape(3, 4, 2)
    np.testing.assert_allclose(inference.maps[1][:, :, 0], levels[:, :, 0] / 255 * 51, rtol=1e-6)
    np.testing.assert_allclose(inference.maps[1][:, :, 1], levels[:, :, 1] / 255 * 2 - 1, atol=1e-6)
    np.testing.assert_allclose(inference.maps[2].ravel(), np.arange(120, 124) / 255, rtol=1e-6)
    np.testing.assert_array_equal(inference.ranges[1], [[0, 51], [-1, 1]])
    np.testing.assert_array_equal(inference.scores, SCORES[0])


@pytest.mark.parametrize(
    "replaced",
    [
        {"maps": LEVELS[:, :-1]},
        {"maps": LEVELS[:0]},
        {"maps": None},
        {"ranges": RANGES[:, :-1]},
        {"ranges": RANGES[:, :, :1]},
        {"ranges": None},
        {"scores": SCORES[:, :2]},
        {"probabilities": np.zeros((1, 4), np.float32)},
        {"probabilities": SCORES[:0]},
    ],
)
def test_preview_that_contradicts_the_description_is_a_wrong_answer(replaced):
    merged = {**PREVIEW, **replaced}
    outputs = {name: array for name, array in merged.items() if array is not None}
    with pytest.raises(WrongAnswer, match="cats did not answer as its description says"):
        infer(outputs)


@pytest.mark.parametrize(
    ("description", "sentence"),
    [
        (MISSING, "cats did not answer as its description says"),
        (b"\xff\xfe", "The description of cats cannot be read"),
        (INVALID["fewer labels"], "The description of cats cannot be read"),
    ],
)
def test_invalid_served_description_is_a_wrong_answer(description, sentence):
    with pytest.raises(WrongAnswer, match=sentence):
        infer(PREVIEW, description)


@pytest.mark.parametrize("outputs", [{}, {"activations": np.zeros((1, 6, 4, 2), np.float32)}])
def test_other_signatures_with_missing_outputs_are_wrong_answers(outputs):
    picture = np.zeros((12, 8, 1), np.uint8)
    with serve(outputs) as server, Client(server.target, "cats") as client:
        network = ExposedNetwork(client)
        layer = network.description().layers[1]
        for call in (
            lambda: network.activations(picture, layer, 1),
            lambda: network.parameters(layer, 0, 1),
            lambda: network.explain(picture, None, 1),
        ):
            with pytest.raises(WrongAnswer, match="cats did not answer as"):
                call()
