"""Which pixels of the input a unit sees: receptive fields, layer by layer.

Source: Araujo, Norris, Sim, "Computing receptive fields of convolutional neural networks", Distill,
2019.
"""

from collections.abc import Sequence
from typing import NamedTuple


class Window(NamedTuple):
    """How a layer looks at its input along one axis."""

    kernel: int  # inputs from the first to the last that a unit takes
    stride: int  # inputs from one unit to the next
    pad: int  # zeros before the first input


class Field(NamedTuple):
    """What a unit sees along one axis: inputs `stride * unit - before` and the following `size`."""

    size: int
    stride: int
    before: int

    def through(self, window: Window) -> "Field":
        """The field of a layer that looks through the window at units with this field."""
        return Field(
            self.size + (window.kernel - 1) * self.stride,
            self.stride * window.stride,
            self.before + window.pad * self.stride,
        )


PIXEL = Field(size=1, stride=1, before=0)


def same_pad(length: int, kernel: int, stride: int) -> int:
    """Zeros that TensorFlow's `SAME` puts before the first of `length` inputs."""
    units = -(-length // stride)
    return max((units - 1) * stride + kernel - length, 0) // 2


def join(fields: Sequence[Field | None]) -> Field | None:
    """The field of a unit that takes one from each of some layers; None if it has no such form."""
    if not fields or None in fields or len({field.stride for field in fields}) > 1:
        return None
    before = max(field.before for field in fields)
    after = max(field.size - field.before for field in fields)
    return Field(before + after, fields[0].stride, before)
