"""Activations as one picture: each layer a mosaic of its maps, black for silent.

The sheet is a palette PNG, one byte a unit, and its palette is the colour map: quick to write,
small to send, decoded at once; the browser scales it up without smoothing.
"""

import base64
import io
from collections.abc import Mapping

import numpy as np
from PIL import Image

from demo.colours import INFERNO
from demo.layers import GAP, SHEET, SHEET_HEIGHT, SHEET_WIDTH, Layer

LEAST_SCALE = 0.25  # the brightest colour never stands for less: a silent layer looks silent
_BRIGHTEST = 254
_TRANSPARENT = 255


def render_sheet(activations: Mapping[str, np.ndarray]) -> tuple[str, dict[str, float]]:
    """Draws all layers of one image.

    Args:
        activations: by layer, float32 [side, side, maps] or any shape of as many elements in
            that order; 0 or more.

    Returns:
        A PNG as a data URL, in which each layer is where `demo.layers` says, and by layer its
        largest activation, which the brightest colour stands for.
    """
    sheet = np.full((SHEET_HEIGHT, SHEET_WIDTH), _TRANSPARENT, np.uint8)
    largest = {}
    for layer in SHEET:
        maps = activations[layer.name]
        largest[layer.name] = float(maps.max())
        scale = _BRIGHTEST / max(largest[layer.name], LEAST_SCALE)
        region = sheet[layer.top : layer.top + layer.height, : layer.width]
        region[:] = _mosaic(np.rint(maps * scale).astype(np.uint8), layer)
    return _data_url(sheet), largest


def _mosaic(levels: np.ndarray, layer: Layer) -> np.ndarray:
    """The layer's maps side by side, row by row, with transparent gaps: uint8 [height, width]."""
    step = layer.side + GAP
    grid = np.full((layer.rows, step, layer.columns, step), _TRANSPARENT, np.uint8)
    tiles = levels.reshape(layer.side, layer.side, layer.rows, layer.columns)
    grid[:, : layer.side, :, : layer.side] = tiles.transpose(2, 0, 3, 1)
    return grid.reshape(layer.rows * step, layer.columns * step)[:-GAP, :-GAP]


def _data_url(levels: np.ndarray) -> str:
    picture = Image.fromarray(levels)
    picture.putpalette(INFERNO)
    file = io.BytesIO()
    picture.save(file, "PNG", compress_level=1, transparency=_TRANSPARENT)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
