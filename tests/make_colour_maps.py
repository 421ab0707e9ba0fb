"""Generates demo/colour_maps.png: one row of 256 colours for each colour map.

.venv/bin/python -m tests.make_colour_maps

Inferno is perceptually uniform. It starts at black, for a silent unit, and grows steadily lighter,
so it can also be read in grey and by colour-blind people. Cividis is optimized for colour-blind
readers. Grey is the colour map of the original article.

The signed map shows positive numbers in orange, negative ones in blue and 0 in black. No kind of
colour blindness confuses the two hues; lightness grows evenly in OKLab with the absolute value.

Source: Smith, van der Walt, Firing, matplotlib's "inferno", 2015, CC0; Nuñez, Anderton, Renslow,
"Optimizing colormaps with consideration for color vision deficiency", 2018, CC0; Ottosson, "A
perceptual color space for image processing", 2020 (OKLab).
"""

import matplotlib as mpl
import numpy as np
from PIL import Image

from demo.colours import NAMES, ZERO
from tests.pages import ROOT

PATH = ROOT / "demo" / "colour_maps.png"
ORANGE, BLUE = 1.05, 4.35  # hues in radians
OKLAB_TO_LMS = [  # cube roots of cone responses
    [1, 0.3963377774, 0.2158037573],
    [1, -0.1055613458, -0.0638541728],
    [1, -0.0894841775, -1.2914855480],
]
LMS_TO_LINEAR_RGB = [
    [4.0767416621, -3.3077115913, 0.2309699292],
    [-1.2684380046, 2.6097574011, -0.3413193965],
    [-0.0041960863, -0.7034186147, 1.7076147010],
]


def make_colour_maps() -> np.ndarray:
    """Returns those of `demo.colours.NAMES` and the signed one: uint8 [N, 256, 3]."""
    maps = [np.rint(255 * mpl.colormaps[name](np.arange(256))[:, :3]) for name in NAMES]
    return np.stack([*maps, _signed()]).astype(np.uint8)


def _signed() -> np.ndarray:
    """255 colours with 0 in the middle, and one that is not used: [256, 3]."""
    number = np.linspace(-1, 1, 2 * ZERO + 1)  # [255]
    lightness = 0.12 + 0.62 * np.abs(number)
    chroma, hue = 0.12 * np.abs(number), np.where(number > 0, ORANGE, BLUE)
    oklab = np.stack([lightness, chroma * np.cos(hue), chroma * np.sin(hue)])  # [3, 255]
    lms = (np.array(OKLAB_TO_LMS) @ oklab) ** 3
    linear = np.clip(np.array(LMS_TO_LINEAR_RGB) @ lms, 0, 1)
    srgb = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.pad(np.rint(255 * srgb).T, ((0, 1), (0, 0)))


if __name__ == "__main__":
    Image.fromarray(make_colour_maps()).save(PATH, optimize=True)
    print(PATH)
