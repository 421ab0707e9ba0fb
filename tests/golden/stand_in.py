"""The recorded server's model: our signatures with random weights, guarded by shape only.

It shows what the server does with requests that the released model rejects.
"""

from pathlib import Path

import tensorflow as tf

Tensors = dict[str, tf.Tensor]


class StandIn(tf.Module):
    """The layers of the tutorial's network in plain TensorFlow."""

    def __init__(self):
        def variable(*shape: int) -> tf.Variable:
            return tf.Variable(tf.random.stateless_normal(shape, seed=(0, 1), stddev=0.1))

        self.kernel1, self.kernel2 = variable(5, 5, 1, 32), variable(5, 5, 32, 64)
        self.weights1, self.weights2 = variable(3136, 1024), variable(1024, 10)

    def layers(self, images: tf.Tensor) -> Tensors:
        h_conv1 = tf.nn.relu(tf.nn.conv2d(images[..., None], self.kernel1, 1, "SAME") + 0.1)
        h_pool1 = tf.nn.max_pool2d(h_conv1, 2, 2, "SAME")
        h_conv2 = tf.nn.relu(tf.nn.conv2d(h_pool1, self.kernel2, 1, "SAME") + 0.1)
        h_pool2 = tf.nn.max_pool2d(h_conv2, 2, 2, "SAME")
        h_fc1 = tf.nn.relu(tf.reshape(h_pool2, [-1, 3136]) @ self.weights1)
        logits = h_fc1 @ self.weights2
        return {
            "h_conv1": h_conv1,
            "h_pool1": h_pool1,
            "h_conv2": h_conv2,
            "h_pool2": h_pool2,
            "h_fc1": h_fc1,
            "logits": logits,
        }

    @tf.function(input_signature=[tf.TensorSpec([None, 28, 28], tf.float32, "images")])
    def serving_default(self, images: tf.Tensor) -> Tensors:
        answers = self.layers(tf.ensure_shape(images, [None, 28, 28]))
        del answers["h_fc1"]
        return answers

    @tf.function(input_signature=[tf.TensorSpec([None, None, None], tf.uint8, "drawings")])
    def sketch(self, drawings: tf.Tensor) -> Tensors:
        drawings = tf.ensure_shape(drawings, [None, None, None])
        images = tf.image.resize(drawings[..., None], [28, 28])[..., 0] / 255
        answers = self.layers(images)
        return {"images": images, **answers, "probabilities": tf.nn.softmax(answers["logits"])}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "image_bytes")])
    def classify(self, image_bytes: tf.Tensor) -> Tensors:
        def read(file: tf.Tensor) -> tf.Tensor:
            image = tf.io.decode_image(file, channels=1, expand_animations=False)
            return tf.image.resize(image, [28, 28])[..., 0] / 255

        images = tf.map_fn(read, image_bytes, tf.TensorSpec([28, 28], tf.float32))
        probabilities = tf.nn.softmax(self.layers(tf.reshape(images, [-1, 28, 28]))["logits"])
        return {"classes": tf.argmax(probabilities, axis=1), "probabilities": probabilities}


def write_stand_in(version: int, path: Path) -> None:
    """Writes a SavedModel; all versions are identical."""
    model = StandIn()
    signatures = {name: getattr(model, name) for name in ("serving_default", "sketch", "classify")}
    tf.saved_model.save(model, str(path), signatures)
