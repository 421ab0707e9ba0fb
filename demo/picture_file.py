"""A picture file from a visitor or caller, drawn, scanned or photographed, as a model takes it.

For models of drawings the ink is separated from the paper. The method is that of the signature
`classify` (model/picture.py), in numpy; a photo is also rotated upright and downsampled first.
"""

import numpy as np
from PIL import Image, ImageOps

from serving.memory import tune_malloc

MAX_SIDE = 512  # pixels; no model here uses more of a photo
MAX_AVERAGED_SIDE = 4 * MAX_SIDE  # pixels; averaging a larger picture could exhaust the memory
MIN_CONTRAST = 32.0  # grey levels between paper and ink; below that, the page counts as blank
Image.MAX_IMAGE_PIXELS = 12_500_000  # Pillow refuses twice as many: 0.1 GB decoded
tune_malloc()


def to_picture(picture: Image.Image, kind: str) -> np.ndarray:
    """Converts a picture of any mode and size for a model; resizes it in place.

    Args:
        picture: the decoded file.
        kind: of the model's input, `drawing` or `picture`.

    Returns:
        For a `drawing` uint8 [H, W, 1], 0 = paper, 255 = ink; else uint8 [H, W, 3], with white
        behind transparent pixels.
    """
    if kind == "drawing":
        return find_drawing(picture)[:, :, None]
    rgba = _normalize(picture)
    white = Image.new("RGBA", rgba.size, "white")
    return np.asarray(Image.alpha_composite(white, rgba).convert("RGB"))


def find_drawing(picture: Image.Image) -> np.ndarray:
    """Finds the ink, dark on light or light on dark.

    Args:
        picture: of any mode and size; resized in place, since a copy could exhaust the memory.

    Returns:
        uint8 [H, W], 0 = paper, 255 = ink.
    """
    rgba = np.asarray(_normalize(picture), np.float32)  # [H, W, 4]
    grey = rgba[:, :, :3] @ np.float32([0.299, 0.587, 0.114])
    alpha = rgba[:, :, 3] / max(rgba[:, :, 3].max(), 1)
    opaque = alpha.sum()
    is_dark_ink = opaque == 0 or (grey * alpha).sum() / opaque < 128
    grey = grey * alpha + (255.0 if is_dark_ink else 0.0) * (1 - alpha)
    distance = np.abs(grey - np.median(grey))
    paper, ink = _otsu_means(distance)
    if ink - paper < MIN_CONTRAST:
        return np.zeros(grey.shape, np.uint8)
    ramp = np.clip((distance - paper) / (ink - paper) * 2 - 0.5, 0, 1)
    return np.rint(ramp * 255).astype(np.uint8)


def _normalize(picture: Image.Image) -> Image.Image:
    """Downsamples a picture in place, and returns it upright and with an alpha channel."""
    # Averaging pixels with alpha copies the picture, so a huge one is subsampled first.
    picture.thumbnail((MAX_AVERAGED_SIDE, MAX_AVERAGED_SIDE), Image.Resampling.NEAREST, None)
    picture.thumbnail((MAX_SIDE, MAX_SIDE))
    return ImageOps.exif_transpose(picture).convert("RGBA")


def _otsu_means(levels: np.ndarray) -> tuple[float, float]:
    """Returns the mean levels of the two classes that Otsu's threshold separates."""
    count = np.bincount(np.rint(levels).astype(int).ravel(), minlength=256).astype(float)
    below, mass = count.cumsum(), (count * np.arange(256)).cumsum()
    above = below[-1] - below
    with np.errstate(divide="ignore", invalid="ignore"):
        low, high = mass / below, (mass[-1] - mass) / above
    between = np.nan_to_num(below * above * (high - low) ** 2)
    split = between.argmax()
    return float(np.nan_to_num(low[split])), float(np.nan_to_num(high[split]))
