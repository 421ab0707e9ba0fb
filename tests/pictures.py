"""Encodes and decodes picture files."""

import base64
import io

import numpy as np
from PIL import Image


def encode(picture: Image.Image, kind: str) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind)
    return file.getvalue()


def dark_on_light(digit: np.ndarray, scale: int = 6, margin: int = 40) -> Image.Image:
    """An enlarged digit (uint8 [28, 28], 255 = ink) in black on a white page."""
    ink = Image.fromarray(digit).resize((28 * scale, 28 * scale), Image.Resampling.BICUBIC)
    return Image.fromarray(255 - np.pad(np.asarray(ink), margin))


def read_sheet(url: str) -> np.ndarray:
    """Decodes a data URL: uint8 [H, W, 4]."""
    head, data = url.split(",", 1)
    assert head == "data:image/png;base64"
    return read_png(base64.b64decode(data))


def read_png(png: bytes) -> np.ndarray:
    """Decodes a PNG: uint8 [H, W, 4]."""
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGBA"))
