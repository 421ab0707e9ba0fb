"""The served contract: signatures, each the guarded way from one kind of input to answers."""

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from model.drawing import find_field, to_mnist_form
from model.explanation import explain
from model.exposed.signatures import Signature, Tensors
from model.guards import (
    MAX_EXPLAINED,
    guard_digits,
    guard_drawings,
    guard_files,
    guard_images,
    guard_units,
)
from model.network import SIDE
from model.picture import to_drawing


def build_signatures(
    layers: keras.Model, temperature: float, features: np.ndarray
) -> dict[str, Signature]:
    """All signatures by name.

    Args:
        layers: the network answering with every layer (`network.expose_layers`).
        temperature: of the probabilities, which calibrates them (`calibration`).
        features: what the maps of `h_conv2` like (`feature_visualization`).
    """

    def run(images: tf.Tensor) -> Tensors:
        count = tf.shape(images)[0]
        # oneDNN's fused convolution refuses an empty batch, so it gets a blank image to chew on.
        filled = tf.pad(images, [[0, tf.cast(count == 0, tf.int32)], [0, 0], [0, 0]])
        answers = layers(filled, training=False)
        return {name: tensor[:count] for name, tensor in answers.items()}

    def serving_default(images: tf.Tensor) -> Tensors:
        answers = run(guard_images(images))
        return {name: tensor for name, tensor in answers.items() if name != "h_fc1"}

    def prepare(drawings: tf.Tensor) -> tf.Tensor:
        return _map(to_mnist_form, drawings, [SIDE, SIDE])

    def sketch(drawings: tf.Tensor) -> Tensors:
        images = prepare(guard_drawings(drawings))
        answers = run(images)
        return {
            "images": images,
            **answers,
            "probabilities": tf.nn.softmax(answers["logits"] / temperature),
        }

    def classify(image_bytes: tf.Tensor) -> Tensors:
        files = guard_files(image_bytes)
        images = _map(lambda file: to_mnist_form(to_drawing(file)), files, [SIDE, SIDE])
        probabilities = tf.nn.softmax(run(images)["logits"] / temperature)
        return {"classes": tf.argmax(probabilities, axis=1), "probabilities": probabilities}

    def explanation(drawings: tf.Tensor, digits: tf.Tensor) -> Tensors:
        drawings = guard_drawings(drawings, MAX_EXPLAINED)
        digits = guard_digits(digits, drawings)
        images = prepare(drawings)
        read = tf.argmax(run(images)["logits"], axis=1)
        digits = tf.where(digits < 0, read, digits)
        return {
            "digits": digits,
            "contributions": explain(lambda copies: run(copies)["logits"], images, digits),
            "fields": _map(find_field, drawings, [3]),
        }

    def weights(units: tf.Tensor) -> Tensors:
        units = guard_units(units)
        first, second, dense, last = (
            layers.get_layer(name) for name in ("h_conv1", "h_conv2", "h_fc1", "logits")
        )
        return {
            "h_conv1_kernel": first.kernel[:, :, 0],
            "h_conv1_bias": tf.identity(first.bias),
            "h_conv2_kernel": tf.identity(second.kernel),
            "h_conv2_bias": tf.identity(second.bias),
            "h_conv2_features": tf.constant(features),
            "h_fc1_kernel": tf.gather(dense.kernel, units, axis=1),
            "h_fc1_bias": tf.gather(dense.bias, units),
            "logits_kernel": tf.identity(last.kernel),
            "logits_bias": tf.identity(last.bias),
        }

    drawings = tf.TensorSpec([None, None, None], tf.uint8, "drawings")
    return {
        "serving_default": Signature(
            serving_default, [tf.TensorSpec([None, SIDE, SIDE], tf.float32, "images")]
        ),
        "sketch": Signature(sketch, [drawings]),
        "classify": Signature(classify, [tf.TensorSpec([None], tf.string, "image_bytes")]),
        "explain": Signature(explanation, [drawings, tf.TensorSpec([None], tf.int64, "digits")]),
        "weights": Signature(weights, [tf.TensorSpec([None], tf.int32, "units")]),
    }


def _map(
    function: Callable[[tf.Tensor], tf.Tensor], items: tf.Tensor, shape: list[int]
) -> tf.Tensor:
    """The function of each item, of whatever size: [N, …] -> [N, *shape]."""
    form = tf.TensorSpec(shape, tf.float32)
    return tf.reshape(tf.map_fn(function, items, fn_output_signature=form), [-1, *shape])
