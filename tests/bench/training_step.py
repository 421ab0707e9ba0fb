"""Profiles a training step layer by layer, and compares it with the machine's peak throughput."""

from collections.abc import Callable
from time import perf_counter

import numpy as np
import tensorflow as tf

from model.augment import augment
from model.network import SIDE, build_network
from model.training import FusedAdam

BATCH = 128
MATRIX_SIDE = 2048  # of the matrix product that measures the peak
REPEATS = 15  # runs, of which the median counts


def measure_peak() -> float:
    """Returns the floating-point operations per second of a large matrix product."""
    a = tf.random.normal([MATRIX_SIDE, MATRIX_SIDE])
    product = tf.function(lambda: tf.reduce_sum(a @ a))
    return 2 * MATRIX_SIDE**3 / _median_seconds(product)


def measure_step() -> list[tuple[str, float, float]]:
    """Returns name, seconds and floating-point operations of each part of a step of `BATCH`."""
    network = build_network()
    parts = []
    for layer in network.layers[1:]:
        x = tf.random.normal([BATCH, *layer.input.shape[1:]])
        is_first = layer.name == "h_conv1"  # its input needs no gradient

        @tf.function
        def step(layer=layer, x=x, is_first=is_first):
            sources = [*([] if is_first else [x]), *(v.value for v in layer.trainable_variables)]
            with tf.GradientTape() as tape:
                tape.watch(x)
                y = layer(x, training=True)
            gradients = tape.gradient(y, sources, output_gradients=tf.ones_like(y))
            return tf.add_n([tf.reduce_sum(gradient) for gradient in gradients])

        operations = sum(  # of the forward pass; each gradient costs as many
            2 * BATCH * np.prod(layer.output.shape[1:-1], dtype=int) * np.prod(kernel.shape)
            for kernel in layer.trainable_variables
            if len(kernel.shape) > 1
        )
        parts.append((layer.name, _median_seconds(step), operations * (2 if is_first else 3)))

    optimizer = FusedAdam()
    variables = network.trainable_variables
    optimizer.build(variables)
    gradients = [tf.ones_like(variable) for variable in variables]

    @tf.function
    def update():
        optimizer.apply(gradients)
        return optimizer.iterations.value

    images = tf.random.uniform([BATCH, SIDE, SIDE])
    parts.append(("Adam", _median_seconds(update), 0.0))
    augmentation = tf.function(lambda: augment(images))
    parts.append(("augmentation", _median_seconds(augmentation), 0.0))
    return parts


def _median_seconds(run: Callable[[], tf.Tensor]) -> float:
    times = []
    for _ in range(REPEATS):
        started = perf_counter()
        run().numpy()
        times.append(perf_counter() - started)
    return float(np.median(times))
