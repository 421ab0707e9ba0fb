"""MNIST's own signatures: guarded functions from images, drawings or files to named tensors."""

import tensorflow as tf

from model.drawing import find_field
from model.exposed.signatures import ExposedModel, Signature, Tensors, build_classify
from model.guards import (
    MAX_EXPLAINED,
    MAX_ITEMS,
    guard_digits,
    guard_drawings,
    guard_images,
    guard_units,
)
from model.network import SIDE


def build_signatures(model: ExposedModel) -> dict[str, Signature]:
    """Returns the signatures by name."""
    network, preprocessing = model.network, model.preprocessing

    def run(images: tf.Tensor) -> Tensors:
        layers = zip(network.layers, network.run(images).layers, strict=True)
        return {layer.name: tensor for layer, tensor in layers if layer.operation}

    def serving_default(images: tf.Tensor) -> Tensors:
        layers = run(guard_images(images))
        return {name: tensor for name, tensor in layers.items() if name != "h_fc1"}

    def sketch(drawings: tf.Tensor) -> Tensors:
        images = preprocessing.prepare(guard_drawings(drawings)[..., None])
        layers = run(images)
        probabilities = network.scores.probabilities(layers["logits"], model.temperature)
        return {"images": images, **layers, "probabilities": probabilities}

    def explain(drawings: tf.Tensor, digits: tf.Tensor) -> Tensors:
        drawings = guard_drawings(drawings, MAX_EXPLAINED)
        digits = guard_digits(digits, drawings)
        images = preprocessing.prepare(drawings[..., None])
        predicted = tf.argmax(network.run_output(images).logits, axis=1)
        digits = tf.where(digits < 0, predicted, digits)
        fields = tf.map_fn(find_field, drawings, fn_output_signature=tf.TensorSpec([3]))
        return {
            "digits": digits,
            "contributions": model.explain(images, digits)[..., 0],
            "fields": tf.reshape(fields, [-1, 3]),
        }

    def weights(units: tf.Tensor) -> Tensors:
        units = guard_units(units)
        layers = {layer.name: layer.operation for layer in network.layers}
        names = ("h_conv1", "h_conv2", "h_fc1", "logits")
        first, second, dense, last = (layers[name] for name in names)
        return {
            "h_conv1_kernel": first.kernel[:, :, 0],
            "h_conv1_bias": tf.identity(first.bias),
            "h_conv2_kernel": tf.identity(second.kernel),
            "h_conv2_bias": tf.identity(second.bias),
            "h_conv2_features": tf.identity(model.features["h_conv2"]),
            "h_fc1_kernel": tf.gather(dense.kernel, units, axis=1),
            "h_fc1_bias": tf.gather(dense.bias, units),
            "logits_kernel": tf.identity(last.kernel),
            "logits_bias": tf.identity(last.bias),
        }

    images = tf.TensorSpec([None, SIDE, SIDE], tf.float32, "images")
    drawings = tf.TensorSpec([None, None, None], tf.uint8, "drawings")
    digits = tf.TensorSpec([None], tf.int64, "digits")
    return {
        "serving_default": Signature(serving_default, [images]),
        "sketch": Signature(sketch, [drawings]),
        "classify": build_classify(model, MAX_ITEMS),
        "explain": Signature(explain, [drawings, digits]),
        "weights": Signature(weights, [tf.TensorSpec([None], tf.int32, "units")]),
    }
