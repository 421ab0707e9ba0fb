"""Receptive fields: the pixels of the input that a unit depends on.

Source: Araujo, Norris, Sim, "Computing receptive fields of convolutional neural networks", Distill,
2019.
"""

from collections.abc import Sequence
from typing import NamedTuple


class Window(NamedTuple):
    """The window of a layer along one axis."""

    kernel: int  # inputs from the first to the last that a unit uses
    stride: int  # inputs from one unit to the next
    pad: int  # zeros before the first input


class ReceptiveField(NamedTuple):
    """A receptive field along one axis: `size` inputs from `stride * unit - before`."""

    size: int
    stride: int
    before: int

    def through(self, window: Window) -> "ReceptiveField":
        """Returns the field of a layer with a window on units with this field."""
        return ReceptiveField(
            self.size + (window.kernel - 1) * self.stride,
            self.stride * window.stride,
            self.before + window.pad * self.stride,
        )


PIXEL = ReceptiveField(size=1, stride=1, before=0)


def same_pad(length: int, kernel: int, stride: int) -> int:
    """Returns how many zeros TensorFlow's `SAME` puts before the first of `length` inputs."""
    units = -(-length // stride)
    return max((units - 1) * stride + kernel - length, 0) // 2


def join(fields: Sequence[ReceptiveField | None]) -> ReceptiveField | None:
    """Returns the field of a unit with one input per field; None if the strides differ."""
    if not fields or None in fields or len({field.stride for field in fields}) > 1:
        return None
    before = max(field.before for field in fields)
    after = max(field.size - field.before for field in fields)
    return ReceptiveField(before + after, fields[0].stride, before)
