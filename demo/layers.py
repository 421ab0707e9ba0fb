"""What the page shows of each layer: its grid, its place on the sheet, and one line about it.

The sheet is the one picture that holds everything the browser shows of a drawing: the layers'
mosaics, one under the other.
"""

from typing import NamedTuple

import numpy as np

from demo.errors import RequestError

GAP = 1  # pixels between two maps


class Layer(NamedTuple):
    """A layer of `maps` maps, each `side` pixels square, `columns` of them in a row."""

    name: str
    title: str
    about: str
    maps: int
    columns: int
    side: int
    field: int = 0  # pixels of the image, each way, that a unit sees; 0 where it has no place
    stride: int = 0  # pixels of the image from one unit to the next
    before: int = 0  # pixels that its field begins before its own place
    top: int = 0  # of its mosaic on the sheet, whose left edge all mosaics share

    def unflatten(self, activations: np.ndarray) -> np.ndarray:
        """One image's activations, in whatever shape, as [side, side, maps]."""
        return activations.reshape(self.side, self.side, self.maps)

    @property
    def rows(self) -> int:
        return self.maps // self.columns

    @property
    def width(self) -> int:
        return self.columns * (self.side + GAP) - GAP

    @property
    def height(self) -> int:
        return self.rows * (self.side + GAP) - GAP


def _place_below_each_other(*layers: Layer) -> tuple[Layer, ...]:
    placed, top = [], 0
    for layer in layers:
        placed.append(layer._replace(top=top))
        top += layer.height
    return tuple(placed)


_CONV1 = {"maps": 32, "columns": 8}
_CONV2 = {"maps": 64, "columns": 16}
IMAGE, *GALLERIES = SHEET = _place_below_each_other(
    Layer("images", "Image", "what the network sees", maps=1, columns=1, side=28),
    Layer(
        *("h_conv1", "Convolution 1", "5×5 filters find edges"),
        **_CONV1,
        side=28,
        field=5,
        stride=1,
        before=2,
    ),
    Layer(
        *("h_pool1", "Pooling 1", "the strongest of each 2×2"),
        **_CONV1,
        side=14,
        field=6,
        stride=2,
        before=2,
    ),
    Layer(
        "h_conv2",
        "Convolution 2",
        "64 filters, each over all 32 maps, join strokes to curves, corners and ends",
        **_CONV2,
        side=14,
        field=14,
        stride=2,
        before=6,
    ),
    Layer(
        *("h_pool2", "Pooling 2", "halved again: this much is left to decide on"),
        **_CONV2,
        side=7,
        field=16,
        stride=4,
        before=6,
    ),
    Layer("h_fc1", "Dense layer", "1,024 units", maps=1, columns=1, side=32),
)
SHEET_WIDTH = max(layer.width for layer in SHEET)
SHEET_HEIGHT = SHEET[-1].top + SHEET[-1].height


def find_layer(name: str) -> Layer:
    """The gallery of that name.

    Raises:
        RequestError: there is none.
    """
    for layer in GALLERIES:
        if layer.name == name:
            return layer
    raise RequestError(f"there is no layer {name}")
