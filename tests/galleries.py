"""The expected galleries of the tutorial's network, with the grids of its article."""

from typing import NamedTuple

import numpy as np


class Gallery(NamedTuple):
    """The gallery of a layer: `maps` maps of `side` x `side` pixels in rows of `columns`."""

    index: int  # in the description's layers
    name: str
    title: str
    maps: int
    columns: int
    side: int

    @property
    def rows(self) -> int:
        return self.maps // self.columns

    @property
    def width(self) -> int:
        return self.columns * (self.side + 1) - 1

    @property
    def height(self) -> int:
        return self.rows * (self.side + 1) - 1

    @property
    def top(self) -> int:
        """The first row on a sheet with the image and all galleries under each other."""
        return 28 + sum(gallery.height for gallery in GALLERIES[: self.index - 1])

    def map_on(self, sheet: np.ndarray, map: int) -> np.ndarray:
        """Cuts one map out of such a sheet."""
        row, column = divmod(map, self.columns)
        y, x = self.top + row * (self.side + 1), column * (self.side + 1)
        return sheet[y : y + self.side, x : x + self.side]


GALLERIES = (
    Gallery(1, "h_conv1", "Convolution 1", 32, 8, 28),
    Gallery(2, "h_pool1", "Pooling 1", 32, 8, 14),
    Gallery(3, "h_conv2", "Convolution 2", 64, 16, 14),
    Gallery(4, "h_pool2", "Pooling 2", 64, 16, 7),
    Gallery(5, "h_fc1", "Dense layer", 1, 1, 32),
)
