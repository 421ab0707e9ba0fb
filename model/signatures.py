"""The served contract: three signatures, each the guarded way from one kind of input to answers."""

from collections.abc import Callable
from typing import NamedTuple

import keras
import tensorflow as tf

from model.drawing import to_mnist_form
from model.guards import guard_drawings, guard_files, guard_images
from model.network import SIDE
from model.picture import to_drawing

Tensors = dict[str, tf.Tensor]


class Signature(NamedTuple):
    """A function of one named tensor that answers named tensors."""

    function: Callable[[tf.Tensor], Tensors]
    input: tf.TensorSpec


def build_signatures(layers: keras.Model, temperature: float) -> dict[str, Signature]:
    """All signatures by name.

    Args:
        layers: the network answering with every layer (`network.expose_layers`).
        temperature: of the probabilities, which calibrates them (`calibration`).
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

    def sketch(drawings: tf.Tensor) -> Tensors:
        images = _map(to_mnist_form, guard_drawings(drawings))
        answers = run(images)
        return {
            "images": images,
            **answers,
            "probabilities": tf.nn.softmax(answers["logits"] / temperature),
        }

    def classify(image_bytes: tf.Tensor) -> Tensors:
        images = _map(lambda file: to_mnist_form(to_drawing(file)), guard_files(image_bytes))
        probabilities = tf.nn.softmax(run(images)["logits"] / temperature)
        return {"classes": tf.argmax(probabilities, axis=1), "probabilities": probabilities}

    return {
        "serving_default": Signature(
            serving_default, tf.TensorSpec([None, SIDE, SIDE], tf.float32, "images")
        ),
        "sketch": Signature(sketch, tf.TensorSpec([None, None, None], tf.uint8, "drawings")),
        "classify": Signature(classify, tf.TensorSpec([None], tf.string, "image_bytes")),
    }


def _map(function: Callable[[tf.Tensor], tf.Tensor], items: tf.Tensor) -> tf.Tensor:
    """Each item, of whatever size, as one image: [N, …] -> [N, 28, 28]."""
    form = tf.TensorSpec([SIDE, SIDE], tf.float32)
    images = tf.map_fn(function, items, fn_output_signature=form)
    return tf.reshape(images, [-1, SIDE, SIDE])
