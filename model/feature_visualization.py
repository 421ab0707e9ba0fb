"""What a map of the second convolution likes: the patch of an image that drives its units most.

The patch is found on the network itself, by gradient ascent from grey noise. Left to itself that
ends in a pattern no pen ever made, so the patch is blurred as ink is, and pays for its edges and
its ink. A map of the first convolution needs none of this: its kernel says it.

Source: Olah, Mordvintsev, Schubert, "Feature visualization", Distill, 2017.
"""

from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from PIL import Image

from model.network import build_network
from model.weights import WeightsError, features_path, find_snapshots, load_snapshot

FIELD = 14  # pixels, each way, that a unit of the second convolution sees
FREE_STEPS = 128  # without a price, to see how far a unit can be driven at all
STEPS = 256
RATE = 0.1
BLUR = 0.6  # pixels, standard deviation
PRICE = (
    0.006  # of an edge from paper to ink and of a pixel of ink, as a part of what can be reached
)
PER_ROW = 8  # maps in the picture that is kept


def visualize_features(network: keras.Model) -> np.ndarray:
    """The patch that each map of `h_conv2` likes most.

    Returns:
        uint8 [64, 14, 14], 0 = paper, 255 = ink.
    """
    first, second = network.get_layer("h_conv1"), network.get_layer("h_conv2")
    count = second.filters
    noise = tf.random.stateless_normal([count, FIELD, FIELD, 1], seed=[0, 0], stddev=0.3)
    inner = tf.Variable(noise - 1)
    optimizer = keras.optimizers.Adam(RATE)

    def drive(patches: tf.Tensor) -> tf.Tensor:
        """The one unit of each map that sees all of its patch, before ReLU: [64]."""
        x = tf.nn.relu(tf.nn.conv2d(patches, first.kernel, 1, "VALID") + first.bias)
        x = tf.nn.max_pool2d(x, 2, 2, "VALID")  # [64, 5, 5, 32]
        return tf.einsum("nijc,ijcn->n", x, second.kernel) + second.bias

    @tf.function
    def climb(reachable: tf.Tensor, price: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            patches = _as_ink(inner)
            driven = drive(patches)
            cost = tf.reduce_sum(tf.image.total_variation(patches)) + tf.reduce_sum(patches)
            loss = price * cost - tf.reduce_sum(driven / reachable)
        optimizer.apply(tape.gradient(loss, [inner]), [inner])
        return driven

    for _ in range(FREE_STEPS):
        driven = climb(tf.ones(count), tf.constant(0.0))
    reachable = tf.maximum(driven, 1e-3)
    for _ in range(STEPS):
        climb(reachable, tf.constant(PRICE))
    return np.rint(255 * _as_ink(inner).numpy()[..., 0]).astype(np.uint8)


def write_features(folder: Path) -> None:
    """Adds a picture of what its maps like to every snapshot of a folder."""
    network = build_network()
    for snapshot in find_snapshots(folder).values():
        load_snapshot(network, snapshot)
        save_features(visualize_features(network), features_path(snapshot))


def save_features(patches: np.ndarray, path: Path) -> None:
    """Keeps uint8 [64, 14, 14] as one picture, row by row."""
    grid = patches.reshape(-1, PER_ROW, FIELD, FIELD).swapaxes(1, 2)
    Image.fromarray(grid.reshape(-1, PER_ROW * FIELD)).save(path, optimize=True)


def load_features(path: Path) -> np.ndarray:
    """What `save_features` kept, as it was given.

    Raises:
        WeightsError: the file is no such picture.
    """
    try:
        grid = np.asarray(Image.open(path)).reshape(-1, FIELD, PER_ROW, FIELD)
    except (OSError, ValueError) as error:
        raise WeightsError(f"{path} is no picture of features: {error}. Remove it.") from error
    return grid.swapaxes(1, 2).reshape(-1, FIELD, FIELD)


def _as_ink(inner: tf.Variable) -> tf.Tensor:
    """Free numbers as ink from 0 to 1 without sharp edges."""
    across = np.exp(-(np.arange(-2, 3) ** 2) / (2 * BLUR**2))
    pen = np.outer(across, across) / across.sum() ** 2
    return tf.nn.conv2d(tf.sigmoid(inner), pen[:, :, None, None].astype(np.float32), 1, "SAME")
