"""The form that a layer is shown in: some of its maps, small.

A page that follows a pen or a camera cannot have 250 MB an answer. So it gets at most `MAX_BYTES`
of a layer: some of its maps, always the same ones, at most `MAX_SIDE` units a side.
"""

import math
from typing import NamedTuple

MAX_MAPS = 64
MAX_SIDE = 56
MAX_BYTES = 32 * MAX_SIDE**2
MAX_UNITS = 4096  # of a layer without places


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


def thumbnail_form(shape: list[int]) -> Small:
    """How a layer whose activations have a shape is shown.

    Args:
        shape: [height, width, maps], [steps, features] (shown as one map) or [units] (shown as one
            square, row by row, whose last places mean nothing).
    """
    if len(shape) == 1:
        units = min(shape[0], MAX_UNITS)
        width = math.ceil(math.sqrt(units))
        return Small([0], math.ceil(units / width), width, (1, 1))
    height, width, count = (*shape, 1)[:3]
    blocks = (math.ceil(height / MAX_SIDE), math.ceil(width / MAX_SIDE))
    height, width = math.ceil(height / blocks[0]), math.ceil(width / blocks[1])
    maps = evenly(count, min(MAX_MAPS, MAX_BYTES // (height * width)))
    return Small(maps, height, width, blocks)


def evenly(count: int, most: int) -> list[int]:
    """All numbers below `count`, or `most` of them, evenly spaced."""
    shown = min(count, most)
    return [index * count // shown for index in range(shown)]
