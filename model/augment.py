"""Every digit is seen a little turned, slanted, scaled and shifted, and never twice the same.

One affine map an image, with one interpolation, so that nothing is blurred twice.
"""

import keras
import tensorflow as tf

ROTATION = 15.0  # degrees, either way
SHEAR = 0.2  # columns a row, either way: upright or slanted hands
ZOOM = 0.15  # either way, each axis for itself
SHIFT = 2.0  # pixels, either way


def augment(images: tf.Tensor) -> tf.Tensor:
    """Draws a random affine map for each image, uniform within the limits above, and applies it.

    Args:
        images: float32 [N, 28, 28], 0 = paper, 1 = ink.

    Returns:
        The same shape and range.
    """
    count, side = tf.shape(images)[0], images.shape[1]

    def draw(limit: float) -> tf.Tensor:
        return tf.random.uniform([count], -limit, limit)

    angle = draw(ROTATION * 3.14159265 / 180)
    shear = draw(SHEAR)
    rows, columns = 1 + draw(ZOOM), 1 + draw(ZOOM)
    cos, sin = tf.cos(angle), tf.sin(angle)
    # The map from an output pixel to the input pixel that it shows, about the image's centre.
    a, b = columns * cos, columns * (shear * cos - sin)
    c, d = rows * sin, rows * (shear * sin + cos)
    centre = (side - 1) / 2
    x0 = centre - a * centre - b * centre + draw(SHIFT)
    y0 = centre - c * centre - d * centre + draw(SHIFT)
    zero = tf.zeros([count])
    transforms = tf.stack([a, b, x0, c, d, y0, zero, zero], axis=1)  # [N, 8]
    return keras.ops.image.affine_transform(images[..., None], transforms)[..., 0]
