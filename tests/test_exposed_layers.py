"""Layers of exposed models, number by number: in full, small, by hand, and what they see."""

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
def test_every_layer_answers_what_keras_says(kind):
    """Names, order and numbers; what only passes on is left out."""
    model = exposed(kind)
    x = model.inputs(3)
    served, truth = model.serve(x), KINDS[kind].truth(model.model, x)
    assert [layer["name"] for layer in model.layers] == ["input", *truth]
    assert set(served) == {*truth, *model.description["outputs"]}
    for layer in model.layers[1:]:
        np.testing.assert_allclose(served[layer["name"]], truth[layer["name"]], atol=1e-4)
        assert list(served[layer["name"]].shape[1:]) == layer["shape"]


@pytest.mark.parametrize("kind", SMALL)
def test_a_layer_is_asked_for_by_its_number(kind):
    model = exposed(kind)
    pictures = model.pictures(2)
    x = inputs_of(model, pictures)
    answers = {"input": x, **model.serve(x)}
    for index, layer in enumerate(model.layers):
        one = model.ask("layer", pictures=pictures, layer=index)["activations"]
        assert list(one.shape) == [2, *layer["shape"]]
        np.testing.assert_allclose(one, answers[layer["name"]], rtol=1e-4, atol=1e-5)
        empty = model.ask("layer", pictures=pictures[:0], layer=index)["activations"]
        assert list(empty.shape) == [0, *layer["shape"]]


def split(model: Exposed, answer: Activations, asked: list[int]) -> dict[int, np.ndarray]:
    """By layer, [N, height, width, maps], with the very code that is told to others."""
    text = (ROOT / "docs" / "description.md").read_text()
    names = {"np": np}
    exec(re.search(r"```python\n(def split.*?)```", text, re.DOTALL)[1], names)
    found = names["split"](model.description, answer, asked)
    sizes = [seen.shape[1:] for seen in found.values()]
    assert answer["maps"].shape[1] == sum(map(math.prod, sizes))
    assert answer["ranges"].shape[1:] == (sum(maps for _, _, maps in sizes), 2)
    return found


def averaged(maps: np.ndarray, blocks: list[int]) -> np.ndarray:
    """The mean of each block of [height, width]; the last ones end at the edge."""
    for axis, block in enumerate(blocks):
        length = maps.shape[axis]
        pieces = [
            np.take(maps, range(start, min(start + block, length)), axis)
            for start in range(0, length, block)
        ]
        maps = np.stack([piece.mean(axis) for piece in pieces], axis)
    return maps


def check_small(model: Exposed, index: int, seen: np.ndarray, full: np.ndarray) -> None:
    """One item: what is seen of a layer against all of its activations."""
    layer = model.layers[index]
    small = layer["thumbnail"]
    assert seen.size <= 32 * 56**2
    assert seen.shape == (small["height"], small["width"], len(small["maps"]))
    if full.ndim == 1:
        shown = full[np.arange(4096) * len(full) // 4096] if len(full) > 4096 else full
        difference = np.abs(seen.ravel()[: len(shown)] - shown)
        assert difference.max() <= np.ptp(shown) / 255 + 1e-5
        return
    maps = full.reshape(*full.shape[:2], -1)[:, :, small["maps"]]
    difference = np.abs(seen - averaged(maps, small["blocks"])).max((0, 1))  # [maps]
    assert (difference <= np.ptp(maps, axis=(0, 1)) / 255 + 1e-5).all()


@pytest.mark.parametrize("kind", [*SMALL, "large"])
def test_what_is_looked_at_is_the_layer_but_for_a_255th(kind):
    model = exposed(kind)
    pictures, every = model.pictures(2), list(range(len(model.layers)))
    x = inputs_of(model, pictures)
    answers = {"input": x, **KINDS[kind].truth(model.model, x)}
    answer = model.ask("preview", pictures=pictures, layers=every)
    for index, seen in split(model, answer, every).items():
        for item in range(2):
            check_small(model, index, seen[item], answers[model.layers[index]["name"]][item])
    scores = model.description["scores"]
    truth = answers.get(scores["name"], answers.get("few"))
    np.testing.assert_allclose(answer["scores"], truth, rtol=1e-4, atol=1e-5)
    assert answer["probabilities"].shape == (2, scores["classes"])


def test_what_is_large_is_made_small():
    model = exposed("large")
    small = {layer["name"]: layer["thumbnail"] for layer in model.layers}
    assert small["wide"]["maps"] != list(range(len(small["wide"]["maps"])))
    assert 1 < len(small["wide"]["maps"]) <= 64
    assert small["wide"]["blocks"] == [3, 2]
    assert (small["steps"]["height"], small["steps"]["width"]) == (44, 3)
    assert (small["units"]["height"], small["units"]["width"]) == (64, 64)
    assert len(small["narrow"]["maps"]) == 64


@pytest.mark.parametrize("asked", [[], [3], [5, 1], [4, 2, 4, 0, 0]])
def test_layers_are_answered_in_their_own_order_and_each_once(asked):
    model = exposed("functional")
    pictures, every = model.pictures(2, seed=3), list(range(len(model.layers)))
    all_of_them = split(model, model.ask("preview", pictures=pictures, layers=every), every)
    answer = model.ask("preview", pictures=pictures, layers=asked)
    some = split(model, answer, asked)
    assert list(some) == sorted(set(asked))
    for index, seen in some.items():
        np.testing.assert_array_equal(seen, all_of_them[index])
    assert answer["scores"].shape == (2, 5)


def test_an_empty_batch_is_looked_at():
    model = exposed("functional")
    answer = model.ask("preview", pictures=np.zeros((0, 0, 0, 3)), layers=[1, 2])
    assert [seen.shape for seen in split(model, answer, [1, 2]).values()] == [
        (0, 24, 20, 3),
        (0, 12, 9, 8),
    ]
    assert answer["probabilities"].shape == (0, 5)


def looked_at(layer: dict, place: tuple[int, int], source: np.ndarray):
    """Places in the window, each with the place in the source that lies there."""
    window = layer["window"]
    for offset in np.ndindex(*window["size"]):
        row, column = (
            p * stride + o * dilation - pad
            for p, o, stride, dilation, pad in zip(
                place, offset, window["stride"], window["dilation"], window["pad"]
            )
        )
        if 0 <= row < source.shape[0] and 0 <= column < source.shape[1]:
            yield offset, (row, column)


def by_hand(model: Exposed, index: int, map: int, place: tuple[int, int], source: np.ndarray):
    """A unit before its activation, from what its source answers: [height, width, maps]."""
    layer = model.layers[index]
    if layer["kind"] in POOLS:
        return POOLS[layer["kind"]](
            [source[(*at, map)] for _, at in looked_at(layer, place, source)]
        )
    told = model.ask("parameters", layer=index, map=map)
    kernel, bias = told["kernel"], told["bias"]
    assert told["feature"].size == 0
    if layer["kind"] == "dense":
        return source.ravel() @ kernel + bias
    if layer["kind"] == "batch normalisation":
        return source[(*place, map)] * kernel + bias
    window, count = layer["window"], layer["shape"][2]
    if layer["kind"] == "depthwise":
        maps = [map // (count // source.shape[2])]
        kernel = kernel[:, :, None]
    else:
        inputs = source.shape[2] // window["groups"]
        group = map // (count // window["groups"])
        maps = list(range(group * inputs, (group + 1) * inputs))
    assert kernel.shape == (*window["size"], len(maps))
    products = (source[at][maps] @ kernel[of] for of, at in looked_at(layer, place, source))
    return sum(products, start=bias)


@pytest.mark.parametrize("kind", ["functional", "sequential", "subclassed", "nested", "shared"])
def test_a_unit_can_be_computed_by_hand(kind):
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
            assert (kind, layer["name"]) == ("subclassed", "dense")  # a mean lies between
            continue
        [source] = before
        corners = np.zeros(len(size), int), np.array(size, int) - 1
        for place in map(tuple, [*corners, random.integers(size)]):
            units = np.array([by_hand(model, index, m, place, source) for m in range(count)])
            if layer["activation"] == "softmax":
                units = np.exp(units) / np.exp(units).sum()
            else:
                units = ACTIVATIONS[layer["activation"]](units)
            np.testing.assert_allclose(units, truth[place], rtol=1e-4, atol=1e-4)
        done.add(layer["name"])
    if kind == "functional":
        windowed = {"strided", "depthwise", "normal", "grouped", "most", "mean", "plain"}
        assert done == {*windowed, "classes"}


def described(model: keras.Model) -> tuple[Network, dict]:
    """In this process, without an export."""
    [image] = model.inputs
    inputs = tf.TensorSpec(image.shape, tf.float32, "image")
    network = Network(model, inputs)
    return network, describe("it", network, make_preprocessing(image.shape[1:], tf.float32))


def test_a_unit_sees_its_field_and_nothing_else():
    """The pixels that change a unit, by the gradients of some inputs, whichever units are on."""
    model = build_functional(60, 52)
    shown = {
        layer["name"]: layer for layer in described(model)[1]["layers"] if layer["receptive_field"]
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
        sees = np.any(tape.gradient(unit, x).numpy() != 0, axis=(0, 3))
        layer = shown[name]
        for axis, place in enumerate((row, column)):
            field = layer["receptive_field"][axis]
            start = place % layer["shape"][axis] * field["stride"] - field["before"]
            seen = np.flatnonzero(sees.any(axis=1 - axis))
            side = sees.shape[axis]
            assert seen[0] == max(start, 0), (name, row, column)
            assert seen[-1] == min(start + field["size"], side) - 1, (name, row, column)


def test_what_sees_all_of_the_input_has_no_field():
    fields = {layer["name"]: layer["receptive_field"] for layer in exposed("functional").layers}
    assert fields["all"] is None
    assert fields["classes"] is None


def branches(join: layers.Layer) -> keras.Model:
    image = keras.Input((6, 6, 1), name="image")
    one, other = (layers.Conv2D(2, 3, padding="same", name=name)(image) for name in ("a", "b"))
    return keras.Model(image, join([one, other]), name="branches")


def test_joining_along_rows_is_no_joining_of_maps():
    """Row 6 of the joined is row 0 of the second: no field with one stride says so."""
    layer = described(branches(layers.Concatenate(axis=1, name="joined")))[1]["layers"][-1]
    assert (layer["kind"], layer["receptive_field"], layer["is_exact"]) == ("other", None, False)
    layer = described(branches(layers.Concatenate(axis=-1, name="joined")))[1]["layers"][-1]
    assert (layer["kind"], layer["is_exact"]) == ("concatenation", True)
    assert layer["receptive_field"]


@pytest.mark.parametrize(
    ("after", "is_exact"),
    [
        (layers.Conv2D(2, 3), True),
        (layers.AveragePooling2D(2), False),  # which counts the zeros
        (layers.MaxPooling2D(2), False),  # which can choose a zero
        (layers.ReLU(), False),
        (layers.GlobalAveragePooling2D(), False),
    ],
)
def test_what_takes_zeros_besides_its_source_is_exact_only_where_the_window_says_so(
    after, is_exact
):
    image = keras.Input((6, 6, 1), name="image")
    x = layers.ZeroPadding2D(((0, 2), (0, 2)))(layers.Conv2D(2, 3, name="conv")(image))
    layer = described(keras.Model(image, after(x)))[1]["layers"][-1]
    assert layer["is_exact"] == is_exact


def test_zeros_around_zeros_add_up():
    image = keras.Input((6, 6, 1), name="image")
    x = layers.ZeroPadding2D(((1, 0), (2, 0)))(layers.ZeroPadding2D(1)(image))
    layer = described(keras.Model(image, layers.Conv2D(2, 3, padding="same")(x)))[1]["layers"][1]
    assert layer["window"]["pad"] == [3, 4]
    assert [axis["before"] for axis in layer["receptive_field"]] == [3, 4]


def test_a_sum_with_a_number_is_not_the_sum_of_its_sources():
    image = keras.Input((6, 6, 1), name="image")
    conv = layers.Conv2D(2, 3, name="conv")(image)
    told = described(keras.Model(image, (conv + 1.0) * conv))[1]["layers"]
    assert [layer["kind"] for layer in told] == [
        *("input", "convolution", "addition", "multiplication")
    ]
    assert [layer["is_exact"] for layer in told[1:]] == [True, False, True]


def test_what_hands_on_its_input_as_it_is_adds_no_layer():
    """At inference layers that augment answer the very tensor that they get."""
    image = keras.Input((6, 6, 1), name="image")
    x = layers.GaussianNoise(0.1)(layers.RandomFlip()(image))
    x = layers.Dropout(0.5)(layers.Conv2D(2, 3, name="conv")(x))
    told = described(keras.Model(image, layers.ReLU(name="relu")(x)))[1]["layers"]
    assert [layer["name"] for layer in told] == ["input", "conv", "relu"]
    assert [layer["from"] for layer in told] == [[], [0], [1]]
    assert all(layer["is_exact"] and layer["receptive_field"] for layer in told[1:])


def test_normalising_along_rows_is_not_taken_for_normalising_maps():
    image = keras.Input((6, 6, 1), name="image")
    network, description = described(
        keras.Model(image, layers.BatchNormalization(axis=1, name="rows")(image))
    )
    assert description["layers"][1]["kind"] == "other"
    assert network.layers[1].kind.parameters is None
