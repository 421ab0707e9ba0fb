"""The normalisation of drawings against an independent implementation in NumPy loops."""

import itertools
import math

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from model.drawing import to_mnist_form

normalise = tf.function(to_mnist_form, input_signature=[tf.TensorSpec([None, None], tf.uint8)])


def reference(drawing: np.ndarray) -> np.ndarray:
    """Normalises by the definition, one output pixel at a time."""
    field = np.zeros((28, 28))
    rows, columns = np.nonzero(drawing)
    if rows.size == 0:
        return field
    box = drawing[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1].astype(float)
    height, width = box.shape
    scale = 20 / max(height, width)
    offsets = []
    for length, mass in ((height, box.sum(axis=1)), (width, box.sum(axis=0))):
        centre = scale * sum((i + 0.5) * m for i, m in enumerate(mass)) / mass.sum() - 0.5
        offset = round(14 - centre)  # Python rounds half to even, as TensorFlow does
        offsets.append(min(max(offset, 0), math.floor(28 - scale * length)))
    for row in range(28):
        for column in range(28):
            y, x = (row + 0.5 - offsets[0]) / scale, (column + 0.5 - offsets[1]) / scale
            if 0 <= y <= height and 0 <= x <= width:
                field[row, column] = triangle(y, height, scale) @ box @ triangle(x, width, scale)
    return field / field.max()


def triangle(centre: float, length: int, scale: float) -> np.ndarray:
    """Returns the weights of the source pixels: a triangle, wider when the picture shrinks."""
    reach = max(1.0, 1 / scale)
    weights = np.array([max(0.0, 1 - abs(i + 0.5 - centre) / reach) for i in range(length)])
    return weights / weights.sum()


def stroke(height: int, width: int, points: list, thickness: float) -> np.ndarray:
    """Draws a polyline of the given thickness with smooth edges."""
    y, x = np.mgrid[:height, :width] + 0.5
    nearest = np.full((height, width), np.inf)
    for (ax, ay), (bx, by) in itertools.pairwise(points):
        dx, dy = bx - ax, by - ay
        t = np.clip(((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy + 1e-9), 0, 1)
        nearest = np.minimum(nearest, np.hypot(x - ax - t * dx, y - ay - t * dy))
    return (np.clip(thickness / 2 - nearest + 0.5, 0, 1) * 255).astype(np.uint8)


def scribble(height: int, width: int, thickness: float, seed: int) -> np.ndarray:
    points = np.random.default_rng(seed).uniform(0.1, 0.9, (6, 2)) * (width, height)
    return stroke(height, width, points.tolist(), thickness)


DRAWINGS = {
    "the pad's size": scribble(112, 112, 9, 1),
    "large": scribble(400, 300, 25, 2),
    "wide": scribble(40, 500, 8, 3),
    "tall": scribble(300, 20, 4, 4),
    "thin": scribble(200, 200, 1.5, 5),
    "thick": scribble(100, 100, 40, 6),
    "small": scribble(15, 12, 2, 7),
    "a dot": stroke(50, 50, [(10, 10), (10, 10)], 3),
    "one pixel": np.eye(1, 30, 12, np.uint8) * 200,
    "off centre": np.pad(scribble(60, 60, 6, 8), ((200, 5), (3, 150))),
    "touching the border": stroke(80, 80, [(0, 0), (79, 40), (0, 79)], 8),
    "a horizontal line": stroke(100, 100, [(5, 50), (95, 50)], 6),
    "a vertical line": stroke(100, 100, [(50, 5), (50, 95)], 6),
    "pale": scribble(112, 112, 9, 9) // 6,
    "full": np.full((64, 64), 255, np.uint8),
    "one full pixel": np.full((1, 1), 255, np.uint8),
    "heavy at one end": np.pad(np.full((30, 30), 255, np.uint8), ((0, 70), (0, 0)))
    | stroke(100, 30, [(15, 0), (15, 99)], 2),
}


@pytest.mark.parametrize("name", DRAWINGS)
def test_drawing_is_normalised_like_the_reference(name):
    image = normalise(DRAWINGS[name]).numpy()
    np.testing.assert_allclose(image, reference(DRAWINGS[name]), atol=2e-3)
    assert image.max() == pytest.approx(1)


@pytest.mark.parametrize("shape", [(1, 1), (28, 28), (200, 100)])
def test_empty_drawing_gives_an_empty_image(shape):
    np.testing.assert_array_equal(normalise(np.zeros(shape, np.uint8)), np.zeros((28, 28)))


def test_mnist_digits_do_not_change(digits):
    images = digits[0][::25]
    longer_side = [max(np.ptp(np.nonzero(image), axis=1)) + 1 for image in images]
    images = images[np.equal(longer_side, 20)]  # a few in 60,000 are smaller
    assert len(images) > 190
    for image in images:
        np.testing.assert_allclose(normalise(image), image / image.max(), atol=1e-5)


def test_position_and_size_of_a_drawing_do_not_matter(digits):
    digit = np.asarray(Image.fromarray(digits[0][2000]).resize((112, 112), Image.Resampling.BOX))
    original = normalise(digit).numpy()
    moved = normalise(np.pad(digit, ((300, 7), (2, 411)))).numpy()
    larger = normalise(np.kron(digit, np.ones((4, 4), np.uint8))).numpy()
    np.testing.assert_allclose(moved, original, atol=1e-6)
    np.testing.assert_allclose(larger, original, atol=0.02)
