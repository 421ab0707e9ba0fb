"""Every digit is seen a little turned, slanted, scaled, shifted and bent, never twice the same.

An affine map for the whole digit and a slow random displacement for its parts (elastic distortion:
Simard, Steinkraus, Platt, "Best practices for convolutional neural networks applied to visual
document analysis", 2003), in one map with one interpolation, so that nothing is blurred twice.
"""

import tensorflow as tf

from model.network import SIDE

ROTATION = 15.0  # degrees, either way
SHEAR = 0.2  # columns a row, either way: upright or slanted hands
ZOOM = 0.15  # either way, each axis for itself
SHIFT = 2.0  # pixels, either way
BEND = 0.8  # pixels, standard deviation at each knot
KNOTS = 6  # along each side, between which the bend is smooth


def augment(images: tf.Tensor, strength: float = 1.0) -> tf.Tensor:
    """Draws a random map for each image and applies it.

    Args:
        images: float32 [N, 28, 28], 0 = paper, 1 = ink.
        strength: of all the limits above, as a factor.

    Returns:
        The same shape and range.
    """
    count = tf.shape(images)[0]

    def draw(limit: float) -> tf.Tensor:
        return strength * tf.random.uniform([count, 1, 1], -limit, limit)

    angle, shear = draw(ROTATION * 3.14159265 / 180), draw(SHEAR)
    cos, sin = tf.cos(angle), tf.sin(angle)
    y = (tf.range(SIDE, dtype=tf.float32) - (SIDE - 1) / 2)[:, None]  # about the centre
    x = tf.transpose(y)
    bend = tf.random.normal([count, KNOTS, KNOTS, 2], stddev=strength * BEND)
    bend = tf.image.resize(bend, [SIDE, SIDE], "bicubic")  # [N, 28, 28, 2]
    # What an output pixel shows: the input at a place between four pixels.
    columns = (1 + draw(ZOOM)) * (cos * x + (shear * cos - sin) * y) + draw(SHIFT) + bend[..., 0]
    rows = (1 + draw(ZOOM)) * (sin * x + (shear * sin + cos) * y) + draw(SHIFT) + bend[..., 1]
    return _sample(images, rows + (SIDE - 1) / 2, columns + (SIDE - 1) / 2)


def _sample(images: tf.Tensor, rows: tf.Tensor, columns: tf.Tensor) -> tf.Tensor:
    """Each image at places [N, 28, 28] of its own, bilinear; around the images is paper."""
    side = SIDE + 3
    paper = tf.reshape(tf.pad(images, [[0, 0], [1, 2], [1, 2]]), [-1])
    rows = tf.clip_by_value(rows + 1, 0.0, SIDE + 1.0)
    columns = tf.clip_by_value(columns + 1, 0.0, SIDE + 1.0)
    top, left = tf.floor(rows), tf.floor(columns)
    down, right = rows - top, columns - left
    image = tf.range(tf.shape(images)[0])[:, None, None]
    at = (image * side + tf.cast(top, tf.int32)) * side + tf.cast(left, tf.int32)
    upper = (1 - right) * tf.gather(paper, at) + right * tf.gather(paper, at + 1)
    lower = (1 - right) * tf.gather(paper, at + side) + right * tf.gather(paper, at + side + 1)
    return (1 - down) * upper + down * lower
