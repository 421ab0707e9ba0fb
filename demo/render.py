"""Activations as one picture: each layer a mosaic of its maps, black for silent.

The sheet is a palette PNG, one byte a unit, and its palette is the colour map: quick to write,
small to send, decoded at once; the browser scales it up without smoothing.
"""

import base64
import io
import zlib
from collections.abc import Mapping
from typing import TypedDict

import numpy as np
from PIL import Image

from demo.colours import COLOURS, NOTHING, SIGNED
from demo.errors import RequestError
from demo.layers import GALLERIES, GAP, IMAGE, SHEET, SHEET_HEIGHT, SHEET_WIDTH, Layer

LEAST_SCALE = 0.25  # the brightest colour never stands for less: a silent layer looks silent
SCALES = ("layer", "map", "held")
SHOWN = ("B", "A", "difference")
FAINT = 0.6  # the power that contributions are raised to: what is faint is seen as well
_BRIGHTEST = 254
_TRANSPARENT = 255


class Style(TypedDict, total=False):
    """How activations become colours; what is left out is as on a first visit."""

    colours: str  # a name of `demo.colours`
    scale: str  # the brightest stands for the largest of each `layer`, of each `map`, or for `held`
    held: Mapping[str, float]  # by layer, what the brightest stands for all the time
    shown: str  # the present drawing `B`, the one kept beside it `A`, or the `difference` B - A


def check_style(style: object) -> Style:
    """A style that somebody sent.

    Raises:
        RequestError: it is not a style, or an unknown name is in it.
    """
    if not isinstance(style, dict) or style.get("colours", "inferno") not in list(COLOURS):
        raise RequestError(f"a style must name its colours, one of {', '.join(COLOURS)}")
    if style.get("scale", "layer") not in SCALES:
        raise RequestError(f"a style must name its scale, one of {', '.join(SCALES)}")
    if style.get("shown", "B") not in SHOWN:
        raise RequestError(f"a style must name what is shown, one of {', '.join(SHOWN)}")
    if style.get("scale") == "held":
        held = style.get("held")
        names = {layer.name for layer in GALLERIES}
        if not isinstance(held, dict) or not names <= held.keys():
            raise RequestError("a style that holds must say at what, for each layer")
        if not all(isinstance(held[name], int | float) and 0 <= held[name] < 1e9 for name in names):
            raise RequestError("a style must hold numbers of 0 or more")
    return style


def render_sheet(
    activations: Mapping[str, np.ndarray], style: Style | None = None
) -> tuple[bytes, dict[str, float]]:
    """Draws all layers of one image, or of the difference of two.

    Args:
        activations: by layer, float32 [side, side, maps] or any shape of as many elements in
            that order; 0 or more, unless the style shows the difference.
        style: how; the image that the network sees always has its own scale.

    Returns:
        A PNG, in which each layer is where `demo.layers` says, and by layer the largest activation,
        for the difference without its sign.
    """
    style = style or {}
    scale, is_signed = style.get("scale", "layer"), style.get("shown") == "difference"
    palette = SIGNED if is_signed else COLOURS[style.get("colours", "inferno")]
    sheet = np.full((SHEET_HEIGHT, SHEET_WIDTH), _TRANSPARENT, np.uint8)
    largest = {}
    for layer in SHEET:
        maps = layer.unflatten(activations[layer.name])
        sizes = np.abs(maps) if is_signed else maps
        largest[layer.name] = float(sizes.max())
        match scale:
            case "map":
                brightest = sizes.max(axis=(0, 1))  # [maps]
            case "held" if layer is not IMAGE:
                brightest = float(style["held"][layer.name])
            case _:
                brightest = largest[layer.name]
        levels = _levels(maps, brightest, is_signed)
        region = sheet[layer.top : layer.top + layer.height, : layer.width]
        region[:] = _mosaic(levels, layer)
    return write_png(sheet, palette), largest


def render_grid(numbers: np.ndarray, colours: str, largest: float | None = None) -> str:
    """Draws some numbers.

    Args:
        numbers: [H, W].
        colours: a name of `demo.colours`, or `signed`.
        largest: what the brightest colour stands for; the largest of them if None.

    Returns:
        A PNG as a data URL.
    """
    is_signed = colours == "signed"
    brightest = np.abs(numbers).max() if largest is None else largest
    levels = _levels(numbers, max(brightest, 1e-9), is_signed, least=0)
    return as_url(write_png(levels, SIGNED if is_signed else COLOURS[colours]))


def render_contributions(contributions: np.ndarray) -> str:
    """Draws how much pixels speak for (orange) or against (blue): nothing is transparent."""
    levels = _levels(contributions, max(np.abs(contributions).max(), 1e-9), True, least=0)
    strength = np.abs(np.arange(2 * NOTHING + 1) - NOTHING) / NOTHING  # [255]
    opacity = np.rint(255 * strength**FAINT).astype(np.uint8)
    ends = np.frombuffer(SIGNED, np.uint8).reshape(-1, 3)[[0, 2 * NOTHING]]
    palette = np.repeat(ends, [NOTHING, NOTHING + 1], axis=0).tobytes()
    return as_url(write_png(levels, palette, opacity.tobytes()))


def as_url(png: bytes) -> str:
    """The picture as a data URL."""
    return "data:image/png;base64," + base64.b64encode(png).decode()


def _levels(
    numbers: np.ndarray, brightest: np.ndarray | float, is_signed: bool, least: float = LEAST_SCALE
) -> np.ndarray:
    """Indices into a palette, uint8 of the numbers' shape."""
    steps = NOTHING if is_signed else _BRIGHTEST
    levels = numbers * (steps / np.maximum(brightest, least))
    if is_signed:
        levels = np.clip(levels, -NOTHING, NOTHING) + NOTHING
    return np.rint(np.minimum(levels, _BRIGHTEST)).astype(np.uint8)


def _mosaic(levels: np.ndarray, layer: Layer) -> np.ndarray:
    """The layer's maps side by side, row by row, with transparent gaps: uint8 [height, width]."""
    step = layer.side + GAP
    grid = np.full((layer.rows, step, layer.columns, step), _TRANSPARENT, np.uint8)
    tiles = levels.reshape(layer.side, layer.side, layer.rows, layer.columns)
    grid[:, : layer.side, :, : layer.side] = tiles.transpose(2, 0, 3, 1)
    return grid.reshape(layer.rows * step, layer.columns * step)[:-GAP, :-GAP]


def write_png(
    levels: np.ndarray, palette: bytes, transparency: int | bytes = _TRANSPARENT
) -> bytes:
    picture = Image.fromarray(levels)
    picture.putpalette(palette)
    file = io.BytesIO()
    # Most units are silent: run lengths find that out in half of deflate's time, and no worse.
    picture.save(file, "PNG", compress_type=zlib.Z_RLE, transparency=transparency)
    return file.getvalue()
