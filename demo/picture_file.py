"""A picture that somebody drew, scanned or photographed, as a model takes it.

For a model of drawings its ink is found: the same reading of ink and paper as in the served
`classify` (model/picture.py), in numpy, after what a photograph needs before: turned upright and
made smaller.
"""

import numpy as np
from PIL import Image, ImageOps

from serving.memory import tune_malloc

MAX_SIDE = 512  # pixels; more than a model sees of a photograph
MAX_AVERAGED_SIDE = 4 * MAX_SIDE
MIN_CONTRAST = 32.0  # grey levels
Image.MAX_IMAGE_PIXELS = 12_500_000  # twice as many are refused: 0.1 GB once unpacked
tune_malloc()


def to_picture(picture: Image.Image, kind: str) -> np.ndarray:
    """The picture, of any mode and size, for a model of a kind.

    Returns:
        uint8 [H, W, 1] of a `drawing`, 0 = paper, 255 = ink; else [H, W, 3], over white where it
        is transparent.
    """
    if kind == "drawing":
        return find_drawing(picture)[:, :, None]
    picture.thumbnail((MAX_AVERAGED_SIDE, MAX_AVERAGED_SIDE), Image.Resampling.NEAREST, None)
    picture.thumbnail((MAX_SIDE, MAX_SIDE))
    rgba = ImageOps.exif_transpose(picture).convert("RGBA")
    white = Image.new("RGBA", rgba.size, "white")
    return np.asarray(Image.alpha_composite(white, rgba).convert("RGB"))


def find_drawing(picture: Image.Image) -> np.ndarray:
    """Finds the ink, dark on light or light on dark.

    Args:
        picture: of any mode and size; made smaller in place, for a copy could fill the memory.

    Returns:
        uint8 [H, W], 0 = paper, 255 = ink.
    """
    # Averaging pixels with alpha copies the picture, so of a huge one some are left out first.
    picture.thumbnail((MAX_AVERAGED_SIDE, MAX_AVERAGED_SIDE), Image.Resampling.NEAREST, None)
    picture.thumbnail((MAX_SIDE, MAX_SIDE))
    picture = ImageOps.exif_transpose(picture)
    rgba = np.asarray(picture.convert("RGBA"), np.float32)  # [H, W, 4]
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


def _otsu_means(levels: np.ndarray) -> tuple[float, float]:
    """The mean level of the two classes that Otsu's threshold splits the pixels into."""
    count = np.bincount(np.rint(levels).astype(int).ravel(), minlength=256).astype(float)
    below, mass = count.cumsum(), (count * np.arange(256)).cumsum()
    above = below[-1] - below
    with np.errstate(divide="ignore", invalid="ignore"):
        low, high = mass / below, (mass[-1] - mass) / above
    between = np.nan_to_num(below * above * (high - low) ** 2)
    split = between.argmax()
    return float(np.nan_to_num(low[split])), float(np.nan_to_num(high[split]))
