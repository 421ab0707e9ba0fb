"""Random rotation, shear, zoom, shift and elastic distortion of training digits.

An affine transform of the whole digit and a smooth random displacement of its parts (Simard,
Steinkraus, Platt, "Best practices for convolutional neural networks applied to visual document
analysis", 2003) are combined and interpolated once, so that no digit is blurred twice.
"""

import tensorflow as tf

from model.network import SIDE

ROTATION = 15.0  # degrees, maximum either way
SHEAR = 0.2  # columns per row, maximum either way
ZOOM = 0.15  # maximum either way, each axis independently
SHIFT = 2.0  # pixels, maximum either way
BEND = 0.8  # pixels, standard deviation of the displacement at each knot
KNOTS = 6  # along each side; the displacement is interpolated between them


def augment(images: tf.Tensor, strength: float = 1.0) -> tf.Tensor:
    """Applies a random transform to each image.

    Args:
        images: float32 [N, 28, 28], 0 = paper, 1 = ink.
        strength: factor on all the limits above.

    Returns:
        Transformed images, of the same shape and range.
    """
    count = tf.shape(images)[0]

    def draw(limit: float) -> tf.Tensor:
        return strength * tf.random.uniform([count, 1, 1], -limit, limit)

    angle, shear = draw(ROTATION * 3.14159265 / 180), draw(SHEAR)
    cos, sin = tf.cos(angle), tf.sin(angle)
    y = (tf.range(SIDE, dtype=tf.float32) - (SIDE - 1) / 2)[:, None]  # relative to the centre
    x = tf.transpose(y)
    bend = tf.random.normal([count, KNOTS, KNOTS, 2], stddev=strength * BEND)
    bend = tf.image.resize(bend, [SIDE, SIDE], "bicubic")  # [N, 28, 28, 2]
    columns = (1 + draw(ZOOM)) * (cos * x + (shear * cos - sin) * y) + draw(SHIFT) + bend[..., 0]
    rows = (1 + draw(ZOOM)) * (sin * x + (shear * sin + cos) * y) + draw(SHIFT) + bend[..., 1]
    return _sample(images, rows + (SIDE - 1) / 2, columns + (SIDE - 1) / 2)


def _sample(images: tf.Tensor, rows: tf.Tensor, columns: tf.Tensor) -> tf.Tensor:
    """Samples each image bilinearly at its own positions [N, 28, 28]; outside is paper.

    `keras.ops.image.map_coordinates` does the same, but takes eight times as long.
    """
    side = SIDE + 3
    paper = tf.reshape(tf.pad(images, [[0, 0], [1, 2], [1, 2]]), [-1])
    rows = tf.clip_by_value(rows + 1, 0.0, SIDE + 1.0)
    columns = tf.clip_by_value(columns + 1, 0.0, SIDE + 1.0)
    top, left = tf.floor(rows), tf.floor(columns)
    down, right = rows - top, columns - left
    image = tf.range(tf.shape(images)[0])[:, None, None]
    index = (image * side + tf.cast(top, tf.int32)) * side + tf.cast(left, tf.int32)
    upper = (1 - right) * tf.gather(paper, index) + right * tf.gather(paper, index + 1)
    index += side
    lower = (1 - right) * tf.gather(paper, index) + right * tf.gather(paper, index + 1)
    return (1 - down) * upper + down * lower
