"""The signatures of any exposed model."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from model import explanation
from model.explanation import COPIES
from model.exposed.downsample import downsample
from model.exposed.layers import Layer
from model.exposed.network import Network
from model.exposed.preprocessing import Preprocessing
from model.exposed.thumbnail import MAX_SIDE
from model.guards import (
    MAX_EXPLAINED,
    guard_anything,
    guard_classes,
    guard_files,
    guard_layers,
    guard_number,
    guard_numbers,
    guard_pictures,
)

Tensors = dict[str, tf.Tensor]
MAX_DESCRIPTIONS = 8  # per request
MAX_CLASSIFIED = 64  # files per request
MASK_CELLS = 14  # squares along a picture's width, each masked as a whole by an explanation


class Signature(NamedTuple):
    """A function of named tensors that returns named tensors."""

    function: Callable[..., Tensors]
    inputs: list[tf.TensorSpec]


@dataclass(frozen=True)
class ExposedModel:
    """A network with everything its signatures need.

    Args:
        network: the traced model.
        preprocessing: turns pictures into its input.
        temperature: divides the logits for calibrated probabilities (`calibration`).
        features: feature visualizations by layer name, uint8 [maps, H, W].

    The temperature and the features may be variables, which a SavedModel stores beside its graph.
    """

    network: Network
    preprocessing: Preprocessing
    temperature: float | tf.Variable = 1.0
    features: Mapping[str, np.ndarray | tf.Variable] = field(default_factory=dict)

    @cached_property
    def explain(self) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
        """Function from inputs [N, *shape] and classes int64 [N] to contributions.

        These are float32 [N, height, width, channels]. Signatures share the function's trace.
        """
        inputs = tf.TensorSpec([None, *self.preprocessing.shape], self.preprocessing.dtype)
        classes = tf.TensorSpec([None], tf.int64)
        return tf.function(self._explain, input_signature=[inputs, classes], autograph=False)

    def _explain(self, inputs: tf.Tensor, classes: tf.Tensor) -> tf.Tensor:
        network, preprocessing = self.network, self.preprocessing
        height, width, channels = (*preprocessing.shape, 1)[:3]
        images = tf.reshape(tf.cast(inputs, tf.float32), [-1, height, width, channels])

        def logits_of(copies: tf.Tensor) -> tf.Tensor:
            values = tf.cast(tf.reshape(copies, [-1, *preprocessing.shape]), preprocessing.dtype)
            return network.run_output(values).logits

        if preprocessing.kind == "drawing":
            blank, cell = preprocessing.pixels[0], 1
        else:
            blank = tf.reduce_mean(images, [1, 2], keepdims=True)
            cell = -(-width // MASK_CELLS)
        at_once = max(n for n in (1, 2, 4, 8, COPIES) if n <= max(1, network.max_batch_size))
        return explanation.explain(
            logits_of, images, classes, blank=blank, cell=cell, copies_at_once=at_once
        )


def build_signatures(model: ExposedModel, description: str | tf.Variable) -> dict[str, Signature]:
    """Returns the signatures that apply to the model, by name.

    Args:
        model: the model.
        description: the JSON that the signature `describe` returns (`describe.py`).
    """
    network, scores = model.network, model.network.scores
    built = [_serving_default(network), _preview(model), _layer(model)]
    if any(layer.kind.parameters for layer in network.layers):
        built.append(_parameters(model))
    if scores and scores.are_probable:
        built.append(build_classify(model))
    if scores and is_differentiable(model):
        built.append(_explain(model))
    built.append(_describe(description))
    return {signature.function.__name__: signature for signature in built}


def _pictures(model: ExposedModel) -> tf.TensorSpec:
    return tf.TensorSpec([None, None, None, model.preprocessing.channels], tf.uint8, "pictures")


def _prepare(model: ExposedModel, pictures: tf.Tensor) -> tf.Tensor:
    channels = model.preprocessing.channels
    pictures = guard_pictures(pictures, channels, model.network.max_batch_size)
    return model.preprocessing.prepare(pictures)


def _serving_default(network: Network) -> Signature:
    spec = network.inputs
    shape = spec.shape.as_list()[1:]

    def serving_default(inputs: tf.Tensor) -> Tensors:
        results = network.run(guard_numbers(inputs, spec.name, shape, network.max_batch_size))
        layers = zip(network.layers[1:], results.layers[1:], strict=True)
        return {**{layer.name: tensor for layer, tensor in layers}, **results.outputs}

    return Signature(serving_default, [spec])


def _preview(model: ExposedModel) -> Signature:
    """What a page shows: thumbnails of some layers, and the scores."""
    network = model.network

    def preview(pictures: tf.Tensor, layers: tf.Tensor) -> Tensors:
        layers = guard_layers(layers, len(network.layers))
        results = network.run(_prepare(model, pictures))
        count = tf.shape(pictures)[0]
        nothing = tf.zeros([count, 0], tf.uint8), tf.zeros([count, 0, 2])
        thumbnails = [
            # Faster than downsampling all layers and returning some.
            tf.cond(
                tf.reduce_any(layers == index),
                lambda tensor=tensor: downsample(tensor),
                lambda: nothing,
            )
            for index, tensor in enumerate(results.layers)
        ]
        maps, ranges = zip(*thumbnails, strict=True)
        answer = {"maps": tf.concat(maps, axis=1), "ranges": tf.concat(ranges, axis=1)}
        if network.scores:
            answer["scores"] = tf.cast(results.outputs[network.scores.name], tf.float32)
            if network.scores.are_probable:
                answer["probabilities"] = network.scores.probabilities(
                    results.logits, model.temperature
                )
        return answer

    return Signature(preview, [_pictures(model), tf.TensorSpec([None], tf.int32, "layers")])


def _layer(model: ExposedModel) -> Signature:
    """One layer in full."""
    network = model.network

    def layer(pictures: tf.Tensor, layer: tf.Tensor) -> Tensors:
        index = guard_number(layer, "layer", len(network.layers))
        results = network.run(_prepare(model, pictures))
        count = tf.shape(pictures)[0]
        branches = [
            lambda tensor=tensor: tf.reshape(tf.cast(tensor, tf.float32), [-1])
            for tensor in results.layers
        ]
        shapes = [layer.shape for layer in network.layers]
        return {"activations": _choose(index, branches, shapes, tf.float32, count[None])}

    return Signature(layer, [_pictures(model), tf.TensorSpec([], tf.int32, "layer")])


def _parameters(model: ExposedModel) -> Signature:
    """Kernel, bias and feature visualization of one map."""
    layers = model.network.layers
    maps = [layer.shape[-1] if layer.kind.parameters else 0 for layer in layers]
    found = [model.features.get(layer.name) for layer in layers]
    nothing = np.zeros([0, 0, 0], np.uint8)
    features = [nothing if p is None or p.shape[0] == 0 else p for p in found]

    def parameters(layer: tf.Tensor, map: tf.Tensor) -> Tensors:
        index = guard_number(layer, "layer", len(layers))
        map = guard_number(map, "map", tf.gather(tf.constant(maps), index))
        branches = [lambda layer=layer: _parameters_of(layer, map) for layer in layers]
        shapes = [layer.kind.kernel_shape(layer.operation) for layer in layers]
        sizes = [[math.prod(shape) + 1] for shape in shapes]
        numbers = _choose(index, branches, sizes, tf.float32)
        pictures = [
            lambda patches=patches: (
                tf.reshape(tf.convert_to_tensor(patches)[map], [-1])
                if patches.shape[0]
                else tf.zeros([0], tf.uint8)
            )
            for patches in features
        ]
        return {
            "kernel": tf.reshape(numbers[1:], _shape_of(index, shapes)),
            "bias": numbers[0],
            "feature": _choose(
                index, pictures, [patches.shape[1:] for patches in features], tf.uint8
            ),
        }

    numbers = [tf.TensorSpec([], tf.int32, name) for name in ("layer", "map")]
    return Signature(parameters, numbers)


def _parameters_of(layer: Layer, map: tf.Tensor) -> tf.Tensor:
    """Returns the bias of a map, followed by its kernel: [size]."""
    if not layer.kind.parameters:
        return tf.zeros([1])
    kernel, bias = layer.kind.parameters(layer.operation, map)
    return tf.concat([bias[None], tf.reshape(kernel, [-1])], axis=0)


def _choose(
    index: tf.Tensor,
    branches: Sequence[Callable[[], tf.Tensor]],
    shapes: Sequence[Sequence[int]],
    dtype: tf.DType,
    before: Sequence[int] | tf.Tensor = (),
) -> tf.Tensor:
    """Returns the result of one branch.

    Uses one condition per branch instead of `switch_case`, in which every branch would receive the
    tensors of all others.

    Args:
        index: int32 [], of the branch.
        branches: each returns a tensor [size].
        shapes: of the results.
        dtype: of the results.
        before: dimensions in front of the shape.
    """
    results = [
        tf.cond(index == number, branch, lambda: tf.zeros([0], dtype))
        for number, branch in enumerate(branches)
    ]
    shape = tf.concat([tf.cast(before, tf.int32), _shape_of(index, shapes)], axis=0)
    return tf.reshape(tf.concat(results, axis=0), shape)


def _shape_of(index: tf.Tensor, shapes: Sequence[Sequence[int]]) -> tf.Tensor:
    """Returns the shape at an index: int32 [rank]."""
    rank = max(map(len, shapes))
    padded = np.array([[*shape, *[-1] * (rank - len(shape))] for shape in shapes], np.int32)
    row = tf.gather(tf.constant(padded.reshape(len(shapes), rank)), index)
    return tf.boolean_mask(row, row >= 0)


def build_classify(model: ExposedModel, maximum: int = MAX_CLASSIFIED) -> Signature:
    """Builds `classify`, from at most `maximum` picture files to classes and probabilities."""
    network, preprocessing = model.network, model.preprocessing
    maximum = min(maximum, network.max_batch_size * len(network.layers))

    def classify(image_bytes: tf.Tensor) -> Tensors:
        files = guard_files(image_bytes, maximum)
        inputs = tf.map_fn(
            lambda file: preprocessing.prepare(preprocessing.unpack(file)[None])[0],
            files,
            fn_output_signature=tf.TensorSpec(preprocessing.shape, preprocessing.dtype),
        )
        inputs = tf.reshape(inputs, [-1, *preprocessing.shape])
        logits = network.run_output(inputs).logits
        probabilities = network.scores.probabilities(logits, model.temperature)
        classes = tf.argmax(probabilities, axis=1)
        if network.scores.classes == 1:
            classes = tf.cast(probabilities[:, 0] > 0.5, tf.int64)
        return {"classes": classes, "probabilities": probabilities}

    return Signature(classify, [tf.TensorSpec([None], tf.string, "image_bytes")])


def _explain(model: ExposedModel) -> Signature:
    """Contributions of the pixels to a class."""
    network, preprocessing = model.network, model.preprocessing
    maximum = max(1, min(MAX_EXPLAINED, network.max_batch_size // 4))
    block = -(-max(preprocessing.shape[:2]) // MAX_SIDE)
    missing = [-side % block for side in preprocessing.shape[:2]]
    pads = [[0, 0], *[[size // 2, size - size // 2] for size in missing], [0, 0]]

    def explain(pictures: tf.Tensor, classes: tf.Tensor) -> Tensors:
        pictures = guard_pictures(pictures, preprocessing.channels, maximum)
        classes = guard_classes(classes, pictures, network.scores.classes)
        inputs = preprocessing.prepare(pictures)
        predicted = tf.argmax(network.run_output(inputs).logits, axis=1)
        classes = tf.where(classes < 0, predicted, classes)
        contributions = model.explain(inputs, classes)
        contributions = tf.reduce_sum(contributions, axis=3, keepdims=True)
        if block > 1:
            contributions = tf.pad(contributions, pads)
            contributions = tf.nn.avg_pool2d(contributions, block, block, "VALID") * block**2
        return {
            "classes": classes,
            "contributions": contributions[..., 0],
            "fields": preprocessing.find_fields(pictures),
        }

    return Signature(explain, [_pictures(model), tf.TensorSpec([None], tf.int64, "classes")])


def is_differentiable(model: ExposedModel) -> bool:
    """Returns whether the model has gradients, which explanations need."""
    if not model.preprocessing.dtype.is_floating:
        return False
    try:
        model.explain.get_concrete_function()
    except (LookupError, ValueError, TypeError, AttributeError):  # an operation has no gradient
        return False
    return True


def _describe(description: str | tf.Variable) -> Signature:
    """The description, once per number sent: REST has no empty requests."""

    def describe(anything: tf.Tensor) -> Tensors:
        anything = guard_anything(anything, MAX_DESCRIPTIONS)
        return {"descriptions": tf.fill(tf.shape(anything), description)}

    return Signature(describe, [tf.TensorSpec([None], tf.int32, "anything")])
