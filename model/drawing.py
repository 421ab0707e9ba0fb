"""Normalises a drawing as the authors of MNIST did, in TensorFlow operations.

The bounding box of the ink is scaled to fit 20x20 and placed in a 28x28 field, in whole pixels,
with its centre of mass on pixel (14, 14). This runs inside the served graph, so that all callers
get the same result. A digit that is already in MNIST's form does not change.

Source: LeCun, Cortes, Burges, "The MNIST database of handwritten digits". They do not say that the
centre is pixel 14 and the shift whole pixels; both are measured: in all 60,000 training digits the
centre of mass lies within half a pixel of it, and in 59,987 the longer side of the box is 20.
"""

import tensorflow as tf

from model.network import SIDE

BOX = 20 / 28  # side of the box, as a fraction of the field's


def to_mnist_form(drawing: tf.Tensor, side: int = SIDE) -> tf.Tensor:
    """Turns a drawing of any size into a network's input.

    Args:
        drawing: uint8 [H, W], 0 = paper, 255 = ink, H and W at least 1.
        side: of the field in pixels; MNIST's is 28.

    Returns:
        float32 [side, side], 0 = paper, the darkest pixel 1; all 0 for a drawing without ink.
    """
    box, _, scale, shift = _fit(drawing, side)
    image = tf.raw_ops.ScaleAndTranslate(
        images=box[None, :, :, None],
        size=[side, side],
        scale=tf.stack([scale, scale]),
        translation=shift,
        kernel_type="triangle",
        antialias=True,
    )[0, :, :, 0]  # [side, side]
    return tf.math.divide_no_nan(image, tf.reduce_max(image))


def find_field(drawing: tf.Tensor, side: int = SIDE) -> tf.Tensor:
    """Returns the square of the drawing that `to_mnist_form` turns into the image.

    Args:
        drawing, side: see `to_mnist_form`.

    Returns:
        float32 [3]: top, left and side in pixels of the drawing; it may extend beyond the drawing.
    """
    _, corner, scale, shift = _fit(drawing, side)
    top_left = tf.cast(corner, tf.float32) - shift / scale
    return tf.concat([top_left, [side / scale]], axis=0)


def _fit(drawing: tf.Tensor, side: int) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
    """Returns the ink's box float32 [h, w], its top left corner [2], its scale and shift [2]."""
    ink = drawing > 0
    top, bottom = _span(tf.reduce_any(ink, axis=1))
    left, right = _span(tf.reduce_any(ink, axis=0))
    box = tf.cast(drawing[top:bottom, left:right], tf.float32)  # [h, w]
    scale = round(BOX * side) / tf.cast(tf.reduce_max(tf.shape(box)), tf.float32)
    row = _offset(tf.reduce_sum(box, axis=1), scale, side)
    column = _offset(tf.reduce_sum(box, axis=0), scale, side)
    return box, tf.stack([top, left]), scale, tf.stack([row, column])


def _span(has_ink: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the half-open range of lines with ink; all lines if there is no ink."""
    start = tf.argmax(has_ink)
    end = tf.size(has_ink, tf.int64) - tf.argmax(tf.reverse(has_ink, [0]))
    return start, end


def _offset(mass: tf.Tensor, scale: tf.Tensor, side: int) -> tf.Tensor:
    """Returns where the scaled box starts along an axis, in whole pixels, entirely in the field.

    Args:
        mass: ink per line along the axis, float32 [length].
        scale: pixels of the field per line.
        side: of the field.
    """
    length = tf.cast(tf.size(mass), tf.float32)
    middles = tf.range(length) + 0.5
    centre = scale * tf.math.divide_no_nan(tf.reduce_sum(mass * middles), tf.reduce_sum(mass)) - 0.5
    return tf.clip_by_value(tf.round(side // 2 - centre), 0.0, tf.floor(side - scale * length))
