"""Turns a picture of any size into a model's input, inside the served graph.

A model with a small input of one channel gets a drawing, whose ink is scaled and centred as in
MNIST, so that size and position on the pad do not matter. Any other model gets the largest centred
crop of a picture, scaled to the model's size.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import tensorflow as tf

from model.drawing import BOX, find_field, to_mnist_form
from model.exposed.errors import ExposeError
from model.picture import LUMA, to_drawing, to_rgb

MAX_DRAWN_SIDE = 64  # pixels; a larger input is a picture
DEFAULT_PIXELS = {"drawing": (0.0, 1.0), "picture": (0.0, 255.0)}
Preprocess = Callable[[tf.Tensor], tf.Tensor]


@dataclass(frozen=True)
class Preprocessing:
    """How pictures become a model's input.

    Args:
        kind: `drawing`, uint8 [H, W, 1], 0 = paper and 255 = ink, or `picture`, uint8 [H, W, 3].
        shape: of the model's input, [height, width, channels] or [height, width].
        dtype: of the model's input.
        pixels: input values for 0 and 255.
        custom: replaces all this for one picture: uint8 [H, W, C] -> the model's shape.
    """

    kind: Literal["drawing", "picture"]
    shape: tuple[int, ...]
    dtype: tf.DType
    pixels: tuple[float, float]
    custom: Preprocess | None = None

    @property
    def channels(self) -> int:
        """Channels of the pictures, not of the model's input."""
        return 1 if self.kind == "drawing" else 3

    @property
    def description(self) -> str:
        """The preprocessing in words."""
        height, width = self.shape[:2]
        low, high = self.pixels
        if self.custom:
            return "by a custom function"
        if self.kind == "drawing":
            return (
                f"the ink fitted into {round(BOX * height)}x{round(BOX * height)} pixels and "
                f"centred by its mass in {height}x{width}; paper is {low:g}, ink {high:g}"
            )
        return (
            f"the middle of the picture scaled to {height}x{width}; "
            f"black is {low:g}, white {high:g}"
        )

    @cached_property
    def prepare(self) -> Callable[[tf.Tensor], tf.Tensor]:
        """Function from pictures uint8 [N, H, W, C] to [N, *shape]; signatures share its trace."""
        pictures = tf.TensorSpec([None, None, None, self.channels], tf.uint8)
        return tf.function(self._prepare, input_signature=[pictures], autograph=False)

    def _prepare(self, pictures: tf.Tensor) -> tf.Tensor:
        if self.custom:
            return self._each(self.custom, pictures, self.shape, self.dtype)
        if self.kind == "drawing":
            levels = self._each(self._centre_ink, pictures, self.shape[:2])
        else:
            levels = self._crop(pictures)
        low, high = self.pixels
        prepared = tf.reshape(low + levels * (high - low), [-1, *self.shape])
        return tf.cast(prepared if self.dtype.is_floating else tf.round(prepared), self.dtype)

    def find_fields(self, pictures: tf.Tensor) -> tf.Tensor:
        """Returns which part of each picture the input shows; all of it with a custom function.

        Returns:
            float32 [N, 4]: top, left, height and width as fractions of the picture's; the part may
            extend beyond the picture.
        """
        shape = tf.shape(pictures)
        size = tf.cast(shape[1:3], tf.float32)  # height, width
        if self.custom:
            return tf.tile([[0.0, 0.0, 1.0, 1.0]], [shape[0], 1])
        if self.kind == "drawing":
            fields = self._each(self._field_of_ink, pictures, (4,))
            return fields / tf.concat([size, size], axis=0)
        scale = self._scale(size)
        part = tf.constant(self.shape[:2], tf.float32) / scale  # in pixels of the picture
        field = tf.concat([(size - part) / 2 / size, part / size], axis=0)
        return tf.tile(field[None], [shape[0], 1])

    def unpack(self, file: tf.Tensor) -> tf.Tensor:
        """Decodes a picture file, string [], to uint8 [H, W, C]."""
        return to_drawing(file)[:, :, None] if self.kind == "drawing" else to_rgb(file)

    def _centre_ink(self, picture: tf.Tensor) -> tf.Tensor:
        return to_mnist_form(picture[:, :, 0], self.shape[0])

    def _field_of_ink(self, picture: tf.Tensor) -> tf.Tensor:
        top, left, side = tf.unstack(find_field(picture[:, :, 0], self.shape[0]))
        return tf.stack([top, left, side, side])

    def _crop(self, pictures: tf.Tensor) -> tf.Tensor:
        """Returns float32 [N, height, width, 1 or 3], 0 to 1."""
        size = tf.cast(tf.shape(pictures)[1:3], tf.float32)
        scale = self._scale(size)
        target = tf.constant(self.shape[:2], tf.float32)
        levels = tf.cast(pictures, tf.float32) / 255
        channels = 3
        if self.shape[2:] in ((), (1,)):
            channels = 1
            levels = tf.reduce_sum(levels * tf.constant(LUMA), axis=3, keepdims=True)

        def scaled() -> tf.Tensor:
            return tf.raw_ops.ScaleAndTranslate(
                images=levels,
                size=self.shape[:2],
                scale=tf.stack([scale, scale]),
                translation=(target - size * scale) / 2,
                kernel_type="triangle",
                antialias=True,
            )

        is_same = tf.reduce_all(tf.shape(pictures)[1:3] == self.shape[:2])
        is_ready = is_same | (tf.size(pictures) == 0)  # an empty batch may have height 0
        return tf.reshape(
            tf.cond(is_ready, lambda: levels, scaled), [-1, *self.shape[:2], channels]
        )

    def _scale(self, size: tf.Tensor) -> tf.Tensor:
        """Returns the smallest scale at which a picture covers the input."""
        return tf.reduce_max(tf.constant(self.shape[:2], tf.float32) / size)

    @staticmethod
    def _each(
        function: Preprocess,
        pictures: tf.Tensor,
        shape: tuple[int, ...],
        dtype: tf.DType = tf.float32,
    ) -> tf.Tensor:
        spec = tf.TensorSpec(shape, dtype)
        return tf.reshape(tf.map_fn(function, pictures, fn_output_signature=spec), [-1, *shape])


def make_preprocessing(
    shape: tuple[int | None, ...],
    dtype: tf.DType,
    *,
    size: tuple[int, int] | None = None,
    kind: str | None = None,
    pixels: tuple[float, float] | None = None,
    custom: Preprocess | None = None,
) -> Preprocessing:
    """Chooses the preprocessing of a model.

    Args:
        shape: of the model's input without the batch; None for any size.
        dtype: of the model's input.
        size: height and width, for a model that accepts any size.
        kind: `drawing` or `picture`; None chooses by size and channels.
        pixels: input values for black and white, or for paper and ink.
        custom: see `Preprocessing`.

    Raises:
        ExposeError: the input is not a picture, or size or kind do not fit it.
    """
    if len(shape) not in (2, 3) or (len(shape) == 3 and shape[2] not in (1, 3)):
        raise ExposeError(
            f"The model takes {_format(shape)}, which is not a picture: expected are height, width "
            "and 1 or 3 channels, in this order."
        )
    if size and any(side not in (None, given) for side, given in zip(shape, size)):
        raise ExposeError(
            f"--size {size[0]}x{size[1]} does not fit: the model takes {_format(shape)}."
        )
    if None in shape[:2] and not size:
        raise ExposeError(
            f"The model takes pictures of any size, {_format(shape)}: choose one with --size, for "
            "example --size 224x224."
        )
    height, width = size or shape[:2]
    channels = shape[2] if len(shape) == 3 else 1
    is_small = height == width <= MAX_DRAWN_SIDE and channels == 1
    if kind == "drawing" and not is_small:
        raise ExposeError(
            f"A drawing needs a square input of at most {MAX_DRAWN_SIDE} pixels a side with one "
            f"channel, but the model takes {_format(shape)}."
        )
    kind = kind or ("drawing" if is_small else "picture")
    pixels = pixels or DEFAULT_PIXELS[kind]
    return Preprocessing(kind, (height, width, *shape[2:]), dtype, pixels, custom)


def _format(shape: tuple[int | None, ...]) -> str:
    return "[" + ", ".join("any" if side is None else str(side) for side in shape) + "]"
