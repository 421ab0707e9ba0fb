"""Decodes picture files and finds the ink: dark on light or light on dark, scanned or drawn.

Most pixels are paper. A pixel's distance from the paper's level, ramped from a quarter to three
quarters of the distance between paper and ink, is the drawing: flat shade and grain become 0,
strokes 255. Otsu's method finds the levels of paper and ink: it splits the histogram into the two
most distinct classes.

Source: Otsu, "A threshold selection method from gray-level histograms", 1979.
"""

from collections.abc import Callable

import tensorflow as tf

LUMA = (0.299, 0.587, 0.114)  # weights of R, G and B in grey: ITU-R BT.601, as JPEG and Pillow
MIN_CONTRAST = 32.0  # grey levels between paper and ink; with less, a picture is empty
KINDS = ("PNG", "JPEG", "BMP", "GIF")
_MAGIC = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"BM", b"GIF8")
_MAX_HEADER = 26  # bytes up to the end of BMP's height, the longest header read here


def kind_of_file(file: tf.Tensor) -> tf.Tensor:
    """Returns the index in `KINDS` of a file's format by its first bytes, -1 if unknown.

    Args:
        file: string [], the bytes of a file.
    """
    long_enough = tf.strings.length(file) >= _MAX_HEADER
    is_kind = [
        tf.logical_and(long_enough, tf.strings.substr(file, 0, len(magic)) == magic)
        for magic in _MAGIC
    ]
    return tf.where(tf.reduce_any(is_kind), tf.argmax(is_kind, output_type=tf.int32), -1)


def size_of_picture(file: tf.Tensor) -> tf.Tensor:
    """Returns height and width from a file's header alone, so that no huge picture is decoded.

    Args:
        file: string [], one of `KINDS`.

    Returns:
        int32 [2].
    """
    return _by_kind(
        file,
        png=lambda: _integers(file, offset=16, kind=tf.int32, little_endian=False)[::-1],
        jpeg=lambda: tf.io.extract_jpeg_shape(file)[:2],
        bmp=lambda: tf.abs(
            _integers(file, offset=18, kind=tf.int32)[::-1]
        ),  # negative: top row first
        gif=lambda: tf.cast(_integers(file, offset=6, kind=tf.uint16)[::-1], tf.int32),
    )


def to_drawing(file: tf.Tensor) -> tf.Tensor:
    """Decodes a picture and finds its ink.

    Args:
        file: string [], one of `KINDS`; only the first frame of an animation is used.

    Returns:
        uint8 [H, W], 0 = paper, 255 = ink.
    """
    return find_ink(
        _by_kind(
            file,
            png=lambda: _over_paper(tf.io.decode_png(file, channels=4)),
            jpeg=lambda: _grey(tf.io.decode_jpeg(file)),
            bmp=lambda: _grey(tf.io.decode_bmp(file)[:, :, :3]),  # BMP's fourth byte is padding
            gif=lambda: _grey(tf.io.decode_image(file, channels=3, expand_animations=False)),
        )
    )


def to_rgb(file: tf.Tensor) -> tf.Tensor:
    """Decodes a picture in colour, on white where it is transparent.

    Args:
        file: string [], one of `KINDS`; only the first frame of an animation is used.

    Returns:
        uint8 [H, W, 3].
    """
    picture = _by_kind(
        file,
        png=lambda: _over_white(tf.io.decode_png(file, channels=4)),
        jpeg=lambda: tf.io.decode_jpeg(file, channels=3),
        bmp=lambda: _three_channels(tf.io.decode_bmp(file)[:, :, :3]),  # the fourth is padding
        gif=lambda: tf.io.decode_image(file, channels=3, expand_animations=False),
    )
    return tf.ensure_shape(picture, [None, None, 3])


def find_ink(grey: tf.Tensor) -> tf.Tensor:
    """Separates ink from paper.

    Args:
        grey: float32 [H, W], 0 = black, 255 = white.

    Returns:
        uint8 [H, W], 0 = paper, 255 = ink; all 0 if the two differ by less than `MIN_CONTRAST`.
    """
    count = _histogram(grey)
    median = tf.searchsorted(tf.cumsum(count), [tf.reduce_sum(count) / 2])[0]
    distance = tf.abs(grey - tf.cast(median, tf.float32))
    paper, ink = _otsu_means(_histogram(distance))
    contrast = ink - paper
    ramp = tf.clip_by_value((distance - paper) / tf.maximum(contrast, 1.0) * 2 - 0.5, 0.0, 1.0)
    return tf.cast(tf.round(tf.where(contrast < MIN_CONTRAST, 0.0, ramp) * 255), tf.uint8)


def _otsu_means(count: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the mean levels of the two classes with the largest between-class variance."""
    level = tf.range(256.0)
    below, above = tf.cumsum(count), tf.cumsum(count, reverse=True, exclusive=True)
    low = tf.math.divide_no_nan(tf.cumsum(count * level), below)
    high = tf.math.divide_no_nan(tf.cumsum(count * level, reverse=True, exclusive=True), above)
    split = tf.argmax(below * above * (high - low) ** 2)
    return low[split], high[split]


def _histogram(grey: tf.Tensor) -> tf.Tensor:
    levels = tf.cast(tf.round(tf.reshape(grey, [-1])), tf.int32)
    return tf.cast(tf.math.bincount(levels, minlength=256, maxlength=256), tf.float32)  # [256]


def _grey(channels: tf.Tensor) -> tf.Tensor:
    """Converts uint8 [H, W, 1 or 3] to float32 [H, W]."""
    weights = tf.constant(LUMA)[: tf.shape(channels)[2]]
    return tf.reduce_sum(tf.cast(channels, tf.float32) * weights, axis=2) / tf.reduce_sum(weights)


def _over_paper(rgba: tf.Tensor) -> tf.Tensor:
    """Converts uint8 [H, W, 4] to float32 [H, W], dark ink over white and light ink over black."""
    grey, alpha = _grey(rgba[:, :, :3]), tf.cast(rgba[:, :, 3], tf.float32)
    # The maximum is opaque: TensorFlow decodes it as 1, not 255, in pictures of one bit per pixel.
    alpha = tf.math.divide_no_nan(alpha, tf.reduce_max(alpha))
    mean = tf.math.divide_no_nan(tf.reduce_sum(grey * alpha), tf.reduce_sum(alpha))
    paper = tf.where(mean < 128, 255.0, 0.0)
    return grey * alpha + paper * (1 - alpha)


def _over_white(rgba: tf.Tensor) -> tf.Tensor:
    """Converts uint8 [H, W, 4] to [H, W, 3]."""
    colours, alpha = tf.cast(rgba[:, :, :3], tf.float32), tf.cast(rgba[:, :, 3:], tf.float32)
    alpha = tf.math.divide_no_nan(alpha, tf.reduce_max(alpha))  # as in `_over_paper`
    return tf.cast(tf.round(colours * alpha + 255 * (1 - alpha)), tf.uint8)


def _three_channels(channels: tf.Tensor) -> tf.Tensor:
    """Converts [H, W, 1 or 3] to [H, W, 3]."""
    return tf.tile(channels, [1, 1, 3 // tf.shape(channels)[2]])


def _integers(
    file: tf.Tensor, offset: int, kind: tf.DType, little_endian: bool = True
) -> tf.Tensor:
    return tf.io.decode_raw(
        tf.strings.substr(file, offset, 2 * kind.size), kind, little_endian
    )  # [2]


def _by_kind(file: tf.Tensor, **branches: Callable[[], tf.Tensor]) -> tf.Tensor:
    return tf.switch_case(kind_of_file(file), [branches[kind.lower()] for kind in KINDS])
