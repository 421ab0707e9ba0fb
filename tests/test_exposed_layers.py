"""Layers of exposed models: activations, thumbnails, arithmetic and receptive fields."""

import math
import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from model.exposed.describe import describe
from model.exposed.network import Network
from model.exposed.preprocessing import make_preprocessing
from tests.exposed_zoo import KINDS, Activations, Exposed, build_functional, exposed
from tests.pages import ROOT

pytestmark = pytest.mark.slow
SMALL = [kind for kind in KINDS if kind not in ("large", "linear")]
ACTIVATIONS = {
    "linear": lambda x: x,
    "relu": lambda x: np.maximum(x, 0),
    "tanh": np.tanh,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
}


POOLS = {"max pooling": max, "average pooling": np.mean}


def inputs_of(model: Exposed, pictures: np.ndarray) -> np.ndarray:
    return model.ask("layer", pictures=pictures, layer=0)["activations"]


@pytest.mark.parametrize("kind", SMALL)
def test_served_layers_equal_kerass(kind):
    """Names, order and activations; pass-through layers are left out."""
    model = exposed(kind)
    x = model.inputs(3)
    served, truth = model.serve(x), KINDS[kind].truth(model.model, x)
    assert [layer["name"] for layer in model.layers] == ["input", *truth]
    assert set(served) == {*truth, *model.description["outputs"]}
    for layer in model.layers[1:]:
        np.testing.assert_allclose(served[layer["name"]], truth[layer["name"]], atol=1e-4)
        assert list(served[layer["name"]].shape[1:]) == layer["shape"]


@pytest.mark.parametrize("kind", SMALL)
def test_layer_returns_one_layer_by_number(kind):
    model = exposed(kind)
    pictures = model.pictures(2)
    x = inputs_of(model, pictures)
    answers = {"input": x, **model.serve(x)}
    for index, layer in enumerate(model.layers):
        activations = model.ask("layer", pictures=pictures, layer=index)["activations"]
        assert list(activations.shape) == [2, *layer["shape"]]
        np.testing.assert_allclose(activations, answers[layer["name"]], rtol=1e-4, atol=1e-5)
        empty = model.ask("layer", pictures=pictures[:0], layer=index)["activations"]
        assert list(empty.shape) == [0, *layer["shape"]]


def split(model: Exposed, answer: Activations, requested: list[int]) -> dict[int, np.ndarray]:
    """Splits a preview into layers [N, height, width, maps] with the code of the documentation."""
    text = (ROOT / "docs" / "description.md").read_text()
    namespace = {"np": np}
    exec(re.search(r"```python\n(def split.*?)```", text, re.DOTALL)[1], namespace)
    layers = namespace["split"](model.description, answer, requested)
    sizes = [maps.shape[1:] for maps in layers.values()]
    assert answer["maps"].shape[1] == sum(map(math.prod, sizes))
    assert answer["ranges"].shape[1:] == (sum(maps for _, _, maps in sizes), 2)
    return layers


def averaged(maps: np.ndarray, blocks: list[int]) -> np.ndarray:
    """Returns the mean of each block of [height, width]; the last blocks end at the border."""
    for axis, block in enumerate(blocks):
        length = maps.shape[axis]
        pieces = [
            np.take(maps, range(start, min(start + block, length)), axis)
            for start in range(0, length, block)
        ]
        maps = np.stack([piece.mean(axis) for piece in pieces], axis)
    return maps


def check_thumbnail(model: Exposed, index: int, maps: np.ndarray, full: np.ndarray) -> None:
    """Compares the thumbnail of a layer for one picture with all its activations."""
    thumbnail = model.layers[index]["thumbnail"]
    assert maps.size <= 32 * 56**2
    assert maps.shape == (thumbnail["height"], thumbnail["width"], len(thumbnail["maps"]))
    if full.ndim == 1:
        shown = full[np.arange(4096) * len(full) // 4096] if len(full) > 4096 else full
        difference = np.abs(maps.ravel()[: len(shown)] - shown)
        assert difference.max() <= np.ptp(shown) / 255 + 1e-5
        return
    shown = full.reshape(*full.shape[:2], -1)[:, :, thumbnail["maps"]]
    difference = np.abs(maps - averaged(shown, thumbnail["blocks"])).max((0, 1))  # [maps]
    assert (difference <= np.ptp(shown, axis=(0, 1)) / 255 + 1e-5).all()


@pytest.mark.parametrize("kind", [*SMALL, "large"])
def test_thumbnails_equal_the_layers_up_to_quantisation(kind):
    model = exposed(kind)
    pictures, every = model.pictures(2), list(range(len(model.layers)))
    x = inputs_of(model, pictures)
    answers = {"input": x, **KINDS[kind].truth(model.model, x)}
    answer = model.ask("preview", pictures=pictures, layers=every)
    for index, maps in split(model, answer, every).items():
        for item in range(2):
            check_thumbnail(model, index, maps[item], answers[model.layers[index]["name"]][item])
    scores = model.description["scores"]
    truth = answers.get(scores["name"], answers.get("few"))
    np.testing.assert_allclose(answer["scores"], truth, rtol=1e-4, atol=1e-5)
    assert answer["probabilities"].shape == (2, scores["classes"])


def test_large_layers_have_small_thumbnails():
    model = exposed("large")
    forms = {layer["name"]: layer["thumbnail"] for layer in model.layers}
    assert forms["wide"]["maps"] != list(range(len(forms["wide"]["maps"])))
    assert 1 < len(forms["wide"]["maps"]) <= 64
    assert forms["wide"]["blocks"] == [3, 2]
    assert (forms["steps"]["height"], forms["steps"]["width"]) == (44, 3)
    assert (forms["units"]["height"], forms["units"]["width"]) == (64, 64)
    assert len(forms["narrow"]["maps"]) == 64


@pytest.mark.parametrize("requested", [[], [3], [5, 1], [4, 2, 4, 0, 0]])
def test_preview_returns_requested_layers_in_order_without_duplicates(requested):
    model = exposed("functional")
    pictures, every = model.pictures(2, seed=3), list(range(len(model.layers)))
    all_layers = split(model, model.ask("preview", pictures=pictures, layers=every), every)
    answer = model.ask("preview", pictures=pictures, layers=requested)
    returned = split(model, answer, requested)
    assert list(returned) == sorted(set(requested))
    for index, maps in returned.items():
        np.testing.assert_array_equal(maps, all_layers[index])
    assert answer["scores"].shape == (2, 5)


def test_preview_accepts_an_empty_batch():
    model = exposed("functional")
    answer = model.ask("preview", pictures=np.zeros((0, 0, 0, 3)), layers=[1, 2])
    assert [maps.shape for maps in split(model, answer, [1, 2]).values()] == [
        (0, 24, 20, 3),
        (0, 12, 9, 8),
    ]
    assert answer["probabilities"].shape == (0, 5)


def window_of(layer: dict, position: tuple[int, int], source: np.ndarray):
    """Yields the positions in a window, each with the position in the source."""
    window = layer["window"]
    for offset in np.ndindex(*window["size"]):
        row, column = (
            p * stride + o * dilation - pad
            for p, o, stride, dilation, pad in zip(
                position, offset, window["stride"], window["dilation"], window["pad"]
            )
        )
        if 0 <= row < source.shape[0] and 0 <= column < source.shape[1]:
            yield offset, (row, column)


def compute_unit(
    model: Exposed, index: int, map: int, position: tuple[int, int], source: np.ndarray
):
    """Computes a unit before its activation function from its source [height, width, maps]."""
    layer = model.layers[index]
    if layer["kind"] in POOLS:
        return POOLS[layer["kind"]](
            [source[(*inner, map)] for _, inner in window_of(layer, position, source)]
        )
    parameters = model.ask("parameters", layer=index, map=map)
    kernel, bias = parameters["kernel"], parameters["bias"]
    assert parameters["feature"].size == 0
    if layer["kind"] == "dense":
        return source.ravel() @ kernel + bias
    if layer["kind"] == "batch normalisation":
        return source[(*position, map)] * kernel + bias
    window, count = layer["window"], layer["shape"][2]
    if layer["kind"] == "depthwise":
        maps = [map // (count // source.shape[2])]
        kernel = kernel[:, :, None]
    else:
        inputs = source.shape[2] // window["groups"]
        group = map // (count // window["groups"])
        maps = list(range(group * inputs, (group + 1) * inputs))
    assert kernel.shape == (*window["size"], len(maps))
    window = window_of(layer, position, source)
    return sum((source[inner][maps] @ kernel[offset] for offset, inner in window), start=bias)


@pytest.mark.parametrize("kind", ["functional", "sequential", "subclassed", "nested", "shared"])
def test_units_can_be_computed_from_the_parameters(kind):
    model = exposed(kind)
    x = model.inputs(1, seed=5)
    answers = {"input": x.astype(np.float32), **KINDS[kind].truth(model.model, x)}
    random, done = np.random.default_rng(0), set()
    for index, layer in enumerate(model.layers):
        if not layer["window"] and layer["kind"] not in ("dense", "batch normalisation"):
            continue
        *size, count = layer["shape"]
        before = [answers[model.layers[number]["name"]][0] for number in layer["from"]]
        truth = answers[layer["name"]][0]
        if not layer["is_exact"]:
            assert (kind, layer["name"]) == ("subclassed", "dense")  # a mean comes before it
            continue
        [source] = before
        corners = np.zeros(len(size), int), np.array(size, int) - 1
        for position in map(tuple, [*corners, random.integers(size)]):
            units = [compute_unit(model, index, m, position, source) for m in range(count)]
            units = np.array(units)
            if layer["activation"] == "softmax":
                units = np.exp(units) / np.exp(units).sum()
            else:
                units = ACTIVATIONS[layer["activation"]](units)
            np.testing.assert_allclose(units, truth[position], rtol=1e-4, atol=1e-4)
        done.add(layer["name"])
    if kind == "functional":
        windowed = {"strided", "depthwise", "normal", "grouped", "most", "mean", "plain"}
        assert done == {*windowed, "classes"}


def describe_model(model: keras.Model) -> tuple[Network, dict]:
    """Describes a model in this process, without an export."""
    [image] = model.inputs
    inputs = tf.TensorSpec(image.shape, tf.float32, "image")
    network = Network(model, inputs)
    return network, describe("it", network, make_preprocessing(image.shape[1:], tf.float32))


def test_units_depend_exactly_on_their_receptive_fields():
    """By the gradients for several inputs, since ReLU blocks some of them."""
    model = build_functional(60, 52)
    shown = {
        layer["name"]: layer
        for layer in describe_model(model)[1]["layers"]
        if layer["receptive_field"]
    }
    assert list(shown)[1:] == [
        *("scaled", "strided", "depthwise", "normal", "relu6", "grouped"),
        *("sum", "most", "mean", "plain"),
    ]
    del shown["input"]
    x = tf.constant(np.random.default_rng(0).uniform(0, 255, (12, 60, 52, 3)), tf.float32)
    outputs = {name: model.get_layer(name).output for name in shown}
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        answers = keras.Model(model.inputs, outputs)([x])
        units = {
            (name, row, column): tf.reduce_sum(tf.reduce_max(answers[name][:, row, column], axis=1))
            for name, layer in shown.items()
            for row, column in [(0, 0), (layer["shape"][0] // 2, layer["shape"][1] // 3), (-1, -1)]
        }
    for (name, row, column), unit in units.items():
        has_gradient = np.any(tape.gradient(unit, x).numpy() != 0, axis=(0, 3))
        layer = shown[name]
        for axis, position in enumerate((row, column)):
            field = layer["receptive_field"][axis]
            start = position % layer["shape"][axis] * field["stride"] - field["before"]
            pixels = np.flatnonzero(has_gradient.any(axis=1 - axis))
            side = has_gradient.shape[axis]
            assert pixels[0] == max(start, 0), (name, row, column)
            assert pixels[-1] == min(start + field["size"], side) - 1, (name, row, column)


def test_layers_that_depend_on_the_whole_input_have_no_field():
    fields = {layer["name"]: layer["receptive_field"] for layer in exposed("functional").layers}
    assert fields["all"] is None
    assert fields["classes"] is None


def branches(join: layers.Layer) -> keras.Model:
    image = keras.Input((6, 6, 1), name="image")
    convolved = [layers.Conv2D(2, 3, padding="same", name=name)(image) for name in ("a", "b")]
    return keras.Model(image, join(convolved), name="branches")


def test_concatenation_along_rows_is_of_kind_other():
    """Row 6 of the result is row 0 of the second input, which no stride describes."""
    layer = describe_model(branches(layers.Concatenate(axis=1, name="joined")))[1]["layers"][-1]
    assert (layer["kind"], layer["receptive_field"], layer["is_exact"]) == ("other", None, False)
    layer = describe_model(branches(layers.Concatenate(axis=-1, name="joined")))[1]["layers"][-1]
    assert (layer["kind"], layer["is_exact"]) == ("concatenation", True)
    assert layer["receptive_field"]


@pytest.mark.parametrize(
    ("after", "is_exact"),
    [
        (layers.Conv2D(2, 3), True),
        (layers.AveragePooling2D(2), False),  # includes the zeros
        (layers.MaxPooling2D(2), False),  # can choose a zero
        (layers.ReLU(), False),
        (layers.GlobalAveragePooling2D(), False),
    ],
)
def test_layer_after_padding_is_exact_only_if_its_window_includes_the_padding(after, is_exact):
    image = keras.Input((6, 6, 1), name="image")
    x = layers.ZeroPadding2D(((0, 2), (0, 2)))(layers.Conv2D(2, 3, name="conv")(image))
    layer = describe_model(keras.Model(image, after(x)))[1]["layers"][-1]
    assert layer["is_exact"] == is_exact


def test_nested_paddings_add_up():
    image = keras.Input((6, 6, 1), name="image")
    x = layers.ZeroPadding2D(((1, 0), (2, 0)))(layers.ZeroPadding2D(1)(image))
    layer = describe_model(keras.Model(image, layers.Conv2D(2, 3, padding="same")(x)))[1]["layers"][
        1
    ]
    assert layer["window"]["pad"] == [3, 4]
    assert [axis["before"] for axis in layer["receptive_field"]] == [3, 4]


def test_sum_with_a_constant_is_not_exact():
    image = keras.Input((6, 6, 1), name="image")
    conv = layers.Conv2D(2, 3, name="conv")(image)
    described = describe_model(keras.Model(image, (conv + 1.0) * conv))[1]["layers"]
    assert [layer["kind"] for layer in described] == [
        *("input", "convolution", "addition", "multiplication")
    ]
    assert [layer["is_exact"] for layer in described[1:]] == [True, False, True]


def test_pass_through_layers_are_left_out():
    """At inference, augmentation layers return their input tensor."""
    image = keras.Input((6, 6, 1), name="image")
    x = layers.GaussianNoise(0.1)(layers.RandomFlip()(image))
    x = layers.Dropout(0.5)(layers.Conv2D(2, 3, name="conv")(x))
    described = describe_model(keras.Model(image, layers.ReLU(name="relu")(x)))[1]["layers"]
    assert [layer["name"] for layer in described] == ["input", "conv", "relu"]
    assert [layer["from"] for layer in described] == [[], [0], [1]]
    assert all(layer["is_exact"] and layer["receptive_field"] for layer in described[1:])


def test_batch_normalisation_along_rows_is_of_kind_other():
    image = keras.Input((6, 6, 1), name="image")
    network, description = describe_model(
        keras.Model(image, layers.BatchNormalization(axis=1, name="rows")(image))
    )
    assert description["layers"][1]["kind"] == "other"
    assert network.layers[1].kind.parameters is None
