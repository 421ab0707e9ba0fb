"""Activations as one picture: each layer a mosaic of its maps, black for silent.

The sheet is a palette PNG, one byte a unit, and its palette is the colour map: quick to write,
small to send, decoded at once; the browser scales it up without smoothing.
"""

import base64
import io
from collections.abc import Mapping
from typing import TypedDict

import numpy as np
from PIL import Image

from demo.colours import COLOURS
from demo.layers import GALLERIES, GAP, IMAGE, SHEET, SHEET_HEIGHT, SHEET_WIDTH, Layer

LEAST_SCALE = 0.25  # the brightest colour never stands for less: a silent layer looks silent
SCALES = ("layer", "map", "held")
_BRIGHTEST = 254
_TRANSPARENT = 255


class Style(TypedDict, total=False):
    """How activations become colours; what is left out is as on a first visit."""

    colours: str  # a name of `demo.colours`
    scale: str  # the brightest stands for the largest of each `layer`, of each `map`, or for `held`
    held: Mapping[str, float]  # by layer, what the brightest stands for all the time


def check_style(style: object) -> Style:
    """A style that somebody sent.

    Raises:
        ValueError: it is none, or names what there is not.
    """
    if not isinstance(style, dict) or style.get("colours", "inferno") not in COLOURS:
        raise ValueError(f"a style must name its colours, one of {', '.join(COLOURS)}")
    if style.get("scale", "layer") not in SCALES:
        raise ValueError(f"a style must name its scale, one of {', '.join(SCALES)}")
    if style.get("scale") == "held":
        held = style.get("held")
        names = {layer.name for layer in GALLERIES}
        if not isinstance(held, dict) or not names <= held.keys():
            raise ValueError("a style that holds must say at what, for each layer")
        if not all(isinstance(held[name], int | float) and 0 <= held[name] < 1e9 for name in names):
            raise ValueError("a style must hold numbers of 0 or more")
    return style


def render_sheet(
    activations: Mapping[str, np.ndarray], style: Style | None = None
) -> tuple[str, dict[str, float]]:
    """Draws all layers of one image.

    Args:
        activations: by layer, float32 [side, side, maps] or any shape of as many elements in
            that order; 0 or more.
        style: how; the image that the network sees always has its own scale.

    Returns:
        A PNG as a data URL, in which each layer is where `demo.layers` says, and by layer its
        largest activation.
    """
    style = style or {}
    scale = style.get("scale", "layer")
    palette = COLOURS[style.get("colours", "inferno")]
    sheet = np.full((SHEET_HEIGHT, SHEET_WIDTH), _TRANSPARENT, np.uint8)
    largest = {}
    for layer in SHEET:
        maps = activations[layer.name].reshape(layer.side, layer.side, layer.maps)
        largest[layer.name] = float(maps.max())
        match scale:
            case "map":
                brightest = maps.max(axis=(0, 1))  # [maps]
            case "held" if layer is not IMAGE:
                brightest = float(style["held"][layer.name])
            case _:
                brightest = largest[layer.name]
        levels = maps * (_BRIGHTEST / np.maximum(brightest, LEAST_SCALE))
        region = sheet[layer.top : layer.top + layer.height, : layer.width]
        region[:] = _mosaic(np.rint(np.minimum(levels, _BRIGHTEST)).astype(np.uint8), layer)
    return _data_url(sheet, palette), largest


def _mosaic(levels: np.ndarray, layer: Layer) -> np.ndarray:
    """The layer's maps side by side, row by row, with transparent gaps: uint8 [height, width]."""
    step = layer.side + GAP
    grid = np.full((layer.rows, step, layer.columns, step), _TRANSPARENT, np.uint8)
    tiles = levels.reshape(layer.side, layer.side, layer.rows, layer.columns)
    grid[:, : layer.side, :, : layer.side] = tiles.transpose(2, 0, 3, 1)
    return grid.reshape(layer.rows * step, layer.columns * step)[:-GAP, :-GAP]


def _data_url(levels: np.ndarray, palette: bytes) -> str:
    picture = Image.fromarray(levels)
    picture.putpalette(palette)
    file = io.BytesIO()
    picture.save(file, "PNG", compress_level=1, transparency=_TRANSPARENT)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
