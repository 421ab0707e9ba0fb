"""Activations small enough for a live page: some maps of each layer, a byte a unit.

A page that follows a pen or a camera cannot have 250 MB an answer. So it gets at most `MOST_BYTES`
of a layer: some of its maps, always the same ones, at most `MOST_SIDE` units a side, each quantised
between its own least and largest activation.
"""

import math
from typing import NamedTuple

import tensorflow as tf

MOST_MAPS = 64
MOST_SIDE = 56
MOST_BYTES = 32 * MOST_SIDE**2
MOST_UNITS = 4096  # of a layer without places


class Small(NamedTuple):
    """The form that a layer is shown in.

    Args:
        maps: which of its maps, in order.
        height, width: of each.
        blocks: units averaged to one, down and across.
    """

    maps: list[int]
    height: int
    width: int
    blocks: tuple[int, int]

    @property
    def size(self) -> int:
        """Bytes of one item."""
        return len(self.maps) * self.height * self.width


def small_form(shape: list[int]) -> Small:
    """How a layer whose activations have a shape is shown.

    Args:
        shape: [height, width, maps], [steps, features] (shown as one map) or [units] (shown as one
            square, row by row, whose last places mean nothing).
    """
    if len(shape) == 1:
        units = min(shape[0], MOST_UNITS)
        width = math.ceil(math.sqrt(units))
        return Small([0], math.ceil(units / width), width, (1, 1))
    height, width, count = (*shape, 1)[:3]
    blocks = (math.ceil(height / MOST_SIDE), math.ceil(width / MOST_SIDE))
    height, width = math.ceil(height / blocks[0]), math.ceil(width / blocks[1])
    maps = evenly(count, min(MOST_MAPS, MOST_BYTES // (height * width)))
    return Small(maps, height, width, blocks)


def evenly(count: int, most: int) -> list[int]:
    """All numbers below `count`, or `most` of them, evenly spaced."""
    shown = min(count, most)
    return [index * count // shown for index in range(shown)]


def make_small(activations: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Brings a layer into that form.

    Args:
        activations: of any numbers, [N, *shape] as of `small_form`.

    Returns:
        uint8 [N, height * width * maps], row by row with the maps last, where 0 stands for a map's
        least activation and 255 for its largest; these two, float32 [N, maps, 2], by which they
        can be had back.
    """
    form = small_form(activations.shape.as_list()[1:])
    maps = _as_maps(tf.cast(activations, tf.float32), form)  # [N, height, width, maps]
    least, largest = tf.reduce_min(maps, [1, 2]), tf.reduce_max(maps, [1, 2])  # [N, maps]
    if form.blocks != (1, 1):
        maps = tf.nn.avg_pool2d(maps, form.blocks, form.blocks, "SAME")
    steps = tf.math.divide_no_nan(255.0, largest - least)
    levels = tf.round((maps - least[:, None, None]) * steps[:, None, None])
    levels = tf.cast(tf.clip_by_value(levels, 0.0, 255.0), tf.uint8)
    return tf.reshape(levels, [-1, form.size]), tf.stack([least, largest], axis=2)


def _as_maps(activations: tf.Tensor, form: Small) -> tf.Tensor:
    if activations.shape.rank == 2:
        units = activations.shape[1]
        if units > MOST_UNITS:
            activations = tf.gather(activations, evenly(units, MOST_UNITS), axis=1)
        rest = form.height * form.width - min(units, MOST_UNITS)
        square = tf.pad(activations, [[0, 0], [0, rest]], "SYMMETRIC")  # which keeps the range
        return tf.reshape(square, [-1, form.height, form.width, 1])
    if activations.shape.rank == 3:
        return activations[..., None]
    if len(form.maps) < activations.shape[3]:
        activations = tf.gather(activations, form.maps, axis=3)
    return activations
