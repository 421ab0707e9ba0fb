"""Downsamples activations to thumbnails (`thumbnail.py`), one byte per unit.

Each map is quantised between its lowest and highest activation, which are returned with it.
"""

import numpy as np
import tensorflow as tf

from model.exposed.thumbnail import MAX_UNITS, Thumbnail, evenly, thumbnail_form


def downsample(activations: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Downsamples a layer.

    Args:
        activations: [N, *shape], of a shape that `thumbnail_form` accepts and any type.

    Returns:
        uint8 [N, height * width * maps], row by row with the maps last, where 0 is a map's lowest
        activation and 255 its highest; and these two, float32 [N, maps, 2].
    """
    thumbnail = thumbnail_form(activations.shape.as_list()[1:])
    maps = _as_maps(tf.cast(activations, tf.float32), thumbnail)  # [N, height, width, maps]
    lowest, highest = tf.reduce_min(maps, [1, 2]), tf.reduce_max(maps, [1, 2])  # [N, maps]
    if thumbnail.blocks != (1, 1):
        maps = _average(maps, thumbnail)
    steps = tf.math.divide_no_nan(255.0, highest - lowest)
    levels = tf.round((maps - lowest[:, None, None]) * steps[:, None, None])
    levels = tf.cast(tf.clip_by_value(levels, 0.0, 255.0), tf.uint8)
    return tf.reshape(levels, [-1, thumbnail.size]), tf.stack([lowest, highest], axis=2)


def _average(maps: tf.Tensor, thumbnail: Thumbnail) -> tf.Tensor:
    """Returns the mean of each block of units; the last blocks end at the border."""
    height, width = maps.shape[1:3]
    down, right = thumbnail.blocks
    pads = [[0, thumbnail.height * down - height], [0, thumbnail.width * right - width]]
    maps = tf.nn.avg_pool2d(
        tf.pad(maps, [[0, 0], *pads, [0, 0]]), thumbnail.blocks, thumbnail.blocks, "VALID"
    )
    rows = np.minimum(down, height - down * np.arange(thumbnail.height))
    columns = np.minimum(right, width - right * np.arange(thumbnail.width))
    share = down * right / np.outer(rows, columns)  # excludes the padding
    return maps * tf.constant(share[:, :, None], tf.float32)


def _as_maps(activations: tf.Tensor, thumbnail: Thumbnail) -> tf.Tensor:
    if activations.shape.rank == 2:
        units = activations.shape[1]
        if units > MAX_UNITS:
            activations = tf.gather(activations, evenly(units, MAX_UNITS), axis=1)
        rest = thumbnail.height * thumbnail.width - min(units, MAX_UNITS)
        square = tf.pad(activations, [[0, 0], [0, rest]], "SYMMETRIC")  # keeps the range
        return tf.reshape(square, [-1, thumbnail.height, thumbnail.width, 1])
    if activations.shape.rank == 3:
        return activations[..., None]
    if len(thumbnail.maps) < activations.shape[3]:
        activations = tf.gather(activations, thumbnail.maps, axis=3)
    return activations
