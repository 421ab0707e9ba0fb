"""Renders activations as one picture, the sheet: each layer is a mosaic of its maps.

The sheet is a PNG with one byte per unit and the colour map as its palette, so it is fast to write
and small to send. The browser enlarges it without smoothing. Half of the palette is for layers that
are never negative, half for signed ones.
"""

import base64
import io
import zlib
from collections.abc import Mapping, Sequence
from typing import TypedDict

import numpy as np
from PIL import Image

from demo.colours import COLOURS, SIGNED, ZERO
from demo.description import GAP, Layer
from demo.errors import RequestError

SCALES = ("layer", "map", "held")
CURVES = ("root", "linear")
SHOWN = ("B", "A", "difference")
OPACITY_EXPONENT = 0.6  # below 1, so that faint contributions are visible too
MIN_SCALE = 1e-9  # smallest activation for the brightest colour; avoids a division by zero
_LEVELS = 127  # colours in each half of the sheet's palette
_SIGNED_ZERO = _LEVELS + _LEVELS // 2  # index of 0, in the middle of the signed half
_TRANSPARENT = 255  # index of gaps


class Style(TypedDict, total=False):
    """How activations become colours. Missing fields have the values of a first visit."""

    colours: str  # a name in `demo.colours.COLOURS`
    scale: str  # brightest colour: the maximum of each `layer`, of each `map`, or `held`
    curve: str  # brightness: the square `root` of the activation, or `linear`
    held: Mapping[str, float]  # activation for the brightest colour, by index of the layer
    shown: str  # the current picture `B`, the kept picture `A`, or the `difference` B - A


def check_style(style: object) -> Style:
    """Returns a style from a request.

    Raises:
        RequestError: it is not a valid style.
    """
    if not isinstance(style, dict):
        raise RequestError("a style must be an object")
    for name, choices in (
        ("colours", list(COLOURS)),
        ("scale", SCALES),
        ("curve", CURVES),
        ("shown", SHOWN),
    ):
        if style.get(name, choices[0]) not in list(choices):
            raise RequestError(f"a style's {name} must be one of {', '.join(choices)}")
    if style.get("scale") == "held":
        held = style.get("held")
        if not isinstance(held, dict):
            raise RequestError(
                "a style with the scale held must have the field held, numbers by layer"
            )
        if not all(isinstance(scale, int | float) and 0 <= scale < 1e9 for scale in held.values()):
            raise RequestError("a style must hold numbers from 0 to 1e9")
    return style


def render_sheet(
    layers: Sequence[Layer],
    maps: Mapping[int, np.ndarray],
    style: Style | None = None,
    min_scale: float = MIN_SCALE,
) -> tuple[bytes, dict[int, float]]:
    """Draws layers of one picture, or of the difference of two, one below the other.

    Args:
        layers: from the top.
        maps: by index of the layer, float32 [height, width, maps].
        style: the scale `held` and the curve `root` do not apply to the input.
        min_scale: smallest activation for the brightest colour, so that a silent layer is dark.

    Returns:
        A PNG, and the maximum absolute activation by index of the layer.
    """
    style = style or {}
    scale, is_difference = style.get("scale", "layer"), style.get("shown") == "difference"
    width = max((layer.mosaic_width for layer in layers), default=1)
    height = sum(layer.mosaic_height for layer in layers)
    sheet = np.full((max(height, 1), width), _TRANSPARENT, np.uint8)
    largest, top = {}, 0
    for layer in layers:
        activations = maps[layer.index]
        is_signed = is_difference or (layer.is_signed and layer.kind != "input")
        magnitudes = np.abs(activations)
        largest[layer.index] = float(magnitudes.max())
        brightest: np.ndarray | float = largest[layer.index]
        if scale == "map":
            brightest = magnitudes.max(axis=(0, 1))  # [maps]
        elif scale == "held" and layer.kind != "input":
            brightest = style["held"].get(str(layer.index), brightest)
        strength = np.minimum(magnitudes / np.maximum(brightest, max(min_scale, MIN_SCALE)), 1)
        if style.get("curve", "root") == "root" and layer.kind != "input":
            strength = np.sqrt(strength)
        levels = _levels(strength, activations, is_signed)
        bottom = top + layer.mosaic_height
        sheet[top:bottom, : layer.mosaic_width] = _mosaic(levels, layer)
        top = bottom
    return write_png(sheet, PALETTES[style.get("colours", "inferno")]), largest


def _levels(strength: np.ndarray, numbers: np.ndarray, is_signed: bool) -> np.ndarray:
    """Returns indices into the sheet's palette: uint8 of the same shape.

    Args:
        strength: brightness from 0 to 1.
        numbers: give the signs.
        is_signed: whether to use the signed half of the palette.
    """
    if is_signed:
        steps = np.copysign(strength, numbers) * (_LEVELS // 2)
        return (np.rint(steps) + _SIGNED_ZERO).astype(np.uint8)
    return np.rint(strength * (numbers > 0) * (_LEVELS - 1)).astype(np.uint8)


def _mosaic(levels: np.ndarray, layer: Layer) -> np.ndarray:
    """Arranges the maps of a layer in a grid with transparent gaps: uint8 [height, width]."""
    height, width, count = levels.shape
    if layer.units:
        levels = levels.reshape(-1)
        levels[layer.units :] = _TRANSPARENT
        return levels.reshape(height, width)
    grid = np.full((layer.rows * layer.columns, height + GAP, width + GAP), _TRANSPARENT, np.uint8)
    grid[:count, :height, :width] = levels.transpose(2, 0, 1)
    grid = grid.reshape(layer.rows, layer.columns, height + GAP, width + GAP)
    grid = grid.transpose(0, 2, 1, 3)
    return grid.reshape(layer.rows * (height + GAP), layer.columns * (width + GAP))[:-GAP, :-GAP]


def _palette(colours: bytes) -> bytes:
    """Returns 256 colours: 127 of the colour map, 127 of the signed map, 2 black ones."""
    halves = (
        np.frombuffer(table, np.uint8).reshape(-1, 3)[
            np.linspace(0, end, _LEVELS).round().astype(int)
        ]
        for table, end in ((colours, 255), (SIGNED, 2 * ZERO))
    )
    return b"".join(half.tobytes() for half in halves) + bytes(6)


PALETTES = {name: _palette(colours) for name, colours in COLOURS.items()}


def render_map(numbers: np.ndarray, layer: Layer, brightest: float, style: Style) -> str:
    """Draws one map in full resolution with the colours of the sheet.

    Args:
        numbers: [height, width].
        layer: of the map.
        brightest: activation for the brightest colour.
        style: of the sheet; its `scale` is ignored.

    Returns:
        A PNG as a data URL.
    """
    is_signed = layer.is_signed or style.get("shown") == "difference"
    strength = np.minimum(np.abs(numbers) / max(brightest, MIN_SCALE), 1)
    if style.get("curve", "root") == "root":
        strength = np.sqrt(strength)
    levels = _levels(strength, numbers, is_signed)
    return as_url(write_png(levels, PALETTES[style.get("colours", "inferno")]))


def render_grid(numbers: np.ndarray, colours: str, largest: float | None = None) -> str:
    """Draws a matrix.

    Args:
        numbers: [H, W].
        colours: a name in `demo.colours.COLOURS`, or `signed`.
        largest: number for the brightest colour; None for the maximum absolute number.

    Returns:
        A PNG as a data URL.
    """
    brightest = max(np.abs(numbers).max() if largest is None else largest, MIN_SCALE)
    if colours == "signed":
        return as_url(write_png(_signed_levels(numbers, brightest), SIGNED))
    levels = np.rint(np.clip(numbers / brightest, 0, 1) * 254).astype(np.uint8)
    return as_url(write_png(levels, COLOURS[colours]))


def render_contributions(contributions: np.ndarray) -> str:
    """Draws contributions, [H, W]: positive ones orange, negative ones blue, 0 transparent."""
    levels = _signed_levels(contributions, max(np.abs(contributions).max(), MIN_SCALE))
    strength = np.abs(np.arange(2 * ZERO + 1) - ZERO) / ZERO  # [255]
    opacity = np.rint(255 * strength**OPACITY_EXPONENT).astype(np.uint8)
    ends = np.frombuffer(SIGNED, np.uint8).reshape(-1, 3)[[0, 2 * ZERO]]
    palette = np.repeat(ends, [ZERO, ZERO + 1], axis=0).tobytes()
    return as_url(write_png(levels, palette, opacity.tobytes()))


def _signed_levels(numbers: np.ndarray, brightest: float) -> np.ndarray:
    """Returns indices into `SIGNED`."""
    levels = np.clip(numbers * (ZERO / brightest), -ZERO, ZERO) + ZERO
    return np.rint(levels).astype(np.uint8)


def as_url(png: bytes) -> str:
    """Encodes a PNG as a data URL."""
    return "data:image/png;base64," + base64.b64encode(png).decode()


def write_image(pixels: np.ndarray) -> bytes:
    """Encodes colours, uint8 [H, W, 3], as a PNG."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def write_png(
    levels: np.ndarray, palette: bytes, transparency: int | bytes = _TRANSPARENT
) -> bytes:
    """Encodes palette indices, uint8 [H, W], as a PNG.

    Args:
        levels: the indices.
        palette: red, green, blue of each index.
        transparency: the transparent index, or the opacity of each index.
    """
    picture = Image.fromarray(levels)
    picture.putpalette(palette)
    file = io.BytesIO()
    # Most units are silent, so run lengths compress as well as deflate's default, twice as fast.
    picture.save(file, "PNG", compress_type=zlib.Z_RLE, transparency=transparency)
    return file.getvalue()
