"""Draws pen trajectories as different devices do.

A pixel's ink depends on its distance to the nearest line, which gives lines of any width with
smooth edges and round ends. Drawings are normalised as in the served graph
(`drawing.to_mnist_form`), so that training images look like those in requests.
"""

import numpy as np
import tensorflow as tf

from model.drawing import to_mnist_form
from model.handwriting.pen import Trajectories
from model.network import SIDE

STYLES = ("pen", "scanner")  # for training
HELD_OUT_STYLES = ("nib", "dots")  # for evaluation
SIDES = (18, 26)  # pixels, range of a drawing's longer side
WIDTHS = (0.035, 0.18)  # range of the pen's width, as a fraction of the longer side
SQUARE = 0.35  # fraction of drawings stretched to a square
SQUARE_SCANS = 0.7  # fraction of scans stretched to a square
NARROW = 0.45  # of the longer side; a narrower drawing is stretched as if it were this wide
GAPS = 0.25  # fraction of a dotted line without ink
GREY_SIDES, BLACK_SIDES = range(8, 16), range(13, 21)  # pixels of a scan's longer side
BLACK_OVER = (0.25, 0.75)  # range of a black scan's threshold, as a fraction of its darkest pixel
CHUNK = 512  # drawings computed at once, to limit memory


def draw(trajectories: Trajectories, style: str, random: np.random.Generator) -> np.ndarray:
    """Draws each trajectory with a random width, size and proportions.

    Args:
        trajectories: N of them.
        style: "pen" has smooth edges, "scanner" is "pen" after `rescan`, "nib" has a width that
            depends on the direction, "dots" has gaps.
        random: generator.

    Returns:
        uint8 [N, 28, 28] in MNIST's form.
    """
    count = len(trajectories.points)
    sides = random.uniform(*SIDES, count)
    widths = (sides * np.exp(random.uniform(*np.log(WIDTHS), count))).astype(np.float32)
    points = _lay_out(trajectories.points, sides - widths, random.random(count) < SQUARE)
    writes = trajectories.writes
    if style == "dots":
        writes = writes & (random.random(writes.shape) >= GAPS)
    chunks = [slice(i, i + CHUNK) for i in range(0, count, CHUNK)]
    inks = [_ink(points[c], writes[c], widths[c], style == "nib") for c in chunks]
    images = normalise(tf.cast(tf.round(255 * tf.concat(inks, axis=0)), tf.uint8))
    return rescan(images, random) if style == "scanner" else images


def rescan(images: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Degrades images like coarse scanners: grey or black and white, often stretched to a square.

    Args:
        images: uint8 [N, 28, 28] in MNIST's form.
        random: generator.

    Returns:
        uint8 [N, 28, 28], in MNIST's form again.
    """
    ink = images > 60
    rows, columns = ink.any(axis=2), ink.any(axis=1)  # [N, 28]
    low = np.stack([rows.argmax(1), columns.argmax(1)], axis=1)  # [N, 2]
    high = SIDE - 1 - np.stack([rows[:, ::-1].argmax(1), columns[:, ::-1].argmax(1)], axis=1)
    longer = (high - low).max(axis=1, keepdims=True)
    square = random.random((len(images), 1)) < SQUARE_SCANS
    halves = np.where(square, np.maximum(high - low, NARROW * longer), longer) / 2
    boxes = np.concatenate([(low + high) / 2 - halves, (low + high) / 2 + halves], axis=1)
    rescanned = np.empty_like(images)
    scanners = [(side, True) for side in GREY_SIDES] + [(side, False) for side in BLACK_SIDES]
    parts = np.array_split(random.permutation(len(images)), len(scanners))
    for part, (side, is_grey) in zip(parts, scanners, strict=True):
        fine = tf.image.crop_and_resize(
            images[part, :, :, None], boxes[part] / (SIDE - 1), range(len(part)), [2 * side] * 2
        )
        scan = tf.nn.avg_pool2d(fine, 2, 2, "VALID")[..., 0]  # [n, side, side]
        if not is_grey:
            darkest = tf.reduce_max(scan, axis=(1, 2), keepdims=True)
            thresholds = darkest * random.uniform(*BLACK_OVER, darkest.shape).astype(np.float32)
            scan = 255.0 * tf.cast(scan > thresholds, tf.float32)
        rescanned[part] = normalise(tf.cast(tf.round(scan), tf.uint8))
    return rescanned


def normalise(drawings: tf.Tensor) -> np.ndarray:
    """Normalises drawings of one size, uint8 [N, H, W], to MNIST's form, uint8 [N, 28, 28]."""
    return _normalise(drawings).numpy()


@tf.function(reduce_retracing=True)
def _normalise(drawings: tf.Tensor) -> tf.Tensor:
    image = tf.TensorSpec([SIDE, SIDE], tf.float32)
    images = tf.map_fn(to_mnist_form, drawings, fn_output_signature=image)
    return tf.cast(tf.round(255 * images), tf.uint8)


def _lay_out(points: np.ndarray, sides: np.ndarray, square: np.ndarray) -> np.ndarray:
    """Centres each trajectory and scales its box, or only the longer side, to the given side."""
    low = points.min(axis=1, keepdims=True)  # [N, 1, 2]
    box = np.maximum(points.max(axis=1, keepdims=True) - low, 1e-3)
    longer = box.max(axis=2, keepdims=True)
    size = np.where(square[:, None, None], np.maximum(box, NARROW * longer), longer)
    placed = (points - low - box / 2) / size * sides[:, None, None] + SIDE / 2
    return placed.astype(np.float32)


@tf.function(jit_compile=True)  # else the distances between pixels and lines take gigabytes
def _ink(points: tf.Tensor, writes: tf.Tensor, widths: tf.Tensor, nib: bool) -> tf.Tensor:
    """Draws points [N, P, 2], in pixels, as ink from 0 to 1: float32 [N, 28, 28]."""
    middles = tf.range(SIDE, dtype=tf.float32) + 0.5
    start, step = points[:, :-1], points[:, 1:] - points[:, :-1]  # [N, P - 1, 2]
    x = middles[None, None, None, :] - start[:, :, 0, None, None]  # [N, P - 1, 1, 28]
    y = middles[None, None, :, None] - start[:, :, 1, None, None]  # [N, P - 1, 28, 1]
    dx, dy = step[:, :, 0, None, None], step[:, :, 1, None, None]
    square = tf.maximum(dx * dx + dy * dy, 1e-6)
    along = tf.clip_by_value((x * dx + y * dy) / square, 0.0, 1.0)
    distance = tf.sqrt((x - along * dx) ** 2 + (y - along * dy) ** 2)
    half = widths[:, None, None, None] / 2
    if nib:
        half *= 0.3 + 0.9 * tf.abs(dx + dy) / tf.sqrt(2 * square)
    ink = tf.clip_by_value(half - distance + 0.5, 0.0, 1.0)
    return tf.reduce_max(tf.where(writes[:, :, None, None], ink, 0.0), axis=1)
