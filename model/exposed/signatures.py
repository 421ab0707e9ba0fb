"""The served contract of any exposed model: the same words for each."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from model.explanation import COPIES, explain
from model.exposed.downsample import downsample
from model.exposed.layers import Layer
from model.exposed.network import Network
from model.exposed.preprocessing import Preprocessing
from model.exposed.thumbnail import MAX_SIDE
from model.guards import (
    guard_anything,
    guard_classes,
    guard_files,
    guard_layers,
    guard_number,
    guard_numbers,
    guard_pictures,
)

Tensors = dict[str, tf.Tensor]
MAX_DESCRIPTIONS = 8  # in a request
MAX_CLASSIFIED = 64  # files in a request
MISSING_TOGETHER = 14  # squares of pixels along a side of a picture, of which an explanation is


class Signature(NamedTuple):
    """A function of named tensors that answers named tensors."""

    function: Callable[..., Tensors]
    inputs: list[tf.TensorSpec]


class Parts(NamedTuple):
    """What signatures are made from.

    Args:
        network: the model.
        preprocessing: how pictures become its input.
        temperature: of the probabilities.
        features: by layer, the picture that drives each of its maps most: uint8 [maps, H, W].
    """

    network: Network
    preprocessing: Preprocessing
    temperature: float = 1.0
    features: Mapping[str, np.ndarray] = {}


def build_signatures(parts: Parts, description: dict) -> dict[str, Signature]:
    """All that make sense for the model, by name.

    Args:
        parts: what they are made from.
        description: what `describe` answers (`describe.py`).
    """
    network, scores = parts.network, parts.network.scores
    built = [_serving_default(network), _preview(parts), _layer(parts)]
    if any(layer.kind.parameters for layer in network.layers):
        built.append(_parameters(parts))
    if scores and scores.are_probable:
        built.append(_classify(parts))
    if scores and is_differentiable(parts):
        built.append(_explain(parts))
    built.append(_describe(description))
    return {signature.function.__name__: signature for signature in built}


def _pictures(parts: Parts) -> tf.TensorSpec:
    return tf.TensorSpec([None, None, None, parts.preprocessing.channels], tf.uint8, "pictures")


def _prepared(parts: Parts, pictures: tf.Tensor) -> tf.Tensor:
    channels = parts.preprocessing.channels
    pictures = guard_pictures(pictures, channels, parts.network.max_batch_size)
    return parts.preprocessing.prepare(pictures)


def _serving_default(network: Network) -> Signature:
    spec = network.inputs
    shape = spec.shape.as_list()[1:]

    def serving_default(inputs: tf.Tensor) -> Tensors:
        answers = network.run(guard_numbers(inputs, spec.name, shape, network.max_batch_size))
        named = zip(network.layers[1:], answers.layers[1:], strict=True)
        return {**{layer.name: tensor for layer, tensor in named}, **answers.outputs}

    return Signature(serving_default, [spec])


def _preview(parts: Parts) -> Signature:
    """What a page paints: some layers of some pictures, small, and the scores."""
    network = parts.network

    def preview(pictures: tf.Tensor, layers: tf.Tensor) -> Tensors:
        wanted = guard_layers(layers, len(network.layers))
        answers = network.run(_prepared(parts, pictures))
        count = tf.shape(pictures)[0]
        nothing = tf.zeros([count, 0], tf.uint8), tf.zeros([count, 0, 2])
        small = [
            # What nobody wants is not computed: that is quicker than to have it and leave it out.
            tf.cond(
                tf.reduce_any(wanted == index),
                lambda tensor=tensor: downsample(tensor),
                lambda: nothing,
            )
            for index, tensor in enumerate(answers.layers)
        ]
        maps, ranges = zip(*small, strict=True)
        answer = {"maps": tf.concat(maps, axis=1), "ranges": tf.concat(ranges, axis=1)}
        if network.scores:
            answer["scores"] = tf.cast(answers.outputs[network.scores.name], tf.float32)
            if network.scores.are_probable:
                answer["probabilities"] = network.scores.probabilities(
                    answers.logits, parts.temperature
                )
        return answer

    return Signature(preview, [_pictures(parts), tf.TensorSpec([None], tf.int32, "layers")])


def _layer(parts: Parts) -> Signature:
    """One layer of some pictures, in full."""
    network = parts.network

    def layer(pictures: tf.Tensor, layer: tf.Tensor) -> Tensors:
        index = guard_number(layer, "layer", len(network.layers))
        answers = network.run(_prepared(parts, pictures))
        count = tf.shape(pictures)[0]
        whole = [
            lambda one=one: tf.reshape(tf.cast(one, tf.float32), [-1]) for one in answers.layers
        ]
        shapes = [one.shape for one in network.layers]
        return {"activations": _choose(index, whole, shapes, tf.float32, count[None])}

    return Signature(layer, [_pictures(parts), tf.TensorSpec([], tf.int32, "layer")])


def _parameters(parts: Parts) -> Signature:
    """What one map of a layer is made with: its kernel, its bias, and what drives it most."""
    layers = parts.network.layers
    maps = [layer.shape[-1] if layer.kind.parameters else 0 for layer in layers]
    features = [parts.features.get(layer.name, np.zeros([0, 0, 0], np.uint8)) for layer in layers]

    def parameters(layer: tf.Tensor, map: tf.Tensor) -> Tensors:
        index = guard_number(layer, "layer", len(layers))
        map = guard_number(map, "map", tf.gather(tf.constant(maps), index))
        made = [lambda layer=layer: _parameters_of(layer, map) for layer in layers]
        shapes = [layer.kind.kernel_shape(layer.operation) for layer in layers]
        sizes = [[math.prod(shape) + 1] for shape in shapes]
        numbers = _choose(index, made, sizes, tf.float32)
        pictures = [
            lambda one=one: (
                tf.reshape(tf.constant(one)[map], [-1]) if one.size else tf.zeros([0], tf.uint8)
            )
            for one in features
        ]
        return {
            "kernel": tf.reshape(numbers[1:], _shape_of(index, shapes)),
            "bias": numbers[0],
            "feature": _choose(index, pictures, [one.shape[1:] for one in features], tf.uint8),
        }

    numbers = [tf.TensorSpec([], tf.int32, name) for name in ("layer", "map")]
    return Signature(parameters, numbers)


def _parameters_of(layer: Layer, map: tf.Tensor) -> tf.Tensor:
    """The bias of a map and behind it its kernel, [size]."""
    if not layer.kind.parameters:
        return tf.zeros([1])
    kernel, bias = layer.kind.parameters(layer.operation, map)
    return tf.concat([bias[None], tf.reshape(kernel, [-1])], axis=0)


def _choose(
    index: tf.Tensor,
    ways: Sequence[Callable[[], tf.Tensor]],
    shapes: Sequence[Sequence[int]],
    dtype: tf.DType,
    before: Sequence[int] | tf.Tensor = (),
) -> tf.Tensor:
    """What one of some ways makes.

    One condition for each instead of one `switch_case` for all, each of whose branches would be
    handed the tensors of all others.

    Args:
        index: int32 [], of the way.
        ways: each makes a tensor [size].
        shapes: the shape that each of these is brought into.
        dtype: of all of them.
        before: sizes that stand before the shape.
    """
    made = [
        tf.cond(index == number, way, lambda: tf.zeros([0], dtype))
        for number, way in enumerate(ways)
    ]
    shape = tf.concat([tf.cast(before, tf.int32), _shape_of(index, shapes)], axis=0)
    return tf.reshape(tf.concat(made, axis=0), shape)


def _shape_of(index: tf.Tensor, shapes: Sequence[Sequence[int]]) -> tf.Tensor:
    """int32 [rank]"""
    longest = max(map(len, shapes))
    filled = np.array([[*shape, *[-1] * (longest - len(shape))] for shape in shapes], np.int32)
    row = tf.gather(tf.constant(filled.reshape(len(shapes), longest)), index)
    return tf.boolean_mask(row, row >= 0)


def _classify(parts: Parts) -> Signature:
    """Picture files in, classes and their probabilities out."""
    network, preprocessing = parts.network, parts.preprocessing
    most = min(MAX_CLASSIFIED, network.max_batch_size * len(network.layers))

    def classify(image_bytes: tf.Tensor) -> Tensors:
        files = guard_files(image_bytes, most)
        inputs = tf.map_fn(
            lambda file: preprocessing.prepare(preprocessing.unpack(file)[None])[0],
            files,
            fn_output_signature=tf.TensorSpec(preprocessing.shape, preprocessing.dtype),
        )
        inputs = tf.reshape(inputs, [-1, *preprocessing.shape])
        logits = network.run_output(inputs).logits
        probabilities = network.scores.probabilities(logits, parts.temperature)
        classes = tf.argmax(probabilities, axis=1)
        if network.scores.classes == 1:
            classes = tf.cast(probabilities[:, 0] > 0.5, tf.int64)
        return {"classes": classes, "probabilities": probabilities}

    return Signature(classify, [tf.TensorSpec([None], tf.string, "image_bytes")])


def _explain(parts: Parts) -> Signature:
    """What each pixel speaks for, and how much."""
    network, preprocessing = parts.network, parts.preprocessing
    block = -(-max(preprocessing.shape[:2]) // MAX_SIDE)
    rests = [-side % block for side in preprocessing.shape[:2]]
    edges = [[0, 0], *[[rest // 2, rest - rest // 2] for rest in rests], [0, 0]]

    def explanation(pictures: tf.Tensor, classes: tf.Tensor) -> Tensors:
        pictures = guard_pictures(pictures, preprocessing.channels, _most_explained(network))
        classes = guard_classes(classes, pictures, network.scores.classes)
        inputs = preprocessing.prepare(pictures)
        likeliest = tf.argmax(network.run_output(inputs).logits, axis=1)
        classes = tf.where(classes < 0, likeliest, classes)
        contributions = tf.reduce_sum(
            explain_inputs(parts, inputs, classes), axis=3, keepdims=True
        )  # [N, height, width, 1]
        if block > 1:
            contributions = tf.pad(contributions, edges)  # so that each is counted once
            contributions = tf.nn.avg_pool2d(contributions, block, block, "VALID") * block**2
        return {
            "classes": classes,
            "contributions": contributions[..., 0],
            "fields": preprocessing.find_fields(pictures),
        }

    explanation.__name__ = "explain"
    return Signature(explanation, [_pictures(parts), tf.TensorSpec([None], tf.int64, "classes")])


def explain_inputs(parts: Parts, inputs: tf.Tensor, classes: tf.Tensor) -> tf.Tensor:
    """What the numbers of prepared inputs contribute: float32 [N, height, width, channels]."""
    network, preprocessing = parts.network, parts.preprocessing
    height, width, channels = (*preprocessing.shape, 1)[:3]
    images = tf.reshape(tf.cast(inputs, tf.float32), [-1, height, width, channels])

    def logits_of(copies: tf.Tensor) -> tf.Tensor:
        values = tf.cast(tf.reshape(copies, [-1, *preprocessing.shape]), preprocessing.dtype)
        return network.run_output(values).logits

    if preprocessing.kind == "drawing":
        blank, cell = preprocessing.pixels[0], 1
    else:
        blank, cell = tf.reduce_mean(images, [1, 2], keepdims=True), -(-width // MISSING_TOGETHER)
    together = max(n for n in (1, 2, 4, 8, COPIES) if n <= max(1, network.max_batch_size))
    return explain(logits_of, images, classes, blank=blank, cell=cell, together=together)


def is_differentiable(parts: Parts) -> bool:
    """Whether an explanation can be computed at all."""
    if not parts.preprocessing.dtype.is_floating:
        return False
    shape = [1, *parts.preprocessing.shape]

    @tf.function
    def attempt() -> tf.Tensor:
        inputs = tf.zeros(shape, parts.preprocessing.dtype)
        return explain_inputs(parts, inputs, tf.zeros([1], tf.int64))

    try:
        attempt.get_concrete_function()
    except (LookupError, ValueError, TypeError, AttributeError):  # of operations without gradients
        return False
    return True


def _most_explained(network: Network) -> int:
    return max(1, min(64, network.max_batch_size // 4))


def _describe(description: dict) -> Signature:
    """The description, for each number that is sent: REST has no empty requests."""
    text = json.dumps(description, ensure_ascii=False)

    def describe(anything: tf.Tensor) -> Tensors:
        anything = guard_anything(anything, MAX_DESCRIPTIONS)
        return {"descriptions": tf.fill(tf.shape(anything), text)}

    return Signature(describe, [tf.TensorSpec([None], tf.int32, "anything")])
