"""The colour maps of the galleries, read from colour_maps.png (see `tests.make_colour_maps`)."""

from pathlib import Path

import numpy as np
from PIL import Image

NAMES = ("inferno", "cividis", "grey")  # as in matplotlib; the first is the default
ZERO = 127  # index of 0 in the signed map, whose ends are 0 and 2 * ZERO

with Image.open(Path(__file__).parent / "colour_maps.png") as _picture:
    _rows = np.asarray(_picture.convert("RGB"))  # [4, 256, 3]
# Each colour map is 256 times red, green, blue. The signed one is the last row.
*_maps, SIGNED = (row.tobytes() for row in _rows)
COLOURS = dict(zip(NAMES, _maps, strict=True))  # from inactive to strongest
SIGNED_ENDS = [f"#{SIGNED[start : start + 3].hex()}" for start in (0, 3 * 2 * ZERO)]


def gradient(colours: bytes, end: int = 255) -> str:
    """Returns a colour map up to an index as a CSS gradient, for the legend."""
    table = np.frombuffer(colours, np.uint8).reshape(256, 3)
    stops = table[np.linspace(0, end, 12).round().astype(int)]
    return f"linear-gradient(to right, {', '.join(f'#{stop.tobytes().hex()}' for stop in stops)})"
