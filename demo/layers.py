"""What the page shows of each layer: its grid, its place on the sheet, and one line about it.

The sheet is the one picture that holds everything the browser shows of a drawing: the layers'
mosaics, one under the other.
"""

from typing import NamedTuple

GAP = 1  # pixels between two maps


class Layer(NamedTuple):
    """A layer of `maps` maps, each `side` pixels square, `columns` of them in a row."""

    name: str
    title: str
    about: str
    maps: int
    columns: int
    side: int
    field: int  # pixels of the image, each way, that a unit sees; 0 where a unit has no place
    stride: int  # pixels of the image from one unit to the next
    before: int  # pixels that its field begins before its own place
    top: int = 0  # of its mosaic on the sheet, whose left edge all mosaics share

    @property
    def rows(self) -> int:
        return self.maps // self.columns

    @property
    def width(self) -> int:
        return self.columns * (self.side + GAP) - GAP

    @property
    def height(self) -> int:
        return self.rows * (self.side + GAP) - GAP


def _place_below_each_other(*layers: tuple) -> tuple[Layer, ...]:
    placed, top = [], 0
    for layer in layers:
        placed.append(Layer(*layer, top=top))
        top += placed[-1].height
    return tuple(placed)


IMAGE, *GALLERIES = SHEET = _place_below_each_other(
    ("images", "Image", "what the network sees", 1, 1, 28, 1, 1, 0),
    ("h_conv1", "Convolution 1", "5×5 filters find edges", 32, 8, 28, 5, 1, 2),
    ("h_pool1", "Pooling 1", "the strongest of each 2×2", 32, 8, 14, 6, 2, 2),
    (
        "h_conv2",
        "Convolution 2",
        "64 filters, each over all 32 maps, join strokes to curves, corners and ends",
        64,
        16,
        14,
        14,
        2,
        6,
    ),
    ("h_pool2", "Pooling 2", "halved again: this much is left to decide on", 64, 16, 7, 16, 4, 6),
    ("h_fc1", "Dense layer", "1,024 units weigh it all", 1, 1, 32, 0, 0, 0),
)
SHEET_WIDTH = max(layer.width for layer in SHEET)
SHEET_HEIGHT = SHEET[-1].top + SHEET[-1].height
