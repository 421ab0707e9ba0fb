"""The size of a layer's thumbnail: some of its maps, downsampled.

A live page cannot receive 250 MB per answer. It gets at most `MAX_BYTES` per layer: always the same
maps, of at most `MAX_SIDE` units a side.
"""

import math
from typing import NamedTuple

MAX_MAPS = 64
MAX_SIDE = 56  # units
MAX_BYTES = 32 * MAX_SIDE**2  # per layer and picture
MAX_UNITS = 4096  # of a layer without maps


class Thumbnail(NamedTuple):
    """The thumbnail of a layer.

    Args:
        maps: the numbers of the maps it shows, ascending.
        height, width: of each map, in blocks.
        blocks: units averaged into one, down and across.
    """

    maps: list[int]
    height: int
    width: int
    blocks: tuple[int, int]

    @property
    def size(self) -> int:
        """Bytes per picture."""
        return len(self.maps) * self.height * self.width


def thumbnail_form(shape: list[int]) -> Thumbnail:
    """Returns the thumbnail of a layer.

    Args:
        shape: [height, width, maps], [steps, features] (shown as one map) or [units] (shown as one
            square, row by row, whose last positions are meaningless).
    """
    if len(shape) == 1:
        units = min(shape[0], MAX_UNITS)
        width = math.ceil(math.sqrt(units))
        return Thumbnail([0], math.ceil(units / width), width, (1, 1))
    height, width, count = (*shape, 1)[:3]
    blocks = (math.ceil(height / MAX_SIDE), math.ceil(width / MAX_SIDE))
    height, width = math.ceil(height / blocks[0]), math.ceil(width / blocks[1])
    maps = evenly(count, min(MAX_MAPS, MAX_BYTES // (height * width)))
    return Thumbnail(maps, height, width, blocks)


def evenly(count: int, maximum: int) -> list[int]:
    """Returns all numbers below `count`, or `maximum` of them, evenly spaced."""
    shown = min(count, maximum)
    return [index * count // shown for index in range(shown)]
