"""A description that lies is a wrong answer, in a sentence, and never any other failure."""

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
TRUE = {
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


def read(told: object, version: int = 5) -> Description:
    text = told if isinstance(told, str) else json.dumps(told)
    return read_description(text, "cats", version, frozenset({"preview", "describe"}))


def changed(*path: str | int, to: object) -> dict:
    """The true description with one field exchanged, or left out if it is None of all things."""
    told = copy.deepcopy(TRUE)
    *way, last = path
    inner = told
    for step in way:
        inner = inner[step]
    if to is MISSING:
        del inner[last]
    else:
        inner[last] = to
    return told


MISSING = object()


def test_what_is_told_is_what_is_known():
    told = read(TRUE)
    assert (told.model, told.version, told.title, told.max_batch_size) == ("cats", 5, "Cats", 16)
    assert told.input == ("drawing", 12, 8, 1)
    assert told.signatures == {"preview", "describe"}
    assert told.explain == "explain"
    image, convolution, dense = told.layers
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
    assert convolution.about == "3 maps of 6×4, 2 of them shown"
    assert (image.about, dense.about) == ("12×8", "3 units")
    assert told.scores == (2, 3, ("tabby", "manx", "none"), "softmax", None)
    assert [told.scores.label(index) for index in (0, 2)] == ["tabby", "none"]


def test_what_is_said_for_people_wins_over_what_is_found_out():
    told = copy.deepcopy(TRUE)
    told["layers"][1] |= {"title": "Edges", "about": "of fur", "columns": 1, "is_wide": True}
    told["layers"][1]["lessons"] = [["Why?", "So."]]
    told |= {
        "confidence_threshold": 0.8,
        "explain": "reasons",
        "samples": [{"name": "a"}],
        "lessons": {"x": []},
    }
    told = read(told)
    layer = told.layers[1]
    assert (layer.title, layer.about, layer.columns, layer.is_wide) == ("Edges", "of fur", 1, True)
    assert layer.lessons == (("Why?", "So."),)
    assert (layer.rows, layer.mosaic_height, layer.mosaic_width) == (2, 7, 4)
    assert (told.scores.confidence_threshold, told.explain, told.samples) == (
        0.8,
        "reasons",
        ({"name": "a"},),
    )
    assert told.lessons == {"x": []}


def test_fields_that_nobody_knows_are_skipped():
    """`docs/description.md` says that new ones may come."""
    told = copy.deepcopy(TRUE)
    for place in (
        told,
        told["input"],
        told["scores"],
        told["layers"][1],
        told["layers"][1]["window"],
        told["layers"][1]["thumbnail"],
        told["layers"][1]["receptive_field"][0],
    ):
        place["new"] = {"any": ["thing"]}
    assert read(told).layers == read(TRUE).layers


def test_versions_that_differ_in_their_training_alone_have_one_identity():
    one = read(TRUE, version=1).identity
    assert read({**TRUE, "trained": {"steps": 9}}, version=2).identity == one
    assert read({**TRUE, "title": "Dogs"}).identity != one
    other = read_description(json.dumps(TRUE), "dogs", 1, frozenset())
    assert other.identity != one


LIES = {
    "no JSON": "cats",
    "nothing": "",
    "half of it": json.dumps(TRUE)[:300],
    "no object": [TRUE],
    "a number": 7,
    "null": None,
    "too deep": "[" * 200_000,
    "too deep in an object": '{"schema": ' + "[" * 200_000,
    "another schema": {**TRUE, "schema": "layer-xray/3"},
    "no schema": {name: value for name, value in TRUE.items() if name != "schema"},
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
        f"small without {name}": changed("layers", 1, "thumbnail", name, to=MISSING)
        for name in ("maps", "height", "width", "blocks")
    },
    "an unknown input": changed("input", "kind", to="sound"),
    "no height": changed("input", "height", to=0),
    "no items": changed("max_batch_size", to=0),
    "endless items": json.dumps(TRUE).replace('"max_batch_size": 16', '"max_batch_size": Infinity'),
    "no number of items": json.dumps(TRUE).replace('"max_batch_size": 16', '"max_batch_size": NaN'),
    "no layers": changed("layers", to=[]),
    "layers that are none": changed("layers", to=[1, 2]),
    "layers that are a text": changed("layers", to="abc"),
    "a layer without maps": changed("layers", 1, "thumbnail", "maps", to=[]),
    "maps that there are not": changed("layers", 1, "thumbnail", "maps", to=[0, 3]),
    "maps below nought": changed("layers", 1, "thumbnail", "maps", to=[-1, 0]),
    "maps twice": changed("layers", 1, "thumbnail", "maps", to=[1, 1]),
    "a small form of no size": changed("layers", 1, "thumbnail", "height", to=0),
    "a small form of another size": changed("layers", 1, "thumbnail", "width", to=3),
    "blocks of nothing": changed("layers", 1, "thumbnail", "blocks", to=[0, 1]),
    "one block": changed("layers", 1, "thumbnail", "blocks", to=[2]),
    "a shape of four": changed("layers", 1, "shape", to=[6, 4, 3, 2]),
    "a shape of none": changed("layers", 1, "shape", to=[]),
    "a shape of nothing": changed("layers", 1, "shape", to=[6, 0, 3]),
    "a negative shape": changed("layers", 1, "shape", to=[-6, -4, 3]),
    "an endless shape": changed("layers", 1, "shape", to=[10**400, 4, 3]),
    "units without a place": changed("layers", 2, "thumbnail", "height", to=9),
    "no columns": changed("layers", 1, "columns", to=0),
    "columns that are none": changed("layers", 1, "columns", to="many"),
    "a window of one side": changed("layers", 1, "window", "size", to=[3]),
    "a window of no size": changed("layers", 1, "window", "size", to=[0, 3]),
    "a window without groups": changed("layers", 1, "window", "groups", to=MISSING),
    "no groups": changed("layers", 1, "window", "groups", to=0),
    "a field of one side": changed(
        "layers", 1, "receptive_field", to=[{"size": 1, "stride": 1, "before": 0}]
    ),
    "a field without a size": changed("layers", 1, "receptive_field", 0, "size", to=MISSING),
    "a source that is none": changed("layers", 1, "from", to=["input"]),
    "a source below nought": changed("layers", 1, "from", to=[-1]),
    "lessons that are none": changed("layers", 1, "lessons", to=["Why?"]),
    "fewer labels": changed("scores", "labels", to=["tabby", "manx"]),
    "more labels": changed("scores", "labels", to=["tabby", "manx", "none", "what"]),
    "no classes": changed("scores", "classes", to=0),
    "scores without labels": changed("scores", "labels", to=MISSING),
    "scores that are a number": changed("scores", to=1),
    "a sureness that is none": {**TRUE, "confidence_threshold": "very"},
}


@pytest.mark.parametrize("lie", LIES)
def test_a_description_that_lies_is_a_wrong_answer(lie):
    with pytest.raises(WrongAnswer) as caught:
        read(LIES[lie])
    sentence = str(caught.value)
    assert sentence.startswith("cats does not describe itself as a page understands it: ")
    assert sentence.endswith("Export it again with this version of the project.")


def test_there_is_no_such_layer():
    told = read(TRUE)
    assert told.find_layer(1) is told.layers[1]
    for index in (3, -1, True, "1", None, 1.0, 2**70):
        with pytest.raises(RequestError, match="cats has no layer"):
            told.find_layer(index)


def answers_of(outputs: dict[str, np.ndarray], description: object = TRUE) -> OtherServer:
    """A server of a model that describes itself so, and answers `look` with some outputs."""
    if description is MISSING:
        described = {"something": np.zeros(1, np.float32)}
    else:
        text = description if isinstance(description, bytes) else json.dumps(description)
        described = {"descriptions": np.array([text], object)}

    def answer(request, context) -> PredictResponse:
        response = PredictResponse()
        response.model_spec.version.value = 1
        told = described if request.model_spec.signature_name == "describe" else outputs
        for name, array in told.items():
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
LOOKED = {"maps": LEVELS, "ranges": RANGES, "scores": SCORES, "probabilities": SCORES}


def look(outputs: dict[str, np.ndarray], description: object = TRUE):
    with answers_of(outputs, description) as server, Client(server.target, "cats") as client:
        [seen] = ExposedNetwork(client).infer(np.zeros((1, 12, 8, 1), np.uint8), [0, 1, 2])
        return seen


def test_what_is_looked_at_is_taken_apart_by_the_description():
    seen = look(LOOKED)
    assert seen.version == 1
    np.testing.assert_allclose(seen.maps[0].ravel(), np.arange(96))
    levels = np.arange(96, 120).reshape(3, 4, 2)
    np.testing.assert_allclose(seen.maps[1][:, :, 0], levels[:, :, 0] / 255 * 51, rtol=1e-6)
    np.testing.assert_allclose(seen.maps[1][:, :, 1], levels[:, :, 1] / 255 * 2 - 1, atol=1e-6)
    np.testing.assert_allclose(seen.maps[2].ravel(), np.arange(120, 124) / 255, rtol=1e-6)
    np.testing.assert_array_equal(seen.ranges[1], [[0, 51], [-1, 1]])
    np.testing.assert_array_equal(seen.scores, SCORES[0])


@pytest.mark.parametrize(
    "exchanged",
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
def test_an_answer_that_is_other_than_promised_is_a_wrong_answer(exchanged):
    told = {name: one for name, one in {**LOOKED, **exchanged}.items() if one is not None}
    with pytest.raises(WrongAnswer, match="cats answers other than its description promises"):
        look(told)


@pytest.mark.parametrize(
    ("description", "sentence"),
    [
        (MISSING, "answers other than its description promises"),
        (b"\xff\xfe", "does not describe itself"),
        (LIES["fewer labels"], "does not describe itself"),
    ],
)
def test_a_served_description_that_lies_is_a_wrong_answer(description, sentence):
    with pytest.raises(WrongAnswer, match=f"cats {sentence}"):
        look(LOOKED, description)


@pytest.mark.parametrize("outputs", [{}, {"activations": np.zeros((1, 6, 4, 2), np.float32)}])
def test_what_is_asked_besides_is_a_wrong_answer_too(outputs):
    picture = np.zeros((12, 8, 1), np.uint8)
    with answers_of(outputs) as server, Client(server.target, "cats") as client:
        network = ExposedNetwork(client)
        layer = network.description().layers[1]
        for ask in (
            lambda: network.activations(picture, layer, 1),
            lambda: network.parameters(layer, 0, 1),
            lambda: network.explain(picture, None, 1),
        ):
            with pytest.raises(WrongAnswer, match="cats answers other than"):
                ask()
