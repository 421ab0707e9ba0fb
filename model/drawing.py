"""Bringing a drawing into MNIST's form, as MNIST's authors did, in TensorFlow operations.

The ink's bounding box is scaled to fit 20x20 and put into a 28x28 field by whole pixels, so that
its centre of mass comes to lie on pixel (14, 14). This runs inside the served graph, so that no
two callers can do it differently; a digit that is in MNIST's form already comes out as it went in.

Source: LeCun, Cortes, Burges, "The MNIST database of handwritten digits". That the centre is
pixel 14 and the steps whole pixels is measured: in all 60,000 training digits the centre of mass
lies within half a pixel of it, and in 59,987 the longer side of the box is 20.
"""

import tensorflow as tf

from model.network import SIDE

BOX = 20 / 28  # of the field's side


def to_mnist_form(drawing: tf.Tensor, side: int = SIDE) -> tf.Tensor:
    """One drawing of any size as a network's input.

    Args:
        drawing: uint8 [H, W], 0 = paper, 255 = ink, H and W at least 1.
        side: pixels of the field; MNIST's is 28.

    Returns:
        float32 [side, side], 0 = paper, its darkest pixel 1; all 0 for a drawing without ink.
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
    """Where the image lies on the drawing that it was made from.

    Args:
        drawing, side: as of `to_mnist_form`.

    Returns:
        float32 [3]: its top, its left and its side, in pixels of the drawing; it may reach beyond.
    """
    _, corner, scale, shift = _fit(drawing, side)
    top_left = tf.cast(corner, tf.float32) - shift / scale
    return tf.concat([top_left, [side / scale]], axis=0)


def _fit(drawing: tf.Tensor, side: int) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
    """The ink's box float32 [h, w], its top left corner, and the scale and shift [2] it needs."""
    ink = drawing > 0
    top, bottom = _span(tf.reduce_any(ink, axis=1))
    left, right = _span(tf.reduce_any(ink, axis=0))
    box = tf.cast(drawing[top:bottom, left:right], tf.float32)  # [h, w]
    scale = round(BOX * side) / tf.cast(tf.reduce_max(tf.shape(box)), tf.float32)
    row = _offset(tf.reduce_sum(box, axis=1), scale, side)
    column = _offset(tf.reduce_sum(box, axis=0), scale, side)
    return box, tf.stack([top, left]), scale, tf.stack([row, column])


def _span(has_ink: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The half-open range from the first line with ink to the last; all lines if none has."""
    first = tf.argmax(has_ink)
    behind_last = tf.size(has_ink, tf.int64) - tf.argmax(tf.reverse(has_ink, [0]))
    return first, behind_last


def _offset(mass: tf.Tensor, scale: tf.Tensor, side: int) -> tf.Tensor:
    """Where the scaled box starts along one axis, in whole pixels of the field, all of it inside.

    Args:
        mass: the box's ink by line of that axis, float32 [length].
        scale: pixels of the field a line.
        side: of the field.
    """
    length = tf.cast(tf.size(mass), tf.float32)
    middles = tf.range(length) + 0.5
    centre = scale * tf.math.divide_no_nan(tf.reduce_sum(mass * middles), tf.reduce_sum(mass)) - 0.5
    return tf.clip_by_value(tf.round(side // 2 - centre), 0.0, tf.floor(side - scale * length))
