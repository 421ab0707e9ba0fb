"""Feature visualization: the patch that activates each map of the second convolution most.

Gradient ascent from grey noise finds the patch. Without regularisation it ends in patterns that no
pen can draw, so the patch is blurred like ink, and edges and ink are penalised. Maps of the first
convolution do not need this: their kernels show what activates them.

Source: Olah, Mordvintsev, Schubert, "Feature visualization", Distill, 2017.
"""

from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from PIL import Image

from model.network import build_network
from model.weights import WeightsError, features_path, find_snapshots, load_snapshot

FIELD = 14  # pixels, side of the receptive field of the second convolution
FREE_STEPS = 128  # without penalty, to find the highest activation of a unit
STEPS = 256  # with penalty
RATE = 0.1  # of learning
BLUR = 0.6  # pixels, standard deviation
# Of an edge from paper to ink and of a pixel of ink, as a fraction of the highest activation.
PENALTY = 0.006
PER_ROW = 8  # patches in a row of the saved picture


def visualize_features(network: keras.Model) -> np.ndarray:
    """Returns the patch that activates each map of `h_conv2` most.

    Returns:
        uint8 [64, 14, 14], 0 = paper, 255 = ink.
    """
    first, second = network.get_layer("h_conv1"), network.get_layer("h_conv2")
    count = second.filters
    noise = tf.random.stateless_normal([count, FIELD, FIELD, 1], seed=[0, 0], stddev=0.3)
    latent = tf.Variable(noise - 1)
    optimizer = keras.optimizers.Adam(RATE)

    def activate(patches: tf.Tensor) -> tf.Tensor:
        """Returns the unit of each map whose receptive field is its patch, before ReLU: [64]."""
        x = tf.nn.relu(tf.nn.conv2d(patches, first.kernel, 1, "VALID") + first.bias)
        x = tf.nn.max_pool2d(x, 2, 2, "VALID")  # [64, 5, 5, 32]
        return tf.einsum("nijc,ijcn->n", x, second.kernel) + second.bias

    @tf.function
    def step(highest: tf.Tensor, penalty: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            patches = _as_ink(latent)
            activations = activate(patches)
            cost = tf.reduce_sum(tf.image.total_variation(patches)) + tf.reduce_sum(patches)
            loss = penalty * cost - tf.reduce_sum(activations / highest)
        optimizer.apply(tape.gradient(loss, [latent]), [latent])
        return activations

    for _ in range(FREE_STEPS):
        activations = step(tf.ones(count), tf.constant(0.0))
    highest = tf.maximum(activations, 1e-3)
    for _ in range(STEPS):
        step(highest, tf.constant(PENALTY))
    return np.rint(255 * _as_ink(latent).numpy()[..., 0]).astype(np.uint8)


def write_features(folder: Path) -> None:
    """Writes the feature visualizations of every snapshot of a folder."""
    network = build_network()
    for snapshot in find_snapshots(folder).values():
        load_snapshot(network, snapshot)
        save_features(visualize_features(network), features_path(snapshot))


def save_features(patches: np.ndarray, path: Path) -> None:
    """Saves uint8 [64, 14, 14] as one picture, row by row."""
    grid = patches.reshape(-1, PER_ROW, FIELD, FIELD).swapaxes(1, 2)
    Image.fromarray(grid.reshape(-1, PER_ROW * FIELD)).save(path, optimize=True)


def load_features(path: Path) -> np.ndarray:
    """Loads patches uint8 [64, 14, 14] from `save_features`.

    Raises:
        WeightsError: the file is not such a picture.
    """
    try:
        grid = np.asarray(Image.open(path)).reshape(-1, FIELD, PER_ROW, FIELD)
    except (OSError, ValueError) as error:
        raise WeightsError(f"{path} has no feature visualizations: {error}. Remove it.") from error
    return grid.swapaxes(1, 2).reshape(-1, FIELD, FIELD)


def _as_ink(latent: tf.Variable) -> tf.Tensor:
    """Maps unbounded numbers to ink from 0 to 1 without sharp edges."""
    return keras.ops.image.gaussian_blur(tf.sigmoid(latent), (5, 5), (BLUR, BLUR))
