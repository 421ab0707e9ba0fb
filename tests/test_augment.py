"""The random transforms of training digits."""

import numpy as np
import pytest
import tensorflow as tf
from scipy.ndimage import affine_transform

from model import augment as module
from model.augment import augment

LIMITS = ("ROTATION", "SHEAR", "ZOOM", "SHIFT", "BEND")


@pytest.fixture
def image(digits) -> np.ndarray:
    return digits[0][1234].astype(np.float32) / 255


def use_limits(monkeypatch, **limits: float) -> None:
    for name in LIMITS:
        monkeypatch.setattr(module, name, limits.get(name, 0.0))


def test_zero_limits_change_nothing(monkeypatch, image):
    use_limits(monkeypatch)
    np.testing.assert_allclose(augment(tf.constant(image[None]))[0], image, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "matrix"),
    [
        ("ROTATION", [[np.cos(0.3), np.sin(0.3)], [-np.sin(0.3), np.cos(0.3)]]),
        ("SHEAR", [[1, 0], [0.3, 1]]),
        ("ZOOM", [[1.3, 0], [0, 1.3]]),
    ],
)
def test_each_limit_is_the_transform_that_it_names(monkeypatch, image, name, matrix):
    use_limits(monkeypatch, **{name: float(np.degrees(0.3)) if name == "ROTATION" else 0.3})
    monkeypatch.setattr(tf.random, "uniform", lambda shape, low, high: tf.fill(shape, high))
    matrix = np.array(matrix)
    centre = np.full(2, 13.5)
    expected = affine_transform(image, matrix, centre - matrix @ centre, order=1)
    np.testing.assert_allclose(augment(tf.constant(image[None]))[0], expected, atol=1e-3)


def test_every_transform_is_different(image):
    images = augment(tf.constant(np.repeat(image[None], 50, axis=0))).numpy()
    assert len({image.tobytes() for image in images}) == 50
    assert images.min() >= 0
    assert images.max() <= 1 + 1e-6
    ink = images.sum(axis=(1, 2)) / image.sum()
    assert 0.6 < ink.min() < ink.max() < 1.6  # zoomed, not cut off
