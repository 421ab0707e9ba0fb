"""The colour maps of the galleries, read from colour_maps.png (see `tests.make_colour_maps`)."""

from pathlib import Path

import numpy as np
from PIL import Image

ZERO = 127  # index of 0 in the signed map, whose ends are 0 and 2 * ZERO

with Image.open(Path(__file__).parent / "colour_maps.png") as _picture:
    _rows = np.asarray(_picture.convert("RGB"))  # [4, 256, 3]
# Each colour map is 256 times red, green, blue.
INFERNO, CIVIDIS, GREY, SIGNED = (row.tobytes() for row in _rows)
COLOURS = {"inferno": INFERNO, "cividis": CIVIDIS, "grey": GREY}  # from silent to strongest
SIGNED_ENDS = [f"#{SIGNED[start : start + 3].hex()}" for start in (0, 3 * 2 * ZERO)]
