"""Activations as one picture: each layer a mosaic of its maps, black for silent.

The sheet is a palette PNG, one byte a unit, and its palette is the colour map: quick to write,
small to send, decoded at once; the browser scales it up without smoothing. Half of the palette is
for layers that are never negative, half for those that can be.
"""

import base64
import io
import zlib
from collections.abc import Mapping, Sequence
from typing import TypedDict

import numpy as np
from PIL import Image

from demo.colours import COLOURS, NOTHING, SIGNED
from demo.description import GAP, Layer
from demo.errors import RequestError

SCALES = ("layer", "map", "held")
CURVES = ("root", "linear")
SHOWN = ("B", "A", "difference")
FAINT = 0.6  # the power that contributions are raised to: what is faint is seen as well
LEAST = 1e-9  # that a brightest colour stands for
_LEVELS = 127  # of each half of the sheet's palette
_SILENT = _LEVELS + _LEVELS // 2  # the middle of the signed half
_TRANSPARENT = 255


class Style(TypedDict, total=False):
    """How activations become colours; what is left out is as on a first visit."""

    colours: str  # a name of `demo.colours`
    scale: str  # the brightest stands for the largest of each `layer`, of each `map`, or for `held`
    curve: str  # brightness grows with the `root` of an activation, so that weak ones are seen
    held: Mapping[str, float]  # by layer, what the brightest stands for all the time
    shown: str  # the present picture `B`, the one kept beside it `A`, or the `difference` B - A


def check_style(style: object) -> Style:
    """A style that somebody sent.

    Raises:
        RequestError: it is not a style, or an unknown name is in it.
    """
    if not isinstance(style, dict):
        raise RequestError("a style must be an object")
    for name, known in (
        ("colours", list(COLOURS)),
        ("scale", SCALES),
        ("curve", CURVES),
        ("shown", SHOWN),
    ):
        if style.get(name, known[0]) not in list(known):
            raise RequestError(f"a style's {name} must be one of {', '.join(known)}")
    if style.get("scale") == "held":
        held = style.get("held")
        if not isinstance(held, dict):
            raise RequestError("a style that holds must say at what, by layer")
        if not all(isinstance(one, int | float) and 0 <= one < 1e9 for one in held.values()):
            raise RequestError("a style must hold numbers of 0 or more")
    return style


def render_sheet(
    layers: Sequence[Layer],
    maps: Mapping[int, np.ndarray],
    style: Style | None = None,
    min_scale: float = LEAST,
) -> tuple[bytes, dict[int, float]]:
    """Draws some layers of one picture, or of the difference of two, one under the other.

    Args:
        layers: which, from the top.
        maps: by layer, float32 [height, width, maps].
        style: how; the input always has its own scale.
        min_scale: what the brightest colour stands for at least, so that a silent layer looks
            silent.

    Returns:
        A PNG, and by layer the largest activation without its sign.
    """
    style = style or {}
    scale, is_difference = style.get("scale", "layer"), style.get("shown") == "difference"
    width = max((layer.mosaic_width for layer in layers), default=1)
    height = sum(layer.mosaic_height for layer in layers)
    sheet = np.full((max(height, 1), width), _TRANSPARENT, np.uint8)
    largest, top = {}, 0
    for layer in layers:
        shown = maps[layer.index]
        is_signed = is_difference or (layer.is_signed and layer.kind != "input")
        sizes = np.abs(shown)
        largest[layer.index] = float(sizes.max())
        brightest: np.ndarray | float = largest[layer.index]
        if scale == "map":
            brightest = sizes.max(axis=(0, 1))  # [maps]
        elif scale == "held" and layer.kind != "input":
            brightest = style["held"].get(str(layer.index), brightest)
        strength = np.minimum(sizes / np.maximum(brightest, max(min_scale, LEAST)), 1)
        if style.get("curve", "root") == "root" and layer.kind != "input":
            strength = np.sqrt(strength)
        levels = _levels(strength, shown, is_signed)
        bottom = top + layer.mosaic_height
        sheet[top:bottom, : layer.mosaic_width] = _mosaic(levels, layer)
        top = bottom
    return write_png(sheet, PALETTES[style.get("colours", "inferno")]), largest


def _levels(strength: np.ndarray, numbers: np.ndarray, is_signed: bool) -> np.ndarray:
    """Indices into the sheet's palette: uint8 of the numbers' shape.

    Args:
        strength: 0 to 1.
        numbers: whose sign counts.
        is_signed: whether they can be negative.
    """
    if is_signed:
        steps = np.copysign(strength, numbers) * (_LEVELS // 2)
        return (np.rint(steps) + _SILENT).astype(np.uint8)
    return np.rint(strength * (numbers > 0) * (_LEVELS - 1)).astype(np.uint8)


def _mosaic(levels: np.ndarray, layer: Layer) -> np.ndarray:
    """The layer's maps side by side, row by row, with transparent gaps: uint8 [height, width]."""
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
    """256 colours: those of what is never negative, those of what can be, and two that none has."""
    both = (
        np.frombuffer(table, np.uint8).reshape(-1, 3)[
            np.linspace(0, end, _LEVELS).round().astype(int)
        ]
        for table, end in ((colours, 255), (SIGNED, 2 * NOTHING))
    )
    return b"".join(half.tobytes() for half in both) + bytes(6)


PALETTES = {name: _palette(colours) for name, colours in COLOURS.items()}


def render_map(numbers: np.ndarray, layer: Layer, brightest: float, style: Style) -> str:
    """Draws one map in full, [height, width], as the sheet does; a PNG as a data URL."""
    is_signed = layer.is_signed or style.get("shown") == "difference"
    strength = np.minimum(np.abs(numbers) / max(brightest, LEAST), 1)
    if style.get("curve", "root") == "root":
        strength = np.sqrt(strength)
    levels = _levels(strength, numbers, is_signed)
    return as_url(write_png(levels, PALETTES[style.get("colours", "inferno")]))


def render_grid(numbers: np.ndarray, colours: str, largest: float | None = None) -> str:
    """Draws some numbers.

    Args:
        numbers: [H, W].
        colours: a name of `demo.colours`, or `signed`.
        largest: what the brightest colour stands for; the largest of them if None.

    Returns:
        A PNG as a data URL.
    """
    brightest = max(np.abs(numbers).max() if largest is None else largest, LEAST)
    if colours == "signed":
        return as_url(write_png(_signed_levels(numbers, brightest), SIGNED))
    levels = np.rint(np.clip(numbers / brightest, 0, 1) * 254).astype(np.uint8)
    return as_url(write_png(levels, COLOURS[colours]))


def render_contributions(contributions: np.ndarray) -> str:
    """Draws how much pixels speak for (orange) or against (blue): nothing is transparent."""
    levels = _signed_levels(contributions, max(np.abs(contributions).max(), LEAST))
    strength = np.abs(np.arange(2 * NOTHING + 1) - NOTHING) / NOTHING  # [255]
    opacity = np.rint(255 * strength**FAINT).astype(np.uint8)
    ends = np.frombuffer(SIGNED, np.uint8).reshape(-1, 3)[[0, 2 * NOTHING]]
    palette = np.repeat(ends, [NOTHING, NOTHING + 1], axis=0).tobytes()
    return as_url(write_png(levels, palette, opacity.tobytes()))


def _signed_levels(numbers: np.ndarray, brightest: float) -> np.ndarray:
    """Indices into `SIGNED`."""
    levels = np.clip(numbers * (NOTHING / brightest), -NOTHING, NOTHING) + NOTHING
    return np.rint(levels).astype(np.uint8)


def as_url(png: bytes) -> str:
    """The picture as a data URL."""
    return "data:image/png;base64," + base64.b64encode(png).decode()


def write_image(pixels: np.ndarray) -> bytes:
    """A picture in its own colours, uint8 [H, W, 3], as a PNG."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def write_png(
    levels: np.ndarray, palette: bytes, transparency: int | bytes = _TRANSPARENT
) -> bytes:
    picture = Image.fromarray(levels)
    picture.putpalette(palette)
    file = io.BytesIO()
    # Most units are silent: run lengths find that out in half of deflate's time, and no worse.
    picture.save(file, "PNG", compress_type=zlib.Z_RLE, transparency=transparency)
    return file.getvalue()
