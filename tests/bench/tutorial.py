"""The baseline for training: the tutorial's own code, with TensorFlow 1's graph and session.

Source: TensorFlow's tutorial "Deep MNIST for Experts" (TensorFlow 1.x documentation).
"""

from time import perf_counter

import numpy as np
import tensorflow as tf

STEPS = 20_000
BATCH = 50
KEEP = 0.5


class Tutorial:
    """Batches of 50, Adam at 1e-4, dropout 0.5, truncated normal 0.1, bias 0.1, `feed_dict`."""

    def __init__(self, images: np.ndarray, labels: np.ndarray):
        self.images = images.reshape(-1, 784).astype(np.float32) / 255
        self.labels = np.eye(10, dtype=np.float32)[labels]
        self.position = 0  # of the next batch
        v1 = tf.compat.v1
        with tf.Graph().as_default():
            self.x = v1.placeholder(tf.float32, [None, 784])
            self.y_ = v1.placeholder(tf.float32, [None, 10])
            self.keep = v1.placeholder(tf.float32)
            image = tf.reshape(self.x, [-1, 28, 28, 1])
            h_pool1 = _max_pool(tf.nn.relu(_conv(image, _weight(5, 5, 1, 32)) + _bias(32)))
            h_pool2 = _max_pool(tf.nn.relu(_conv(h_pool1, _weight(5, 5, 32, 64)) + _bias(64)))
            flat = tf.reshape(h_pool2, [-1, 7 * 7 * 64])
            h_fc1 = tf.nn.relu(flat @ _weight(7 * 7 * 64, 1024) + _bias(1024))
            y = v1.nn.dropout(h_fc1, rate=1 - self.keep) @ _weight(1024, 10) + _bias(10)
            loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(labels=self.y_, logits=y))
            self.step = v1.train.AdamOptimizer(1e-4).minimize(loss)
            self.session = v1.Session()
            self.session.run(v1.global_variables_initializer())

    def run(self, steps: int) -> list[float]:
        """Trains for more steps and returns the seconds of each."""
        times = []
        for _ in range(steps):
            batch = np.arange(self.position, self.position + BATCH) % len(self.labels)
            self.position += BATCH
            started = perf_counter()
            feed = {self.x: self.images[batch], self.y_: self.labels[batch], self.keep: KEEP}
            self.session.run(self.step, feed)
            times.append(perf_counter() - started)
        return times


def _weight(*shape: int) -> tf.Variable:
    return tf.compat.v1.Variable(tf.random.truncated_normal(shape, stddev=0.1), use_resource=False)


def _bias(size: int) -> tf.Variable:
    return tf.compat.v1.Variable(tf.constant(0.1, shape=[size]), use_resource=False)


def _conv(x: tf.Tensor, w: tf.Tensor) -> tf.Tensor:
    return tf.nn.conv2d(x, w, strides=1, padding="SAME")


def _max_pool(x: tf.Tensor) -> tf.Tensor:
    return tf.nn.max_pool2d(x, 2, 2, "SAME")
