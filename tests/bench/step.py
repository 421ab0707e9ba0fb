"""Where a training step's time goes, layer by layer, and how near it is to the machine's peak."""

from collections.abc import Callable
from time import perf_counter

import numpy as np
import tensorflow as tf

from model.augment import augment
from model.network import SIDE, build_network
from model.training import FusedAdam

BATCH = 128
SIZE = 2048  # of the matrices that the peak is measured with
REPEATS = 15


def measure_peak() -> float:
    """Arithmetic operations a second of a large matrix product."""
    a = tf.random.normal([SIZE, SIZE])
    product = tf.function(lambda: tf.reduce_sum(a @ a))
    return 2 * SIZE**3 / _time(product)


def measure_step() -> list[tuple[str, float, float]]:
    """Name, seconds and arithmetic operations of each part of a step of `BATCH`."""
    network = build_network()
    parts = []
    for layer in network.layers[1:]:
        x = tf.random.normal([BATCH, *layer.input.shape[1:]])
        first = layer.name == "h_conv1"  # nothing is before it that would want a gradient

        @tf.function
        def step(layer=layer, x=x, first=first):
            wanted = [*([] if first else [x]), *(v.value for v in layer.trainable_variables)]
            with tf.GradientTape() as tape:
                tape.watch(x)
                y = layer(x, training=True)
            gradients = tape.gradient(y, wanted, output_gradients=tf.ones_like(y))
            return tf.add_n([tf.reduce_sum(gradient) for gradient in gradients])

        products = sum(
            2 * BATCH * np.prod(layer.output.shape[1:-1], dtype=int) * np.prod(kernel.shape)
            for kernel in layer.trainable_variables
            if len(kernel.shape) > 1
        )
        parts.append((layer.name, _time(step), products * (2 if first else 3)))

    optimizer = FusedAdam()
    variables = network.trainable_variables
    optimizer.build(variables)
    gradients = [tf.ones_like(variable) for variable in variables]

    @tf.function
    def update():
        optimizer.apply(gradients)
        return optimizer.iterations.value

    images = tf.random.uniform([BATCH, SIDE, SIDE])
    parts.append(("Adam", _time(update), 0.0))
    parts.append(("augmentation", _time(tf.function(lambda: augment(images))), 0.0))
    return parts


def _time(run: Callable[[], tf.Tensor]) -> float:
    """The median of some runs, in seconds."""
    times = []
    for _ in range(REPEATS):
        started = perf_counter()
        run().numpy()
        times.append(perf_counter() - started)
    return float(np.median(times))
