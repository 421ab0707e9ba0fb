"""Activations small enough for a live page: in the form of `thumbnail.py`, a byte a unit.

Each map is quantised between its own least and largest activation, which are answered beside it.
"""

import numpy as np
import tensorflow as tf

from model.exposed.thumbnail import MAX_UNITS, Small, evenly, thumbnail_form


def downsample(activations: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Brings a layer into that form.

    Args:
        activations: of any numbers, [N, *shape] as of `thumbnail_form`.

    Returns:
        uint8 [N, height * width * maps], row by row with the maps last, where 0 stands for a map's
        least activation and 255 for its largest; these two, float32 [N, maps, 2], by which they
        can be had back.
    """
    form = thumbnail_form(activations.shape.as_list()[1:])
    maps = _as_maps(tf.cast(activations, tf.float32), form)  # [N, height, width, maps]
    least, largest = tf.reduce_min(maps, [1, 2]), tf.reduce_max(maps, [1, 2])  # [N, maps]
    if form.blocks != (1, 1):
        maps = _average(maps, form)
    steps = tf.math.divide_no_nan(255.0, largest - least)
    levels = tf.round((maps - least[:, None, None]) * steps[:, None, None])
    levels = tf.cast(tf.clip_by_value(levels, 0.0, 255.0), tf.uint8)
    return tf.reshape(levels, [-1, form.size]), tf.stack([least, largest], axis=2)


def _average(maps: tf.Tensor, form: Small) -> tf.Tensor:
    """The mean of each block of units; the last ones end at the edge."""
    height, width = maps.shape[1:3]
    down, right = form.blocks
    rest = [[0, form.height * down - height], [0, form.width * right - width]]
    maps = tf.nn.avg_pool2d(
        tf.pad(maps, [[0, 0], *rest, [0, 0]]), form.blocks, form.blocks, "VALID"
    )
    rows = np.minimum(down, height - down * np.arange(form.height))
    columns = np.minimum(right, width - right * np.arange(form.width))
    share = down * right / np.outer(rows, columns)  # zeros beyond the edge do not count
    return maps * tf.constant(share[:, :, None], tf.float32)


def _as_maps(activations: tf.Tensor, form: Small) -> tf.Tensor:
    if activations.shape.rank == 2:
        units = activations.shape[1]
        if units > MAX_UNITS:
            activations = tf.gather(activations, evenly(units, MAX_UNITS), axis=1)
        rest = form.height * form.width - min(units, MAX_UNITS)
        square = tf.pad(activations, [[0, 0], [0, rest]], "SYMMETRIC")  # which keeps the range
        return tf.reshape(square, [-1, form.height, form.width, 1])
    if activations.shape.rank == 3:
        return activations[..., None]
    if len(form.maps) < activations.shape[3]:
        activations = tf.gather(activations, form.maps, axis=3)
    return activations
